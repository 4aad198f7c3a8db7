// Package orderingfx wires the module ordering.
package orderingfx

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/postgres"
	"github.com/sasapick/shop/internal/ordering/internal/redis"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/platformfx"
)

const module = "ordering"

// Module hosts ordering in this process: its routes, what it hears and what it does by the clock. Nobody calls it: others hear of
// orders by their events.
var Module = fx.Module(module,
	platformfx.Own(module),
	fx.Provide(
		newConfig, newCarts, newService,
		fx.Private,
	),
	fx.Provide(
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Subscriptions(app.Subscriptions),
		platformfx.Jobs(app.Jobs),
		platformfx.Books(app.Books),
	),
)

func newConfig(c config.Config) app.Config {
	own := app.Defaults()
	own.OrderTTL, own.TakeOver, own.RecoverAfter = c.OrderTTL, c.OrderTakeOver, c.OrderRecoverAfter
	return own
}

// newCarts keeps carts in Redis where there is one, else beside the orders.
func newCarts(client goredis.UniversalClient, pool *pgxpool.Pool, c clock.Clock) app.Carts {
	if client == nil {
		return postgres.NewCarts(pool, c)
	}
	return redis.NewCarts(client, app.CartTTL)
}

type parts struct {
	fx.In

	Lifecycle fx.Lifecycle
	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
	Log       *slog.Logger
	Products  catalog.Products
	Stock     catalog.Stock
	Drops     catalog.Drops
	Payments  payments.Service
	Accounts  accounts.Service
	Points    accounts.Points
	Coupons   coupons.Discounts
	Carts     app.Carts
	Config    app.Config
	Flights   batch.Limits `optional:"true"`
}

func newService(p parts) (*app.Service, error) {
	s, err := app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Products: p.Products, Stock: p.Stock, Drops: p.Drops,
		Payments: p.Payments, Accounts: p.Accounts, Points: p.Points, Coupons: p.Coupons, Carts: p.Carts, Config: p.Config, Flights: p.Flights,
	})
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StopHook(s.Close))
	return s, nil
}
