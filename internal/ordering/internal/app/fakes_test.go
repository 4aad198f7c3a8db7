package app_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
)

// points are where a test makes a call fail: "reserve.before" is a call that was lost on its way there, "reserve.after" one whose
// answer was lost.
type points struct {
	mu sync.Mutex
	at map[string]func(ctx context.Context) error
}

// always makes every call fail there, until never.
func (p *points) always(point string, fail func(ctx context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string]func(context.Context) error{}
	}
	p.at[point] = fail
}

func (p *points) never(point string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.at, point)
}

// once makes the next call fail there.
func (p *points) once(point string, fail func(ctx context.Context) error) {
	p.always(point, func(ctx context.Context) error {
		p.never(point)
		return fail(ctx)
	})
}

func (p *points) pass(ctx context.Context, point string) error {
	p.mu.Lock()
	fail := p.at[point]
	p.mu.Unlock()
	if fail == nil {
		return ctx.Err()
	}
	return fail(ctx)
}

// fakeCatalog sells what it is told to, and holds stock as the contract says.
type fakeCatalog struct {
	points
	mu     sync.Mutex
	offers map[uuid.UUID]catalog.Offer
	left   map[uuid.UUID]int64
	holds  map[uuid.UUID]hold
	sure   bool // Check says what it knows to be sold out
}

type hold struct {
	state catalog.HoldState
	lines []catalog.Line
}

func newCatalog() *fakeCatalog {
	return &fakeCatalog{offers: map[uuid.UUID]catalog.Offer{}, left: map[uuid.UUID]int64{}, holds: map[uuid.UUID]hold{}}
}

// sell puts a product on sale.
func (c *fakeCatalog) sell(name string, priceWon, left int64) uuid.UUID {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := uuid.New()
	c.offers[id] = catalog.Offer{ProductID: id, Name: name, Brand: "모노", PriceWon: priceWon, Availability: catalog.InStock, OnSale: true}
	c.left[id] = left
	return id
}

// change edits an offer.
func (c *fakeCatalog) change(id uuid.UUID, edit func(o *catalog.Offer)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.offers[id]
	edit(&o)
	c.offers[id] = o
}

func (c *fakeCatalog) hide(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.offers, id)
}

func (c *fakeCatalog) price(id uuid.UUID) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offers[id].PriceWon
}

func (c *fakeCatalog) restock(id uuid.UUID, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left[id] += n
}

func (c *fakeCatalog) leftOf(id uuid.UUID) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left[id]
}

func (c *fakeCatalog) hold(order uuid.UUID) catalog.HoldState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holds[order].state
}

func (c *fakeCatalog) Offers(ctx context.Context, in catalog.OffersInput) (catalog.Offers, error) {
	if err := c.pass(ctx, "offers"); err != nil {
		return catalog.Offers{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var found catalog.Offers
	for _, id := range in.ProductIDs {
		if o, ok := c.offers[id]; ok {
			found.Items = append(found.Items, o)
		}
	}
	return found, nil
}

func (c *fakeCatalog) Check(ctx context.Context, in catalog.CheckInput) (catalog.Checked, error) {
	if err := c.pass(ctx, "check"); err != nil {
		return catalog.Checked{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sure {
		return catalog.Checked{}, c.missing(in.Lines)
	}
	return catalog.Checked{}, nil
}

func (c *fakeCatalog) missing(lines []catalog.Line) error {
	var fields []fault.Field
	for i, l := range lines {
		if c.left[l.ProductID] < l.Quantity {
			fields = append(fields, fault.Field{Pointer: fmt.Sprintf("/items/%d", i), Detail: "not enough is left"})
		}
	}
	if fields == nil {
		return nil
	}
	return catalog.ErrOutOfStock.WithFields(fields...)
}

func (c *fakeCatalog) Reserve(ctx context.Context, in catalog.ReserveInput) (catalog.Reservation, error) {
	if err := c.pass(ctx, "reserve.before"); err != nil {
		return catalog.Reservation{}, err
	}
	r, err := c.reserve(in)
	if lost := c.pass(ctx, "reserve.after"); lost != nil {
		return catalog.Reservation{}, lost
	}
	return r, err
}

func (c *fakeCatalog) reserve(in catalog.ReserveInput) (catalog.Reservation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.holds[in.OrderID]; ok {
		if h.state == catalog.Released {
			return catalog.Reservation{}, catalog.ErrReservationReleased
		}
		return catalog.Reservation{OrderID: in.OrderID, State: h.state}, nil
	}
	if err := c.missing(in.Lines); err != nil {
		return catalog.Reservation{}, err
	}
	for _, l := range in.Lines {
		c.left[l.ProductID] -= l.Quantity
	}
	c.holds[in.OrderID] = hold{state: catalog.Held, lines: in.Lines}
	return catalog.Reservation{OrderID: in.OrderID, State: catalog.Held}, nil
}

func (c *fakeCatalog) Release(_ context.Context, in catalog.ReleaseInput) (catalog.Reservation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.holds[in.OrderID]
	if h.state != catalog.Released {
		for _, l := range h.lines {
			c.left[l.ProductID] += l.Quantity
		}
	}
	h.state = catalog.Released
	c.holds[in.OrderID] = h
	return catalog.Reservation{OrderID: in.OrderID, State: h.state}, nil
}

func (c *fakeCatalog) use(order uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.holds[order]
	h.state = catalog.Used
	c.holds[order] = h
}

// fakePayments takes money as the contract says; what the gateway does is set by the test.
type fakePayments struct {
	points
	clock    clock.Clock
	mu       sync.Mutex
	payments map[uuid.UUID]payments.Payment
	keys     map[string]uuid.UUID
	gateway  func(p payments.Payment) payments.State       // captured, confirming or open (declined)
	refunds  func(p payments.Payment) payments.RefundState // done, sent or refused
	returned map[uuid.UUID]int                             // refunds that were done, per order
}

func newPayments(c clock.Clock) *fakePayments {
	return &fakePayments{
		clock: c, payments: map[uuid.UUID]payments.Payment{}, keys: map[string]uuid.UUID{}, returned: map[uuid.UUID]int{},
		gateway: func(payments.Payment) payments.State { return payments.StateCaptured },
		refunds: func(payments.Payment) payments.RefundState { return payments.RefundStateDone },
	}
}

func (f *fakePayments) of(order uuid.UUID) payments.Payment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.payments[order]
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
		f.payments[in.OrderID] = p
	}
	f.mu.Unlock()
	return p, f.pass(ctx, "open.after")
}

func (f *fakePayments) Close(ctx context.Context, in payments.CloseInput) (payments.Payment, error) {
	if err := f.pass(ctx, "close"); err != nil {
		return payments.Payment{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.payments[in.OrderID]
	if !ok || p.State == payments.StateOpen {
		p.OrderID, p.State = in.OrderID, payments.StateClosed
		f.payments[in.OrderID] = p
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
	f.mu.Lock()
	p := f.payments[in.OrderID]
	if p.State != payments.StateCaptured {
		f.mu.Unlock()
		return payments.Payment{}, payments.ErrNotRefundable
	}
	if p.Refund == nil || (p.Refund.State == payments.RefundStateRefused && p.Refund.ID == in.Retry) {
		p.Refund = &payments.Refund{ID: uuid.New(), AmountWon: p.AmountWon, Reason: in.Reason, State: payments.RefundStateSent}
	}
	if p.Refund.State == payments.RefundStateSent {
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

// fakeAccounts knows one address of everybody: the one that has the account's own id.
type fakeAccounts struct{ points }

func (f *fakeAccounts) Account(context.Context, accounts.AccountInput) (accounts.Account, error) {
	return accounts.Account{}, accounts.ErrNoAccount
}

func (f *fakeAccounts) Address(ctx context.Context, in accounts.AddressInput) (accounts.Address, error) {
	if err := f.pass(ctx, "address"); err != nil {
		return accounts.Address{}, err
	}
	line1 := map[bool]string{true: "서울특별시 중구 세종대로 110", false: "부산광역시 연제구 중앙대로 1001"}[in.AddressID == in.AccountID]
	if in.AddressID != in.AccountID && in.AddressID != secondAddress(in.AccountID) {
		return accounts.Address{}, accounts.ErrNoAddress
	}
	return accounts.Address{ID: in.AddressID, Recipient: "김지은", Phone: "010-1234-5678", Zipcode: "04524", Line1: line1}, nil
}

func secondAddress(account uuid.UUID) uuid.UUID { return uuid.NewSHA1(account, []byte("second")) }

// start is when every test begins.
var start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
