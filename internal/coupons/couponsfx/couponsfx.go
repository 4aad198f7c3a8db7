// Package couponsfx wires the module coupons.
package couponsfx

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/platformfx"
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
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Books(app.Books),
	),
)

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
