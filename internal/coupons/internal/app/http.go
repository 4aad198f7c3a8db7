package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

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
		Also:     map[int]string{http.StatusOK: "The account held it already."},
		Problems: []*fault.Error{coupons.ErrNoCampaign, coupons.ErrSoldOut, coupons.ErrNotOpen, coupons.ErrEnded, batch.ErrBusy, queue.ErrPaused},
	}, h.claim)
	web.Register(api, web.Operation{
		ID: "list-my-coupons", Method: http.MethodGet, Path: "/v1/me/coupons", Tag: tag,
		Summary: "List the coupons that you hold",
		Role:    auth.Shopper,
	}, h.mine)
}

type campaignID struct {
	ID uuid.UUID `path:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

// CouponView is exported because huma leaves out what is embedded and is not.
type CouponView struct {
	ID          uuid.UUID `json:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name        string    `json:"name" doc:"What it is called." example:"Welcome back: 3,000 won"`
	Description string    `json:"description" doc:"What it is for; may be empty." example:"One for each account, while they last."`
	Quantity    int64     `json:"quantity" doc:"How many there are in all." example:"1000"`
	Remaining   int64     `json:"remaining" doc:"How many are left." example:"417"`
	StartsAt    time.Time `json:"starts_at" doc:"From when on it can be had." example:"2026-01-02T03:00:00Z"`
	EndsAt      time.Time `json:"ends_at" doc:"From when on it cannot be had any more." example:"2026-01-09T03:00:00Z"`
	State       State     `json:"state" enum:"scheduled,open,sold_out,ended" doc:"Whether it can be had now." example:"open"`
}

func viewOf(c Campaign) CouponView {
	return CouponView{
		ID: c.ID, Name: c.Name, Description: c.Description, Quantity: c.Quantity, Remaining: c.Quantity - c.Taken,
		StartsAt: c.StartsAt, EndsAt: c.EndsAt, State: c.State,
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
	c, err := h.service.Claim(ctx, coupons.ClaimInput{CampaignID: in.ID, AccountID: auth.Must(ctx).AccountID})
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
	ID          uuid.UUID `json:"id" doc:"The id of the account's own coupon." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
	CouponID    uuid.UUID `json:"coupon_id" doc:"Which coupon it is one of." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name        string    `json:"name" doc:"What it is called." example:"Welcome back: 3,000 won"`
	Description string    `json:"description" doc:"What it is for; may be empty." example:"One for each account, while they last."`
	ClaimedAt   time.Time `json:"claimed_at" doc:"Since when the account holds it." example:"2026-01-02T03:04:05.678Z"`
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
		return heldView{ID: c.ID, CouponID: c.CampaignID, Name: c.Name, Description: c.Description, ClaimedAt: c.ClaimedAt}
	})}, nil
}

// pageOf shows each item of a page.
func pageOf[T, V any](page web.Page[T], view func(T) V) web.Page[V] {
	shown := web.Page[V]{Items: make([]V, len(page.Items)), NextCursor: page.NextCursor}
	for i, item := range page.Items {
		shown.Items[i] = view(item)
	}
	return shown
}
