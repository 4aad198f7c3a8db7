// Package couponsfx wires the module coupons.
package couponsfx

import (
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/accounts"
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
		func(s *app.Service) coupons.Discounts { return s },
		platformfx.Methods(newMethods),
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Subscriptions(app.Subscriptions),
		platformfx.Jobs(app.Jobs),
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
	Discounts coupons.Discounts
}

func newMethods(s served) []rpc.Method {
	return slices.Concat(remote.Service(s.Service), remote.Discounts(s.Discounts))
}

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
func newService(p parts) (*app.Service, error) {
	s, err := app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Accounts: p.Accounts,
	})
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StopHook(s.Close))
	return s, nil
}
