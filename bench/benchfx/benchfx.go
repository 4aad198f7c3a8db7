// Package benchfx wires the shop for what bench/ measures: as cmd/shop does, but for ordering, which is made by
// [orderingbench], and with limits for the flights of its modules.
package benchfx

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/accountsfx"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/couponsfx"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/orderingbench"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/paymentsfx"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/queuefx"
)

// Options say what is measured.
type Options struct {
	Flights    batch.Limits // zero: the shop's own
	Workers    bool         // with the relay, the consumers and the jobs, and with routes on the API
	MaxDetails uint64       // bytes of products' details that it keeps, each with 512 more; 0: the shop's own number
}

// Shop is a shop that runs in this process.
type Shop struct {
	Orders    *orderingbench.Orders
	Coupons   coupons.Service
	Stock     catalog.Stock
	API       *web.API
	Databases *pg.Databases
	Reindexer *catalogfx.Reindexer

	app *fx.App
}

// Open starts a shop. Its schemas must be up to date.
func Open(ctx context.Context, c config.Config, log *slog.Logger, o Options) (*Shop, error) {
	s := &Shop{}
	options := []fx.Option{
		fx.NopLogger,
		fx.Supply(c, log, o.Flights, catalogfx.MaxDetails(o.MaxDetails), platformfx.Version("bench")),
		platformfx.Module, accountsfx.Module, catalogfx.Module, paymentsfx.Module, couponsfx.Module, queuefx.Module, orders,
		fx.Populate(&s.Orders, &s.Coupons, &s.Stock, &s.API, &s.Databases, &s.Reindexer),
	}
	if o.Workers {
		options = append(options, platformfx.Workers(events()), fx.Invoke(func(api *web.API, orders *orderingbench.Orders) {
			for _, r := range orders.Routes() {
				r.Routes(api)
			}
		}))
	}
	s.app = fx.New(options...)
	if err := s.app.Err(); err != nil {
		return nil, fmt.Errorf("wire the shop: %w", err)
	}
	if err := s.app.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the shop: %w", err)
	}
	return s, nil
}

// Close stops the shop.
func (s *Shop) Close(ctx context.Context) error { return s.app.Stop(ctx) }

// Rest closes the connections that are idle, so that a shop that waits for its turn leaves them to the other.
func (s *Shop) Rest() {
	for _, m := range append([]string{pg.Platform}, config.Modules...) {
		s.Databases.Pool(m).Reset()
	}
}

var orders = fx.Module("ordering",
	platformfx.Own("ordering"),
	fx.Provide(
		newOrders,
		platformfx.Subscriptions(func(o *orderingbench.Orders) []bus.Subscription { return o.Subscriptions() }),
		platformfx.Jobs(func(o *orderingbench.Orders) []jobs.Job { return o.Jobs() }),
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
	Products  catalog.Products
	Stock     catalog.Stock
	Drops     catalog.Drops
	Payments  payments.Service
	Accounts  accounts.Service
	Points    accounts.Points
	Discounts coupons.Discounts
	Flights   batch.Limits
}

func newOrders(p parts) (*orderingbench.Orders, error) {
	o, err := orderingbench.New(orderingbench.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Products: p.Products, Stock: p.Stock, Drops: p.Drops,
		Payments: p.Payments, Accounts: p.Accounts, Points: p.Points, Coupons: p.Discounts, Flights: p.Flights,
	})
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StopHook(o.Close))
	return o, nil
}

func events() []string {
	return slices.Concat(accounts.Events, catalog.Events, ordering.Events, payments.Events, coupons.Events, queue.Events)
}
