package app_test

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/clock"
)

// fakePayments takes money as the contract says; what the gateway does is set by the test.
type fakePayments struct {
	points
	clock    clock.Clock
	mu       sync.Mutex
	payments map[uuid.UUID]payments.Payment
	opened   map[uuid.UUID]payments.OpenInput
	keys     map[string]uuid.UUID
	gateway  func(p payments.Payment) payments.State       // captured, confirming or open (declined)
	refunds  func(p payments.Payment) payments.RefundState // done, sent or refused
	returned map[uuid.UUID]int                             // refunds of the whole that were done, per order
	parts    map[uuid.UUID]payments.Refund                 // of goods that came back
	closing  func(order uuid.UUID) error                   // fails to close certain orders

	lenient  bool // breaks its promise: what it says is closed can be paid
	generous bool // breaks its promise: each time that it is asked it gives the money back
}

func newPayments(c clock.Clock) *fakePayments {
	return &fakePayments{
		clock: c, payments: map[uuid.UUID]payments.Payment{}, opened: map[uuid.UUID]payments.OpenInput{}, keys: map[string]uuid.UUID{}, returned: map[uuid.UUID]int{},
		parts:   map[uuid.UUID]payments.Refund{},
		gateway: func(payments.Payment) payments.State { return payments.StateCaptured },
		refunds: func(payments.Payment) payments.RefundState { return payments.RefundStateDone },
	}
}

func (f *fakePayments) of(order uuid.UUID) payments.Payment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.payments[order]
}

// given is how often the money of an order was given back.
func (f *fakePayments) given(order uuid.UUID) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.returned[order]
}

func (f *fakePayments) set(order uuid.UUID, edit func(p *payments.Payment)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.payments[order]
	edit(&p)
	f.payments[order] = p
}

func (f *fakePayments) Open(ctx context.Context, in payments.OpenInput) (payments.Payment, error) {
	if err := f.pass(ctx, "open.before"); err != nil {
		return payments.Payment{}, err
	}
	f.mu.Lock()
	p, ok := f.payments[in.OrderID]
	if !ok {
		p = payments.Payment{
			OrderID: in.OrderID, OrderNumber: in.OrderNumber, AccountID: in.AccountID, State: payments.StateOpen, AmountWon: in.AmountWon,
			CustomerKey: "cus_1", ClientKey: "test_ck_1", CheckoutURL: "https://shop.test/toss/pay/" + in.OrderNumber, ExpiresAt: in.ExpiresAt,
		}
		f.payments[in.OrderID], f.opened[in.OrderID] = p, in
	}
	f.mu.Unlock()
	return p, f.pass(ctx, "open.after")
}

func (f *fakePayments) Close(ctx context.Context, in payments.CloseInput) (payments.Payment, error) {
	if err := f.pass(ctx, "close"); err != nil {
		return payments.Payment{}, err
	}
	if f.closing != nil {
		if err := f.closing(in.OrderID); err != nil {
			return payments.Payment{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.payments[in.OrderID]
	if !ok || p.State == payments.StateOpen {
		p.OrderID, p.State = in.OrderID, payments.StateClosed
		if !f.lenient {
			f.payments[in.OrderID] = p
		}
	}
	return p, nil
}

func (f *fakePayments) Confirm(ctx context.Context, in payments.ConfirmInput) (payments.Payment, error) {
	if err := f.pass(ctx, "confirm"); err != nil {
		return payments.Payment{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, p := range f.payments {
		if p.OrderNumber != in.OrderNumber || p.AccountID != in.AccountID {
			continue
		}
		if f.keys[in.IdempotencyKey] == id {
			p.Replayed = true
			return p, nil
		}
		switch {
		case p.AmountWon != in.AmountWon:
			return payments.Payment{}, payments.ErrAmountMismatch
		case p.State == payments.StateClosed:
			return payments.Payment{}, payments.ErrOrderClosed
		case p.State == payments.StateCaptured:
			return payments.Payment{}, payments.ErrAlreadyPaid
		case p.State == payments.StateConfirming:
			return payments.Payment{}, payments.ErrInProgress
		}
		p.State = f.gateway(p)
		if p.State == payments.StateOpen {
			return payments.Payment{}, payments.ErrDeclined
		}
		if p.State == payments.StateCaptured {
			p.Method, p.ApprovedAt = "카드", new(f.clock())
		}
		f.payments[id], f.keys[in.IdempotencyKey] = p, id
		return p, nil
	}
	return payments.Payment{}, payments.ErrNoPayment
}

func (f *fakePayments) Refund(ctx context.Context, in payments.RefundInput) (payments.Payment, error) {
	if err := f.pass(ctx, "refund.before"); err != nil {
		return payments.Payment{}, err
	}
	if in.RefundID != uuid.Nil {
		p, err := f.refundPart(in)
		if err != nil {
			return p, err
		}
		return p, f.pass(ctx, "refund.after")
	}
	f.mu.Lock()
	p := f.payments[in.OrderID]
	if p.State != payments.StateCaptured {
		f.mu.Unlock()
		return payments.Payment{}, payments.ErrNotRefundable
	}
	if p.Refund == nil || (p.Refund.State == payments.RefundStateRefused && p.Refund.ID == in.Retry) {
		p.Refund = &payments.Refund{ID: uuid.New(), AmountWon: p.AmountWon, Reason: in.Reason, State: payments.RefundStateSent}
	}
	if p.Refund.State == payments.RefundStateSent || f.generous {
		r := *p.Refund
		if r.State = f.refunds(p); r.State == payments.RefundStateDone {
			p.RefundedWon = p.AmountWon
			f.returned[in.OrderID]++
		}
		p.Refund = &r
	}
	f.payments[in.OrderID] = p
	f.mu.Unlock()
	return p, f.pass(ctx, "refund.after")
}

func (f *fakePayments) refundPart(in payments.RefundInput) (payments.Payment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.payments[in.OrderID]
	r, known := f.parts[in.RefundID]
	if !known {
		if p.State != payments.StateCaptured || in.AmountWon < 1 || in.AmountWon > p.AmountWon-p.RefundedWon {
			return payments.Payment{}, payments.ErrNotRefundable
		}
		r = payments.Refund{ID: in.RefundID, AmountWon: in.AmountWon, Reason: in.Reason, State: payments.RefundStateSent}
	}
	if r.State == payments.RefundStateSent {
		if r.State = f.refunds(p); r.State == payments.RefundStateDone {
			p.RefundedWon += r.AmountWon
		}
	}
	f.payments[in.OrderID], f.parts[in.RefundID] = p, r
	p.Refund = &r
	return p, nil
}

// settlePart is what the gateway says later.
func (f *fakePayments) settlePart(order, refund uuid.UUID, state payments.RefundState) payments.Refund {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, p := f.parts[refund], f.payments[order]
	if r.State == payments.RefundStateSent && state == payments.RefundStateDone {
		p.RefundedWon += r.AmountWon
	}
	r.State = state
	f.parts[refund], f.payments[order] = r, p
	return r
}

func (f *fakePayments) Payment(ctx context.Context, in payments.PaymentInput) (payments.Payment, error) {
	if err := f.pass(ctx, "payment"); err != nil {
		return payments.Payment{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.payments[in.OrderID]
	if !ok || (in.AccountID != uuid.Nil && p.AccountID != in.AccountID) {
		return payments.Payment{}, payments.ErrNoPayment
	}
	return p, nil
}

func (f *fakePayments) Accounts(ctx context.Context, in payments.AccountsInput) (payments.Accounts, error) {
	if err := f.pass(ctx, "accounts"); err != nil {
		return payments.Accounts{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found payments.Accounts
	for _, id := range in.OrderIDs {
		p, ok := f.payments[id]
		if !ok {
			continue
		}
		a := payments.Account{OrderID: id, State: p.State, AmountWon: p.AmountWon, RefundedWon: p.RefundedWon}
		if p.State == payments.StateCaptured {
			a.CapturedWon = p.AmountWon
			if p.ApprovedAt != nil {
				a.MovedAt = *p.ApprovedAt
			}
		}
		if r := p.Refund; r != nil {
			a.RefundDue = r.State == payments.RefundStateRequested || r.State == payments.RefundStateSent
		}
		found.Items = append(found.Items, a)
	}
	return found, nil
}
