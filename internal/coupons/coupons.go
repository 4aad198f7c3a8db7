// Package coupons is the contract of the module that gives coupons, first come first served.
package coupons

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/fault"
)

// Service gives coupons. A call can be repeated: the second returns the first's result.
type Service interface {
	// Claim gives the account its one coupon of a campaign. Who holds it already gets the same one again, also after
	// sell-out. Faults: ErrNoCampaign, ErrSoldOut, ErrNotOpen, ErrEnded.
	Claim(ctx context.Context, in ClaimInput) (Coupon, error)
}

// ClaimInput is the argument of Claim.
type ClaimInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	AccountID  uuid.UUID `json:"account_id"`
}

// Coupon is one that an account holds.
type Coupon struct {
	ID         uuid.UUID `json:"id"`
	CampaignID uuid.UUID `json:"campaign_id"`
	AccountID  uuid.UUID `json:"account_id"`
	ClaimedAt  time.Time `json:"claimed_at"`
	Repeated   bool      `json:"repeated,omitempty"` // held before this call
}

// The module's faults.
var (
	ErrNoCampaign    = fault.New(fault.NotFound, "coupons.no_coupon", "there is no such coupon")
	ErrSoldOut       = fault.New(fault.Exhausted, "coupons.sold_out", "no coupons are left")
	ErrNotOpen       = fault.New(fault.Conflict, "coupons.not_open", "the coupon cannot be had yet")
	ErrEnded         = fault.New(fault.Conflict, "coupons.ended", "the coupon cannot be had any more")
	ErrBadWindow     = fault.New(fault.Invalid, "coupons.bad_window", "a coupon must end after it starts").WithFields(fault.Field{Pointer: "/ends_at", Detail: "must be after starts_at"})
	ErrNoName        = fault.New(fault.Invalid, "coupons.no_name", "a coupon needs a name").WithFields(fault.Field{Pointer: "/name", Detail: "must not be blank"})
	ErrQuantityShort = fault.New(fault.Conflict, "coupons.quantity_may_only_grow", "the quantity of a coupon may only grow")
)
