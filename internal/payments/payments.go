// Package payments is the contract of the module that takes money, gives it back, and keeps the ledger of both.
//
// It is the arbiter of an unpaid order's end: only what it says is closed can never be paid any more.
package payments

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/fault"
)

// Service takes and returns money for orders. Every call is idempotent by the order's id, a refund of a part by its own.
type Service interface {
	// Open makes the order payable until in.ExpiresAt. A repeat returns the payment as it is.
	Open(ctx context.Context, in OpenInput) (Payment, error)
	// Close ends an unpaid payment. The state that it returns is the arbiter's word: StateClosed: no money will be kept for the
	// order; StateConfirming or StateCaptured: the order must not be ended. An order that was never opened is closed for good.
	Close(ctx context.Context, in CloseInput) (Payment, error)
	// Confirm takes the money that the shopper has authorised. The state is StateCaptured, or StateConfirming when the gateway has not
	// said yet: the outcome then comes as an event. Faults: ErrNoPayment, ErrAmountMismatch, ErrOrderClosed, ErrAlreadyPaid,
	// ErrInProgress, ErrDeclined (its detail is the gateway's code), ErrBusy.
	Confirm(ctx context.Context, in ConfirmInput) (Payment, error)
	// Refund gives a payment back: the whole, or with in.RefundID a part of it; after parts the whole is what they have left. The result's
	// Refund is the one that was asked for, and tells how far it is. A refused one stays refused however often it is asked for; the whole
	// can be asked for once more, by in.Retry, and a part under another id. Faults: ErrNoPayment, ErrNotRefundable (so much is not left, or
	// another refund is under way), ErrRefundReused.
	Refund(ctx context.Context, in RefundInput) (Payment, error)
	// Payment returns an order's payment with its history, or ErrNoPayment.
	Payment(ctx context.Context, in PaymentInput) (Payment, error)
	// Accounts tells where the money of each order stands; an order of which nothing is known is left out. For the audit.
	Accounts(ctx context.Context, in AccountsInput) (Accounts, error)
}

// State is the life of a payment.
type State string

const (
	StateOpen       State = "open"       // can be paid
	StateConfirming State = "confirming" // the gateway was asked and its answer is not known yet
	StateCaptured   State = "captured"   // the money is ours
	StateClosed     State = "closed"     // never paid, and can't be any more
)

// RefundState is the life of a refund.
type RefundState string

const (
	RefundStateRequested RefundState = "requested" // to be sent to the gateway
	RefundStateSent      RefundState = "sent"      // sent, outcome not known yet
	RefundStateDone      RefundState = "done"
	RefundStateRefused   RefundState = "refused" // the gateway will not; a person decides
)

// OpenInput is the argument of Open.
type OpenInput struct {
	OrderID     uuid.UUID `json:"order_id"`
	OrderNumber string    `json:"order_number"` // the gateway's orderId
	OrderName   string    `json:"order_name"`   // what the shopper reads on the pay page, at most 100 characters
	AccountID   uuid.UUID `json:"account_id"`
	AmountWon   int64     `json:"amount_won"` // at least 100
	ExpiresAt   time.Time `json:"expires_at"`
	NoDeposit   bool      `json:"no_deposit"` // true: it cannot wait for a bank transfer, and no account is kept open for one
}

// CloseInput is the argument of Close.
type CloseInput struct {
	OrderID uuid.UUID `json:"order_id"`
}

// ConfirmInput is the argument of Confirm. IdempotencyKey and RequestHash are the shopper's; a repeat returns the stored outcome.
type ConfirmInput struct {
	AccountID      uuid.UUID `json:"account_id"`
	PaymentKey     string    `json:"payment_key"`
	OrderNumber    string    `json:"order_number"`
	AmountWon      int64     `json:"amount_won"`
	IdempotencyKey string    `json:"idempotency_key"`
	RequestHash    []byte    `json:"request_hash"`
}

// RefundInput is the argument of Refund.
type RefundInput struct {
	OrderID   uuid.UUID `json:"order_id"`
	RefundID  uuid.UUID `json:"refund_id"`  // of a part: its id, which whoever asks has given it; the zero UUID: all that is left
	AmountWon int64     `json:"amount_won"` // of a part: at least 1
	Reason    string    `json:"reason"`     // at most 200 characters
	// Retry names a refused refund of the whole that is to be asked for once more; the zero UUID otherwise.
	Retry uuid.UUID `json:"retry"`
}

// PaymentInput names an order and, where a shopper asks, the account that must own it (the zero UUID: whoever).
type PaymentInput struct {
	OrderID   uuid.UUID `json:"order_id"`
	AccountID uuid.UUID `json:"account_id"`
}

// AccountsInput names at most 1,000 orders.
type AccountsInput struct {
	OrderIDs []uuid.UUID `json:"order_ids"`
}

// Accounts is the answer to AccountsInput.
type Accounts struct {
	Items []Account `json:"items"`
}

// Account is where the money of an order stands.
type Account struct {
	OrderID     uuid.UUID `json:"order_id"`
	State       State     `json:"state"`
	AmountWon   int64     `json:"amount_won"`   // to be paid
	CapturedWon int64     `json:"captured_won"` // by the ledger, taken for the order
	RefundedWon int64     `json:"refunded_won"` // by the ledger, given back of it
	RefundDue   bool      `json:"refund_due"`   // a refund has been asked for and is neither done nor refused
	MovedAt     time.Time `json:"moved_at"`     // when money came or went last; zero: never
}

// Payment is the money side of an order.
type Payment struct {
	OrderID     uuid.UUID  `json:"order_id"`
	OrderNumber string     `json:"order_number"`
	AccountID   uuid.UUID  `json:"account_id"`
	State       State      `json:"state"`
	AmountWon   int64      `json:"amount_won"`
	RefundedWon int64      `json:"refunded_won"`
	Method      string     `json:"method,omitempty"`
	ReceiptURL  string     `json:"receipt_url,omitempty"`
	CustomerKey string     `json:"customer_key"`
	ClientKey   string     `json:"client_key"`
	CheckoutURL string     `json:"checkout_url"`
	ExpiresAt   time.Time  `json:"expires_at"`
	ApprovedAt  *time.Time `json:"approved_at,omitempty"`
	// DepositDueAt is set while the shopper may still pay into a bank account; the state is then StateConfirming.
	DepositDueAt *time.Time `json:"deposit_due_at,omitempty"`
	Refund       *Refund    `json:"refund,omitempty"` // the latest, of the whole or of a part
	History      []Entry    `json:"history,omitempty"`
	Replayed     bool       `json:"replayed,omitempty"` // the answer to a request that was made before
}

// Refund is money on its way back.
type Refund struct {
	ID          uuid.UUID   `json:"id"`
	State       RefundState `json:"state"`
	AmountWon   int64       `json:"amount_won"`
	Reason      string      `json:"reason"`
	Code        string      `json:"code,omitempty"` // the gateway's, when it refused
	RequestedAt time.Time   `json:"requested_at"`
	DoneAt      *time.Time  `json:"done_at,omitempty"`
}

// Entry is a moment of a payment's history.
type Entry struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"` // opened, confirming, declined, captured, closed, refund_requested, refunded, refund_refused
	AmountWon int64     `json:"amount_won"`
	Detail    string    `json:"detail,omitempty"`
}

// The module's faults.
var (
	ErrNoPayment      = fault.New(fault.NotFound, "payments.no_payment", "there is no such payment")
	ErrAmountMismatch = fault.New(fault.Conflict, "payments.amount_mismatch", "the amount is not the order's")
	ErrOrderClosed    = fault.New(fault.Conflict, "payments.order_closed", "the order has ended and cannot be paid any more")
	ErrInProgress     = fault.New(fault.Conflict, "payments.in_progress", "the payment is being confirmed; nothing more needs to be done")
	ErrAlreadyPaid    = fault.New(fault.Conflict, "payments.already_paid", "the order is paid already")
	ErrDeclined       = fault.New(fault.Declined, "payments.declined", "the payment was declined")
	ErrBusy           = fault.New(fault.Unavailable, "payments.busy", "too many payments at once; nothing was taken, try again in a moment").WithRetryAfter(time.Second)
	ErrNotRefundable  = fault.New(fault.Conflict, "payments.not_refundable", "there is nothing to give back, or not so much")
	ErrRefundReused   = fault.New(fault.Conflict, "payments.refund_reused", "the refund's id stands for another refund")
	ErrRefundOfOrder  = fault.New(fault.Conflict, "payments.refund_of_order", "an order's own refund is asked for again at the order")
)
