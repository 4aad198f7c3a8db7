package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog/catalogfx"
)

// firstAdmin makes the first admin where there is none and accounts is hosted here, and returns the password if it was made up here: it is shown once.
func (g *ground) firstAdmin(ctx context.Context, admins accounts.Admins) (string, error) {
	if admins == nil {
		return "", nil
	}
	password := g.config.AdminPassword
	if password == "" {
		password = randomPassword()
	}
	first, err := admins.FirstAdmin(ctx, accounts.FirstAdminInput{Email: g.config.AdminEmail, Password: password})
	if err != nil {
		return "", fmt.Errorf("make the first admin: %w", err)
	}
	if !first.Created || g.config.AdminPassword != "" {
		return "", nil
	}
	return password, nil
}

// randomPassword has 100 bits.
func randomPassword() string { return strings.ToLower(rand.Text()[:20]) }

// seed puts in the first products of the demo catalogue that are not there yet, and says so while it takes time.
func seed(ctx context.Context, seeder catalogfx.Seeder, products int) error {
	told := time.Now()
	err := seeder.Seed(ctx, products, func(done int) {
		if time.Since(told) > time.Second {
			told = time.Now()
			say("seeded %d of %d products", done, products)
		}
	})
	if err != nil {
		return fmt.Errorf("seed the catalogue: %w", err)
	}
	return nil
}

// banner tells a person what they have got.
func (g *ground) banner(out io.Writer, password string) {
	base := g.config.BaseURL()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(out, "\n  sasapick %s is open.\n\n", version())
	line("shop", "%s/", base)
	line("docs", "%s/docs", base)
	line("admin", "%s/admin", base)
	if password != "" {
		line("", "sign in as %s with %s (shown this once)", g.config.AdminEmail, password)
	}
	if g.config.PrivateListen != "" {
		line("metrics", "http://%s/metrics", g.config.PrivateListen)
	}
	fmt.Fprintln(out)
	line("database", "%s", g.database)
	if g.config.Split() {
		line("hosts", "%s", strings.Join(g.config.Hosted(), ", "))
	}
	for _, m := range g.away() {
		line(m, "in another process, at %s", redacted(g.config.Elsewhere(m)))
	}
	line("bus", "%s", either(len(g.config.KafkaBrokers) > 0, "Kafka at "+strings.Join(g.config.KafkaBrokers, ", "), "a log in the database (embedded)"))
	if g.config.Hosts("ordering") {
		line("carts", "%s", either(g.config.RedisURL != "", "Redis at "+redacted(g.config.RedisURL), "in the database (embedded)"))
	}
	if g.config.Hosts("catalog") {
		line("details", "%s", either(len(g.config.CassandraHosts) > 0, "Cassandra at "+strings.Join(g.config.CassandraHosts, ", "), "in the database (embedded)"))
		line("search", "%s", either(g.config.ElasticsearchURL != "", "Elasticsearch at "+redacted(g.config.ElasticsearchURL), "in memory (embedded)"))
		line("blobs", "%s", either(g.config.BlobURL != "", redacted(g.config.BlobURL), "a folder (embedded)"))
	}
	if g.config.Hosts("payments") {
		line("payments", "%s", g.payments())
	}
	if g.usesDataDir() || g.died != nil || g.config.Hosts("catalog") && g.config.BlobURL == "" {
		line("data", "%s", g.config.DataDir)
	}
	fmt.Fprint(out, "\n  Ctrl-C stops it. `shop doctor` looks at every part, `shop reset` removes the embedded data.\n\n")
}

func (g *ground) payments() string {
	switch {
	case g.tossIsEmbedded():
		return "the Toss emulator within (embedded): no money moves"
	case g.config.TossURL != "":
		return "Toss Payments at " + redacted(g.config.TossURL)
	}
	return "Toss Payments"
}

func either[T any](first bool, yes, no T) T {
	if first {
		return yes
	}
	return no
}
