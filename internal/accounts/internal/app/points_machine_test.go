package app_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// TestPointMachine plays holds, events, refunds and grants, each of them also twice or late, in any order against a plain model of points.
// The books are sound after every run.
func TestPointMachine(t *testing.T) {
	t.Parallel()

	s := owned(t)
	s.admin("admin@example.com")
	instances := []*shop{s, s.another()}
	rapid.Check(t, func(rt *rapid.T) {
		m := newPointMachine(s, instances)
		rt.Repeat(map[string]func(*rapid.T){
			"hold":     m.hold,
			"paid":     m.paid,
			"end":      m.end,
			"confirm":  m.confirm,
			"takeBack": m.takeBack,
			"refuse":   m.refuse,
			"return":   m.giveBack,
			"grant":    m.grant,
			"again":    m.grantAgain,
			"":         m.check,
		})
		require.NoError(rt, s.service.ReviewTiers(t.Context()))
		wrong := s.looked("")
		delete(wrong, "notifications.events") // the inbox knows of none of these events
		if len(wrong) > 0 {
			rt.Fatalf("the books are not sound: %v", wrong)
		}
	})
}

type pointOrder struct {
	account uuid.UUID
	asks    int64
	points  int64              // that it holds, or held
	state   accounts.HoldState // "": unknown
	earned  bool
	bought  int64 // in won, less what was taken back
	refunds [2]uuid.UUID
	back    map[uuid.UUID]int64 // the points that its refunds brought back
}

func (o *pointOrder) returned() (points int64) {
	for _, n := range o.back {
		points += n
	}
	return points
}

type pointTakeBack struct {
	order       uuid.UUID
	won         int64
	owed, taken int64
	undone      bool
}

// pointMachine is a few people and orders, as they should be.
type pointMachine struct {
	s         *shop
	instances []*shop
	people    []uuid.UUID
	has       map[uuid.UUID]*points
	entries   map[uuid.UUID]int
	ids       []uuid.UUID
	orders    map[uuid.UUID]*pointOrder
	takeBacks map[uuid.UUID]*pointTakeBack // by refund
	granted   []func() error
}

func newPointMachine(s *shop, instances []*shop) *pointMachine {
	m := &pointMachine{
		s: s, instances: instances, people: []uuid.UUID{s.rich(12), s.rich(5)},
		has: map[uuid.UUID]*points{}, entries: map[uuid.UUID]int{}, orders: map[uuid.UUID]*pointOrder{}, takeBacks: map[uuid.UUID]*pointTakeBack{},
	}
	m.has[m.people[0]], m.has[m.people[1]] = &points{12, 0}, &points{5, 0}
	for i := range 5 {
		id := uuid.Must(uuid.NewV7())
		m.ids = append(m.ids, id)
		m.orders[id] = &pointOrder{account: m.people[i%2], asks: int64(1 + i), refunds: [2]uuid.UUID{uuid.New(), uuid.New()}, back: map[uuid.UUID]int64{}}
	}
	for _, id := range m.people {
		m.entries[id] = 1
	}
	return m
}

func (m *pointMachine) order(rt *rapid.T) (uuid.UUID, *pointOrder, *points) {
	id := rapid.SampledFrom(m.ids).Draw(rt, "order")
	o := m.orders[id]
	return id, o, m.has[o.account]
}

func (m *pointMachine) instance(rt *rapid.T) *shop {
	return m.instances[rapid.IntRange(0, 1).Draw(rt, "instance")]
}

func (m *pointMachine) hold(rt *rapid.T) {
	id, o, has := m.order(rt)
	var want error
	switch {
	case o.state == accounts.Released:
		want = accounts.ErrPointsReleased
	case o.state == "" && has.balance-has.held < o.asks:
		want = accounts.ErrNotEnoughPoints
	case o.state == "":
		o.state, o.points = accounts.Held, o.asks
		has.held += o.points
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		got, err := m.instance(rt).hold(id, o.account, o.asks)
		if !errors.Is(err, want) || want == nil && (err != nil || got != accounts.PointHold{OrderID: id, State: o.state, Points: o.points}) {
			rt.Fatalf("hold: %v %v, want %v %v", got, err, o.state, want)
		}
	}
}

// bring brings an event once or twice, some before the settlement and some after it.
func (m *pointMachine) bring(rt *rapid.T, e outbox.Event) {
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		require.NoError(rt, m.s.tryHear(m.s.t.Context(), e))
		if rapid.Bool().Draw(rt, "settle") {
			require.NoError(rt, m.instance(rt).service.SettlePoints(m.s.t.Context()))
		}
	}
	require.NoError(rt, m.s.service.SettlePoints(m.s.t.Context()))
}

func (m *pointMachine) paid(rt *rapid.T) {
	id, o, has := m.order(rt)
	e := ordering.Paid{Change: orderOf(id, o.account, o.asks)}
	if o.state == "" {
		if err := m.s.tryHear(m.s.t.Context(), e); !errors.Is(err, accounts.ErrNoPointHold) {
			rt.Fatalf("paid without a hold: %v", err)
		}
		return
	}
	m.bring(rt, e)
	if o.state == accounts.Held {
		o.state = accounts.Used
		has.held -= o.points
		has.balance -= o.points
		m.entries[o.account]++
	}
}

func (m *pointMachine) end(rt *rapid.T) {
	id, o, has := m.order(rt)
	if o.returned() > 0 { // it was shipped, so that it has ended already
		return
	}
	c := orderOf(id, o.account, o.asks)
	ends := []outbox.Event{ordering.Rejected{Change: c}, ordering.Expired{Change: c}, ordering.Canceled{Change: c}}
	m.bring(rt, ends[rapid.IntRange(0, 2).Draw(rt, "event")])
	switch o.state {
	case accounts.Held:
		has.held -= o.points
	case accounts.Used:
		has.balance += o.points
		m.entries[o.account]++
	}
	o.state = accounts.Released
}

func (m *pointMachine) confirm(rt *rapid.T) {
	id, o, has := m.order(rt)
	c := orderOf(id, o.account, o.asks)
	c.ItemsWon = 1000 + rapid.Int64Range(0, 900).Draw(rt, "won") // less the discount
	m.bring(rt, ordering.Confirmed{Change: c})
	if won := c.ItemsWon - c.DiscountWon - c.PointsWon; !o.earned && won > 0 {
		o.earned, o.bought = true, won
		if points := won / 100; points > 0 {
			has.balance += points
			m.entries[o.account]++
		}
	}
}

// takeBack asks for a refund of which something, or nothing, was taken back before.
func (m *pointMachine) takeBack(rt *rapid.T) {
	id, o, has := m.order(rt)
	refund, won := m.refund(rt, o), rapid.Int64Range(1, 900).Draw(rt, "won")
	known := m.takeBacks[refund]
	if known != nil && rapid.Bool().Draw(rt, "same") {
		won = known.won
	}
	var want error
	switch {
	case known != nil && known.won != won:
		want = accounts.ErrTakeBackDiffers
	case known != nil && known.undone:
		want = accounts.ErrTakeBackUndone
	case known != nil:
	case !o.earned:
		want = accounts.ErrNoPurchase
	case won > o.bought:
		want = accounts.ErrTakeBackTooMuch
	default:
		known = &pointTakeBack{order: id, won: won, owed: o.bought/100 - (o.bought-won)/100}
		known.taken = min(known.owed, has.balance-has.held)
		m.takeBacks[refund] = known
		o.bought -= won
		has.balance -= known.taken
		if known.taken > 0 {
			m.entries[o.account]++
		}
	}
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		got, err := m.instance(rt).service.TakeBack(m.s.t.Context(), accounts.TakeBackInput{RefundID: refund, OrderID: id, AccountID: o.account, Won: won})
		if !errors.Is(err, want) || want == nil && (err != nil || got != accounts.TakenBack{RefundID: refund, Owed: known.owed, Taken: known.taken}) {
			rt.Fatalf("take back: %+v %v, want %+v %v", got, err, known, want)
		}
	}
}

func (m *pointMachine) refund(rt *rapid.T, o *pointOrder) uuid.UUID {
	return o.refunds[rapid.IntRange(0, 1).Draw(rt, "refund")]
}

func (m *pointMachine) refuse(rt *rapid.T) {
	id, o, has := m.order(rt)
	refund := m.refund(rt, o)
	m.bring(rt, ordering.RefundRefused{Change: orderOf(id, o.account, o.asks), Refund: ordering.Refund{RefundID: refund}})
	if t := m.takeBacks[refund]; t != nil && !t.undone {
		t.undone = true
		o.bought += t.won
		has.balance += t.taken
		if t.taken > 0 {
			m.entries[o.account]++
		}
	}
}

func (m *pointMachine) giveBack(rt *rapid.T) {
	id, o, has := m.order(rt)
	refund, back := m.refund(rt, o), rapid.Int64Range(0, o.asks).Draw(rt, "points")
	e := ordering.Refunded{Change: orderOf(id, o.account, o.asks), Refund: ordering.Refund{RefundID: refund, PointsBack: back}}
	if o.state == "" && back > 0 {
		if err := m.s.tryHear(m.s.t.Context(), e); !errors.Is(err, accounts.ErrNoPointHold) {
			rt.Fatalf("refunded without a hold: %v", err)
		}
		return
	}
	m.bring(rt, e)
	if back > 0 && o.back[refund] == 0 && o.state == accounts.Used && o.returned()+back <= o.points {
		o.back[refund] = back
		has.balance += back
		m.entries[o.account]++
	}
}

func (m *pointMachine) grant(rt *rapid.T) {
	account := rapid.SampledFrom(m.people).Draw(rt, "account")
	by, key := rapid.Int64Range(-9, 9).Filter(func(n int64) bool { return n != 0 }).Draw(rt, "points"), uuid.NewString()
	has, grant := m.has[account], func() error { return m.s.tryGrant(m.s.t.Context(), account, by, key) }
	if has.balance+by < has.held {
		if err := grant(); !errors.Is(err, accounts.ErrNotEnoughPoints) {
			rt.Fatalf("revoke what is held: %v", err)
		}
		return
	}
	require.NoError(rt, grant())
	has.balance += by
	m.entries[account]++
	m.granted = append(m.granted, grant)
}

func (m *pointMachine) grantAgain(rt *rapid.T) {
	if len(m.granted) > 0 {
		require.NoError(rt, rapid.SampledFrom(m.granted).Draw(rt, "grant")())
	}
}

func (m *pointMachine) check(rt *rapid.T) {
	for _, id := range m.people {
		l, err := m.s.service.LedgerOf(m.s.t.Context(), id, nil, 1000)
		require.NoError(rt, err)
		if got := (points{l.Balance, l.Held}); got != *m.has[id] || len(l.Entries) != m.entries[id] {
			rt.Fatalf("%s: %v in %d entries, want %v in %d", id, got, len(l.Entries), *m.has[id], m.entries[id])
		}
	}
	var want, open []accounts.PointHold
	for _, id := range m.ids { // in their order
		o := m.orders[id]
		if o.state == "" {
			continue
		}
		h := accounts.PointHold{OrderID: id, State: o.state, Points: o.points}
		want = append(want, h)
		if o.state == accounts.Held {
			open = append(open, h)
		}
	}
	held, err := m.s.service.Holds(m.s.t.Context(), accounts.HoldsInput{OrderIDs: m.ids})
	require.NoError(rt, err)
	require.Equal(rt, fmt.Sprint(want), fmt.Sprint(held.Items))
	all, err := m.s.service.OpenHolds(m.s.t.Context(), accounts.OpenHoldsInput{Limit: 1000})
	require.NoError(rt, err)
	var mine []accounts.PointHold
	for _, h := range all.Items {
		if _, ok := m.orders[h.OrderID]; ok {
			mine = append(mine, h)
		}
	}
	require.Equal(rt, fmt.Sprint(open), fmt.Sprint(mine))
}
