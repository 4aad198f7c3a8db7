// Package queuefx wires the module queue.
package queuefx

import (
	"context"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/memory"
	"github.com/sasapick/shop/internal/queue/internal/redis"
)

const name = "queue"

// Module hosts the rooms in this process, and puts their gate before the operations of all modules.
var Module = fx.Module(name,
	platformfx.Own(name),
	fx.Provide(
		newService,
		newDoors,
		newLine,
		fx.Private,
	),
	fx.Provide(
		func(s *app.Service) queue.Service { return s },
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewPage),
		platformfx.Routes(app.NewAdmin),
		platformfx.Routes(newGate),
		platformfx.Books(app.Books),
		platformfx.Jobs(calling),
	),
)

type parts struct {
	fx.In

	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
	Log       *slog.Logger
	Drops     catalog.Drops
	Campaigns coupons.Service
}

func newService(p parts) *app.Service {
	return app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Drops: p.Drops, Campaigns: p.Campaigns,
	})
}

func newDoors(s *app.Service, l app.Line, c clock.Clock, metrics *prometheus.Registry) *app.Doors {
	return app.NewDoors(s, l, c, metrics)
}

func newGate(lc fx.Lifecycle, s *app.Service, d *app.Doors, metrics *prometheus.Registry, log *slog.Logger) *app.Gate {
	g := app.NewGate(s, d, metrics, log)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	lc.Append(fx.StartStopHook(func() { running.Go(func() { g.Run(ctx) }) }, func() { cancel(); running.Wait() }))
	return g
}

// newLine keeps the lines in Redis where there is one, so that all instances have them.
func newLine(client goredis.UniversalClient, c clock.Clock) app.Line {
	if client == nil {
		return memory.NewLine(c)
	}
	return redis.NewLine(client, keyPrefix, nil)
}

const keyPrefix = "queue:"

func calling(d *app.Doors) []jobs.Job { return d.Jobs() }
