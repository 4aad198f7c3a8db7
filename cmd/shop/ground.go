package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/embedded"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/telemetry"
)

// ground is what every command stands on: the settings, in which whatever is embedded has an address by now.
type ground struct {
	config   config.Config
	log      *slog.Logger
	embedded []string     // what is embedded, for people
	database string       // what the database is, for people
	died     <-chan error // the embedded database ended by itself; nil where it is not embedded
	attached bool         // the embedded database belongs to a shop that runs already
	closers  []func()
}

// say tells a person what is going on, where the log would tell a machine.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) }

// openGround checks the settings and starts what is embedded. With attach, a shop that runs on the same data folder lends its
// database; without, it is an error that names it.
func openGround(ctx context.Context, c config.Config, attach bool) (_ *ground, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if err := reachable(c); err != nil {
		return nil, err
	}
	g := &ground{config: c, database: "PostgreSQL at " + redacted(c.DatabaseURL)}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if err := g.openLog(); err != nil {
		return nil, err
	}
	if g.config.DataDir == "" {
		g.config.DataDir = embedded.DataDir()
	}
	if !g.usesDataDir() {
		return g, nil
	}
	if err := os.MkdirAll(g.config.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	unlock, err := embedded.LockDir(g.config.DataDir)
	if err != nil {
		if attach && g.attach(ctx) == nil {
			return g, nil
		}
		return nil, err
	}
	g.closers = append(g.closers, unlock)
	if c.DatabaseURL == "" {
		return g, g.startPostgres(ctx)
	}
	return g, nil
}

// usesDataDir says whether anything that is embedded keeps files.
func (g *ground) usesDataDir() bool {
	return g.config.DatabaseURL == "" || g.tossIsEmbedded()
}

func (g *ground) tossIsEmbedded() bool {
	return g.config.TossSecretKey == "" && g.config.TossURL == "" && g.config.Hosts("payments")
}

func (g *ground) openLog() error {
	out := os.Stderr
	if g.config.LogFile != "" {
		file, err := os.OpenFile(g.config.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("open the log: %w", err)
		}
		g.closers = append(g.closers, func() { _ = file.Close() })
		out = file
	}
	format := g.config.LogFormat
	if format == "auto" {
		format = "json"
		if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			format = "text"
		}
	}
	var to io.Writer = out
	if format == "json" {
		buffer := telemetry.NewBuffer(out)
		g.closers = append(g.closers, func() { _ = buffer.Close() })
		to = buffer
	}
	g.log = telemetry.Logger(to, format, g.config.LogLevel)
	slog.SetDefault(g.log)
	return nil
}

func (g *ground) startPostgres(ctx context.Context) error {
	p, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{
		Dir: filepath.Join(g.config.DataDir, "postgres"), Bin: g.config.PGBin,
		Progress: func(s string) { say("%s", s) }, Logger: g.log,
	})
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	g.closers = append(g.closers, func() {
		if err := p.Stop(context.WithoutCancel(ctx)); err != nil {
			g.log.Error("stop PostgreSQL", "err", err)
		}
	})
	g.died = p.Done()
	g.config.DatabaseURL = p.URL()
	g.database = "PostgreSQL " + p.Version() + ", embedded"
	g.embedded = append(g.embedded, "PostgreSQL "+p.Version()+" from "+p.Bin())
	return g.lend()
}

// loan is what a running shop leaves in its data folder for commands such as `shop admin create`.
type loan struct {
	DatabaseURL string `json:"database_url"`
}

func (g *ground) loanPath() string { return filepath.Join(g.config.DataDir, "running.json") }

func (g *ground) lend() error {
	b, err := json.Marshal(loan{DatabaseURL: g.config.DatabaseURL})
	if err != nil {
		return fmt.Errorf("lend the database: %w", err)
	}
	if err := os.WriteFile(g.loanPath(), b, 0o600); err != nil {
		return fmt.Errorf("lend the database: %w", err)
	}
	g.closers = append(g.closers, func() { _ = os.Remove(g.loanPath()) })
	return nil
}

// attach takes the database of the shop that holds the data folder, where that is embedded, and leaves the folder alone.
func (g *ground) attach(ctx context.Context) error {
	if g.config.DatabaseURL != "" {
		g.config.DataDir = ""
		return nil
	}
	b, err := os.ReadFile(g.loanPath())
	if err != nil {
		return fmt.Errorf("read the running shop's loan: %w", err)
	}
	var l loan
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("read the running shop's loan: %w", err)
	}
	conn, err := pgx.Connect(ctx, l.DatabaseURL)
	if err != nil {
		return fmt.Errorf("reach the running shop's database: %w", err)
	}
	_ = conn.Close(ctx)
	g.config.DatabaseURL = l.DatabaseURL
	g.database = "PostgreSQL, embedded in the shop that is running"
	g.attached = true
	return nil
}

// migrate brings the schemas of the modules that are hosted here up to date where that is wanted.
func (g *ground) migrate(ctx context.Context) error {
	if !g.config.Migrate {
		return nil
	}
	if err := pg.MigrateAll(ctx, g.config.DatabaseURL, g.config.ModuleDatabaseURLs(), g.config.Hosted()); err != nil {
		return fmt.Errorf("bring the schemas up to date: %w", err)
	}
	return nil
}

// demo says whether an empty catalogue is to be filled: into an embedded database unless told otherwise, into a real one only
// if told so.
func (g *ground) demo() bool {
	if !g.config.Hosts("catalog") {
		return false
	}
	if g.config.Demo != nil {
		return *g.config.Demo
	}
	return g.died != nil
}

func (g *ground) close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
	g.closers = nil
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	return u.Redacted()
}

// confirm asks a person; only y or yes is one.
func confirm(in io.Reader, out io.Writer, question string) (bool, error) {
	if _, err := fmt.Fprintf(out, "%s [y/N] ", question); err != nil {
		return false, fmt.Errorf("ask: %w", err)
	}
	var answer string
	if _, err := fmt.Fscanln(in, &answer); err != nil && !errors.Is(err, io.EOF) && answer == "" {
		return false, nil
	}
	return answer == "y" || answer == "yes" || answer == "Y", nil
}
