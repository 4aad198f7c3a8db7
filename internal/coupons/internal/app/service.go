// Package app is the implementation of the module coupons.
package app

import (
	"context"
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// Service gives coupons, and keeps the campaigns that they belong to.
type Service struct {
	pool   *pgxpool.Pool
	sql    *db.Queries
	outbox *outbox.Outbox
	audit  *audit.Log
	clock  clock.Clock
	claims *batch.Group[claim, coupons.Coupon]
}

// NewService returns the module's service. Close ends it.
func NewService(pool *pgxpool.Pool, events *outbox.Outbox, log *audit.Log, c clock.Clock) *Service {
	s := &Service{pool: pool, sql: db.New(), outbox: events, audit: log, clock: c}
	s.claims = batch.New(batch.Config{Name: "coupons.claim"}, s.fly)
	return s
}

// Close waits for the claims that are under way and refuses new ones.
func (s *Service) Close() { s.claims.Close() }

// claim carries the id that its coupon would get, so that a flight that is repeated after a lost connection knows its own
// coupon from one that the account held before.
type claim struct {
	coupons.ClaimInput
	couponID uuid.UUID
}

// Claim implements [coupons.Service]. Claims of one campaign share transactions: see fly.
func (s *Service) Claim(ctx context.Context, in coupons.ClaimInput) (coupons.Coupon, error) {
	// The tail of a UUIDv7 is random, so campaigns spread over the shards, and each stays in its own.
	shard := binary.BigEndian.Uint64(in.CampaignID[8:])
	return s.claims.Do(ctx, shard, claim{ClaimInput: in, couponID: uuid.Must(uuid.NewV7())})
}
