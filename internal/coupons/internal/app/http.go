package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

const tag = "coupons"

// HTTP is what shoppers see of the module.
type HTTP struct {
	service *Service
}

// NewHTTP returns the shoppers' routes.
func NewHTTP(service *Service) *HTTP { return &HTTP{service: service} }

// Routes implements [web.Routes].
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "get-coupon", Method: http.MethodGet, Path: "/v1/coupons/{id}", Tag: tag,
		Summary:     "Show a coupon",
		Description: "How many there are, how many are left, and when it can be had. The figures are of this moment and promise nothing.",
		Problems:    []*fault.Error{coupons.ErrNoCampaign},
	}, h.get)
	web.Register(api, web.Operation{
		ID: "claim-coupon", Method: http.MethodPost, Path: "/v1/coupons/{id}/claims", Tag: tag,
		Summary: "Claim a coupon",
		Description: "First come, first served, one for each account. Who holds it already gets the same one again with 200, " +
			"also after it has sold out or ended.",
		Role: auth.Shopper, Status: http.StatusCreated,
		Also: map[int]string{http.StatusOK: "The account held it already."},
		Problems: []*fault.Error{
			coupons.ErrNoCampaign, coupons.ErrSoldOut, coupons.ErrNotOpen, coupons.ErrEnded, coupons.ErrTier, coupons.ErrCodeNeeded,
			coupons.ErrWelcomeOnly, accounts.ErrNoAccount, batch.ErrBusy, queue.ErrWaiting, queue.ErrBusy, queue.ErrUnavailable,
		},
	}, h.claim)
	web.Register(api, web.Operation{
		ID: "claim-coupon-by-code", Method: http.MethodPost, Path: "/v1/me/coupons", Tag: tag,
		Summary: "Claim a coupon with a code",
		Description: "As claiming a coupon: first come, first served, one for each account, whichever of a coupon's codes it is. Upper and " +
			"lower case are the same.",
		Role: auth.Shopper, Status: http.StatusCreated,
		Also:     map[int]string{http.StatusOK: "The account held it already."},
		Problems: []*fault.Error{coupons.ErrNoCode, coupons.ErrTooManyCodes, coupons.ErrSoldOut, coupons.ErrNotOpen, coupons.ErrEnded, batch.ErrBusy, queue.ErrWaiting, queue.ErrBusy, queue.ErrUnavailable},
	}, h.claimCode)
	web.Register(api, web.Operation{
		ID: "list-my-coupons", Method: http.MethodGet, Path: "/v1/me/coupons", Tag: tag,
		Summary:     "List the coupons that you hold",
		Description: "Newest first, also those that are used or cannot be used any more.",
		Role:        auth.Shopper,
	}, h.mine)
	web.Register(api, web.Operation{
		ID: "list-events", Method: http.MethodGet, Path: "/v1/events", Tag: tag,
		Summary:     "List promotion events",
		Description: "Newest first, those that have not ended, each with its coupons.",
	}, h.events)
	web.Register(api, web.Operation{
		ID: "get-event", Method: http.MethodGet, Path: "/v1/events/{id}", Tag: tag,
		Summary:     "Show a promotion event",
		Description: "With those of its coupons that have not ended, newest first, a hundred at most.",
		Problems:    []*fault.Error{coupons.ErrNoEvent},
	}, h.event)
}

type campaignID struct {
	ID uuid.UUID `path:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

type discountView struct {
	AmountWon   int64       `json:"amount_won,omitempty" minimum:"0" maximum:"1000000000" doc:"What it takes off, unless it is a percentage." example:"3000"`
	Percent     int64       `json:"percent,omitempty" minimum:"0" maximum:"100" doc:"What it takes off of what it applies to, in percent, rounded down." example:"0"`
	CapWon      int64       `json:"cap_won,omitempty" minimum:"0" maximum:"1000000000" doc:"The most that a percentage takes off; absent: all of it." example:"0"`
	MinimumWon  int64       `json:"minimum_won,omitempty" minimum:"0" maximum:"1000000000" doc:"What the goods to which it applies must come to." example:"20000"`
	AppliesTo   Scope       `json:"applies_to,omitempty" enum:"all,category,product,tag" doc:"What it applies to." example:"all"`
	AppliesIDs  []uuid.UUID `json:"applies_ids,omitempty" maxItems:"200" doc:"The categories, with all below them, or the products." example:"[]"`
	AppliesTags []string    `json:"applies_tags,omitempty" maxItems:"200" doc:"The tags." example:"[]"`
}

// CouponView is exported because huma leaves out what is embedded and is not.
type CouponView struct {
	ID          uuid.UUID     `json:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name        string        `json:"name" doc:"What it is called." example:"Welcome back: 3,000 won"`
	Description string        `json:"description" doc:"What it is for; may be empty." example:"One for each account, while they last."`
	Quantity    int64         `json:"quantity" doc:"How many there are in all." example:"1000"`
	Remaining   int64         `json:"remaining" doc:"How many are left." example:"417"`
	StartsAt    time.Time     `json:"starts_at" doc:"From when on it can be had." example:"2026-01-02T03:00:00Z"`
	EndsAt      time.Time     `json:"ends_at" doc:"From when on it cannot be had any more." example:"2026-01-09T03:00:00Z"`
	UsableUntil time.Time     `json:"usable_until" doc:"From when on it takes nothing off any more." example:"2026-02-08T03:00:00Z"`
	Kind        Kind          `json:"kind" enum:"event,tier,welcome,code" doc:"Who has it: anybody; customers of a tier; who has just signed up; who knows a code." example:"event"`
	MinTier     accounts.Tier `json:"min_tier,omitempty" enum:"bronze,silver,gold,vip" doc:"The least tier that may have it, of the kind tier." example:"gold"`
	EventID     *uuid.UUID    `json:"event_id,omitempty" doc:"The promotion event that it belongs to." example:"0198b1f2-6c4d-7b2a-8f10-4d2b6a0f1c3e"`
	Discount    discountView  `json:"discount" doc:"What it takes off an order."`
	State       State         `json:"state" enum:"scheduled,open,sold_out,ended" doc:"Whether it can be had now." example:"open"`
}

func viewOf(c Campaign) CouponView {
	return CouponView{
		ID: c.ID, Name: c.Name, Description: c.Description, Quantity: c.Quantity, Remaining: c.Quantity - c.Taken,
		StartsAt: c.StartsAt, EndsAt: c.EndsAt, UsableUntil: c.UsableUntil, Kind: c.Terms.Kind, MinTier: c.Terms.MinTier,
		EventID: c.Terms.EventID, Discount: discountView(c.Terms.Discount), State: c.State,
	}
}

type couponOutput struct {
	Body CouponView
}

func (h *HTTP) get(ctx context.Context, in *campaignID) (*couponOutput, error) {
	c, err := h.service.Campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &couponOutput{Body: viewOf(c)}, nil
}

type claimView struct {
	ID        uuid.UUID `json:"id" doc:"The id of the account's own coupon." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
	CouponID  uuid.UUID `json:"coupon_id" doc:"Which coupon it is one of." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	ClaimedAt time.Time `json:"claimed_at" doc:"Since when the account holds it." example:"2026-01-02T03:04:05.678Z"`
}

type claimOutput struct {
	Status int
	Body   claimView
}

func (h *HTTP) claim(ctx context.Context, in *campaignID) (*claimOutput, error) {
	return claimed(h.service.Claim(ctx, coupons.ClaimInput{CampaignID: in.ID, AccountID: auth.Must(ctx).AccountID}))
}

type codeInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"100" doc:"The code." example:"WELCOME-2026"`
	}
}

func (h *HTTP) claimCode(ctx context.Context, in *codeInput) (*claimOutput, error) {
	return claimed(h.service.ClaimCode(ctx, auth.Must(ctx).AccountID, in.Body.Code))
}

func claimed(c coupons.Coupon, err error) (*claimOutput, error) {
	if err != nil {
		return nil, err
	}
	status := http.StatusCreated
	if c.Repeated {
		status = http.StatusOK
	}
	return &claimOutput{Status: status, Body: claimView{ID: c.ID, CouponID: c.CampaignID, ClaimedAt: c.ClaimedAt}}, nil
}

type heldView struct {
	ID          uuid.UUID    `json:"id" doc:"The id of the account's own coupon." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
	CouponID    uuid.UUID    `json:"coupon_id" doc:"Which coupon it is one of." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name        string       `json:"name" doc:"What it is called." example:"Welcome back: 3,000 won"`
	Description string       `json:"description" doc:"What it is for; may be empty." example:"One for each account, while they last."`
	ClaimedAt   time.Time    `json:"claimed_at" doc:"Since when the account holds it." example:"2026-01-02T03:04:05.678Z"`
	UsableUntil time.Time    `json:"usable_until" doc:"From when on it takes nothing off any more." example:"2026-02-08T03:00:00Z"`
	Discount    discountView `json:"discount" doc:"What it takes off an order."`
	State       HeldState    `json:"state" enum:"usable,held,used,expired" doc:"held: an order has it that is not paid yet." example:"usable"`
	OrderID     *uuid.UUID   `json:"order_id,omitempty" doc:"The order that has it." example:"0198b1f2-9a22-7e71-9b5d-1a2b3c4d5e6f"`
}

type heldOutput struct {
	Body web.Page[heldView]
}

func (h *HTTP) mine(ctx context.Context, in *web.PageQuery) (*heldOutput, error) {
	page, err := h.service.CouponsOf(ctx, auth.Must(ctx).AccountID, *in)
	if err != nil {
		return nil, err
	}
	return &heldOutput{Body: pageOf(page, func(c Claimed) heldView {
		return heldView{
			ID: c.ID, CouponID: c.CampaignID, Name: c.Name, Description: c.Description, ClaimedAt: c.ClaimedAt,
			UsableUntil: c.UsableUntil, Discount: discountView(c.Discount), State: c.State, OrderID: c.OrderID,
		}
	})}, nil
}

type eventID struct {
	ID uuid.UUID `path:"id" doc:"The promotion event's id." example:"0198b1f2-6c4d-7b2a-8f10-4d2b6a0f1c3e"`
}

// EventView is exported because huma leaves out what is embedded and is not.
type EventView struct {
	ID          uuid.UUID    `json:"id" doc:"The promotion event's id." example:"0198b1f2-6c4d-7b2a-8f10-4d2b6a0f1c3e"`
	Title       string       `json:"title" doc:"What it is called." example:"Spring sale"`
	Description string       `json:"description" doc:"What it is about; may be empty." example:"A week of coupons for everything that runs."`
	ImageURL    string       `json:"image_url" doc:"Its picture; may be empty." example:"https://images.example.com/spring.jpg"`
	StartsAt    time.Time    `json:"starts_at" doc:"When it starts." example:"2026-01-02T03:00:00Z"`
	EndsAt      time.Time    `json:"ends_at" doc:"When it ends." example:"2026-01-09T03:00:00Z"`
	Coupons     []CouponView `json:"coupons" doc:"Its coupons that have not ended, newest first."`
}

func eventViewOf(e Event) EventView {
	v := EventView{
		ID: e.ID, Title: e.Title, Description: e.Description, ImageURL: e.ImageURL, StartsAt: e.StartsAt, EndsAt: e.EndsAt,
		Coupons: make([]CouponView, len(e.Coupons)),
	}
	for i, c := range e.Coupons {
		v.Coupons[i] = viewOf(c)
	}
	return v
}

type eventsOutput struct {
	Body web.Page[EventView]
}

func (h *HTTP) events(ctx context.Context, in *web.PageQuery) (*eventsOutput, error) {
	page, err := h.service.Events(ctx, *in, true)
	if err != nil {
		return nil, err
	}
	return &eventsOutput{Body: pageOf(page, eventViewOf)}, nil
}

type eventOutput struct {
	Body EventView
}

func (h *HTTP) event(ctx context.Context, in *eventID) (*eventOutput, error) {
	e, err := h.service.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &eventOutput{Body: eventViewOf(e)}, nil
}

// pageOf shows each item of a page.
func pageOf[T, V any](page web.Page[T], view func(T) V) web.Page[V] {
	shown := web.Page[V]{Items: make([]V, len(page.Items)), NextCursor: page.NextCursor}
	for i, item := range page.Items {
		shown.Items[i] = view(item)
	}
	return shown
}
