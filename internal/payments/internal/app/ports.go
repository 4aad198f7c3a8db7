package app

import (
	"context"
	"time"
)

// Gateway is who moves the money. None of its methods fails: a call that went wrong is an outcome that is not known.
type Gateway interface {
	// Confirm takes the money that a shopper has authorised. The same request under the same key takes it once.
	Confirm(ctx context.Context, in ConfirmRequest) Answer
	// Payment reads a payment back by its key.
	Payment(ctx context.Context, paymentKey string) Answer
	// PaymentByOrder reads back the payment of an order.
	PaymentByOrder(ctx context.Context, orderNumber string) Answer
	// Cancel gives a payment back whole. The same request under the same key gives it back once.
	Cancel(ctx context.Context, in CancelRequest) Answer
}

// Checkout opens a window to pay in, where that is not the shop page's own work: at an emulator in another process.
type Checkout interface {
	Register(ctx context.Context, s Session) error
}

// ConfirmRequest is what a confirm says.
type ConfirmRequest struct {
	PaymentKey     string
	OrderNumber    string
	AmountWon      int64
	IdempotencyKey string
}

// CancelRequest is what a cancel says.
type CancelRequest struct {
	PaymentKey     string
	Reason         string // at most 200 characters
	IdempotencyKey string
}

// Session is an order to be paid.
type Session struct {
	OrderNumber string
	OrderName   string
	AmountWon   int64
	CustomerKey string
}

// Outcome is what an answer of the gateway means to us.
type Outcome string

const (
	OutcomePaid     Outcome = "paid"     // the money is ours
	OutcomeDeposit  Outcome = "deposit"  // an account was opened, and nobody has paid into it yet
	OutcomeDeclined Outcome = "declined" // no money was taken, and under this payment key none can be
	OutcomeVoid     Outcome = "void"     // refused before the bank was asked; to be read back once before it is believed
	OutcomeCanceled Outcome = "canceled" // the money went back
	OutcomePartial  Outcome = "partial"  // a part of it went back, which we never ask for
	OutcomeRefused  Outcome = "refused"  // the money will not be given back
	OutcomePending  Outcome = "pending"  // read back, and not decided
	OutcomeUnknown  Outcome = "unknown"  // anything may have happened
)

// Answer is what the gateway said. Code is its word for anything but success, or ours when it said nothing.
type Answer struct {
	Outcome     Outcome
	Code        string
	PaymentKey  string
	OrderNumber string
	AmountWon   int64
	Method      string
	ReceiptURL  string
	Secret      string     // what the webhook of a deposit must know
	ApprovedAt  *time.Time // of a payment
	DepositDue  *time.Time
	Overdue     bool // nobody paid in time
}
