// Package couponsfx wires the module coupons.
package couponsfx

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/accounts"
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
		func(s *app.Service) coupons.Discounts { return s },
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Subscriptions(app.Subscriptions),
		platformfx.Jobs(app.Jobs),
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
	Log       *slog.Logger
	Accounts  accounts.Service
}

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(p parts) *app.Service {
	s := app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Accounts: p.Accounts,
	})
	p.Lifecycle.Append(fx.StopHook(s.Close))
	return s
}
