package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const tag = "payments"

// HTTP is what shoppers, and Toss, see of the module.
type HTTP struct {
	service *Service
}

// NewHTTP returns the public routes.
func NewHTTP(service *Service) *HTTP { return &HTTP{service: service} }

// Routes implements [web.Routes].
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "get-order-payment", Method: http.MethodGet, Path: "/v1/orders/{id}/payment", Tag: tag,
		Summary:     "Show an order's payment",
		Description: "With its history, and with what is needed to pay it while it is open.",
		Role:        auth.Shopper,
		Problems:    []*fault.Error{payments.ErrNoPayment},
	}, h.payment)
	web.Raw(api, web.Operation{
		ID: "receive-toss-webhook", Method: http.MethodPost, Path: "/webhooks/toss", Tag: tag,
		Summary:     "Take a webhook of Toss Payments",
		Description: "It is kept, and the payment that it speaks of is read back from Toss: nothing that it says is believed.",
		MaxBody:     maxWebhook, ReadOnlySafe: true, Accepts: "application/json",
		Problems: []*fault.Error{errBadWebhook, errHookTooLong, errTooManyHook},
	}, h.service.WebhookHandler())
}

// WebhookHandler takes webhooks. An emulator in this process calls it past the network.
func (s *Service) WebhookHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			web.WriteProblem(w, r, errHookTooLong)
			return
		}
		if err != nil {
			web.WriteProblem(w, r, errBadWebhook)
			return
		}
		if err := s.Receive(r.Context(), r.Header.Get("tosspayments-webhook-transmission-id"), body); err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

type orderID struct {
	ID uuid.UUID `path:"id" doc:"The order's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

type entryView struct {
	At        time.Time `json:"at" doc:"When it happened." example:"2026-01-02T03:04:05.678Z"`
	Kind      string    `json:"kind" doc:"What happened." enum:"opened,confirming,declined,captured,closed,refund_requested,refunded,refund_refused" example:"captured"`
	AmountWon int64     `json:"amount_won" doc:"The money it was about." example:"23000"`
	Detail    string    `json:"detail,omitempty" doc:"The gateway's code, or the way of paying." example:"카드"`
}

// RefundView is exported because huma leaves out what is embedded and is not.
type RefundView struct {
	ID          uuid.UUID            `json:"id" doc:"The refund's id." example:"0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"`
	State       payments.RefundState `json:"state" enum:"requested,sent,done,refused" doc:"How far it is." example:"done"`
	AmountWon   int64                `json:"amount_won" doc:"What goes back." example:"23000"`
	Reason      string               `json:"reason" doc:"Why." example:"주문 취소"`
	Code        string               `json:"code,omitempty" doc:"The gateway's last word, when it was not a yes." example:"NOT_CANCELABLE_PAYMENT"`
	RequestedAt time.Time            `json:"requested_at" doc:"Since when it is asked for." example:"2026-01-02T03:04:05.678Z"`
	DoneAt      *time.Time           `json:"done_at,omitempty" doc:"When it was done, or refused." example:"2026-01-02T03:04:06.789Z"`
}

type paymentView struct {
	OrderID      uuid.UUID      `json:"order_id" doc:"The order's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	OrderNumber  string         `json:"order_number" doc:"The order's number, which is Toss's orderId." example:"20260102-ABCDEFGHJKMN"`
	State        payments.State `json:"state" enum:"open,confirming,captured,closed" doc:"Whether it can be, is being, was, or can't be paid." example:"captured"`
	AmountWon    int64          `json:"amount_won" doc:"What is to be paid." example:"23000"`
	RefundedWon  int64          `json:"refunded_won" doc:"What was given back, in all." example:"0"`
	Method       string         `json:"method,omitempty" doc:"How it was paid." example:"카드"`
	ReceiptURL   string         `json:"receipt_url,omitempty" doc:"Toss's receipt." example:"https://dashboard.tosspayments.com/receipt/1"`
	CustomerKey  string         `json:"customer_key" doc:"Toss's customerKey." example:"K4T2B6QW3M5N7P8R"`
	ClientKey    string         `json:"client_key" doc:"Toss's client key, for its script." example:"test_ck_emulator"`
	CheckoutURL  string         `json:"checkout_url,omitempty" doc:"The page to pay on; absent where the shop's own page opens Toss's window." example:"http://127.0.0.1:8080/toss/pay/20260102-ABCDEFGHJKMN"`
	ExpiresAt    time.Time      `json:"expires_at" doc:"Until when it can be paid." example:"2026-01-02T03:19:05.678Z"`
	ApprovedAt   *time.Time     `json:"approved_at,omitempty" doc:"When the money came." example:"2026-01-02T03:05:00Z"`
	DepositDueAt *time.Time     `json:"deposit_due_at,omitempty" doc:"Until when a deposit is awaited." example:"2026-01-03T03:05:00Z"`
	Refund       *RefundView    `json:"refund,omitempty" doc:"The latest refund, of all the money or of a part of it; the history has the others."`
	History      []entryView    `json:"history" doc:"What happened, oldest first."`
}

type paymentOutput struct {
	Body paymentView
}

func (h *HTTP) payment(ctx context.Context, in *orderID) (*paymentOutput, error) {
	p, err := h.service.Payment(ctx, payments.PaymentInput{OrderID: in.ID, AccountID: auth.Must(ctx).AccountID})
	if err != nil {
		return nil, err
	}
	return &paymentOutput{Body: viewOf(p)}, nil
}

func viewOf(p payments.Payment) paymentView {
	v := paymentView{
		OrderID: p.OrderID, OrderNumber: p.OrderNumber, State: p.State, AmountWon: p.AmountWon, RefundedWon: p.RefundedWon, Method: p.Method,
		ReceiptURL: p.ReceiptURL, CustomerKey: p.CustomerKey, ClientKey: p.ClientKey, CheckoutURL: p.CheckoutURL, ExpiresAt: p.ExpiresAt,
		ApprovedAt: p.ApprovedAt, DepositDueAt: p.DepositDueAt, History: make([]entryView, len(p.History)),
	}
	if p.Refund != nil {
		v.Refund = &RefundView{
			ID: p.Refund.ID, State: p.Refund.State, AmountWon: p.Refund.AmountWon, Reason: p.Refund.Reason, Code: p.Refund.Code,
			RequestedAt: p.Refund.RequestedAt, DoneAt: p.Refund.DoneAt,
		}
	}
	for i, e := range p.History {
		v.History[i] = entryView(e)
	}
	return v
}
