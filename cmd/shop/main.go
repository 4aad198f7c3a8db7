// Command shop is the whole shop in one binary. Started with nothing set it brings everything it needs; each part is switched
// to a real engine by its own address.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/sasapick/shop/internal/platform/config"
)

type cli struct {
	config.Config

	Serve        serveCommand        `cmd:"" default:"withargs" help:"Open the shop (what happens without a command)."`
	Migrate      migrateCommand      `cmd:"" help:"Bring every schema up to date, and end."`
	Seed         seedCommand         `cmd:"" help:"Fill the catalogue with products: the same number gives the same catalogue."`
	Reindex      reindexCommand      `cmd:"" help:"Make what is kept of the catalogue in Cassandra and Elasticsearch anew, while the shop runs or not."`
	Audit        auditCommand        `cmd:"" help:"Audit the books, of a shop that runs or not. Ends with 1 unless they balance."`
	Admin        adminCommand        `cmd:"" help:"Make an admin, or give one a new password."`
	Doctor       doctorCommand       `cmd:"" help:"Say of each part where it is, what it is and whether it works."`
	Reset        resetCommand        `cmd:"" help:"Remove the embedded data. Asks first."`
	Events       eventsCommand       `cmd:"" help:"Watch the events between the modules."`
	VerifyDraw   verifyDrawCommand   `cmd:"" help:"Check the lots of a waiting room that opened at a time."`
	TossEmulator tossEmulatorCommand `cmd:"" help:"Run the emulator of Toss Payments alone."`
	Version      versionCommand      `cmd:"" help:"Print the version."`
}

func main() {
	var c cli
	k := kong.Parse(&c,
		kong.Name("shop"),
		kong.Description("A flash-sale shop. Every flag is also an environment variable, shown beside it. Nothing set: all parts are embedded."),
		kong.DefaultEnvars("SHOP"),
		kong.ShortUsageOnError(),
	)
	if err := k.Run(c.Config); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

type versionCommand struct{}

func (versionCommand) Run() error {
	_, err := fmt.Println("shop", version())
	return err
}

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "dev"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "dev" {
			v += "+" + s.Value[:12]
		}
	}
	return v
}
