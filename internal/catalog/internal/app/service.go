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
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// freshness is how long this process may go on showing what it has read.
const freshness = time.Second

// Service implements the module's contract, and what its routes need besides.
type Service struct {
	pool   *pgxpool.Pool
	flying *pgxpool.Pool // the flights' own connections
	sql    *db.Queries
	outbox *outbox.Outbox
	audit  *audit.Log
	clock  clock.Clock
	log    *slog.Logger
	index  Index
	blobs  *blob.Store

	reserves *batch.Group[order, catalog.Reservation]
	offers   *batch.Group[[]uuid.UUID, map[uuid.UUID]catalog.Offer]
	scarce   *scarce
	details  *details
	trees    *otter.Cache[struct{}, *tree] // this process's
	shared   Trees
}

// Parts are what a service is made of.
type Parts struct {
	Pool    *pgxpool.Pool
	Outbox  *outbox.Outbox
	Audit   *audit.Log
	Clock   clock.Clock
	Log     *slog.Logger
	Index   Index
	Trees   Trees
	Blobs   *blob.Store
	Store   Store // where details are read from; nil: the truth
	Flights batch.Limits

	MaxDetails uint64 // bytes that this process keeps of them; 0: the shop's own number
}

// NewService returns the module's service. Close ends it.
func NewService(p Parts) (*Service, error) {
	flights := flightsWithin(p.Flights)
	flying, err := batch.Connections(p.Pool, flights.reserve.Shards+flights.offers.Shards+settleJobs)
	if err != nil {
		return nil, err
	}
	s := &Service{
		pool: p.Pool, flying: flying, sql: db.New(), outbox: p.Outbox, audit: p.Audit, clock: p.Clock, log: p.Log, index: p.Index, blobs: p.Blobs,
		scarce:  newScarce(p.Clock),
		details: newDetails(newSources(p.Store, p.Pool, p.Log), p.Clock, p.MaxDetails),
		trees:   newTrees(),
		shared:  p.Trees,
	}
	s.reserves = batch.New(flights.reserve, batch.Once(orderOf, s.flyReserve))
	s.offers = batch.New(flights.offers, s.flyOffers)
	return s, nil
}

// Close waits for the flights that are in the air and refuses new ones.
func (s *Service) Close() {
	s.reserves.Close()
	s.offers.Close()
	s.flying.Close()
	s.details.Close()
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
