package app_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
)

// TestCouponMachine plays claims, redemptions and the ends of orders, each of them also twice, in any order against a plain model of
// coupons' lives. The books are sound after every run.
func TestCouponMachine(t *testing.T) {
	t.Parallel()

	s := setup(t, 1)
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(s)
		rt.Repeat(map[string]func(*rapid.T){
			"claim":  m.claim,
			"redeem": m.redeem,
			"end":    m.end,
			"paid":   m.paid,
			"grow":   m.grow,
			"over":   m.over,
			"":       m.check,
		})
		if wrong, _ := looked(t, s.instances[0], nil); len(wrong) > 0 {
			rt.Fatalf("the books are not sound: %v", wrong)
		}
	})
}

// machine is a campaign with a few accounts and orders, as they should be.
type machine struct {
	s        shop
	campaign app.Campaign
	quantity int64
	isOver   bool // nothing can be used any more
	accounts []uuid.UUID
	coupons  map[uuid.UUID]uuid.UUID // by account
	ids      []uuid.UUID             // of orders
	orders   map[uuid.UUID]*modelOrder
	turn     int // whose account is looked at next
}

type modelOrder struct {
	state  coupons.RedemptionState
	coupon uuid.UUID // none: it gave up before it had one
}

func newMachine(s shop) *machine {
	return &machine{
		s: s, campaign: s.create(app.Settings{Name: "A life", Quantity: 2, StartsAt: longAgo, EndsAt: farAway}), quantity: 2,
		accounts: []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}, coupons: map[uuid.UUID]uuid.UUID{},
		ids: []uuid.UUID{orderID(), orderID(), orderID(), orderID(), orderID()}, orders: map[uuid.UUID]*modelOrder{},
	}
}

func (m *machine) account(rt *rapid.T) uuid.UUID {
	return rapid.SampledFrom(m.accounts).Draw(rt, "account")
}

func (m *machine) order(rt *rapid.T) uuid.UUID { return rapid.SampledFrom(m.ids).Draw(rt, "order") }

func (m *machine) service(rt *rapid.T) *app.Service {
	return m.s.instances[rapid.IntRange(0, 1).Draw(rt, "instance")]
}

// times is how often something is done: each call can be repeated.
func times(rt *rapid.T) int { return rapid.IntRange(1, 2).Draw(rt, "times") }

func (m *machine) claim(rt *rapid.T) {
	account := m.account(rt)
	for range times(rt) {
		held, holds := m.coupons[account]
		got, err := m.service(rt).Claim(m.s.t.Context(), coupons.ClaimInput{CampaignID: m.campaign.ID, AccountID: account})
		switch {
		case holds:
			if err != nil || got.ID != held || !got.Repeated {
				rt.Fatalf("claim again: %v %v", got, err)
			}
		case int64(len(m.coupons)) >= m.quantity:
			if !errors.Is(err, coupons.ErrSoldOut) {
				rt.Fatalf("claim of what is sold out: %v %v", got, err)
			}
		case err != nil || got.Repeated:
			rt.Fatalf("claim: %v %v", got, err)
		default:
			m.coupons[account] = got.ID
		}
	}
}

// taken tells whether an order has the coupon.
func (m *machine) taken(coupon uuid.UUID) *uuid.UUID {
	for id, o := range m.orders {
		if o.coupon == coupon && o.state != coupons.Released {
			return &id
		}
	}
	return nil
}

func (m *machine) redeem(rt *rapid.T) {
	order, account := m.order(rt), m.account(rt)
	in := coupons.RedeemInput{OrderID: order, AccountID: account, CouponID: m.coupons[account], DiscountWon: rapid.SampledFrom([]int64{1, 1000, 1001}).Draw(rt, "won")}
	if rapid.IntRange(0, 4).Draw(rt, "whose") == 0 {
		in.CouponID = m.coupons[m.account(rt)]
	}
	mine := in.CouponID != uuid.Nil && in.CouponID == m.coupons[account]
	want, o := error(nil), m.orders[order]
	switch {
	case o != nil && o.state == coupons.Released:
		want = coupons.ErrReleased
	case o != nil:
	case !mine:
		want = coupons.ErrNoCoupon
	case m.taken(in.CouponID) != nil, m.isOver, in.DiscountWon > 1000:
		want = coupons.ErrNotApplicable
	default:
		o = &modelOrder{state: coupons.Held, coupon: in.CouponID}
		m.orders[order] = o
	}
	for range times(rt) {
		got, err := m.service(rt).Redeem(m.s.t.Context(), in)
		if !errors.Is(err, want) || want == nil && (err != nil || got.State != o.state || got.CouponID != o.coupon) {
			rt.Fatalf("redeem: %v %v, want %v", got, err, want)
		}
	}
}

func (m *machine) settle(rt *rapid.T, event string, order uuid.UUID) {
	for range times(rt) { // some before the settlement, some after it
		if err := m.s.tryHear(m.s.t.Context(), event, order); err != nil {
			rt.Fatalf("hear %s: %v", event, err)
		}
		if rapid.Bool().Draw(rt, "settle") {
			if err := m.service(rt).Settle(m.s.t.Context()); err != nil {
				rt.Fatalf("settle: %v", err)
			}
		}
	}
	if err := m.service(rt).Settle(m.s.t.Context()); err != nil {
		rt.Fatalf("settle: %v", err)
	}
}

func (m *machine) end(rt *rapid.T) {
	order := m.order(rt)
	m.settle(rt, rapid.SampledFrom([]string{expired, rejected, canceled, refunded}).Draw(rt, "event"), order)
	if m.orders[order] == nil {
		m.orders[order] = &modelOrder{}
	}
	m.orders[order].state = coupons.Released
}

func (m *machine) paid(rt *rapid.T) {
	order := m.order(rt)
	m.settle(rt, paid, order)
	if o := m.orders[order]; o != nil && o.state == coupons.Held {
		o.state = coupons.Used
	}
}

func (m *machine) grow(rt *rapid.T) {
	m.quantity += rapid.Int64Range(0, 2).Draw(rt, "more")
	now, err := m.s.instances[0].Campaign(m.s.t.Context(), m.campaign.ID)
	if err == nil {
		_, err = m.s.instances[0].Edit(m.s.t.Context(), m.campaign.ID, now.ETag(), app.Edit{Quantity: &m.quantity})
	}
	if err != nil {
		rt.Fatalf("grow: %v", err)
	}
	m.isOver = false // it can be used until it ends at least
	m.s.clock.Advance(time.Second)
}

// over lets the time come at which nothing can be used any more, or goes back before it.
func (m *machine) over(*rapid.T) {
	m.isOver = !m.isOver
	until := farAway
	if m.isOver {
		until = longAgo
	}
	m.s.exec(`UPDATE coupons.campaigns SET usable_until = $2 WHERE id = $1`, m.campaign.ID, until)
}

func (m *machine) check(rt *rapid.T) {
	open := int64(0)
	for _, o := range m.orders {
		if o.state != coupons.Released {
			open++
		}
	}
	now, err := m.s.instances[0].Campaign(m.s.t.Context(), m.campaign.ID)
	require.NoError(rt, err)
	if now.Taken != int64(len(m.coupons)) || now.Redeemed != open {
		rt.Fatalf("%d taken and %d redeemed, want %d and %d", now.Taken, now.Redeemed, len(m.coupons), open)
	}
	var want []coupons.Redemption
	for _, id := range m.ids { // in their order
		if o := m.orders[id]; o != nil {
			want = append(want, coupons.Redemption{OrderID: id, CouponID: o.coupon, State: o.state})
		}
	}
	got, err := m.s.instances[1].Redemptions(m.s.t.Context(), coupons.RedemptionsInput{OrderIDs: m.ids})
	require.NoError(rt, err)
	for i := range got.Items {
		got.Items[i].DiscountWon = 0
	}
	require.Equal(rt, fmt.Sprint(want), fmt.Sprint(got.Items))
	m.turn++
	m.checkAccount(rt, m.accounts[m.turn%len(m.accounts)])
}

// checkAccount holds an account's list, and what it may use, against the model.
func (m *machine) checkAccount(rt *rapid.T, account uuid.UUID) {
	mine, err := m.s.instances[0].CouponsOf(m.s.t.Context(), account, pageOf(10))
	require.NoError(rt, err)
	quotes, err := m.s.instances[1].Quote(m.s.t.Context(), coupons.QuoteInput{
		AccountID: account, Lines: []coupons.Line{{ProductID: m.campaign.ID, Quantity: 1, UnitPriceWon: 5000}},
	})
	require.NoError(rt, err)
	id, holds := m.coupons[account]
	if !holds {
		require.Empty(rt, mine.Items)
		require.Empty(rt, quotes.Items)
		return
	}
	want := app.Usable
	order := m.taken(id)
	switch {
	case order != nil && m.orders[*order].state == coupons.Used:
		want = app.UsedUp
	case order != nil:
		want = app.InOrder
	case m.isOver:
		want = app.Expired
	}
	require.Len(rt, mine.Items, 1)
	require.Equal(rt, want, mine.Items[0].State)
	require.Equal(rt, order, mine.Items[0].OrderID)
	require.Equal(rt, want == app.Usable, len(quotes.Items) == 1)
}
