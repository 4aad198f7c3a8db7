package platformfx

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/pg"
)

type audited struct {
	fx.In

	Books []books.Invariant `group:"books"`
}

func newAuditor(in audited, d *pg.Databases, log *slog.Logger) (*books.Auditor, error) {
	return books.NewAuditor(in.Books, d.Pool(pg.Platform), log)
}

func newAudits(a *books.Auditor, r *prometheus.Registry, log *slog.Logger) []jobs.Job {
	return books.Jobs(a, r, log)
}

type heard struct {
	fx.In

	Subscriptions []bus.Subscription `group:"subscriptions"`
}

// busBooks are what must hold of the events of each module that is hosted here.
func busBooks(in heard, d *pg.Databases, c config.Config) []books.Invariant {
	return bus.Books(c.Hosted(), d.Pool, in.Subscriptions...)
}

// longestLease is far more than any holder asks for.
const longestLease = time.Minute

// platformBooks are what must hold of the platform's own tables.
func platformBooks(d *pg.Databases) []books.Invariant {
	return []books.Invariant{{
		Module: pg.Platform, Name: "leases.end",
		Says: "no lease runs for longer than a minute from now, so that whoever hangs is followed by another",
		Check: func(ctx context.Context, _ string) (books.Finding, error) {
			var found books.Finding
			for _, pool := range everyDatabase(d) {
				if err := endlessLeases(ctx, pool, &found); err != nil {
					return books.Finding{}, err
				}
			}
			return found, nil
		},
	}}
}

func endlessLeases(ctx context.Context, pool *pgxpool.Pool, found *books.Finding) error {
	rows, err := pool.Query(ctx, `
		SELECT name, holder, until::text, until > clock_timestamp() + $1::interval FROM platform.leases ORDER BY name`, longestLease)
	if err != nil {
		return fmt.Errorf("read the leases: %w", err)
	}
	var name, holder, until string
	var endless bool
	_, err = pgx.ForEachRow(rows, []any{&name, &holder, &until, &endless}, func() error {
		found.Looked++
		if endless && len(found.Wrong) < books.MostWrong {
			found.Wrong = append(found.Wrong, books.Mismatch{Subject: name, Detail: holder + " holds it until " + until})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the leases: %w", err)
	}
	return nil
}

// everyDatabase is a pool of each database once.
func everyDatabase(d *pg.Databases) []*pgxpool.Pool {
	seen := map[string]bool{}
	var pools []*pgxpool.Pool
	for _, m := range d.Modules() {
		if !seen[d.URL(m)] {
			seen[d.URL(m)] = true
			pools = append(pools, d.Pool(m))
		}
	}
	return pools
}
