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
	),
)

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(lc fx.Lifecycle, pool *pgxpool.Pool, events *outbox.Outbox, log *audit.Log, c clock.Clock) *app.Service {
	s := app.NewService(pool, events, log, c)
	lc.Append(fx.StopHook(s.Close))
	return s
}
