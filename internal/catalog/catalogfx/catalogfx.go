// Package catalogfx wires the module catalog.
package catalogfx

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/cassandra"
	"github.com/sasapick/shop/internal/catalog/internal/elastic"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/redis"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
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
		newCassandra,
		newElastic,
		newStore,
		newIndex,
		newTrees,
		newProjectors,
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
		platformfx.Jobs(projecting),
		platformfx.Books(app.Books),
		platformfx.Books(compared),
		NewSeeder,
		newReindexer,
	),
)

// newElastic is nil where there is no Elasticsearch.
func newElastic(c config.Config) (*elastic.Index, error) {
	if c.ElasticsearchURL == "" {
		return nil, nil
	}
	return elastic.New(elastic.Config{URL: c.ElasticsearchURL, Alias: c.ElasticsearchAlias})
}

// newIndex is Elasticsearch where there is one; else it builds the search index in the process and has it follow the truth.
func newIndex(lc fx.Lifecycle, x *elastic.Index, pool *pgxpool.Pool, log *slog.Logger) app.Index {
	if x != nil {
		return x
	}
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

// Without Redis each process keeps the tree of categories shortly, as nobody tells it of a change. With it a tree lives for longer,
// and for as long a change stays unseen of which Redis could not be told.
const (
	ownTreeLives    = 500 * time.Millisecond
	sharedTreeLives = 10 * time.Second
)

// newTrees keeps the tree of categories in Redis where there is one, else in this process.
func newTrees(client goredis.UniversalClient, pool *pgxpool.Pool, c clock.Clock, log *slog.Logger) app.Trees {
	if client == nil {
		return memory.NewTrees(c, ownTreeLives)
	}
	of := pool.Config().ConnConfig
	return redis.NewTrees(client, fmt.Sprintf("%s:%d/%s", of.Host, of.Port, of.Database), sharedTreeLives, log)
}

// newCassandra is nil where there is no Cassandra.
func newCassandra(lc fx.Lifecycle, c config.Config) (*cassandra.Store, error) {
	if len(c.CassandraHosts) == 0 {
		return nil, nil
	}
	s, err := cassandra.New(cassandra.Config{
		Hosts: c.CassandraHosts, Keyspace: c.CassandraKeyspace, Datacenter: c.CassandraDatacenter, Migrate: c.Migrate,
	})
	if err != nil {
		return nil, fmt.Errorf("set up Cassandra: %w", err)
	}
	lc.Append(fx.StopHook(s.Close))
	return s, nil
}

// newStore is where details are read from; nil: from the truth.
func newStore(s *cassandra.Store) app.Store {
	if s == nil {
		return nil
	}
	return s
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
	Trees     app.Trees
	Blobs     *blob.Store
	Store     app.Store
	Flights   batch.Limits `optional:"true"`

	MaxDetails MaxDetails `optional:"true"`
}

// MaxDetails is how many bytes of details a process keeps; 0: the shop's own number. Only a measurement sets it.
type MaxDetails uint64

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(p parts) (*app.Service, error) {
	s, err := app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Index: p.Index, Store: p.Store, Trees: p.Trees, Blobs: p.Blobs,
		Flights: p.Flights, MaxDetails: uint64(p.MaxDetails),
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
