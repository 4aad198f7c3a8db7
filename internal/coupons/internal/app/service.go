// Package app is the implementation of the module coupons: campaigns and who got a coupon of them, and which order has which coupon.
//
// Locks are taken in one order everywhere, so that nobody waits for somebody who waits for him: redemptions that exist, by order id;
// counters, by campaign id; then redemptions that are new, by order id; then the rest. A claim inserts its coupon before the counter.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// Service gives coupons, keeps the campaigns that they belong to, and takes coupons off orders.
type Service struct {
	pool     *pgxpool.Pool
	flying   *pgxpool.Pool // the flights' own connections, and the settlements'
	sql      *db.Queries
	outbox   *outbox.Outbox
	audit    *audit.Log
	clock    clock.Clock
	log      *slog.Logger
	accounts accounts.Service

	claims  *batch.Group[claim, coupons.Coupon]
	redeems *batch.Group[coupons.RedeemInput, coupons.Redemption]
	terms   *otter.Cache[uuid.UUID, Terms]
	codes   *otter.Cache[string, uuid.UUID]
	guesses *otter.Cache[uuid.UUID, *atomic.Int32] // codes that are none, by account
	gone    *gone
}

// Parts are what a service is made of.
type Parts struct {
	Pool     *pgxpool.Pool
	Outbox   *outbox.Outbox
	Audit    *audit.Log
	Clock    clock.Clock
	Log      *slog.Logger
	Accounts accounts.Service
}

// NewService returns the module's service. Close ends it.
func NewService(p Parts) (*Service, error) {
	claims := batch.Config{Name: "coupons.claim", Shards: 8}
	// One flight: two that want coupons of the same campaign would only wait for each other.
	redeems := batch.Config{Name: "coupons.redeem", Shards: 1}
	flying, err := batch.Connections(p.Pool, claims.Shards+redeems.Shards+settleJobs)
	if err != nil {
		return nil, err
	}
	s := &Service{
		pool: p.Pool, flying: flying, sql: db.New(), outbox: p.Outbox, audit: p.Audit, clock: p.Clock, log: p.Log, accounts: p.Accounts,
		terms: newTerms(), codes: newCodes(), guesses: newGuesses(),
	}
	s.gone = newGone(p.Clock, s.lookGone)
	s.claims, s.redeems = batch.New(claims, s.fly), batch.New(redeems, batch.Once(orderOf, s.flyRedeem))
	return s, nil
}

const settleJobs = 1

// Close waits for the flights that are in the air and refuses new ones.
func (s *Service) Close() {
	s.claims.Close()
	s.redeems.Close()
	s.flying.Close()
	s.terms.StopAllGoroutines()
	s.codes.StopAllGoroutines()
}

// claim carries the id that its coupon would get, so that a flight that is repeated after a lost connection knows its own
// coupon from one that the account held before. It brings the event of that coupon along: what is encoded by each caller need not be
// encoded between two flights.
type claim struct {
	coupons.ClaimInput
	couponID, eventID uuid.UUID
	at                time.Time
	event             []byte
}

func newClaim(in coupons.ClaimInput, couponID uuid.UUID, at time.Time) (c claim, err error) {
	c = claim{ClaimInput: in, couponID: couponID, at: at}
	c.eventID, c.event, err = outbox.Encode(coupons.Claimed{
		CouponID: couponID, Version: 1, CampaignID: in.CampaignID, AccountID: in.AccountID, At: at,
	})
	return c, err
}

// Claim implements [coupons.Service].
func (s *Service) Claim(ctx context.Context, in coupons.ClaimInput) (coupons.Coupon, error) {
	terms, err := s.termsOf(ctx, in.CampaignID)
	if err != nil {
		return coupons.Coupon{}, err
	}
	switch terms.Kind {
	case ByCode:
		return coupons.Coupon{}, coupons.ErrCodeNeeded
	case ByWelcome:
		return coupons.Coupon{}, coupons.ErrWelcomeOnly
	case ByTier:
		if coupon, err, known := s.gone.answer(ctx, in); known {
			return coupon, err
		}
		account, err := s.accounts.Account(ctx, accounts.AccountInput{AccountID: in.AccountID})
		if err != nil {
			return coupons.Coupon{}, err
		}
		if account.Tier == "" {
			account.Tier = accounts.Bronze
		}
		if !account.Tier.Reaches(terms.MinTier) {
			return s.heldOr(ctx, in, coupons.ErrTier.WithDetail("it needs the tier "+string(terms.MinTier)))
		}
	}
	return s.give(ctx, in)
}

// heldOr is the coupon that the account holds already, or the refusal: who is no longer good enough keeps what he has.
func (s *Service) heldOr(ctx context.Context, in coupons.ClaimInput, refusal error) (coupons.Coupon, error) {
	held, err := s.sql.HeldBy(ctx, s.pool, db.HeldByParams(in))
	if errors.Is(err, pgx.ErrNoRows) {
		return coupons.Coupon{}, refusal
	}
	if err != nil {
		return coupons.Coupon{}, fmt.Errorf("look up a coupon: %w", err)
	}
	return coupons.Coupon{ID: held.ID, CampaignID: held.CampaignID, AccountID: held.AccountID, ClaimedAt: held.ClaimedAt, Repeated: true}, nil
}

// give claims a coupon for who may have one. Claims of one campaign share transactions, see fly, and so little as that is not needed
// once it has sold out: see gone.
func (s *Service) give(ctx context.Context, in coupons.ClaimInput) (coupons.Coupon, error) {
	if coupon, err, known := s.gone.answer(ctx, in); known {
		return coupon, err
	}
	c, err := newClaim(in, uuid.Must(uuid.NewV7()), s.clock())
	if err != nil {
		return coupons.Coupon{}, err
	}
	return s.claims.Do(ctx, batch.KeyOf(in.CampaignID), c)
}
