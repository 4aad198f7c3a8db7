package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

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
		Role:    auth.Manager, Status: http.StatusCreated,
		Problems: []*fault.Error{coupons.ErrBadWindow, coupons.ErrNoName},
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
		Description: "What is left out stays as it is. The quantity may only grow, also while the coupon is being claimed.",
		Role:        auth.Manager,
		Problems: []*fault.Error{
			coupons.ErrNoCampaign, coupons.ErrQuantityShort, coupons.ErrBadWindow, coupons.ErrNoName,
			web.ErrStale, web.ErrIfMatchRequired,
		},
	}, a.edit)
}

type settingsView struct {
	CouponView
	Taken     int64     `json:"taken" doc:"How many accounts have one." example:"583"`
	Version   int64     `json:"version" doc:"One more with each change of the settings." example:"1"`
	CreatedAt time.Time `json:"created_at" doc:"When it was made." example:"2026-01-01T00:00:00Z"`
	UpdatedAt time.Time `json:"updated_at" doc:"When its settings were changed last." example:"2026-01-01T00:00:00Z"`
}

func settingsOf(c Campaign) settingsView {
	return settingsView{CouponView: viewOf(c), Taken: c.Taken, Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
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
		Name        string    `json:"name" minLength:"1" maxLength:"100" doc:"What it is called." example:"Welcome back: 3,000 won"`
		Description string    `json:"description,omitempty" maxLength:"2000" doc:"What it is for." example:"One for each account, while they last."`
		Quantity    int64     `json:"quantity" minimum:"1" maximum:"100000000" doc:"How many there are." example:"1000"`
		StartsAt    time.Time `json:"starts_at" doc:"From when on it can be had." example:"2026-01-02T03:00:00Z"`
		EndsAt      time.Time `json:"ends_at" doc:"From when on it cannot be had any more; after starts_at." example:"2026-01-09T03:00:00Z"`
	}
}

func (a *Admin) create(ctx context.Context, in *createInput) (*createdOutput, error) {
	c, err := a.service.Create(ctx, Settings(in.Body))
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
	}
}

func (a *Admin) edit(ctx context.Context, in *editInput) (*settingsOutput, error) {
	c, err := a.service.Edit(ctx, in.ID, in.IfMatch, Edit(in.Body))
	if err != nil {
		return nil, err
	}
	return &settingsOutput{ETag: c.ETag(), Body: settingsOf(c)}, nil
}
