package app_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
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
	var failed atomic.Bool
	p.always(point, func(ctx context.Context) error {
		if failed.Swap(true) { // two that come at once both find the fault
			return ctx.Err()
		}
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
	drops  map[uuid.UUID]catalog.Drop // what they have left stands in left
	clock  func() time.Time
	sure   bool // Check says what it knows to be sold out

	forgets bool // breaks its promise: a repeat takes the pieces again
	keeps   bool // breaks its promise: what the dead had stays taken
}

type hold struct {
	drop  uuid.UUID
	state catalog.HoldState
	lines []catalog.Line
}

func newCatalog(now func() time.Time) *fakeCatalog {
	return &fakeCatalog{
		offers: map[uuid.UUID]catalog.Offer{}, left: map[uuid.UUID]int64{}, holds: map[uuid.UUID]hold{}, drops: map[uuid.UUID]catalog.Drop{}, clock: now,
	}
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
		return catalog.Checked{}, c.missing(in.DropID, in.Lines)
	}
	return catalog.Checked{}, nil
}

// pool is where the pieces of a product are, or those of a drop.
func (c *fakeCatalog) pool(drop, product uuid.UUID) uuid.UUID {
	if d, ok := c.drops[drop]; ok && !d.Closed {
		return drop
	}
	return product
}

func (c *fakeCatalog) missing(drop uuid.UUID, lines []catalog.Line) error {
	var fields []fault.Field
	for i, l := range lines {
		if c.left[c.pool(drop, l.ProductID)] < l.Quantity {
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
	if h, ok := c.holds[in.OrderID]; ok && !c.forgets {
		if h.state == catalog.Released {
			return catalog.Reservation{}, catalog.ErrReservationReleased
		}
		return catalog.Reservation{OrderID: in.OrderID, State: h.state}, nil
	}
	if d, ok := c.drops[in.DropID]; ok {
		switch now := c.clock(); {
		case d.Closed:
			return catalog.Reservation{}, catalog.ErrDropClosed
		case now.Before(d.StartsAt), !now.Before(d.EndsAt):
			return catalog.Reservation{}, catalog.ErrDropNotOpen
		}
	}
	if err := c.missing(in.DropID, in.Lines); err != nil {
		return catalog.Reservation{}, err
	}
	for _, l := range in.Lines {
		c.left[c.pool(in.DropID, l.ProductID)] -= l.Quantity
	}
	c.holds[in.OrderID] = hold{drop: in.DropID, state: catalog.Held, lines: in.Lines}
	return catalog.Reservation{OrderID: in.OrderID, State: catalog.Held}, nil
}

// release gives back what an order holds, as the catalog does on the event of its end.
func (c *fakeCatalog) release(order uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.holds[order]
	if h.state != catalog.Released && !c.keeps {
		for _, l := range h.lines {
			c.left[c.pool(h.drop, l.ProductID)] += l.Quantity
		}
	}
	h.state = catalog.Released
	c.holds[order] = h
}

// linesOf is what an order has of the stock.
func (c *fakeCatalog) linesOf(order uuid.UUID) []catalog.Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.holds[order]; h.state != catalog.Released {
		return h.lines
	}
	return nil
}

func (c *fakeCatalog) Holds(ctx context.Context, in catalog.HoldsInput) (catalog.Holds, error) {
	if err := c.pass(ctx, "holds"); err != nil {
		return catalog.Holds{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var found catalog.Holds
	for _, id := range in.OrderIDs {
		if h, ok := c.holds[id]; ok {
			found.Items = append(found.Items, catalog.Hold{OrderID: id, State: h.state, Lines: h.lines})
		}
	}
	return found, nil
}

func (c *fakeCatalog) OpenHolds(ctx context.Context, in catalog.OpenHoldsInput) (catalog.Holds, error) {
	if err := c.pass(ctx, "open_holds"); err != nil {
		return catalog.Holds{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var found catalog.Holds
	for id, h := range c.holds {
		if h.state == catalog.Held && bytes.Compare(id[:], in.After[:]) > 0 {
			found.Items = append(found.Items, catalog.Hold{OrderID: id, State: h.state, Lines: h.lines})
		}
	}
	slices.SortFunc(found.Items, func(a, b catalog.Hold) int { return bytes.Compare(a.OrderID[:], b.OrderID[:]) })
	found.Items = found.Items[:min(len(found.Items), in.Limit)]
	return found, nil
}

func (c *fakeCatalog) SetDrop(ctx context.Context, in catalog.SetDropInput) (catalog.Drop, error) {
	if err := c.pass(ctx, "set_drop.before"); err != nil {
		return catalog.Drop{}, err
	}
	d, err := c.setDrop(in)
	if err != nil {
		return d, err
	}
	return d, c.pass(ctx, "set_drop.after")
}

func (c *fakeCatalog) setDrop(in catalog.SetDropInput) (catalog.Drop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.drops[in.DropID]
	more := in.Quantity - d.Quantity
	switch {
	case d.Closed:
		return catalog.Drop{}, catalog.ErrDropClosed
	case in.Revision < d.Revision, in.Revision == d.Revision && (in.Quantity != d.Quantity || !in.StartsAt.Equal(d.StartsAt) || !in.EndsAt.Equal(d.EndsAt)):
		return catalog.Drop{}, catalog.ErrDropStale
	case c.left[in.ProductID] < more:
		return catalog.Drop{}, catalog.ErrOutOfStock
	case c.left[in.DropID] < -more:
		return catalog.Drop{}, catalog.ErrDropBelowTaken
	}
	c.left[in.ProductID] -= more
	c.left[in.DropID] += more
	d = catalog.Drop{DropID: in.DropID, ProductID: in.ProductID, Quantity: in.Quantity, StartsAt: in.StartsAt, EndsAt: in.EndsAt, Revision: in.Revision}
	c.drops[in.DropID] = d
	return c.drop(in.DropID), nil
}

// drop is how a drop stands.
func (c *fakeCatalog) drop(id uuid.UUID) catalog.Drop {
	d := c.drops[id]
	d.Left = c.left[id]
	for _, h := range c.holds {
		if h.drop == id && h.state == catalog.Held {
			d.Held += h.lines[0].Quantity
		} else if h.drop == id && h.state == catalog.Used {
			d.Sold += h.lines[0].Quantity
		}
	}
	return d
}

func (c *fakeCatalog) CloseDrop(ctx context.Context, in catalog.CloseDropInput) (catalog.Drop, error) {
	if err := c.pass(ctx, "close_drop"); err != nil {
		return catalog.Drop{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.drops[in.DropID]
	if !ok {
		return d, catalog.ErrNoDrop
	}
	c.left[d.ProductID] += c.left[d.DropID]
	c.left[d.DropID], d.Closed = 0, true
	c.drops[d.DropID] = d
	return c.drop(d.DropID), nil
}

func (c *fakeCatalog) Drops(ctx context.Context, in catalog.DropsInput) (found catalog.DropStates, err error) {
	if err := c.pass(ctx, "drops"); err != nil {
		return found, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range in.DropIDs {
		if _, ok := c.drops[id]; ok {
			found.Items = append(found.Items, c.drop(id))
		}
	}
	return found, nil
}

func (c *fakeCatalog) use(order uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.holds[order]
	h.state = catalog.Used
	c.holds[order] = h
}

// fakeAccounts knows one address of everybody: the one that has the account's own id.
type fakeAccounts struct {
	points
	has *fakePoints
}

func (f *fakeAccounts) Account(ctx context.Context, in accounts.AccountInput) (accounts.Account, error) {
	if err := f.pass(ctx, "account"); err != nil {
		return accounts.Account{}, err
	}
	return accounts.Account{ID: in.AccountID, Points: f.has.spendable(in.AccountID)}, nil
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
