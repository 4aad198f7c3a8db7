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
	// sell-out. Faults: ErrNoCampaign, ErrSoldOut, ErrNotOpen, ErrEnded, ErrTier; ErrCodeNeeded and ErrWelcomeOnly of a campaign
	// that is had another way.
	Claim(ctx context.Context, in ClaimInput) (Coupon, error)
	// Counts tells how many coupons campaigns have given; an unknown one is left out.
	Counts(ctx context.Context, in CountsInput) (Counts, error)
}

// Discounts takes coupons off orders. Every call but Quote is idempotent by the order's id.
type Discounts interface {
	// Quote says what the account's coupons would take off the lines, the best first: the most won, then the one that ends first, then
	// the oldest. One that takes nothing off is left out. With in.CouponID it is about that one alone: ErrNoCoupon when the account does
	// not hold it, ErrNotApplicable, with the reason, when it takes nothing off. Faults: ErrBadLines.
	Quote(ctx context.Context, in QuoteInput) (Quotes, error)
	// Redeem sets a coupon aside for an order: no other order can have it before this one gives it back. A repeat returns the first's
	// result; what was given back stays so: ErrReleased. Faults: ErrNoCoupon, ErrNotApplicable (another order has it, or it
	// cannot be used any more).
	Redeem(ctx context.Context, in RedeemInput) (Redemption, error)
	// Redemptions tells which coupon each order has, or had; an order of which nothing is known is left out. For the audit.
	Redemptions(ctx context.Context, in RedemptionsInput) (Redemptions, error)
	// OpenRedemptions lists what is held and neither used nor released, oldest order first. For the audit.
	OpenRedemptions(ctx context.Context, in OpenRedemptionsInput) (Redemptions, error)
}

// ClaimInput is the argument of Claim.
type ClaimInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	AccountID  uuid.UUID `json:"account_id"`
}

// CountsInput names at most 200 campaigns.
type CountsInput struct {
	CampaignIDs []uuid.UUID `json:"campaign_ids"`
}

// Counts is the answer to CountsInput.
type Counts struct {
	Items []Count `json:"items"`
}

// Count is how many coupons a campaign has, and how many of them it has given.
type Count struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	Quantity   int64     `json:"quantity"`
	Taken      int64     `json:"taken"`
}

// Coupon is one that an account holds.
type Coupon struct {
	ID         uuid.UUID `json:"id"`
	CampaignID uuid.UUID `json:"campaign_id"`
	AccountID  uuid.UUID `json:"account_id"`
	ClaimedAt  time.Time `json:"claimed_at"`
	Repeated   bool      `json:"repeated,omitempty"` // held before this call
}

// Line is what an order buys of one product.
type Line struct {
	ProductID    uuid.UUID   `json:"product_id"`
	CategoryIDs  []uuid.UUID `json:"category_ids"` // the product's category, and all above it
	Tags         []string    `json:"tags"`
	Quantity     int64       `json:"quantity"`
	UnitPriceWon int64       `json:"unit_price_won"`
}

// QuoteInput asks for an account's coupons on at most 200 lines. The zero CouponID asks for all that it holds.
type QuoteInput struct {
	AccountID uuid.UUID `json:"account_id"`
	CouponID  uuid.UUID `json:"coupon_id"`
	Lines     []Line    `json:"lines"`
}

// Quotes is the answer to QuoteInput.
type Quotes struct {
	Items []Quote `json:"items"`
}

// Quote is what a coupon takes off some lines.
type Quote struct {
	CouponID         uuid.UUID `json:"coupon_id"`
	CampaignID       uuid.UUID `json:"campaign_id"`
	Name             string    `json:"name"`
	DiscountWon      int64     `json:"discount_won"`       // at least 1
	LineDiscountsWon []int64   `json:"line_discounts_won"` // of each line, in their order; their sum is DiscountWon
	UsableUntil      time.Time `json:"usable_until"`
}

// RedeemInput is the argument of Redeem. DiscountWon is what Quote has said.
type RedeemInput struct {
	OrderID     uuid.UUID `json:"order_id"`
	AccountID   uuid.UUID `json:"account_id"`
	CouponID    uuid.UUID `json:"coupon_id"`
	DiscountWon int64     `json:"discount_won"`
}

// RedemptionsInput names at most 1,000 orders.
type RedemptionsInput struct {
	OrderIDs []uuid.UUID `json:"order_ids"`
}

// OpenRedemptionsInput asks for a page of at most Limit (1 to 1,000) redemptions, of the orders after After.
type OpenRedemptionsInput struct {
	After uuid.UUID `json:"after"`
	Limit int       `json:"limit"`
}

// Redemptions is the answer to both.
type Redemptions struct {
	Items []Redemption `json:"items"`
}

// Redemption is what an order has of a coupon: no coupon if the order gave up before it had one.
type Redemption struct {
	OrderID     uuid.UUID       `json:"order_id"`
	CouponID    uuid.UUID       `json:"coupon_id"`
	State       RedemptionState `json:"state"`
	DiscountWon int64           `json:"discount_won"`
}

// RedemptionState is the life of a redemption.
type RedemptionState string

const (
	Held     RedemptionState = "held"
	Used     RedemptionState = "used"
	Released RedemptionState = "released"
)

// The module's faults.
var (
	ErrNoCampaign    = fault.New(fault.NotFound, "coupons.no_coupon", "there is no such coupon")
	ErrSoldOut       = fault.New(fault.Exhausted, "coupons.sold_out", "no coupons are left")
	ErrNotOpen       = fault.New(fault.Conflict, "coupons.not_open", "the coupon cannot be had yet")
	ErrEnded         = fault.New(fault.Conflict, "coupons.ended", "the coupon cannot be had any more")
	ErrTier          = fault.New(fault.Conflict, "coupons.tier", "the coupon is for customers of a higher tier")
	ErrCodeNeeded    = fault.New(fault.Conflict, "coupons.code_needed", "the coupon is had with a code only")
	ErrWelcomeOnly   = fault.New(fault.Conflict, "coupons.welcome_only", "the coupon is given to new customers only")
	ErrTooManyCodes  = fault.New(fault.Throttled, "coupons.too_many_codes", "too many codes that there are not; wait before the next one")
	ErrNoCode        = fault.New(fault.NotFound, "coupons.no_code", "there is no such code")
	ErrNoEvent       = fault.New(fault.NotFound, "coupons.no_event", "there is no such promotion event")
	ErrNoCoupon      = fault.New(fault.NotFound, "coupons.not_held", "the account holds no such coupon")
	ErrNotApplicable = fault.New(fault.Conflict, "coupons.not_applicable", "the coupon cannot be used for this order")
	ErrReleased      = fault.New(fault.Conflict, "coupons.redemption_released", "the coupon of the order was given back")
	ErrBadWindow     = fault.New(fault.Invalid, "coupons.bad_window", "a coupon must end after it starts").WithFields(fault.Field{Pointer: "/ends_at", Detail: "must be after starts_at"})
	ErrBadDiscount   = fault.New(fault.Invalid, "coupons.bad_discount", "the discount is not one that can be given")
	ErrBadKind       = fault.New(fault.Invalid, "coupons.bad_kind", "a coupon of this kind needs something else")
	ErrBadCode       = fault.New(fault.Invalid, "coupons.bad_code", "a code is 4 to 40 letters, digits and hyphens")
	ErrCodeTaken     = fault.New(fault.Conflict, "coupons.code_taken", "the code belongs to another coupon")
	ErrBadLines      = fault.New(fault.Invalid, "coupons.bad_lines", "a quote needs 1 to 200 lines with quantities and prices")
	ErrTooManyOrders = fault.New(fault.Invalid, "coupons.too_many_orders", "the redemptions of at most 1,000 orders may be asked for at once")
	ErrUsableShort   = fault.New(fault.Conflict, "coupons.usable_until_may_only_move_later", "what a coupon can be used until may only move to a later time")
	ErrBadUsable     = fault.New(fault.Invalid, "coupons.bad_usable_until", "a coupon must be usable until it ends at least").WithFields(fault.Field{Pointer: "/usable_until", Detail: "must not be before ends_at"})
	ErrBadImage      = fault.New(fault.Invalid, "coupons.bad_image", "the address of the picture is not one").WithFields(fault.Field{Pointer: "/image_url", Detail: "must begin with https:// or http://"})
	ErrNoTitle       = fault.New(fault.Invalid, "coupons.no_title", "a promotion event needs a title").WithFields(fault.Field{Pointer: "/title", Detail: "must not be blank"})
	ErrNoName        = fault.New(fault.Invalid, "coupons.no_name", "a coupon needs a name").WithFields(fault.Field{Pointer: "/name", Detail: "must not be blank"})
	ErrQuantityShort = fault.New(fault.Conflict, "coupons.quantity_may_only_grow", "the quantity of a coupon may only grow")
)
