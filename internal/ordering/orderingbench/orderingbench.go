// Package orderingbench is the way of bench/ into the module: the service that takes orders, as the shop runs it, but for the number
// of orders that one account may have unpaid. With that number two, a measurement would mostly make accounts.
package orderingbench

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/postgres"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/web"
)

// maxUnpaid is beyond what one account can place while something is measured.
const maxUnpaid = 1 << 40

// Parts is what the service is made of.
type Parts struct {
	Pool     *pgxpool.Pool
	Outbox   *outbox.Outbox
	Audit    *audit.Log
	Clock    clock.Clock
	Log      *slog.Logger
	Products catalog.Products
	Stock    catalog.Stock
	Drops    catalog.Drops
	Payments payments.Service
	Accounts accounts.Service
	Points   accounts.Points
	Coupons  coupons.Discounts
	Flights  batch.Limits
}

// Orders takes orders.
type Orders struct{ service *app.Service }

// New returns the module on its parts, with carts in PostgreSQL. Close ends it.
func New(p Parts) (*Orders, error) {
	config := app.Defaults()
	config.MaxUnpaid = maxUnpaid
	s, err := app.NewService(app.Parts{
		Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Clock: p.Clock, Log: p.Log, Products: p.Products, Stock: p.Stock, Drops: p.Drops,
		Payments: p.Payments, Accounts: p.Accounts, Points: p.Points, Coupons: p.Coupons, Carts: postgres.NewCarts(p.Pool, p.Clock), Config: config, Flights: p.Flights,
	})
	if err != nil {
		return nil, err
	}
	return &Orders{s}, nil
}

// Close waits for what is being written.
func (o *Orders) Close() { o.service.Close() }

// PlaceInput is an order of one piece.
type PlaceInput struct {
	AccountID uuid.UUID
	AddressID uuid.UUID
	ProductID uuid.UUID
	PriceWon  int64
	DropID    uuid.UUID // whose piece it is, at the price that it has; the zero UUID: one that anybody can buy
	Key       string
}

// Place places an order as POST /v1/orders does, or one of a drop as POST /v1/preorders/{id}/orders, and returns its id.
func (o *Orders) Place(ctx context.Context, in PlaceInput) (uuid.UUID, error) {
	if in.DropID != uuid.Nil {
		p, err := o.service.PlacePreorder(ctx, app.PreorderInput{
			AccountID: in.AccountID, AddressID: in.AddressID, Key: idempotency.Of(in.Key, "/v1/preorders/"+in.DropID.String()+"/orders", in),
			PreorderID: in.DropID, Quantity: 1,
		})
		return p.Order.ID, err
	}
	p, err := o.service.Place(ctx, app.PlaceInput{
		AccountID: in.AccountID, AddressID: in.AddressID, Key: idempotency.Of(in.Key, "/v1/orders", in),
		Items: []app.PlaceItem{{ProductID: in.ProductID, Quantity: 1, ExpectedPriceWon: in.PriceWon}},
	})
	return p.Order.ID, err
}

// Routes are what the module says over HTTP.
func (o *Orders) Routes() []web.Routes {
	return []web.Routes{app.NewHTTP(o.service), app.NewAdmin(o.service)}
}

// Subscriptions are the events that the module hears.
func (o *Orders) Subscriptions() []bus.Subscription { return app.Subscriptions(o.service) }

// Jobs are what the module does by the clock.
func (o *Orders) Jobs() []jobs.Job { return app.Jobs(o.service) }
