package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

// Admin is what ordering says to managers.
type Admin struct {
	service *Service
}

var _ web.Routes = (*Admin)(nil)

// NewAdmin returns the routes below /admin/orders and /admin/preorders.
func NewAdmin(s *Service) *Admin { return &Admin{service: s} }

// Routes registers looking for orders, bringing them on their way, and pre-orders.
func (a *Admin) Routes(api *web.API) {
	a.preorderRoutes(api)
	web.Register(api, web.Operation{
		ID: "find-orders", Method: http.MethodGet, Path: "/admin/orders", Tag: tag, Summary: "Find orders", Role: auth.Manager,
		Description: "Of all accounts, in all states, newest first. What is asked for must all hold.",
	}, a.find)
	web.Register(api, web.Operation{
		ID: "inspect-order", Method: http.MethodGet, Path: "/admin/orders/{id}", Tag: tag, Summary: "Show an order", Role: auth.Manager,
		Description: "With its whole timeline and its payment.",
		Problems:    []*fault.Error{ordering.ErrNoOrder},
	}, a.show)
	web.Register(api, web.Operation{
		ID: "prepare-order", Method: http.MethodPost, Path: "/admin/orders/{id}/prepare", Tag: tag, Summary: "Begin to pack an order", Role: auth.Manager,
		Problems: []*fault.Error{ordering.ErrNoOrder, ordering.ErrIllegalTransition},
	}, a.prepare)
	web.Register(api, web.Operation{
		ID: "ship-order", Method: http.MethodPost, Path: "/admin/orders/{id}/shipments", Tag: tag, Summary: "Hand an order to the carrier", Role: auth.Manager,
		Description: "One that is paid or being prepared. From then on it cannot be canceled.",
		Problems:    []*fault.Error{ordering.ErrNoOrder, ordering.ErrIllegalTransition, ordering.ErrNotReleased},
	}, a.ship)
	web.Register(api, web.Operation{
		ID: "deliver-order", Method: http.MethodPost, Path: "/admin/orders/{id}/deliveries", Tag: tag, Summary: "Note that an order was delivered", Role: auth.Manager,
		Problems: []*fault.Error{ordering.ErrNoOrder, ordering.ErrIllegalTransition},
	}, a.deliver)
	web.Register(api, web.Operation{
		ID: "cancel-order-for-shopper", Method: http.MethodPost, Path: "/admin/orders/{id}/cancel", Tag: tag, Summary: "Cancel an order", Role: auth.Manager,
		Description: "Before it is shipped. The money goes back to the shopper: 200 when it has, and 202 while it is on its way.",
		Also:        map[int]string{http.StatusAccepted: "The money is on its way back; the order is canceled when it has arrived."},
		Idempotent:  true,
		Problems: []*fault.Error{
			ordering.ErrNoOrder, ordering.ErrAlreadyShipping, ordering.ErrPaymentInProgress, ordering.ErrIllegalTransition, ordering.ErrRefundRefused,
			ordering.ErrTooManyChanges, idempotency.ErrReused,
		},
	}, a.cancel)
	web.Register(api, web.Operation{
		ID: "refund-order", Method: http.MethodPost, Path: "/admin/orders/{id}/refunds", Tag: tag, Summary: "Refund goods that come back", Role: auth.Manager,
		Description: "Of an order that was shipped, in part or whole. Each piece gives back what was paid for it when it was ordered, in money and in points. " +
			"What was paid for shipping comes back with the last piece, and so does the coupon. Points that the goods had earned are taken back; what of them is spent " +
			"is taken off the money. 200 when the money has gone back, and 202 while it is on its way; one refund of an order at a time.",
		Also:       map[int]string{http.StatusAccepted: "The money is on its way back."},
		Idempotent: true,
		Problems: []*fault.Error{
			ordering.ErrNoOrder, ordering.ErrNotShipped, ordering.ErrIllegalTransition, ordering.ErrNotThatMany, ordering.ErrRefundOpen, ordering.ErrRefundRefused,
			idempotency.ErrReused,
		},
	}, a.refund)
}

type returnedItem struct {
	ProductID uuid.UUID `json:"product_id" doc:"Of the order; each product stands in one line only."`
	Quantity  int64     `json:"quantity" minimum:"1" maximum:"999" example:"1" doc:"Pieces that come back."`
}

type refundBody struct {
	Items   []returnedItem `json:"items,omitempty" maxItems:"50" doc:"What comes back; absent: all that the shopper has left of the order."`
	Restock bool           `json:"restock" example:"true" doc:"true: the goods are as good as new, and can be sold again."`
	Reason  string         `json:"reason" minLength:"1" maxLength:"200" example:"a seam came open" doc:"Why. The shopper reads it."`
}

type refundInput struct {
	web.Idempotency
	OrderPath
	Body refundBody
}

func (a *Admin) refund(ctx context.Context, in *refundInput) (*managedStatusOutput, error) {
	refund := RefundInput{
		By: auth.Must(ctx).AccountID, OrderID: in.ID, Key: in.KeyOf("/admin/orders/"+in.ID.String()+"/refunds", in.Body),
		Lines: make([]ReturnedItem, len(in.Body.Items)), Restock: in.Body.Restock, Reason: in.Body.Reason,
	}
	for i, item := range in.Body.Items {
		refund.Lines[i] = ReturnedItem(item)
	}
	r, err := a.service.Refund(ctx, refund)
	if err != nil {
		return nil, err
	}
	d, err := a.service.Order(ctx, uuid.Nil, r.Refund.OrderID)
	if err != nil {
		return nil, err
	}
	status := http.StatusAccepted
	if r.Refund.State == refundDone {
		status = http.StatusOK
	}
	return &managedStatusOutput{idempotency.Replay{Replayed: r.Replayed}, status, managedOf(d)}, nil
}

// ManagedOrderView is an order in a manager's list.
type ManagedOrderView struct {
	OrderView
	AccountID uuid.UUID `json:"account_id" doc:"Whose it is."`
}

// ManagedMomentView is something that happened to an order, with who did it.
type ManagedMomentView struct {
	MomentView
	ActorID *uuid.UUID `json:"actor_id,omitempty" doc:"The account; absent for the system."`
}

// ManagedPaymentView is the money side of an order.
type ManagedPaymentView struct {
	State       payments.State   `json:"state" example:"captured"`
	AmountWon   int64            `json:"amount_won" example:"28800"`
	RefundedWon int64            `json:"refunded_won" example:"0"`
	Method      string           `json:"method,omitempty" example:"카드"`
	ReceiptURL  string           `json:"receipt_url,omitempty"`
	ExpiresAt   time.Time        `json:"expires_at"`
	ApprovedAt  *time.Time       `json:"approved_at,omitempty"`
	Refund      *payments.Refund `json:"refund,omitempty"`
	History     []payments.Entry `json:"history" doc:"Oldest first."`
}

// ManagedOrderDetailsView is everything about an order.
type ManagedOrderDetailsView struct {
	ManagedOrderView
	RefusalCode string              `json:"refusal_code,omitempty" example:"catalog.out_of_stock" doc:"Why it could not be placed."`
	Timeline    []ManagedMomentView `json:"timeline" doc:"Oldest first."`
	Refunds     []RefundView        `json:"refunds" doc:"Of goods that came back after shipping; oldest first."`
	Money       *ManagedPaymentView `json:"money,omitempty" doc:"Absent where nothing was to be paid, or payments does not answer."`
}

func managedOf(d Details) ManagedOrderDetailsView {
	v := ManagedOrderDetailsView{
		ManagedOrderView: ManagedOrderView{viewOf(d.Order, d.Lines, d.Payment), d.Order.AccountID},
		Timeline:         make([]ManagedMomentView, len(d.Timeline)),
		Refunds:          refundsViewOf(d.Refunds),
	}
	if v.State == ordering.StateRejected {
		if f, ok := fault.As(refusalOf(d.Order)); ok {
			v.RefusalCode = f.Code
		}
	}
	for i, m := range d.Timeline {
		v.Timeline[i] = ManagedMomentView{
			MomentView{At: m.At.UTC(), From: ordering.State(m.FromState), To: ordering.State(m.ToState), By: m.ActorKind, Note: m.Note}, m.ActorID,
		}
	}
	if p := d.Payment; p != nil {
		v.Money = &ManagedPaymentView{
			State: p.State, AmountWon: p.AmountWon, RefundedWon: p.RefundedWon, Method: p.Method, ReceiptURL: p.ReceiptURL,
			ExpiresAt: p.ExpiresAt.UTC(), ApprovedAt: utc(p.ApprovedAt), Refund: p.Refund, History: p.History,
		}
		if v.Money.History == nil {
			v.Money.History = []payments.Entry{}
		}
	}
	return v
}

type findInput struct {
	web.PageQuery
	Number    string    `query:"number" maxLength:"64" example:"S20261124ABCDEFGHJKLMNPQR" doc:"Only the order with this number."`
	AccountID uuid.UUID `query:"account_id" doc:"Only orders of this account."`
	ProductID uuid.UUID `query:"product_id" doc:"Only orders of this product."`
	State     string    `query:"state" enum:"pending,awaiting_payment,paid,preparing,shipping,delivered,confirmed,canceling,rejected,expired,canceled,refunded" doc:"Only orders in this state."`
}

type findOutput struct {
	Body web.Page[ManagedOrderView]
}

func (a *Admin) find(ctx context.Context, in *findInput) (*findOutput, error) {
	var before position
	if err := web.DecodeCursor(in.Cursor, &before); err != nil {
		return nil, err
	}
	found, err := a.service.Search(ctx, SearchInput{
		Number: in.Number, AccountID: in.AccountID, ProductID: in.ProductID, State: ordering.State(in.State), Before: before.ID, AtMost: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	views := make([]ManagedOrderView, len(found))
	for i, f := range found {
		views[i] = ManagedOrderView{viewOf(f.Order, f.Lines, nil), f.Order.AccountID}
	}
	return &findOutput{web.PageOf(views, in.Limit, func(v ManagedOrderView) any { return position{v.ID} })}, nil
}

type managedOutput struct {
	Body ManagedOrderDetailsView
}

func managedAnswer(d Details, err error) (*managedOutput, error) {
	if err != nil {
		return nil, err
	}
	return &managedOutput{managedOf(d)}, nil
}

func (a *Admin) show(ctx context.Context, in *OrderPath) (*managedOutput, error) {
	return managedAnswer(a.service.Order(ctx, uuid.Nil, in.ID))
}

func (a *Admin) prepare(ctx context.Context, in *OrderPath) (*managedOutput, error) {
	return managedAnswer(a.service.Prepare(ctx, auth.Must(ctx).AccountID, in.ID))
}

type shipInput struct {
	OrderPath
	Body struct {
		Carrier       string `json:"carrier" minLength:"1" maxLength:"50" example:"CJ대한통운" doc:"Who brings it."`
		InvoiceNumber string `json:"invoice_number" minLength:"1" maxLength:"50" pattern:"^[A-Za-z0-9-]+$" example:"612345678901" doc:"The carrier's number of the parcel."`
	}
}

func (a *Admin) ship(ctx context.Context, in *shipInput) (*managedOutput, error) {
	return managedAnswer(a.service.Ship(ctx, auth.Must(ctx).AccountID, in.ID, in.Body.Carrier, in.Body.InvoiceNumber))
}

func (a *Admin) deliver(ctx context.Context, in *OrderPath) (*managedOutput, error) {
	return managedAnswer(a.service.Deliver(ctx, auth.Must(ctx).AccountID, in.ID))
}

type managedStatusOutput struct {
	idempotency.Replay
	Status int
	Body   ManagedOrderDetailsView
}

func (a *Admin) cancel(ctx context.Context, in *cancelInput) (*managedStatusOutput, error) {
	c, err := a.service.Cancel(ctx, CancelInput{
		By: auth.Must(ctx).AccountID, OrderID: in.ID, Key: in.KeyOf("/admin/orders/"+in.ID.String()+"/cancel", in.Body), Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	d, err := a.service.details(ctx, c.Order, true)
	if err != nil {
		return nil, err
	}
	return &managedStatusOutput{idempotency.Replay{Replayed: c.Replayed}, statusOf(c.Order.State), managedOf(d)}, nil
}
