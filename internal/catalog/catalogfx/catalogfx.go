// Package catalogfx wires the module catalog.
package catalogfx

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/platformfx"
)

const name = "catalog"

// DemoProducts is how many products the demo shop has unless told otherwise.
const DemoProducts = 1000

// patience is how long the shop waits at start for its search index, before it serves without lists.
const patience = 3 * time.Second

// Module hosts the catalog in this process.
var Module = fx.Module(name,
	platformfx.Own(name),
	fx.Provide(
		newIndex,
		newService,
		fx.Private,
	),
	fx.Provide(
		func(s *app.Service) catalog.Products { return s },
		func(s *app.Service) catalog.Stock { return s },
		func(s *app.Service) catalog.Drops { return s },
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Subscriptions(app.Subscriptions),
		platformfx.Jobs(app.Jobs),
		platformfx.Books(app.Books),
		NewSeeder,
	),
)

// newIndex builds the search index in the process and has it follow the truth.
func newIndex(lc fx.Lifecycle, pool *pgxpool.Pool, log *slog.Logger) app.Index {
	index := memory.New()
	feed := app.NewFeed(pool, index, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	lc.Append(fx.Hook{
		OnStart: func(starting context.Context) error {
			go func() {
				defer close(done)
				feed.Run(ctx)
			}()
			waiting, stop := context.WithTimeout(starting, patience)
			defer stop()
			select {
			case <-feed.Ready():
			case <-waiting.Done(): // lists answer 503 until it is there
			}
			return nil
		},
		OnStop: func(context.Context) error {
			cancel()
			<-done
			return nil
		},
	})
	return app.NewGate(index, feed)
}

type parts struct {
	fx.In

	Lifecycle fx.Lifecycle
	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
	Log       *slog.Logger
	Index     app.Index
	Flights   batch.Limits `optional:"true"`
}

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(p parts) (*app.Service, error) {
	s, err := app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Index: p.Index, Flights: p.Flights,
	})
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StopHook(s.Close))
	return s, nil
}

// Seeder fills the shop with demo products.
type Seeder struct {
	pool *pgxpool.Pool
}

// NewSeeder returns a seeder of the catalog's database.
func NewSeeder(d *pg.Databases) Seeder { return Seeder{pool: d.Pool(name)} }

// Seed puts in the first n demo products that are not there yet, with categories and opening stock; always the same ones.
// progress, which may be nil, hears how many are there.
func (s Seeder) Seed(ctx context.Context, n int, progress func(done int)) error {
	return seed.Fill(ctx, s.pool, n, progress)
}
