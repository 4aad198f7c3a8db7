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
	// Cancel gives a payment back, or a part of it. The same request under the same key gives it back once.
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
	AmountWon      int64  // of a part; 0: all that is left
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
	OutcomeCanceled Outcome = "canceled" // all the money went back
	OutcomePartial  Outcome = "partial"  // a part of it went back
	OutcomeRefused  Outcome = "refused"  // the money will not be given back
	OutcomePending  Outcome = "pending"  // read back, and not decided
	OutcomeUnknown  Outcome = "unknown"  // anything may have happened

	OutcomeCanceling Outcome = "canceling" // the money will go back, or not: the gateway has taken that on
	OutcomeMismatch  Outcome = "mismatch"  // money that is not what was asked about; it settles nothing
)

// Money says whether the outcome is of money that was taken, or of an account that it may come into.
func (o Outcome) Money() bool {
	switch o {
	case OutcomePaid, OutcomeDeposit, OutcomeCanceled, OutcomePartial, OutcomeCanceling:
		return true
	}
	return false
}

// Answer is what the gateway said. Code is its word for anything but success, or ours when it said nothing.
type Answer struct {
	Outcome     Outcome
	Code        string
	PaymentKey  string
	OrderNumber string
	AmountWon   int64 // 0 where it is no whole number of won
	BackWon     int64 // of that, what went back
	Method      string
	ReceiptURL  string
	Secret      string     // what the webhook of a deposit must know
	ApprovedAt  *time.Time // of a payment
	DepositDue  *time.Time
	Overdue     bool // nobody paid in time

	CancelKey     string // the gateway's name of the last cancel
	CancelAborted bool   // and that it failed after all

	asked time.Time // of a payment that was read: when, at the latest
}

// with is the answer with another code.
func (a Answer) with(code string) Answer {
	a.Code = code
	return a
}

// gaveBack says whether so much of the payment went back, and no more.
func (a Answer) gaveBack(won int64) bool {
	return (a.Outcome == OutcomePartial || a.Outcome == OutcomeCanceled) && a.BackWon == won
}

// about compares what the gateway says with what it was asked about. No key: it was asked by the order's number.
//
// What it says of another payment settles nothing. Where no money is, the number and the amount are a shopper's own doing: anybody can
// open a window for any of them, and confirm with its key, and that must not hold an order until a person has looked at it.
func (a Answer) about(paymentKey, orderNumber string, amountWon int64) Answer {
	code := ""
	switch {
	case a.PaymentKey == "" || a.Outcome == OutcomeUnknown || a.Outcome == OutcomeMismatch:
	case paymentKey != "" && a.PaymentKey != paymentKey:
		code = "SHOP_OTHER_PAYMENT"
	case !a.Outcome.Money() && paymentKey != "":
	case a.OrderNumber != orderNumber:
		code = "SHOP_OTHER_ORDER"
	case a.Outcome.Money() && a.AmountWon != amountWon:
		code = "SHOP_OTHER_AMOUNT"
	}
	if code != "" {
		a.Outcome, a.Code = OutcomeMismatch, code
	}
	return a
}
