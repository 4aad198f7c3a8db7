// Package app takes orders: carts, prices, the saga that places an order, and the one table of ways in which an order may change.
//
// No transaction crosses a module and no other module is called while one is open. Every step is a compare-and-set that is
// idempotent by the order's id, so whoever finds an order half done, a repeated request or a job, finishes it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// Config is what can be set of the module. [Defaults] has the shop's values.
type Config struct {
	OrderTTL            time.Duration // how long an order waits to be paid
	PreorderTTL         time.Duration // how long one of a drop does, if that is shorter: others wait for the pieces
	ShippingWon         int64
	FreeShippingFromWon int64
	MaxUnpaid           int64 // orders that an account may have unpaid at once

	ReplayWait   time.Duration // how long a repeated request waits for the first
	TakeOver     time.Duration // after this silence the first is taken for dead
	RecoverAfter time.Duration // after this time a pending order is a job's
	RefundAfter  time.Duration // after this time a refund that isn't settled is a job's
	CallTimeout  time.Duration // of one call to another module
}

// Defaults are the shop's settings.
func Defaults() Config {
	return Config{
		OrderTTL:            15 * time.Minute,
		PreorderTTL:         5 * time.Minute,
		ShippingWon:         3_000,
		FreeShippingFromWon: 20_000,
		MaxUnpaid:           2,
		ReplayWait:          2 * time.Second,
		TakeOver:            5 * time.Second,
		RecoverAfter:        30 * time.Second,
		RefundAfter:         10 * time.Second,
		CallTimeout:         4 * time.Second,
	}
}

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
	Carts    Carts
	Config   Config
	Flights  batch.Limits
	Wait     func(ctx context.Context, d time.Duration) error // how a repeated request waits; nil: by a timer
}

// Service is the module's rules.
type Service struct {
	pool      *pgxpool.Pool
	flying    *pgxpool.Pool // the flights' own connections
	sql       *db.Queries
	outbox    *outbox.Outbox
	audit     *audit.Log
	clock     clock.Clock
	log       *slog.Logger
	products  catalog.Products
	stock     catalog.Stock
	drops     catalog.Drops
	payments  payments.Service
	accounts  accounts.Service
	points    accounts.Points
	discounts coupons.Discounts
	carts     Carts
	config    Config
	wait      func(ctx context.Context, d time.Duration) error
	finding   *batch.Group[db.Request, uuid.UUID]
	placing   *batch.Group[draft, uuid.UUID]
	finishing *batch.Group[finish, finished]
	emptying  *batch.Group[[]Bought, struct{}]
	glances   glances
}

// NewService returns a service; Close it when no request is left.
func NewService(p Parts) (*Service, error) {
	// One flight of each kind at a time: two would be half as large, and an order would cost a fifth more (bench/). The next one boards
	// meanwhile.
	flight := func(name string) batch.Config { return batch.Config{Name: name, Shards: 1}.Within(p.Flights) }
	finding, placing, finishing, emptying := flight("ordering.find"), flight("ordering.place"), flight("ordering.finish"), flight("ordering.carts")
	emptying.Deadline = 2 * time.Second
	flying, err := batch.Connections(p.Pool, finding.Shards+placing.Shards+finishing.Shards)
	if err != nil {
		return nil, err
	}
	s := &Service{
		pool: p.Pool, flying: flying, sql: db.New(), outbox: p.Outbox, audit: p.Audit, clock: p.Clock, log: p.Log,
		products: p.Products, stock: p.Stock, drops: p.Drops, payments: p.Payments, accounts: p.Accounts, points: p.Points, discounts: p.Coupons, carts: p.Carts,
		config: p.Config, wait: p.Wait,
	}
	if s.wait == nil {
		s.wait = clock.Sleep
	}
	s.finding, s.placing = batch.New(finding, s.flyRequests), batch.New(placing, s.flyDrafts)
	s.finishing, s.emptying = batch.New(finishing, s.flyFinishes), batch.New(emptying, s.flyCarts)
	return s, nil
}

// Close waits for what is being written.
func (s *Service) Close() {
	s.finding.Close()
	s.placing.Close()
	s.finishing.Close()
	s.emptying.Close()
	s.flying.Close()
}

// order reads an order; one that isn't there, or is not the account's, is ErrNoOrder. The zero account may see every order.
func (s *Service) order(ctx context.Context, account, id uuid.UUID) (db.Order, error) {
	o, err := s.sql.OrderOf(ctx, s.pool, id)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && account != uuid.Nil && o.AccountID != account) {
		return db.Order{}, ordering.ErrNoOrder
	}
	if err != nil {
		return db.Order{}, fmt.Errorf("read order: %w", err)
	}
	return o, nil
}

// inTx runs a transaction that publishes. It may run more than once: [outbox.Outbox.InTx].
func (s *Service) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return s.outbox.InTx(ctx, s.pool, fn)
}

// call bounds one call to another module.
func (s *Service) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.config.CallTimeout)
}

// refused tells a part's definite no from an outage, which says nothing.
func refused(err error) (*fault.Error, bool) {
	f, ok := fault.As(err)
	if !ok {
		return nil, false
	}
	switch f.Kind {
	case fault.Unavailable, fault.Timeout, fault.Throttled, fault.Internal:
		return nil, false
	default:
		return f, true
	}
}
