package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (a *Admin) preorderRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-managed-preorders", Method: http.MethodGet, Path: "/admin/preorders", Tag: tag, Summary: "List pre-orders with their sales", Role: auth.Manager,
		Description: "Newest first.",
	}, a.preorders)
	web.Register(api, web.Operation{
		ID: "create-preorder", Method: http.MethodPost, Path: "/admin/preorders", Tag: tag, Summary: "Make a pre-order", Role: auth.Manager,
		Description: "Its pieces come out of what the product has left: nothing else can sell them. It opens and closes by the clock.",
		Status:      http.StatusCreated,
		Problems:    []*fault.Error{ordering.ErrBadPreorder, catalog.ErrNoProduct, catalog.ErrOutOfStock, catalog.ErrBadDrop},
	}, a.createPreorder)
	web.Register(api, web.Operation{
		ID: "get-managed-preorder", Method: http.MethodGet, Path: "/admin/preorders/{id}", Tag: tag, Summary: "Show a pre-order with its sales", Role: auth.Manager,
		Description: "The ETag names what was edited; sales move without it.",
		Problems:    []*fault.Error{ordering.ErrNoPreorder},
	}, a.getPreorder)
	web.Register(api, web.Operation{
		ID: "edit-preorder", Method: http.MethodPatch, Path: "/admin/preorders/{id}", Tag: tag, Summary: "Change a pre-order", Role: auth.Manager,
		Description: "What is left out stays as it is. The quantity cannot go below what orders have, and per_customer may only grow.",
		Problems: []*fault.Error{
			ordering.ErrNoPreorder, ordering.ErrBadPreorder, ordering.ErrPreorderCanceled, catalog.ErrOutOfStock, catalog.ErrDropBelowTaken,
			catalog.ErrDropClosed, catalog.ErrBadDrop, web.ErrStale, web.ErrIfMatchRequired,
		},
	}, a.editPreorder)
	web.Register(api, web.Operation{
		ID: "cancel-preorder", Method: http.MethodPost, Path: "/admin/preorders/{id}/cancel", Tag: tag, Summary: "Call a pre-order off", Role: auth.Manager,
		Description: "For good. Nobody can order of it any more, and every order of it that is not shipped is canceled, with its money given back, " +
			"within moments; wound_up says when that is done. What the gateway refuses to give back stands in the order's timeline.",
		Problems: []*fault.Error{ordering.ErrNoPreorder},
	}, a.cancelPreorder)
}

// ManagedPreorderView is a pre-order as managers see it.
type ManagedPreorderView struct {
	PreorderView
	Held         int64     `json:"held" example:"3" doc:"Pieces of orders that are not paid yet."`
	Sold         int64     `json:"sold" example:"85" doc:"Pieces of orders that are paid."`
	CancelReason string    `json:"cancel_reason,omitempty" doc:"Why it was called off."`
	WoundUp      bool      `json:"wound_up" doc:"It was called off, and so was every order of it."`
	Version      int64     `json:"version" example:"1" doc:"One more with each edit."`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

func managedPreorderOf(p Preorder) ManagedPreorderView {
	return ManagedPreorderView{
		PreorderView: preorderViewOf(p), Held: p.Drop.Held, Sold: p.Drop.Sold, CancelReason: text(p.CancelReason), WoundUp: p.WoundUpAt != nil,
		Version: p.Version, CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(),
	}
}

type managedPreordersOutput struct {
	Body web.Page[ManagedPreorderView]
}

func (a *Admin) preorders(ctx context.Context, in *web.PageQuery) (*managedPreordersOutput, error) {
	page, err := a.service.Preorders(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &managedPreordersOutput{pageOf(page, managedPreorderOf)}, nil
}

type managedPreorderOutput struct {
	ETag string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body ManagedPreorderView
}

type createdPreorderOutput struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body     ManagedPreorderView
}

func managedPreorder(p Preorder, err error) (*managedPreorderOutput, error) {
	if err != nil {
		return nil, err
	}
	return &managedPreorderOutput{ETag: p.ETag(), Body: managedPreorderOf(p)}, nil
}

type createPreorderInput struct {
	Body struct {
		ProductID   uuid.UUID `json:"product_id" doc:"What is sold; it must be published to be ordered."`
		Title       string    `json:"title" minLength:"1" maxLength:"200" example:"에어 쿠션 한정판" doc:"What it is called."`
		Quantity    int64     `json:"quantity" minimum:"1" maximum:"100000000" example:"100" doc:"Pieces."`
		PerCustomer int32     `json:"per_customer" minimum:"1" maximum:"999" example:"1" doc:"Pieces that a customer may have."`
		StartsAt    time.Time `json:"starts_at" doc:"From when on it can be ordered."`
		EndsAt      time.Time `json:"ends_at" doc:"From when on it cannot be ordered any more."`
		ReleasesAt  time.Time `json:"releases_at" doc:"From when on it is shipped; not before starts_at."`
	}
}

func (a *Admin) createPreorder(ctx context.Context, in *createPreorderInput) (*createdPreorderOutput, error) {
	p, err := a.service.CreatePreorder(ctx, PreorderSettings(in.Body))
	if err != nil {
		return nil, err
	}
	return &createdPreorderOutput{Location: "/admin/preorders/" + p.ID.String(), ETag: p.ETag(), Body: managedPreorderOf(p)}, nil
}

func (a *Admin) getPreorder(ctx context.Context, in *PreorderPath) (*managedPreorderOutput, error) {
	return managedPreorder(a.service.Preorder(ctx, in.ID))
}

type editPreorderInput struct {
	web.Precondition
	PreorderPath
	Body struct {
		Title       *string    `json:"title,omitempty" minLength:"1" maxLength:"200" example:"에어 쿠션 한정판" doc:"What it is called."`
		Quantity    *int64     `json:"quantity,omitempty" minimum:"1" maximum:"100000000" example:"120" doc:"Pieces."`
		PerCustomer *int32     `json:"per_customer,omitempty" minimum:"1" maximum:"999" example:"1" doc:"Pieces that a customer may have."`
		StartsAt    *time.Time `json:"starts_at,omitempty" doc:"From when on it can be ordered."`
		EndsAt      *time.Time `json:"ends_at,omitempty" doc:"From when on it cannot be ordered any more."`
		ReleasesAt  *time.Time `json:"releases_at,omitempty" doc:"From when on it is shipped."`
	}
}

func (a *Admin) editPreorder(ctx context.Context, in *editPreorderInput) (*managedPreorderOutput, error) {
	return managedPreorder(a.service.EditPreorder(ctx, in.ID, in.IfMatch, PreorderEdit(in.Body)))
}

type cancelPreorderInput struct {
	PreorderPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" example:"the maker cannot deliver" doc:"What those who ordered are told."`
	}
}

func (a *Admin) cancelPreorder(ctx context.Context, in *cancelPreorderInput) (*managedPreorderOutput, error) {
	return managedPreorder(a.service.CancelPreorder(ctx, in.ID, in.Body.Reason))
}
