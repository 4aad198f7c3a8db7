// Package app is the implementation of the module catalog: products and categories, the stock of them and who holds it, and
// the lists that are read from an index.
//
// Locks are taken in one order everywhere, so that nobody waits for somebody who waits for him: reservations that exist, by
// order id; then pools, by id; then reservations that are new, by order id; then the rest.
package app

import (
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// freshness is how long this process may go on showing what it has read.
const freshness = time.Second

// Service implements the module's contract, and what its routes need besides.
type Service struct {
	pool   *pgxpool.Pool
	sql    *db.Queries
	outbox *outbox.Outbox
	audit  *audit.Log
	clock  clock.Clock
	log    *slog.Logger
	index  Index

	reserves    *batch.Group[order, catalog.Reservation]
	settlements *batch.Group[settlement, catalog.Reservation]
	scarce      *scarce
	details     *otter.Cache[uuid.UUID, detail]
	trees       *otter.Cache[struct{}, *tree]
}

// NewService returns the module's service. Close ends it.
func NewService(pool *pgxpool.Pool, events *outbox.Outbox, log *audit.Log, c clock.Clock, logger *slog.Logger, index Index) *Service {
	s := &Service{
		pool: pool, sql: db.New(), outbox: events, audit: log, clock: c, log: logger, index: index,
		scarce:  newScarce(c),
		details: newDetails(),
		trees:   newTrees(),
	}
	s.reserves = batch.New(batch.Config{Name: "catalog.reserve"}, s.flyReserve)
	s.settlements = batch.New(batch.Config{Name: "catalog.settle"}, s.flySettle)
	return s
}

// Close waits for the flights that are in the air and refuses new ones.
func (s *Service) Close() {
	s.reserves.Close()
	s.settlements.Close()
	s.details.StopAllGoroutines()
	s.trees.StopAllGoroutines()
}

// availabilityOf tells shoppers how much is left without telling them the number.
func availabilityOf(left, lowAt int64) catalog.Availability {
	switch {
	case left <= 0:
		return catalog.SoldOut
	case left <= lowAt:
		return catalog.Low
	}
	return catalog.InStock
}

// leastLow and lowShare say what few is: 10 pieces, or a twentieth of what there was when stock last came in. The latter
// is kept with the pool, so that a product which is selling well does not go from low back to in_stock by itself.
const (
	leastLow = 10
	lowShare = 20
)

// LowAt is how many pieces are few, where so many stand when stock comes in.
func LowAt(onHand int64) int64 { return max(leastLow, onHand/lowShare) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
