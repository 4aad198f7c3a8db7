// Package couponsfx wires the module coupons.
package couponsfx

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/coupons/internal/remote"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/platform/rpc"
)

const name = "coupons"

// Module hosts coupons in this process.
var Module = fx.Module(name,
	platformfx.Own(name),
	fx.Provide(
		newService,
		fx.Private,
	),
	fx.Provide(
		func(s *app.Service) coupons.Service { return s },
		platformfx.Methods(newMethods),
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Books(app.Books),
	),
)

// Remote reaches coupons in the process that hosts it, and passes the module's routes on to there.
var Remote = fx.Module(name,
	platformfx.Elsewhere(name, app.NewHTTP(nil), app.NewAdmin(nil)),
	fx.Provide(fx.Annotate(remote.NewClient, fx.As(new(coupons.Service)), fx.As(new(coupons.Discounts)))),
)

type served struct {
	fx.In

	Service   coupons.Service
	Discounts coupons.Discounts `optional:"true"`
}

func newMethods(s served) []rpc.Method {
	methods := remote.Service(s.Service)
	if s.Discounts != nil {
		methods = append(methods, remote.Discounts(s.Discounts)...)
	}
	return methods
}

type parts struct {
	fx.In

	Lifecycle fx.Lifecycle
	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
}

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(p parts) *app.Service {
	s := app.NewService(p.Pool, p.Outbox, p.Audit, p.Clock)
	p.Lifecycle.Append(fx.StopHook(s.Close))
	return s
}
