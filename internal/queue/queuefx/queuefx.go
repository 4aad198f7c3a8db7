// Package queuefx wires the module queue.
package queuefx

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

const name = "queue"

// Module hosts the rooms in this process, and puts their gate before the operations of all modules.
var Module = fx.Module(name,
	fx.Decorate(func(l *slog.Logger) *slog.Logger { return l.With("module", name) }),
	fx.Provide(
		func(d *pg.Databases) *pgxpool.Pool { return d.Pool(name) },
		func(c clock.Clock) *outbox.Outbox { return outbox.New(name, c) },
		func(c clock.Clock) *audit.Log { return audit.New(name, c) },
		app.NewService,
		fx.Private,
	),
	fx.Provide(
		func(s *app.Service) queue.Service { return s },
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Routes(app.NewGate),
	),
)
