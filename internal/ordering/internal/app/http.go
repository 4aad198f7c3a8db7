package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

const tag = "ordering"

// HTTP is what ordering says to shoppers.
type HTTP struct {
	service *Service
}

var _ web.Routes = (*HTTP)(nil)

// NewHTTP returns the routes of shoppers.
func NewHTTP(s *Service) *HTTP { return &HTTP{service: s} }

// Routes registers the cart, the orders, and the confirmation of their payments.
func (h *HTTP) Routes(api *web.API) {
	h.cartRoutes(api)
	h.preorderRoutes(api)
	web.Register(api, web.Operation{
		ID: "place-order", Method: http.MethodPost, Path: "/v1/orders", Tag: tag, Summary: "Place an order", Role: auth.Shopper,
		Description: "Sets everything aside for a quarter of an hour, in which it is to be paid. A price other than the expected one is refused, naming " +
			"today's. With the same key the answer is the same order, also after it has ended; a refusal that came after the order was made is repeated.",
		Status: http.StatusCreated, Idempotent: true,
		Problems: []*fault.Error{
			catalog.ErrOutOfStock, catalog.ErrNotOnSale, catalog.ErrReservationReleased, catalog.ErrBusy, accounts.ErrNoAddress, payments.ErrOrderClosed,
			coupons.ErrNotApplicable, coupons.ErrReleased, accounts.ErrNotEnoughPoints, accounts.ErrPointsReleased, accounts.ErrNoAccount, batch.ErrBusy,
			ordering.ErrPriceChanged, ordering.ErrLimitPerCustomer, ordering.ErrTooManyUnpaid, ordering.ErrBelowMinimum, ordering.ErrAmountOverflow,
			ordering.ErrNotPlaced, queue.ErrWaiting, queue.ErrBusy, queue.ErrUnavailable, idempotency.ErrReused, idempotency.ErrInProgress,
		},
	}, h.place)
	web.Register(api, web.Operation{
		ID: "list-orders", Method: http.MethodGet, Path: "/v1/orders", Tag: tag, Summary: "List my orders", Role: auth.Shopper,
		Description: "Newest first. What could not be placed is listed only when its state is asked for.",
	}, h.list)
	web.Register(api, web.Operation{
		ID: "show-order", Method: http.MethodGet, Path: "/v1/orders/{id}", Tag: tag, Summary: "Show one of my orders", Role: auth.Shopper,
		Description: "With what happened to it and, while it waits to be paid, what is needed for that.",
		Problems:    []*fault.Error{ordering.ErrNoOrder},
	}, h.show)
	web.Register(api, web.Operation{
		ID: "cancel-order", Method: http.MethodPost, Path: "/v1/orders/{id}/cancel", Tag: tag, Summary: "Cancel one of my orders", Role: auth.Shopper,
		Description: "Before it is shipped. 200 when it is canceled, and 202 while the money is on its way back.",
		Also:        map[int]string{http.StatusAccepted: "The money is on its way back; the order is canceled when it has arrived."},
		Idempotent:  true,
		Problems: []*fault.Error{
			ordering.ErrNoOrder, ordering.ErrAlreadyShipping, ordering.ErrPaymentInProgress, ordering.ErrIllegalTransition, ordering.ErrRefundRefused,
			ordering.ErrTooManyChanges, idempotency.ErrReused,
		},
	}, h.cancel)
	web.Register(api, web.Operation{
		ID: "change-order-address", Method: http.MethodPatch, Path: "/v1/orders/{id}/address", Tag: tag, Summary: "Send the parcel elsewhere", Role: auth.Shopper,
		Description: "Before it is shipped.",
		Problems:    []*fault.Error{ordering.ErrNoOrder, accounts.ErrNoAddress, ordering.ErrAlreadyShipping, ordering.ErrIllegalTransition, ordering.ErrTooManyChanges},
	}, h.changeAddress)
	web.Register(api, web.Operation{
		ID: "confirm-receipt", Method: http.MethodPost, Path: "/v1/orders/{id}/receipt", Tag: tag, Summary: "Confirm that the parcel came", Role: auth.Shopper,
		Description: "The sale is final then. Saying it again changes nothing.",
		Problems:    []*fault.Error{ordering.ErrNoOrder, ordering.ErrIllegalTransition, ordering.ErrRefundOpen},
	}, h.receive)
	web.Register(api, web.Operation{
		ID: "confirm-payment", Method: http.MethodPost, Path: "/v1/payments/confirm", Tag: tag, Summary: "Take an authorised payment", Role: auth.Shopper,
		Description: "With what the gateway's pay page gave. 200 when the order is paid; 202 while the gateway has not said: nothing more is to be done then.",
		Also:        map[int]string{http.StatusAccepted: "The gateway has not said yet; what it says is learned without the shopper."},
		Idempotent:  true, Deadline: 30 * time.Second,
		Problems: []*fault.Error{
			payments.ErrNoPayment, payments.ErrAmountMismatch, payments.ErrOrderClosed, payments.ErrInProgress, payments.ErrAlreadyPaid, payments.ErrDeclined,
			payments.ErrBusy, idempotency.ErrReused,
		},
	}, h.confirm)
}

type placeItem struct {
	ProductID        uuid.UUID `json:"product_id" doc:"Each product stands in one line only."`
	Quantity         int64     `json:"quantity" minimum:"1" maximum:"999" example:"2" doc:"Pieces."`
	ExpectedPriceWon int64     `json:"expected_price_won" minimum:"0" maximum:"9000000000000" example:"12900" doc:"The price of a piece as the shopper was shown it."`
}

type placeBody struct {
	Items            []placeItem `json:"items" minItems:"1" maxItems:"50" doc:"What is ordered."`
	AddressID        uuid.UUID   `json:"address_id" doc:"One of the account's addresses."`
	CouponID         *uuid.UUID  `json:"coupon_id,omitempty" doc:"One of the account's coupons."`
	PointsWon        int64       `json:"points_won,omitempty" minimum:"0" maximum:"9007199254740991" example:"0" doc:"How much of the total the account's points pay; a point is a won."`
	ExpectedTotalWon *int64      `json:"expected_total_won,omitempty" minimum:"0" maximum:"9007199254740991" example:"28800" doc:"Less the coupon, with shipping, as the shopper was shown it."`
}

type placeInput struct {
	web.Idempotency
	Body placeBody
}

type placeOutput struct {
	idempotency.Replay
	Location string `header:"Location"`
	Body     OrderView
}

func (h *HTTP) place(ctx context.Context, in *placeInput) (*placeOutput, error) {
	place := PlaceInput{
		AccountID: auth.Must(ctx).AccountID, Key: in.KeyOf("/v1/orders", in.Body),
		Items: make([]PlaceItem, len(in.Body.Items)), AddressID: in.Body.AddressID, PointsWon: in.Body.PointsWon, ExpectedTotalWon: in.Body.ExpectedTotalWon,
	}
	if in.Body.CouponID != nil {
		place.CouponID = *in.Body.CouponID
	}
	for i, item := range in.Body.Items {
		place.Items[i] = PlaceItem(item)
	}
	p, err := h.service.Place(ctx, place)
	if err != nil {
		return nil, err
	}
	return placedOutput(p), nil
}

func placedOutput(p Placement) *placeOutput {
	return &placeOutput{
		Replay: idempotency.Replay{Replayed: p.Replayed}, Location: "/v1/orders/" + p.Order.ID.String(), Body: viewOf(p.Order, p.Lines, p.Payment),
	}
}

// position is a cursor: everything before, which is what was made earlier.
type position struct {
	ID uuid.UUID `json:"id"`
}

type listInput struct {
	web.PageQuery
	State string `query:"state" enum:"pending,awaiting_payment,paid,preparing,shipping,delivered,confirmed,canceling,rejected,expired,canceled,refunded" doc:"Only orders in this state."`
}

type listOutput struct {
	Body web.Page[OrderView]
}

func (h *HTTP) list(ctx context.Context, in *listInput) (*listOutput, error) {
	var before position
	if err := web.DecodeCursor(in.Cursor, &before); err != nil {
		return nil, err
	}
	found, err := h.service.List(ctx, ListInput{
		AccountID: auth.Must(ctx).AccountID, State: ordering.State(in.State), Before: before.ID, AtMost: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	views := make([]OrderView, len(found))
	for i, f := range found {
		views[i] = viewOf(f.Order, f.Lines, nil)
	}
	return &listOutput{web.PageOf(views, in.Limit, func(v OrderView) any { return position{v.ID} })}, nil
}

// OrderPath names an order in a path. It is exported because huma leaves out what is embedded and is not.
type OrderPath struct {
	ID uuid.UUID `path:"id" doc:"The order."`
}

type orderOutput struct {
	Body OrderDetailsView
}

func orderAnswer(d Details, err error) (*orderOutput, error) {
	if err != nil {
		return nil, err
	}
	return &orderOutput{detailsOf(d)}, nil
}

func (h *HTTP) show(ctx context.Context, in *OrderPath) (*orderOutput, error) {
	return orderAnswer(h.service.Order(ctx, auth.Must(ctx).AccountID, in.ID))
}

type cancelBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"200" example:"changed my mind" doc:"Why."`
}

type cancelInput struct {
	web.Idempotency
	OrderPath
	Body cancelBody
}

type cancelOutput struct {
	idempotency.Replay
	Status int
	Body   OrderDetailsView
}

func (h *HTTP) cancel(ctx context.Context, in *cancelInput) (*cancelOutput, error) {
	account := auth.Must(ctx).AccountID
	c, err := h.service.Cancel(ctx, CancelInput{
		AccountID: account, By: account, OrderID: in.ID, Key: in.KeyOf("/v1/orders/"+in.ID.String()+"/cancel", in.Body), Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	d, err := h.service.details(ctx, c.Order, false)
	if err != nil {
		return nil, err
	}
	return &cancelOutput{idempotency.Replay{Replayed: c.Replayed}, statusOf(c.Order.State), detailsOf(d)}, nil
}

// statusOf is 202 while the money of a canceled order is on its way back.
func statusOf(state string) int {
	if state == string(ordering.StateCanceling) {
		return http.StatusAccepted
	}
	return http.StatusOK
}

type changeAddressInput struct {
	OrderPath
	Body struct {
		AddressID uuid.UUID `json:"address_id" doc:"One of the account's addresses."`
	}
}

func (h *HTTP) changeAddress(ctx context.Context, in *changeAddressInput) (*orderOutput, error) {
	return orderAnswer(h.service.ChangeAddress(ctx, AddressInput{AccountID: auth.Must(ctx).AccountID, OrderID: in.ID, AddressID: in.Body.AddressID}))
}

func (h *HTTP) receive(ctx context.Context, in *OrderPath) (*orderOutput, error) {
	return orderAnswer(h.service.Receive(ctx, auth.Must(ctx).AccountID, in.ID))
}

type confirmBody struct {
	PaymentKey  string `json:"payment_key" minLength:"1" maxLength:"200" pattern:"^[!-~]+$" example:"tgen_20261124AbCd1" doc:"The gateway's name for what was authorised."`
	OrderNumber string `json:"order_number" minLength:"6" maxLength:"64" pattern:"^[A-Za-z0-9_-]+$" example:"S20261124ABCDEFGHJKLMNPQR" doc:"The order's number."`
	AmountWon   int64  `json:"amount_won" minimum:"1" maximum:"9007199254740991" example:"28800" doc:"Must be the order's."`
}

type confirmInput struct {
	web.Idempotency
	Body confirmBody
}

// ConfirmationView is what the shopper learns of a payment.
type ConfirmationView struct {
	OrderID    uuid.UUID      `json:"order_id"`
	State      ordering.State `json:"state" example:"paid" doc:"The order's."`
	Method     string         `json:"method,omitempty" example:"카드"`
	ApprovedAt *time.Time     `json:"approved_at,omitempty" doc:"Absent while the gateway has not said."`
	ReceiptURL string         `json:"receipt_url,omitempty"`
}

type confirmOutput struct {
	idempotency.Replay
	Status int
	Body   ConfirmationView
}

func (h *HTTP) confirm(ctx context.Context, in *confirmInput) (*confirmOutput, error) {
	key := in.KeyOf("/v1/payments/confirm", in.Body)
	c, err := h.service.Confirm(ctx, payments.ConfirmInput{
		AccountID: auth.Must(ctx).AccountID, PaymentKey: in.Body.PaymentKey, OrderNumber: in.Body.OrderNumber, AmountWon: in.Body.AmountWon,
		IdempotencyKey: key.Value, RequestHash: key.Hash,
	})
	if err != nil {
		return nil, err
	}
	out := &confirmOutput{
		Replay: idempotency.Replay{Replayed: c.Replayed},
		Status: http.StatusAccepted,
		Body:   ConfirmationView{OrderID: c.OrderID, State: c.State, Method: c.Method, ApprovedAt: c.ApprovedAt, ReceiptURL: c.ReceiptURL},
	}
	if c.Settled {
		out.Status = http.StatusOK
	}
	return out, nil
}
