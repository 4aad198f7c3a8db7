package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// TestStockMachine plays calls, events and movements, each of them also twice, in any order against a plain model of the stock. The
// books are sound after every run.
//
// medusa#16595: giving back counts again what was given back before.
func TestStockMachine(t *testing.T) {
	t.Parallel()

	s := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(s)
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve,
			"drop":    m.reserveDrop,
			"set":     m.set,
			"close":   m.close,
			"release": m.release,
			"end":     m.end,
			"paid":    m.paid,
			"return":  m.giveBack,
			"move":    m.move,
			"again":   m.moveAgain,
			"publish": m.publish,
			"":        m.check,
		})
		m.publish(rt)
		wrong, _ := s.looked(nil)
		if len(wrong) > 0 {
			rt.Fatalf("the books are not sound: %v", wrong)
		}
	})
}

type modelOrder struct {
	state catalog.HoldState
	lines map[uuid.UUID]int64 // by pool

	refunds [2]uuid.UUID
	back    map[[2]uuid.UUID]int64 // by refund and pool
}

// returned is how many pieces of a pool came back.
func (o *modelOrder) returned(pool uuid.UUID) (n int64) {
	for at, quantity := range o.back {
		if at[1] == pool {
			n += quantity
		}
	}
	return n
}

func newOrder(lines map[uuid.UUID]int64) *modelOrder {
	return &modelOrder{state: catalog.Held, lines: lines, refunds: [2]uuid.UUID{uuid.New(), uuid.New()}, back: map[[2]uuid.UUID]int64{}}
}

// machine is a few products and orders, and a drop of the first product, as they should be.
type machine struct {
	s        *shop
	id       uuid.UUID            // the drop's
	drop     catalog.SetDropInput // as it was set last; zero: it is not there yet
	closed   bool
	dropSold int64
	products []uuid.UUID
	ids      []uuid.UUID
	stock    map[uuid.UUID]*stock
	sold     map[uuid.UUID]int64
	orders   map[uuid.UUID]*modelOrder
	moved    []app.MoveInput
	lines    map[uuid.UUID]int64 // of the ledger, by pool
}

func newMachine(s *shop) *machine {
	m := &machine{
		s: s, products: []uuid.UUID{s.product(12), s.product(5)}, ids: []uuid.UUID{orderID(), orderID(), orderID(), orderID()},
		stock: map[uuid.UUID]*stock{}, sold: map[uuid.UUID]int64{}, orders: map[uuid.UUID]*modelOrder{}, lines: map[uuid.UUID]int64{},
	}
	m.stock[m.products[0]], m.stock[m.products[1]] = &stock{12, 0}, &stock{5, 0}
	m.id = uuid.New()
	m.stock[m.id] = &stock{}
	for _, p := range m.products {
		m.lines[p] = 1
	}
	return m
}

func (m *machine) order(rt *rapid.T) uuid.UUID { return rapid.SampledFrom(m.ids).Draw(rt, "order") }

func (m *machine) reserve(rt *rapid.T) {
	id := m.order(rt)
	lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) catalog.Line {
		return catalog.Line{ProductID: rapid.SampledFrom(m.products).Draw(rt, "product"), Quantity: rapid.Int64Range(1, 6).Draw(rt, "quantity")}
	}), 1, 3).Draw(rt, "lines")
	want, o := error(nil), m.orders[id]
	switch {
	case o == nil:
		sum := map[uuid.UUID]int64{}
		for _, l := range lines {
			sum[l.ProductID] += l.Quantity
		}
		for p, q := range sum {
			if m.stock[p].onHand-m.stock[p].reserved < q {
				want = catalog.ErrOutOfStock
			}
		}
		if want == nil {
			o = newOrder(sum)
			m.orders[id] = o
			for p, q := range sum {
				m.stock[p].reserved += q
			}
		}
	case o.state == catalog.Released:
		want = catalog.ErrReservationReleased
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		got, err := m.s.reserve(rapid.IntRange(0, 1).Draw(rt, "instance"), id, lines...)
		if !errors.Is(err, want) || want == nil && (err != nil || got.State != o.state) {
			rt.Fatalf("reserve: %v %v, want %v", got, err, want)
		}
	}
}

func (m *machine) reserveDrop(rt *rapid.T) {
	id := m.order(rt)
	line := catalog.Line{ProductID: m.products[0], Quantity: rapid.Int64Range(1, 4).Draw(rt, "quantity")}
	if rapid.IntRange(0, 9).Draw(rt, "astray") == 0 {
		line.ProductID = m.products[1]
	}
	want, o, now := error(nil), m.orders[id], time.Now()
	switch {
	case o != nil && o.state == catalog.Released:
		want = catalog.ErrReservationReleased
	case o != nil:
	case m.drop.DropID == uuid.Nil:
		want = catalog.ErrNoDrop
	case line.ProductID != m.products[0]:
		want = catalog.ErrBadLines
	case m.closed:
		want = catalog.ErrDropClosed
	case now.Before(m.drop.StartsAt) || now.After(m.drop.EndsAt):
		want = catalog.ErrDropNotOpen
	case m.stock[m.id].onHand-m.stock[m.id].reserved < line.Quantity:
		want = catalog.ErrOutOfStock
	default:
		o = newOrder(map[uuid.UUID]int64{m.id: line.Quantity})
		m.orders[id] = o
		m.stock[m.id].reserved += line.Quantity
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		got, err := m.s.reserveDrop(rapid.IntRange(0, 1).Draw(rt, "instance"), id, m.id, line)
		if !errors.Is(err, want) || want == nil && (err != nil || got.State != o.state) {
			rt.Fatalf("reserve of the drop: %v %v, want %v", got, err, want)
		}
	}
}

func (m *machine) set(rt *rapid.T) {
	in := setting(m.id, m.products[0], rapid.Int64Range(1, 9).Draw(rt, "quantity"))
	switch now := time.Now(); rapid.IntRange(0, 5).Draw(rt, "window") {
	case 0:
		in.StartsAt = now.Add(time.Hour)
	case 1:
		in.EndsAt = now.Add(-time.Hour)
	}
	if rapid.IntRange(0, 9).Draw(rt, "astray") == 0 {
		in.ProductID = m.products[1]
	}
	general, drop := m.stock[in.ProductID], m.stock[m.id]
	var want error
	switch more := in.Quantity - m.drop.Quantity; {
	case m.drop.DropID != uuid.Nil && in.ProductID != m.drop.ProductID:
		want = catalog.ErrBadDrop
	case in.ProductID != m.products[0]:
		return // the machine's drop is of the first product
	case m.closed:
		want = catalog.ErrDropClosed
	case more > general.onHand-general.reserved:
		want = catalog.ErrOutOfStock
	case -more > drop.onHand-drop.reserved:
		want = catalog.ErrDropBelowTaken
	default:
		m.drop = in
		m.shift(more)
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		if _, err := m.s.instances[rapid.IntRange(0, 1).Draw(rt, "instance")].SetDrop(m.s.t.Context(), in); !errors.Is(err, want) {
			rt.Fatalf("set the drop: %v, want %v", err, want)
		}
	}
}

func (m *machine) close(rt *rapid.T) {
	var want error
	switch {
	case m.drop.DropID == uuid.Nil:
		want = catalog.ErrNoDrop
	case !m.closed && rapid.IntRange(0, 2).Draw(rt, "keep") > 0: // or there would be little left to see
		return
	case !m.closed:
		m.closed = true
		m.shift(m.stock[m.id].reserved - m.stock[m.id].onHand)
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		if _, err := m.s.close(rapid.IntRange(0, 1).Draw(rt, "instance"), m.id); !errors.Is(err, want) {
			rt.Fatalf("close the drop: %v, want %v", err, want)
		}
	}
}

// shift moves pieces into the drop, or back, with a line in both ledgers.
func (m *machine) shift(into int64) {
	if into == 0 {
		return
	}
	m.stock[m.products[0]].onHand -= into
	m.stock[m.id].onHand += into
	m.lines[m.products[0]]++
	m.lines[m.id]++
}

// product is whose pool it is.
func (m *machine) product(pool uuid.UUID) uuid.UUID {
	if pool == m.id {
		return m.products[0]
	}
	return pool
}

// sell counts pieces of a pool that were paid, or come back.
func (m *machine) sell(pool uuid.UUID, quantity int64) {
	m.stock[pool].onHand -= quantity
	m.sold[m.product(pool)] += quantity
	m.lines[pool]++
	if pool == m.id {
		m.dropSold += quantity
	}
}

// shipped tells whether something of the order came back, so that it has ended already.
func (m *machine) shipped(id uuid.UUID) bool {
	return m.orders[id] != nil && len(m.orders[id].back) > 0
}

func (m *machine) giveBack(rt *rapid.T) {
	id := m.order(rt)
	o := m.orders[id]
	if o == nil {
		if err := m.s.hearRefund(id, uuid.New(), ordering.ReturnedLine{ProductID: m.products[0], Quantity: 1}); !errors.Is(err, catalog.ErrNoReservation) {
			rt.Fatalf("refunded without a hold: %v", err)
		}
		return
	}
	refund, back := o.refunds[rapid.IntRange(0, 1).Draw(rt, "refund")], map[uuid.UUID]int64{}
	var lines []ordering.ReturnedLine
	for range rapid.IntRange(1, 2).Draw(rt, "lines") {
		l := ordering.ReturnedLine{ProductID: rapid.SampledFrom(m.products).Draw(rt, "product"), Quantity: rapid.Int64Range(1, 3).Draw(rt, "quantity")}
		lines, back[l.ProductID] = append(lines, l), back[l.ProductID]+l.Quantity
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		if err := m.s.hearRefund(id, refund, lines...); err != nil {
			rt.Fatalf("hear a refund: %v", err)
		}
		if rapid.Bool().Draw(rt, "settle") {
			require.NoError(rt, m.s.service().Settle(m.s.t.Context()))
		}
	}
	require.NoError(rt, m.s.service().Settle(m.s.t.Context()))
	for pool, bought := range o.lines {
		at, quantity := [2]uuid.UUID{refund, pool}, back[m.product(pool)]
		if o.state != catalog.Used || quantity == 0 || o.back[at] > 0 || o.returned(pool)+quantity > bought {
			continue
		}
		o.back[at] = quantity
		m.sell(pool, -quantity)
		if pool == m.id && m.closed {
			m.shift(-quantity)
		}
	}
}

func (m *machine) release(rt *rapid.T) {
	id := m.order(rt)
	if m.shipped(id) {
		return
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		if err := m.s.release(rapid.IntRange(0, 1).Draw(rt, "instance"), id); err != nil {
			rt.Fatalf("release: %v", err)
		}
	}
	m.ended(id)
}

func (m *machine) end(rt *rapid.T) {
	id := m.order(rt)
	if m.shipped(id) {
		return
	}
	m.settle(rt, rapid.SampledFrom([]string{expired, rejected, canceled}).Draw(rt, "event"), id)
	m.ended(id)
}

func (m *machine) settle(rt *rapid.T, event string, id uuid.UUID) {
	for range rapid.IntRange(1, 2).Draw(rt, "times") { // some before the settlement, some after it
		if err := m.s.hear(event, id); err != nil {
			rt.Fatalf("hear %s: %v", event, err)
		}
		if rapid.Bool().Draw(rt, "settle") {
			if err := m.s.service().Settle(m.s.t.Context()); err != nil {
				rt.Fatalf("settle: %v", err)
			}
		}
	}
	if err := m.s.service().Settle(m.s.t.Context()); err != nil {
		rt.Fatalf("settle: %v", err)
	}
}

func (m *machine) ended(id uuid.UUID) {
	o := m.orders[id]
	if o == nil {
		m.orders[id] = &modelOrder{state: catalog.Released}
		return
	}
	for p, q := range o.lines {
		switch o.state {
		case catalog.Held:
			m.stock[p].reserved -= q
		case catalog.Used:
			m.sell(p, -q)
		}
		if p == m.id && m.closed && o.state != catalog.Released {
			m.shift(-q)
		}
	}
	o.state = catalog.Released
}

func (m *machine) paid(rt *rapid.T) {
	id := m.order(rt)
	o := m.orders[id]
	if o == nil {
		if err := m.s.hear(paid, id); !errors.Is(err, catalog.ErrNoReservation) {
			rt.Fatalf("paid without a hold: %v", err)
		}
		return
	}
	m.settle(rt, paid, id)
	if o.state == catalog.Held {
		o.state = catalog.Used
		for p, q := range o.lines {
			m.stock[p].reserved -= q
			m.sell(p, q)
		}
	}
}

func (m *machine) move(rt *rapid.T) {
	p := rapid.SampledFrom(m.products).Draw(rt, "product")
	kind := rapid.SampledFrom([]string{app.KindReceive, app.KindAdjust, app.KindDamage}).Draw(rt, "kind")
	quantity := rapid.Int64Range(1, 6).Draw(rt, "quantity")
	if kind == app.KindAdjust && rapid.Bool().Draw(rt, "less") {
		quantity = -quantity
	}
	by := quantity
	if kind == app.KindDamage {
		by = -quantity
	}
	in := m.s.moving(p, kind, quantity, uuid.NewString())
	got, replayed, err := m.s.service().Move(m.s.ctx, in)
	if m.stock[p].onHand+by < m.stock[p].reserved {
		if !errors.Is(err, catalog.ErrStockBelowReserved) {
			rt.Fatalf("move below what is reserved: %v", err)
		}
		return
	}
	if err != nil || replayed || got.Quantity != by {
		rt.Fatalf("move: %v %v %v", got, replayed, err)
	}
	m.stock[p].onHand += by
	m.lines[p]++
	m.moved = append(m.moved, in)
}

func (m *machine) moveAgain(rt *rapid.T) {
	if len(m.moved) == 0 {
		return
	}
	in := rapid.SampledFrom(m.moved).Draw(rt, "movement")
	if _, replayed, err := m.s.instances[rapid.IntRange(0, 1).Draw(rt, "instance")].Move(m.s.ctx, in); err != nil || !replayed {
		rt.Fatalf("move again: %v %v", replayed, err)
	}
	in.Key.Hash = append([]byte{in.Key.Hash[0] + 1}, in.Key.Hash[1:]...)
	if _, _, err := m.s.service().Move(m.s.ctx, in); !errors.Is(err, idempotency.ErrReused) {
		rt.Fatalf("another movement with the same key: %v", err)
	}
}

func (m *machine) publish(rt *rapid.T) {
	if err := m.s.service().PublishChanges(m.s.t.Context()); err != nil {
		rt.Fatalf("publish changes: %v", err)
	}
	for _, p := range m.products {
		if got := m.s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, p); got != m.sold[p] {
			rt.Fatalf("%s shows %d sales, and %d were sold", p, got, m.sold[p])
		}
	}
}

func (m *machine) check(rt *rapid.T) {
	pools := m.products
	if m.drop.DropID != uuid.Nil {
		pools = append(slices.Clone(pools), m.id)
		of := m.stock[m.id]
		want := catalog.Drop{
			DropID: m.id, ProductID: m.products[0], Quantity: m.drop.Quantity, Sold: m.dropSold, Held: of.reserved, Left: of.onHand - of.reserved, Closed: m.closed,
		}
		if got := m.s.stands(m.id); got != want {
			rt.Fatalf("the drop stands so: %+v, want %+v", got, want)
		}
	}
	for _, p := range pools {
		if got := m.s.stock(p); got != *m.stock[p] {
			rt.Fatalf("%s: %v, want %v", p, got, *m.stock[p])
		}
		if got := m.s.count(`SELECT count(*) FROM catalog.stock_movements WHERE pool_id = $1`, p); got != m.lines[p] {
			rt.Fatalf("%s has %d lines in the ledger, want %d", p, got, m.lines[p])
		}
	}
	var want, open []catalog.Hold
	for _, id := range m.ids { // in their order
		if o := m.orders[id]; o != nil {
			h := catalog.Hold{OrderID: id, State: o.state, Lines: []catalog.Line{}}
			for _, p := range slices.SortedFunc(maps.Keys(o.lines), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
				h.Lines = append(h.Lines, catalog.Line{ProductID: m.product(p), Quantity: o.lines[p]})
			}
			want = append(want, h)
			if o.state == catalog.Held {
				open = append(open, h)
			}
		}
	}
	held, err := m.s.service().Holds(m.s.t.Context(), catalog.HoldsInput{OrderIDs: m.ids})
	require.NoError(rt, err)
	require.Equal(rt, fmt.Sprint(want), fmt.Sprint(held.Items))
	held, err = m.s.service().OpenHolds(m.s.t.Context(), catalog.OpenHoldsInput{After: before(m.ids[0]), Limit: 1000})
	require.NoError(rt, err)
	require.Equal(rt, fmt.Sprint(open), fmt.Sprint(held.Items))
}

// before is the greatest id that is less.
func before(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id
}
