package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
)

var (
	Verdict = verdict
	Amounts = amounts
)

type (
	Counter     = db.Counter
	FlightClaim = claim
)

// NewFlightClaim is a claim, made at that time, that would get the coupon of that id.
func NewFlightClaim(campaign, account, couponID uuid.UUID, at time.Time) FlightClaim {
	c, err := newClaim(coupons.ClaimInput{CampaignID: campaign, AccountID: account}, couponID, at)
	if err != nil {
		panic(err)
	}
	return c
}

// Fly runs one flight, as the group would.
func (s *Service) Fly(ctx context.Context, claims []FlightClaim) ([]batch.Result[coupons.Coupon], error) {
	return s.fly(ctx, claims)
}

// FlyRedeem runs one flight, as the group would.
func (s *Service) FlyRedeem(ctx context.Context, orders []coupons.RedeemInput) ([]batch.Result[coupons.Redemption], error) {
	return batch.Once(orderOf, s.flyRedeem)(ctx, orders)
}

// Remembered is how many sold-out campaigns, and how many holders of their coupons, this process remembers.
func (s *Service) Remembered() (campaigns, holders int) {
	s.gone.mu.RLock()
	defer s.gone.mu.RUnlock()
	for _, seen := range s.gone.campaigns {
		holders += len(seen.holders)
	}
	if holders != s.gone.holders {
		panic("the holders are miscounted")
	}
	return len(s.gone.campaigns), holders
}

// Note is what a flight does that has seen a campaign sold out.
func (s *Service) Note(campaign uuid.UUID, quantity int64) { s.gone.note(campaign, quantity) }
