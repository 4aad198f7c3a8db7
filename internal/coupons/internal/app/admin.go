package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// Admin is what managers do with coupons.
type Admin struct {
	service *Service
}

// NewAdmin returns the managers' routes.
func NewAdmin(service *Service) *Admin { return &Admin{service: service} }

// Routes implements [web.Routes].
func (a *Admin) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "create-coupon", Method: http.MethodPost, Path: "/admin/coupons", Tag: tag,
		Summary: "Make a coupon",
		Description: "What it takes off, and who may have it, stays as it is made: what was promised is kept. The kind welcome is given to who " +
			"signs up while it is open.",
		Role: auth.Manager, Status: http.StatusCreated,
		Problems: []*fault.Error{
			coupons.ErrBadWindow, coupons.ErrBadUsable, coupons.ErrNoName, coupons.ErrBadDiscount, coupons.ErrBadKind, coupons.ErrBadCode,
			coupons.ErrCodeTaken, coupons.ErrNoEvent,
		},
	}, a.create)
	web.Register(api, web.Operation{
		ID: "list-coupons", Method: http.MethodGet, Path: "/admin/coupons", Tag: tag,
		Summary: "List all coupons, newest first",
		Role:    auth.Manager,
	}, a.list)
	web.Register(api, web.Operation{
		ID: "get-coupon-settings", Method: http.MethodGet, Path: "/admin/coupons/{id}", Tag: tag,
		Summary:     "Show a coupon with its settings",
		Description: "The ETag names the settings; what is taken moves without it.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{coupons.ErrNoCampaign},
	}, a.get)
	web.Register(api, web.Operation{
		ID: "edit-coupon", Method: http.MethodPatch, Path: "/admin/coupons/{id}", Tag: tag,
		Summary:     "Change a coupon's settings",
		Description: "What is left out stays as it is. The quantity may only grow, also while the coupon is being claimed, and what it can be used until may only move to a later time.",
		Role:        auth.Manager,
		Problems: []*fault.Error{
			coupons.ErrNoCampaign, coupons.ErrQuantityShort, coupons.ErrUsableShort, coupons.ErrBadWindow, coupons.ErrBadUsable, coupons.ErrNoName,
			web.ErrStale, web.ErrIfMatchRequired,
		},
	}, a.edit)
	web.Register(api, web.Operation{
		ID: "list-coupon-codes", Method: http.MethodGet, Path: "/admin/coupons/{id}/codes", Tag: tag,
		Summary:  "List a coupon's codes by the alphabet",
		Role:     auth.Manager,
		Problems: []*fault.Error{coupons.ErrNoCampaign},
	}, a.codes)
	web.Register(api, web.Operation{
		ID: "add-coupon-codes", Method: http.MethodPost, Path: "/admin/coupons/{id}/codes", Tag: tag,
		Summary:     "Give a coupon more codes",
		Description: "All or none. They share the coupon's one quantity. Those that it has already stay as they are.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{coupons.ErrNoCampaign, coupons.ErrBadKind, coupons.ErrBadCode, coupons.ErrCodeTaken},
	}, a.addCodes)
	a.eventRoutes(api)
}

type settingsView struct {
	CouponView
	Taken     int64     `json:"taken" doc:"How many accounts have one." example:"583"`
	Redeemed  int64     `json:"redeemed" doc:"Of how many of these an order has it." example:"120"`
	Version   int64     `json:"version" doc:"One more with each change of the settings." example:"1"`
	CreatedAt time.Time `json:"created_at" doc:"When it was made." example:"2026-01-01T00:00:00Z"`
	UpdatedAt time.Time `json:"updated_at" doc:"When its settings were changed last." example:"2026-01-01T00:00:00Z"`
}

func settingsOf(c Campaign) settingsView {
	return settingsView{CouponView: viewOf(c), Taken: c.Taken, Redeemed: c.Redeemed, Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
}

type settingsOutput struct {
	ETag string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body settingsView
}

type createdOutput struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body     settingsView
}

type createInput struct {
	Body struct {
		Name        string        `json:"name" minLength:"1" maxLength:"100" doc:"What it is called." example:"Welcome back: 3,000 won"`
		Description string        `json:"description,omitempty" maxLength:"2000" doc:"What it is for." example:"One for each account, while they last."`
		Quantity    int64         `json:"quantity" minimum:"1" maximum:"100000000" doc:"How many there are." example:"1000"`
		StartsAt    time.Time     `json:"starts_at" doc:"From when on it can be had." example:"2026-01-02T03:00:00Z"`
		EndsAt      time.Time     `json:"ends_at" doc:"From when on it cannot be had any more; after starts_at." example:"2026-01-09T03:00:00Z"`
		UsableUntil *time.Time    `json:"usable_until,omitempty" doc:"From when on it takes nothing off any more; not before ends_at. Absent: 30 days after it." example:"2026-02-08T03:00:00Z"`
		Kind        Kind          `json:"kind,omitempty" enum:"event,tier,welcome,code" doc:"Who may have it; absent: event, which is anybody." example:"event"`
		MinTier     accounts.Tier `json:"min_tier,omitempty" enum:"bronze,silver,gold,vip" doc:"The least tier that may have it, of the kind tier."`
		EventID     *uuid.UUID    `json:"event_id,omitempty" doc:"The promotion event that it belongs to."`
		Discount    discountView  `json:"discount" doc:"What it takes off an order: amount_won or percent."`
		Codes       []string      `json:"codes,omitempty" maxItems:"1000" doc:"Of the kind code: the words that it is had with, 4 to 40 letters, digits and hyphens each."`
	}
}

func (a *Admin) create(ctx context.Context, in *createInput) (*createdOutput, error) {
	b := in.Body
	made := New{
		Settings: Settings{Name: b.Name, Description: b.Description, Quantity: b.Quantity, StartsAt: b.StartsAt, EndsAt: b.EndsAt},
		Terms:    Terms{Kind: b.Kind, MinTier: b.MinTier, EventID: b.EventID, Discount: Discount(b.Discount)},
		Codes:    b.Codes,
	}
	if b.UsableUntil != nil {
		made.UsableUntil = *b.UsableUntil
	}
	c, err := a.service.Create(ctx, made)
	if err != nil {
		return nil, err
	}
	return &createdOutput{Location: "/admin/coupons/" + c.ID.String(), ETag: c.ETag(), Body: settingsOf(c)}, nil
}

type settingsListOutput struct {
	Body web.Page[settingsView]
}

func (a *Admin) list(ctx context.Context, in *web.PageQuery) (*settingsListOutput, error) {
	page, err := a.service.Campaigns(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &settingsListOutput{Body: pageOf(page, settingsOf)}, nil
}

func (a *Admin) get(ctx context.Context, in *campaignID) (*settingsOutput, error) {
	c, err := a.service.Campaign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &settingsOutput{ETag: c.ETag(), Body: settingsOf(c)}, nil
}

type editInput struct {
	web.Precondition
	ID   uuid.UUID `path:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Body struct {
		Name        *string    `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"What it is called." example:"Welcome back: 3,000 won"`
		Description *string    `json:"description,omitempty" maxLength:"2000" doc:"What it is for." example:"One for each account, while they last."`
		Quantity    *int64     `json:"quantity,omitempty" minimum:"1" maximum:"100000000" doc:"How many there are; at least as many as before." example:"2000"`
		StartsAt    *time.Time `json:"starts_at,omitempty" doc:"From when on it can be had." example:"2026-01-02T03:00:00Z"`
		EndsAt      *time.Time `json:"ends_at,omitempty" doc:"From when on it cannot be had any more; after starts_at." example:"2026-01-09T03:00:00Z"`
		UsableUntil *time.Time `json:"usable_until,omitempty" doc:"From when on it takes nothing off any more; not before ends_at, and no earlier than it was." example:"2027-02-08T03:00:00Z"`
	}
}

func (a *Admin) edit(ctx context.Context, in *editInput) (*settingsOutput, error) {
	c, err := a.service.Edit(ctx, in.ID, in.IfMatch, Edit(in.Body))
	if err != nil {
		return nil, err
	}
	return &settingsOutput{ETag: c.ETag(), Body: settingsOf(c)}, nil
}

type codesInput struct {
	web.PageQuery
	ID uuid.UUID `path:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

type codesOutput struct {
	Body web.Page[string]
}

func (a *Admin) codes(ctx context.Context, in *codesInput) (*codesOutput, error) {
	page, err := a.service.Codes(ctx, in.ID, in.PageQuery)
	if err != nil {
		return nil, err
	}
	return &codesOutput{Body: page}, nil
}

type addCodesInput struct {
	ID   uuid.UUID `path:"id" doc:"The coupon's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Body struct {
		Codes []string `json:"codes" minItems:"1" maxItems:"1000" doc:"4 to 40 letters, digits and hyphens each." example:"[\"WELCOME-2026\"]"`
	}
}

func (a *Admin) addCodes(ctx context.Context, in *addCodesInput) (*struct{}, error) {
	return nil, a.service.AddCodes(ctx, in.ID, in.Body.Codes)
}
