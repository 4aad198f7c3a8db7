package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

func (h *HTTP) preorderRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-preorders", Method: http.MethodGet, Path: "/v1/preorders", Tag: tag, Summary: "List pre-orders",
		Description: "Newest first. Each opens and closes by itself. The figures are of this moment and promise nothing.",
	}, h.preorders)
	web.Register(api, web.Operation{
		ID: "get-preorder", Method: http.MethodGet, Path: "/v1/preorders/{id}", Tag: tag, Summary: "Show a pre-order",
		Description: "As it was a second ago at most.",
		Problems:    []*fault.Error{ordering.ErrNoPreorder},
	}, h.preorder)
	web.Register(api, web.Operation{
		ID: "place-preorder", Method: http.MethodPost, Path: "/v1/preorders/{id}/orders", Tag: tag, Summary: "Order of a pre-order", Role: auth.Shopper,
		Description: "Sets the pieces aside for five minutes, in which they are to be paid; a bank transfer takes too long. What is not paid in " +
			"time is for the next one, and who lets that happen twice is out. The price is the product's. Shipped when it is released. With the " +
			"same key the answer is the same order.",
		Status: http.StatusCreated, Idempotent: true,
		Problems: []*fault.Error{
			ordering.ErrNoPreorder, ordering.ErrPreorderNotOpen, ordering.ErrPreorderSoldOut, ordering.ErrPreorderLimit, ordering.ErrPreorderForfeited,
			ordering.ErrPreorderCanceled, ordering.ErrPriceChanged, ordering.ErrTooManyUnpaid, ordering.ErrBelowMinimum, ordering.ErrAmountOverflow,
			ordering.ErrNotPlaced, accounts.ErrNoAddress, catalog.ErrReservationReleased, catalog.ErrBusy, payments.ErrOrderClosed, queue.ErrWaiting, queue.ErrBusy, queue.ErrUnavailable,
			idempotency.ErrReused, idempotency.ErrInProgress,
		},
	}, h.placePreorder)
}

// PreorderView is a number of pieces of a product that are sold before it is released.
type PreorderView struct {
	ID          uuid.UUID     `json:"id"`
	ProductID   uuid.UUID     `json:"product_id" doc:"What is sold."`
	Title       string        `json:"title" example:"에어 쿠션 한정판"`
	State       PreorderState `json:"state" enum:"scheduled,open,sold_out,ended,canceled" doc:"sold_out: what is not paid in time comes back." example:"open"`
	StartsAt    time.Time     `json:"starts_at" doc:"From when on it can be ordered."`
	EndsAt      time.Time     `json:"ends_at" doc:"From when on it cannot be ordered any more."`
	ReleasesAt  time.Time     `json:"releases_at" doc:"It is shipped from then on."`
	Quantity    int64         `json:"quantity" example:"100" doc:"Pieces in all."`
	Remaining   int64         `json:"remaining" example:"12" doc:"Pieces that nobody has."`
	PerCustomer int32         `json:"per_customer" example:"1" doc:"Pieces that a customer may have."`
}

func preorderViewOf(p Preorder) PreorderView {
	return PreorderView{
		ID: p.ID, ProductID: p.ProductID, Title: p.Title, State: p.StateNow(), StartsAt: p.Drop.StartsAt.UTC(), EndsAt: p.Drop.EndsAt.UTC(),
		ReleasesAt: p.ReleasesAt.UTC(), Quantity: p.Drop.Quantity, Remaining: p.Drop.Left, PerCustomer: p.PerCustomer,
	}
}

func pageOf[T any](page web.Page[Preorder], view func(Preorder) T) web.Page[T] {
	views := web.Page[T]{Items: make([]T, len(page.Items)), NextCursor: page.NextCursor}
	for i, p := range page.Items {
		views.Items[i] = view(p)
	}
	return views
}

type preordersOutput struct {
	Body web.Page[PreorderView]
}

func (h *HTTP) preorders(ctx context.Context, in *web.PageQuery) (*preordersOutput, error) {
	page, err := h.service.Preorders(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &preordersOutput{pageOf(page, preorderViewOf)}, nil
}

// PreorderPath names a pre-order in a path.
type PreorderPath struct {
	ID uuid.UUID `path:"id" doc:"The pre-order."`
}

type preorderOutput struct {
	Body PreorderView
}

func (h *HTTP) preorder(ctx context.Context, in *PreorderPath) (*preorderOutput, error) {
	p, err := h.service.glance(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	p.Now = h.service.clock()
	return &preorderOutput{preorderViewOf(p)}, nil
}

type placePreorderInput struct {
	web.Idempotency
	PreorderPath
	Body struct {
		Quantity         int64     `json:"quantity" minimum:"1" maximum:"999" example:"1" doc:"Pieces."`
		AddressID        uuid.UUID `json:"address_id" doc:"One of the account's addresses."`
		ExpectedTotalWon *int64    `json:"expected_total_won,omitempty" minimum:"0" maximum:"9007199254740991" example:"132000" doc:"With shipping, as the shopper was shown it."`
	}
}

func (h *HTTP) placePreorder(ctx context.Context, in *placePreorderInput) (*placeOutput, error) {
	p, err := h.service.PlacePreorder(ctx, PreorderInput{
		AccountID: auth.Must(ctx).AccountID, Key: in.KeyOf("/v1/preorders/"+in.ID.String()+"/orders", in.Body), PreorderID: in.ID,
		Quantity: in.Body.Quantity, AddressID: in.Body.AddressID, ExpectedTotalWon: in.Body.ExpectedTotalWon,
	})
	if err != nil {
		return nil, err
	}
	return placedOutput(p), nil
}
