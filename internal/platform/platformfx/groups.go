// Package platformfx wires the platform for fx, and names the groups through which modules hand in what they bring: routes,
// subscriptions, jobs and books.
package platformfx

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/web"
)

// Routes provides what a constructor returns as a web.Routes of the shop.
func Routes(constructor any) any {
	return fx.Annotate(constructor, fx.As(new(web.Routes)), fx.ResultTags(`group:"routes"`))
}

// Subscriptions provides the events that a module hears; the constructor returns a []bus.Subscription.
func Subscriptions(constructor any) any {
	return fx.Annotate(constructor, fx.ResultTags(`group:"subscriptions,flatten"`))
}

// Jobs provides what a module does by the clock; the constructor returns a []jobs.Job.
func Jobs(constructor any) any {
	return fx.Annotate(constructor, fx.ResultTags(`group:"jobs,flatten"`))
}

// Books provides what must hold of a module's books; the constructor returns a []books.Invariant.
func Books(constructor any) any {
	return fx.Annotate(constructor, fx.ResultTags(`group:"books,flatten"`))
}

// Own gives a module what is its alone: its pool, its outbox, its audit log, and its name on what it logs.
func Own(module string) fx.Option {
	return fx.Options(
		fx.Decorate(func(l *slog.Logger) *slog.Logger { return l.With("module", module) }),
		fx.Provide(
			func(d *pg.Databases) *pgxpool.Pool { return d.Pool(module) },
			func(c clock.Clock) *outbox.Outbox { return outbox.New(module, c) },
			func(c clock.Clock) *audit.Log { return audit.New(module, c) },
			fx.Private,
		),
	)
}

type handedIn struct {
	fx.In

	Routes        []web.Routes       `group:"routes"`
	Subscriptions []bus.Subscription `group:"subscriptions"`
	Jobs          []jobs.Job         `group:"jobs"`
}
