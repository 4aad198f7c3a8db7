package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/payments/paymentsfx"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/embedded"
	"github.com/sasapick/shop/internal/platform/web"
)

// interruptible ends with the first signal.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// with opens the ground, wires the shop without its workers, and hands work what it needs of it. The module is the one that works.
func with(c config.Config, module string, work func(ctx context.Context, g *ground, s *shop) error) error {
	if !c.Hosts(module) {
		return fmt.Errorf("this is done where %s is hosted", module)
	}
	ctx, stop := interruptible()
	defer stop()
	g, err := openGround(ctx, c, true)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.migrate(ctx); err != nil {
		return err
	}
	var s shop
	app := fx.New(wire(g.config, g.log), s.populate(g.config), fx.StartTimeout(startTimeout))
	if err := app.Err(); err != nil {
		return fmt.Errorf("wire the shop: %w", err)
	}
	if err := app.Start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	worked := work(ctx, g, &s)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	return errors.Join(worked, app.Stop(stopping))
}

type migrateCommand struct{}

func (migrateCommand) Run(c config.Config) error {
	ctx, stop := interruptible()
	defer stop()
	c.Migrate = true
	g, err := openGround(ctx, c, true)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.migrate(ctx); err != nil {
		return err
	}
	if err := catalogfx.Migrate(ctx, c); err != nil {
		return fmt.Errorf("bring Cassandra's keyspace up to date: %w", err)
	}
	return nil
}

type seedCommand struct {
	Products int `default:"1000" help:"How many."`
}

func (s seedCommand) Run(c config.Config) error {
	if s.Products < 1 {
		return errors.New("--products must be at least 1")
	}
	return with(c, "catalog", func(ctx context.Context, _ *ground, wired *shop) error {
		start := time.Now()
		if err := seed(ctx, wired.seeder, s.Products); err != nil {
			return err
		}
		say("%d products are there (%s)", s.Products, time.Since(start).Round(time.Millisecond))
		return nil
	})
}

type reindexCommand struct {
	Store string `arg:"" optional:"" default:"all" enum:"all,cassandra,search" help:"cassandra, search or all of them."`
}

// Run makes the stores anew one after the other. One that is broken off is gone on with by the shops that run, and by the next run of this.
func (r reindexCommand) Run(c config.Config) error {
	return with(c, "catalog", func(ctx context.Context, _ *ground, wired *shop) error {
		stores := wired.reindexer.Stores()
		if r.Store != "all" {
			stores = []string{r.Store}
		}
		if len(stores) == 0 {
			say("nothing is kept of the catalogue outside of the shop's processes: each makes its own at its start")
		}
		for _, store := range stores {
			start, told := time.Now(), time.Now()
			var products int64
			err := wired.reindexer.Reindex(ctx, store, func(n int64) {
				if n != products && time.Since(told) > time.Second {
					told = time.Now()
					say("%s: %s products are in", store, thousands(n))
				}
				products = n
			})
			if err != nil {
				return fmt.Errorf("reindex %s: %w", store, err)
			}
			say("%s: %s products are in, and are what is read now (%s)", store, thousands(products), time.Since(start).Round(time.Millisecond))
		}
		return nil
	})
}

type adminCommand struct {
	Create        adminCreateCommand        `cmd:"" help:"Make an admin."`
	ResetPassword adminResetPasswordCommand `cmd:"" help:"Give an account a new password, and end its sessions."`
}

type credentials struct {
	Email    string `arg:"" help:"Email of the account."`
	Password string `help:"Password, at least 8 characters. Default: a random one, printed." env:"SHOP_PASSWORD"`
}

type adminCreateCommand struct{ credentials }

func (a adminCreateCommand) Run(c config.Config) error {
	return with(c, "accounts", func(ctx context.Context, _ *ground, s *shop) error {
		password, shown := a.orRandom()
		account, err := s.admins.CreateAdmin(ctx, accounts.CreateAdminInput{Email: a.Email, Password: password})
		if err != nil {
			return err
		}
		say("%s is an admin now%s", account.Email, shown)
		return nil
	})
}

type adminResetPasswordCommand struct{ credentials }

func (a adminResetPasswordCommand) Run(c config.Config) error {
	return with(c, "accounts", func(ctx context.Context, _ *ground, s *shop) error {
		password, shown := a.orRandom()
		account, err := s.admins.ResetPassword(ctx, accounts.ResetPasswordInput{Email: a.Email, Password: password})
		if err != nil {
			return err
		}
		say("%s has a new password%s; its sessions are ended", account.Email, shown)
		return nil
	})
}

// orRandom is the password that was given, or one made up, and what to tell of it.
func (a credentials) orRandom() (password, shown string) {
	if a.Password != "" {
		return a.Password, ""
	}
	password = randomPassword()
	return password, ": " + password
}

type resetCommand struct {
	Yes bool `help:"Do not ask."`
}

// embeddedData are the names in the data folder that the shop makes. Nothing else in it is touched.
var embeddedData = []string{"postgres", "postgres.password", "toss.journal", "running.json", "blobs"}

func (r resetCommand) Run(c config.Config) error {
	dir := c.DataDir
	if dir == "" {
		dir = embedded.DataDir()
	}
	var found []string
	for _, name := range embeddedData {
		matches, _ := filepath.Glob(filepath.Join(dir, name+"*"))
		found = append(found, matches...)
	}
	if len(found) == 0 {
		say("there is no embedded data in %s", dir)
		return nil
	}
	unlock, err := embedded.LockDir(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if !r.Yes {
		yes, err := confirm(os.Stdin, os.Stderr, fmt.Sprintf("  Remove the embedded shop in %s, with all accounts, orders and products?", dir))
		if err != nil {
			return err
		}
		if !yes {
			say("nothing was removed")
			return nil
		}
	}
	for _, path := range found {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the embedded data: %w", err)
		}
	}
	say("removed; the next start begins again")
	return nil
}

type tossEmulatorCommand struct {
	At string `default:"127.0.0.1:8090" help:"Address of the emulator." env:"SHOP_TOSS_EMULATOR_AT"`
}

func (t tossEmulatorCommand) Run(c config.Config) error {
	ctx, stop := interruptible()
	defer stop()
	if c.DataDir == "" {
		c.DataDir = embedded.DataDir()
	}
	c.PublicURL = "http://" + t.At
	handler, closeJournal, err := paymentsfx.Emulator(c)
	if err != nil {
		return err
	}
	defer func() { _ = closeJournal() }()
	l, err := listen(t.At)
	if err != nil {
		return err
	}
	say("Toss emulator on http://%s; give it to the shop as SHOP_TOSS_URL=http://%s", t.At, t.At)
	return web.Serve(ctx, web.NewServer(t.At, http.Handler(handler)), l, time.Second)
}
