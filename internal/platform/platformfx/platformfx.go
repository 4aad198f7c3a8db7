package platformfx

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	goredis "github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/bus"
	busadmin "github.com/sasapick/shop/internal/platform/bus/admin"
	"github.com/sasapick/shop/internal/platform/bus/kafka"
	"github.com/sasapick/shop/internal/platform/bus/pglog"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/leases"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/redis"
	"github.com/sasapick/shop/internal/platform/switches"
	"github.com/sasapick/shop/internal/platform/web"
)

// Version of the binary, shown in the API's document.
type Version string

// Module provides what every module stands on. config.Config, *slog.Logger and Version are supplied from outside, and
// auth.Source comes from the module that issues tokens, or from the client of it.
var Module = fx.Module("platform",
	fx.Provide(
		func() clock.Clock { return clock.System },
		newRegistry,
		newDatabases,
		newRedis,
		newBlobs,
		newLeases,
		newSwitches,
		newVerifier,
		newAPI,
		newAuditor,
		newRPC,
		Books(platformBooks),
		Books(busBooks),
	),
)

// Workers runs the relay, the consumers and the jobs of the modules that are wired, and puts their routes on the API.
func Workers(known []string) fx.Option {
	return fx.Module("workers",
		fx.Provide(newTransport, Jobs(newAudits)),
		fx.Invoke(
			func(api *web.API, in handedIn) {
				for _, r := range in.Routes {
					r.Routes(api)
				}
			},
			func(api *web.API, d *pg.Databases, s *switches.Store, a *books.Auditor, c config.Config) {
				audit.NewHTTP(auditSources(d, c.Hosted())).Routes(api)
				books.NewHTTP(a).Routes(api)
				s.Routes(api)
			},
			func(w worker, d *pg.Databases, t bus.Transport, r *prometheus.Registry, log *slog.Logger, api *web.API, now clock.Clock, c config.Config, in handedIn) error {
				relay := bus.NewRelay(bus.RelayConfig{
					Modules: c.Hosted(), Pool: d.Pool, Transport: t, Holder: leases.Holder(), Registerer: r, Logger: log,
				})
				consumers, err := bus.NewConsumers(bus.ConsumersConfig{
					Subscriptions: in.Subscriptions, Known: known, Pool: d.Pool, Transport: t, Registerer: r, Logger: log,
				})
				if err != nil {
					return err
				}
				busadmin.New(busadmin.Config{Modules: c.Hosted(), Pool: d.Pool, Consumers: consumers, Clock: now}).Routes(api)
				w.run("relay", relay.Run)
				w.run("consumers", consumers.Run)
				return nil
			},
			func(w worker, l *leases.Leases, r *prometheus.Registry, log *slog.Logger, in handedIn) error {
				runner, err := jobs.NewRunner(l, r, log, in.Jobs...)
				if err != nil {
					return err
				}
				w.run("jobs", runner.Run)
				return nil
			},
		),
	)
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(batch.Collectors()...)
	r.MustRegister(outbox.Collectors()...)
	return r
}

func newDatabases(lc fx.Lifecycle, c config.Config) (*pg.Databases, error) {
	template := pg.Config{MaxConns: c.DatabaseConns}
	if c.OTLPEndpoint != "" {
		template.Tracer = otelpgx.NewTracer()
	}
	d, err := pg.OpenAll(context.Background(), c.DatabaseURL, c.ModuleDatabaseURLs(), c.Hosted(), template)
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(d.Close))
	return d, nil
}

func newRedis(lc fx.Lifecycle, c config.Config) (goredis.UniversalClient, error) {
	client, err := redis.Open(c.RedisURL)
	if err != nil || client == nil {
		return nil, err
	}
	lc.Append(fx.StopHook(client.Close))
	return client, nil
}

func newBlobs(lc fx.Lifecycle, c config.Config) (*blob.Store, error) {
	store, err := blob.Open(context.Background(), c.Blobs())
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(store.Close))
	return store, nil
}

func newLeases(d *pg.Databases) *leases.Leases {
	return leases.New(d.Pool(pg.Platform), leases.Holder())
}

func newSwitches(w worker, d *pg.Databases, log *slog.Logger, c clock.Clock) *switches.Store {
	s := switches.New(d.Pool(pg.Platform), log, c)
	w.run("switches", func(ctx context.Context) error { s.Run(ctx); return nil })
	return s
}

func newVerifier(w worker, s auth.Source, c clock.Clock) *auth.Verifier {
	v := auth.NewVerifier(s, c)
	w.run("verifier", func(ctx context.Context) error { v.Run(ctx); return nil })
	return v
}

func newAPI(c config.Config, version Version, log *slog.Logger, r *prometheus.Registry, v *auth.Verifier, s *switches.Store, now clock.Clock) *web.API {
	o := web.Options{
		Title: "sasapick", Version: string(version), Description: description, Logger: log, Verifier: v, Registerer: r, Clock: now,
		TrustProxy: c.TrustProxies, Origins: c.CORSAllowedOrigins, ReadOnly: s.ReadOnly,
	}
	if c.OTLPEndpoint != "" {
		o.TracerProvider = otel.GetTracerProvider()
	}
	return web.New(o)
}

const description = "A flash-sale shop. Money is whole won, times are UTC, errors are RFC 9457 problems with a stable code. " +
	"Where an operation asks for an Idempotency-Key, the same key with the same body gives the same answer, whatever crashed in between."

// newTransport is Kafka where there are brokers, else a log in the one database that all modules share.
func newTransport(lc fx.Lifecycle, c config.Config, d *pg.Databases, log *slog.Logger) (bus.Transport, error) {
	if len(c.KafkaBrokers) > 0 {
		k, err := kafka.New(kafka.Config{Brokers: c.KafkaBrokers, Partitions: c.KafkaPartitions, Prefix: c.KafkaPrefix, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("set up Kafka: %w", err)
		}
		lc.Append(fx.StopHook(k.Close))
		return k, nil
	}
	l := pglog.New(d.Pool(pg.Platform))
	pools := map[string]*pgxpool.Pool{}
	for _, m := range c.Hosted() {
		pools[m] = d.Pool(m)
	}
	lc.Append(fx.StartHook(func(ctx context.Context) error { return l.Require(ctx, pools) }))
	return l, nil
}

func auditSources(d *pg.Databases, modules []string) []audit.Source {
	var sources []audit.Source
	for _, m := range append([]string{pg.Platform}, modules...) {
		sources = append(sources, audit.Source{Module: m, Pool: d.Pool(m)})
	}
	return sources
}

// worker starts what runs for as long as the shop does.
type worker struct {
	fx.In

	Lifecycle fx.Lifecycle
	Shutdown  fx.Shutdowner
	Log       *slog.Logger
}

// run starts work with the shop, ends its context when the shop stops, and waits for it. Work that ends by itself with an
// error stops the shop: without it, promises would be broken in silence.
func (w worker) run(name string, work func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.Lifecycle.Append(fx.Hook{
		OnStart: func(context.Context) error {
			go func() {
				defer close(done)
				if err := work(ctx); err != nil && ctx.Err() == nil {
					w.Log.Error("a worker ended", "worker", name, "err", err)
					_ = w.Shutdown.Shutdown(fx.ExitCode(1))
				}
			}()
			return nil
		},
		OnStop: func(stopping context.Context) error {
			cancel()
			select {
			case <-done:
				return nil
			case <-stopping.Done():
				return fmt.Errorf("%s did not stop in time", name)
			}
		},
	})
}
