package app

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// Admin is what managers see of the money.
type Admin struct {
	service *Service
}

// NewAdmin returns the managers' routes.
func NewAdmin(service *Service) *Admin { return &Admin{service: service} }

// Routes implements [web.Routes].
func (a *Admin) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-payments", Method: http.MethodGet, Path: "/admin/payments", Tag: tag,
		Summary: "List payments, newest first",
		Description: "state=unknown lists those of which Toss has not said what came of them, or said what cannot be; state=refund_due " +
			"those with money that must go back and has not.",
		Role:     auth.Manager,
		Problems: []*fault.Error{web.ErrBadCursor},
	}, a.list)
	web.Register(api, web.Operation{
		ID: "get-payment", Method: http.MethodGet, Path: "/admin/payments/{order_id}", Tag: tag,
		Summary: "Show a payment with its attempts, refunds, transfers and history",
		Description: "Its money goes back whole, or in parts, one after another. A part that Toss refused stays refused: what is asked for again " +
			"is another.",
		Role:     auth.Manager,
		Problems: []*fault.Error{payments.ErrNoPayment},
	}, a.get)
	web.Register(api, web.Operation{
		ID: "reconcile-payment", Method: http.MethodPost, Path: "/admin/payments/{order_id}/reconcile", Tag: tag,
		Summary:     "Ask Toss now what came of a payment",
		Description: "What the job does by itself, at once; the answer is the payment as it is then.",
		Role:        auth.Manager, Status: http.StatusOK, Deadline: 60 * time.Second,
		Problems: []*fault.Error{payments.ErrNoPayment},
	}, a.reconcile)
	web.Register(api, web.Operation{
		ID: "retry-refund", Method: http.MethodPost, Path: "/admin/payments/{order_id}/refunds/{refund_id}/retry", Tag: tag,
		Summary: "Ask Toss once more for a refund of stray money that it refused",
		Description: "Stray money is what the order could not use: it had ended, or was paid already. An order's own refund is asked for again by " +
			"canceling the order again, which only works before it is shipped, and a part of one by another refund of the order; here both are " +
			"answered with 409. The request goes out under a new key, because Toss repeats a refusal under the old one. A refund that was asked for " +
			"again already is left alone.",
		Role: auth.Manager, Status: http.StatusOK, Deadline: 30 * time.Second,
		Problems: []*fault.Error{payments.ErrNoPayment, payments.ErrNotRefundable, payments.ErrRefundOfOrder},
	}, a.retry)
	web.Register(api, web.Operation{
		ID: "list-ledger", Method: http.MethodGet, Path: "/admin/ledger", Tag: tag,
		Summary:     "List the transfers of the ledger, newest first",
		Description: "Double entry: each transfer moves an amount between two accounts. The first page has the balances, which sum to zero.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{web.ErrBadCursor},
	}, a.ledger)
}

// PaymentRow is exported because huma leaves out what is embedded and is not.
type PaymentRow struct {
	OrderID      uuid.UUID  `json:"order_id" doc:"The order's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	OrderNumber  string     `json:"order_number" doc:"The order's number." example:"20260102-ABCDEFGHJKMN"`
	AccountID    uuid.UUID  `json:"account_id" doc:"Whose order it is." example:"0198b1f2-0000-7000-8000-000000000001"`
	State        string     `json:"state" enum:"open,confirming,awaiting_deposit,captured,closed" doc:"Where it is." example:"captured"`
	AmountWon    int64      `json:"amount_won" doc:"What is to be paid." example:"23000"`
	RefundedWon  int64      `json:"refunded_won" doc:"What was given back." example:"0"`
	Method       string     `json:"method,omitempty" doc:"How it was paid." example:"카드"`
	ApprovedAt   *time.Time `json:"approved_at,omitempty" doc:"When the money came." example:"2026-01-02T03:05:00Z"`
	DepositDueAt *time.Time `json:"deposit_due_at,omitempty" doc:"Until when a deposit is awaited." example:"2026-01-03T03:05:00Z"`
	ExpiresAt    time.Time  `json:"expires_at" doc:"Until when it can be paid." example:"2026-01-02T03:19:05.678Z"`
	CreatedAt    time.Time  `json:"created_at" doc:"Since when it is there." example:"2026-01-02T03:04:05.678Z"`
	UpdatedAt    time.Time  `json:"updated_at" doc:"When it changed last." example:"2026-01-02T03:05:00.123Z"`
}

func rowOf(p db.Payment) PaymentRow {
	r := PaymentRow{
		OrderID: p.OrderID, State: p.State, AmountWon: p.AmountWon, RefundedWon: p.RefundedWon, Method: p.Method, ApprovedAt: p.ApprovedAt,
		DepositDueAt: p.DepositDueAt, ExpiresAt: p.ExpiresAt, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
	if p.OrderNumber != nil {
		r.OrderNumber = *p.OrderNumber
	}
	if p.AccountID != nil {
		r.AccountID = *p.AccountID
	}
	return r
}

type listInput struct {
	web.PageQuery
	State string `query:"state" enum:"open,confirming,awaiting_deposit,captured,closed,unknown,refund_due" doc:"Only these; absent: all."`
	Order string `query:"order" maxLength:"64" doc:"Only this order's, by its id or its number." example:"20260102-ABCDEFGHJKMN"`
}

type listOutput struct {
	Body web.Page[PaymentRow]
}

func (a *Admin) list(ctx context.Context, in *listInput) (*listOutput, error) {
	page, err := a.service.Payments(ctx, PaymentsQuery{State: in.State, Order: in.Order, Page: in.PageQuery})
	if err != nil {
		return nil, err
	}
	out := web.Page[PaymentRow]{Items: make([]PaymentRow, len(page.Items)), NextCursor: page.NextCursor}
	for i, p := range page.Items {
		out.Items[i] = rowOf(p)
	}
	return &listOutput{Body: out}, nil
}

type attemptView struct {
	ID         uuid.UUID  `json:"id" doc:"The attempt's id." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
	Number     int32      `json:"number" doc:"1 for the order's first." example:"1"`
	PaymentKey string     `json:"payment_key" doc:"Toss's name for it." example:"tgen_20260102abc"`
	State      string     `json:"state" enum:"sent,awaiting_deposit,captured,declined,disputed" doc:"sent: not known yet; disputed: a person decides." example:"captured"`
	Code       string     `json:"code,omitempty" doc:"Toss's last word, when it was not a yes." example:"REJECT_CARD_PAYMENT"`
	Tries      int32      `json:"tries" doc:"How often Toss was asked again." example:"0"`
	SentAt     time.Time  `json:"sent_at" doc:"When it was made." example:"2026-01-02T03:05:00.123Z"`
	SettledAt  *time.Time `json:"settled_at,omitempty" doc:"When its outcome was learned." example:"2026-01-02T03:05:00.456Z"`
	NextAt     *time.Time `json:"next_at,omitempty" doc:"When Toss is asked again; absent when it is not." example:"2026-01-02T03:05:30.123Z"`
}

type adminRefundView struct {
	RefundView
	Kind   string     `json:"kind" enum:"order,part,stray,deposit" doc:"order: all that is left of an order's money; part: some of it; stray: of money that the order could not use; deposit: an account that nobody paid into." example:"order"`
	Tries  int32      `json:"tries" doc:"How often it was sent." example:"1"`
	NextAt *time.Time `json:"next_at,omitempty" doc:"When it is sent again; absent when it is not." example:"2026-01-02T03:05:30.123Z"`
}

type transferView struct {
	ID            int64     `json:"id" doc:"In the order of the books." example:"17"`
	OrderID       uuid.UUID `json:"order_id" doc:"The order's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Kind          string    `json:"kind" enum:"capture,refund" doc:"Money that came, or went back." example:"capture"`
	SourceID      uuid.UUID `json:"source_id" doc:"The attempt that captured, or the refund." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
	DebitAccount  string    `json:"debit_account" enum:"toss,orders,strays" doc:"To where." example:"toss"`
	CreditAccount string    `json:"credit_account" enum:"toss,orders,strays" doc:"From where." example:"orders"`
	AmountWon     int64     `json:"amount_won" doc:"How much." example:"23000"`
	At            time.Time `json:"at" doc:"When it was written." example:"2026-01-02T03:05:00.456Z"`
}

type detailView struct {
	PaymentRow
	ReceiptURL string            `json:"receipt_url,omitempty" doc:"Toss's receipt." example:"https://dashboard.tosspayments.com/receipt/1"`
	Attempts   []attemptView     `json:"attempts" doc:"In order."`
	Refunds    []adminRefundView `json:"refunds" doc:"In order."`
	Transfers  []transferView    `json:"transfers" doc:"What the ledger has of it."`
	History    []entryView       `json:"history" doc:"What happened, oldest first."`
}

// DetailInput names a payment; exported, since huma passes over an embedded struct whose type is not.
type DetailInput struct {
	OrderID uuid.UUID `path:"order_id" doc:"The order's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

type detailOutput struct {
	Body detailView
}

func (a *Admin) get(ctx context.Context, in *DetailInput) (*detailOutput, error) {
	d, err := a.service.Details(ctx, in.OrderID)
	if err != nil {
		return nil, err
	}
	return &detailOutput{Body: detailOf(d)}, nil
}

func (a *Admin) reconcile(ctx context.Context, in *DetailInput) (*detailOutput, error) {
	if err := a.service.ReadBack(ctx, in.OrderID); err != nil {
		return nil, err
	}
	return a.get(ctx, in)
}

type retryInput struct {
	DetailInput
	RefundID uuid.UUID `path:"refund_id" doc:"The refund that was refused." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
}

func (a *Admin) retry(ctx context.Context, in *retryInput) (*detailOutput, error) {
	if err := a.service.RetryRefund(ctx, in.OrderID, in.RefundID); err != nil {
		return nil, err
	}
	return a.get(ctx, &in.DetailInput)
}

func detailOf(d Details) detailView {
	v := detailView{
		PaymentRow: rowOf(d.Payment), ReceiptURL: d.Payment.ReceiptUrl, Attempts: make([]attemptView, len(d.Attempts)),
		Refunds: make([]adminRefundView, len(d.Refunds)), Transfers: make([]transferView, len(d.Transfers)), History: make([]entryView, len(d.History)),
	}
	for i, at := range d.Attempts {
		v.Attempts[i] = attemptView{
			ID: at.ID, Number: at.Number, PaymentKey: at.PaymentKey, State: at.State, Code: at.Code, Tries: at.Tries, SentAt: at.SentAt, SettledAt: at.SettledAt,
		}
		if at.State == attemptSent || at.State == stateAwaitingDeposit {
			v.Attempts[i].NextAt = &d.Attempts[i].NextAt
		}
	}
	for i, r := range d.Refunds {
		shown := refundOf(r)
		v.Refunds[i] = adminRefundView{Kind: r.Kind, Tries: r.Tries, RefundView: RefundView(*shown)}
		if r.State == string(payments.RefundStateRequested) || r.State == string(payments.RefundStateSent) {
			v.Refunds[i].NextAt = &d.Refunds[i].NextAt
		}
	}
	for i, t := range d.Transfers {
		v.Transfers[i] = transferView(t)
	}
	for i, h := range d.History {
		v.History[i] = entryView{At: h.At, Kind: h.Kind, AmountWon: h.AmountWon, Detail: h.Detail}
	}
	return v
}

type balanceView struct {
	Account string `json:"account" enum:"toss,orders,strays" doc:"toss: what Toss owes the shop; orders: what was paid for orders; strays: what must go back to shoppers." example:"toss"`
	Won     int64  `json:"balance_won" doc:"What is on it; all of them sum to zero." example:"23000"`
}

type ledgerView struct {
	Items      []transferView `json:"items" doc:"The transfers of this page, newest first."`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Give it as cursor to get the next page; absent on the last one."`
	Balances   []balanceView  `json:"balances,omitempty" doc:"Of the whole ledger; on the first page only."`
}

type ledgerOutput struct {
	Body ledgerView
}

func (a *Admin) ledger(ctx context.Context, in *web.PageQuery) (*ledgerOutput, error) {
	page, balances, err := a.service.Ledger(ctx, *in)
	if err != nil {
		return nil, err
	}
	out := ledgerView{Items: make([]transferView, len(page.Items)), NextCursor: page.NextCursor}
	for i, t := range page.Items {
		out.Items[i] = transferView(t)
	}
	for _, b := range balances {
		out.Balances = append(out.Balances, balanceView(b))
	}
	return &ledgerOutput{Body: out}, nil
}

// first is before every order's id when they are listed newest first.
var first = uuid.Max

// newest is before every transfer likewise.
const newest = math.MaxInt64
