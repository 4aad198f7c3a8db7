package app

import (
	"context"

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

// NewFlightClaim is a claim that would get the coupon of that id.
func NewFlightClaim(campaign, account, couponID uuid.UUID) FlightClaim {
	return claim{ClaimInput: coupons.ClaimInput{CampaignID: campaign, AccountID: account}, couponID: couponID}
}

// Fly runs one flight, as the group would.
func (s *Service) Fly(ctx context.Context, claims []FlightClaim) ([]batch.Result[coupons.Coupon], error) {
	return s.fly(ctx, claims)
}

// FlyRedeem runs one flight, as the group would.
func (s *Service) FlyRedeem(ctx context.Context, orders []coupons.RedeemInput) ([]batch.Result[coupons.Redemption], error) {
	return s.flyRedeem(ctx, orders)
}
