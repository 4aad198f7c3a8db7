package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

// The bus hears of many refunds in one transaction, in the order in which they came, and holds the orders of all of them. Their
// shoppers order and cancel meanwhile as if it were not there: nobody waits for a lock, so nobody can wait for ever
// (magento2#39417: lock order differs, and orders are lost to deadlocks).
func TestNobodyWaitsForTheBus(t *testing.T) {
	t.Parallel()

	s := setup(t)
	shirt := s.catalog.sell("셔츠", 12_900, 100)
	accounts := make([]uuid.UUID, 4)
	refunded, kept := make([]uuid.UUID, len(accounts)), make([]uuid.UUID, len(accounts))
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
	for i := range accounts {
		accounts[i] = uuid.New()
		refunded[i], kept[i] = s.paid(t, accounts[i], shirt), s.paid(t, accounts[i], shirt)
		_, err := s.Cancel(t.Context(), cancelation(accounts[i], refunded[i], "c"))
		require.NoError(t, err)
	}

	tx, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	for _, i := range []int{3, 0, 2, 1} {
		s.payments.set(refunded[i], func(p *payments.Payment) { p.RefundedWon = p.AmountWon })
		require.NoError(t, s.hearIn(t, tx, payments.Refunded{OrderID: refunded[i], Version: 2, RefundID: uuid.New(), AmountWon: 12_900}))
	}
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateDone }
	var wg sync.WaitGroup
	for i, account := range accounts {
		wg.Go(func() {
			if _, err := s.Place(t.Context(), s.input(account, "more", shirt)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if c, err := s.Cancel(t.Context(), cancelation(account, kept[i], "d")); err != nil || c.Order.State != string(ordering.StateCanceled) {
				t.Error(c.Order.State, err)
			}
		})
	}
	wg.Wait() // while the bus has not committed
	if err := s.ReturnQuotas(t.Context()); err != nil {
		t.Error(err)
	}
	require.NoError(t, tx.Commit(t.Context()))
	for i, account := range accounts {
		require.Equal(t, ordering.StateCanceled, s.state(t, refunded[i]))
		require.Equal(t, 1, s.bought(t, account, shirt))
		s.check(t, account)
	}
}

// hearIn delivers an event in a transaction that holds others.
func (s *shop) hearIn(t tester, tx pgx.Tx, e payments.Refunded) error {
	t.Helper()
	data, err := json.Marshal(e)
	require.NoError(t, err)
	for _, sub := range app.Subscriptions(s.Service) {
		if sub.Type == e.EventType() {
			return sub.Handle(t.Context(), tx, bus.Envelope{ID: uuid.New(), Source: sub.Source, Type: sub.Type, Key: e.OrderID, Data: data})
		}
	}
	return nil
}

// taking is a refund of some pieces of an order; no items: of all that is left.
func taking(order uuid.UUID, key string, items ...app.ReturnedItem) app.RefundInput {
	in := app.RefundInput{OrderID: order, By: boss, Lines: items, Restock: true, Reason: "솔기가 터졌습니다"}
	in.Key = idempotency.Of(key, "/admin/orders/"+order.String()+"/refunds", in)
	return in
}

var boss = uuid.New()

func pieces(product uuid.UUID, n int64) app.ReturnedItem {
	return app.ReturnedItem{ProductID: product, Quantity: n}
}

// shipped is an order of three shirts and a sock, with a coupon of 2,000 won off the shirts and 500 points, that is on its way.
func (s *shop) shipped(t tester, account uuid.UUID) (order, shirt, sock uuid.UUID) {
	t.Helper()
	shirt, sock = s.catalog.sell("셔츠", 12_900, 100), s.catalog.sell("양말", 3_000, 100)
	in := s.reduced(account, uuid.NewString(), shirt, sock)
	in.Items[0].Quantity = 3
	in.Key = idempotency.Of(in.Key.Value, "/v1/orders", in)
	p, err := s.Place(t.Context(), in)
	require.NoError(t, err)
	_, err = s.Confirm(t.Context(), confirmation(p, uuid.NewString()))
	require.NoError(t, err)
	_, err = s.Ship(t.Context(), boss, p.Order.ID, "CJ", "1")
	require.NoError(t, err)
	s.relay(t)
	return p.Order.ID, shirt, sock
}

func TestRefund(t *testing.T) {
	t.Parallel()

	t.Run("GivesBackWhatWasPaidForEachPiece", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, sock := s.shipped(t, account) // due 39,200: 38,700 - 2,000 + 3,000 - 500
		require.EqualValues(t, 500, s.points.spendable(account))
		first, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 1)))
		require.NoError(t, err)
		require.Equal(t, "done", first.Refund.State)
		// A shirt cost 12,900 - 666, and 154 points of that: 500 · 12,234 / 39,700.
		require.EqualValues(t, 12_080, first.Refund.ItemsWon)
		require.EqualValues(t, 154, first.Refund.Points)
		require.Zero(t, first.Refund.ShippingWon)
		require.False(t, first.Refund.Whole)
		require.Equal(t, ordering.StateShipping, s.state(t, id))
		s.check(t, account)
		require.EqualValues(t, 654, s.points.spendable(account))
		require.Equal(t, coupons.Used, s.coupons.of(id), "the coupon comes back with the last piece")
		require.Equal(t, 3, s.bought(t, account, shirt))

		_, err = s.Refund(t.Context(), taking(id, "b", pieces(shirt, 1), pieces(sock, 1)))
		require.NoError(t, err)
		last, err := s.Refund(t.Context(), taking(id, "c"))
		require.NoError(t, err)
		require.True(t, last.Refund.Whole)
		require.Equal(t, ordering.StateRefunded, s.state(t, id))
		s.check(t, account)
		require.EqualValues(t, 39_200, s.payments.of(id).RefundedWon)
		require.EqualValues(t, 1_000, s.points.spendable(account))
		require.Equal(t, coupons.Released, s.coupons.of(id))
		require.Zero(t, s.bought(t, account, shirt))
		s.clock.Advance(2 * time.Minute)
		s.sound(t, "")

		_, err = s.Refund(t.Context(), taking(id, "d", pieces(shirt, 1)))
		require.ErrorIs(t, err, ordering.ErrIllegalTransition, "nothing is left")
	})

	t.Run("GivesTheFeeBackWithTheLastPiece", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("모자", 9_000, 5))
		s.relay(t)
		_, err := s.Ship(t.Context(), boss, id, "CJ", "1")
		require.NoError(t, err)
		r, err := s.Refund(t.Context(), taking(id, "a"))
		require.NoError(t, err)
		require.EqualValues(t, 3_000, r.Refund.ShippingWon)
		require.EqualValues(t, 12_000, s.payments.of(id).RefundedWon)
		s.check(t, account)
	})

	t.Run("TakesSpentPointsOffTheMoney", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, _ := s.shipped(t, account)
		_, err := s.Receive(t.Context(), account, id)
		require.NoError(t, err)
		s.points.grant(account, -450) // 50 are left, and a shirt has earned 120
		r, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 1)))
		require.NoError(t, err)
		require.EqualValues(t, 70, r.Refund.KeptWon)
		require.EqualValues(t, 12_080-70, s.payments.of(id).RefundedWon)
		require.Zero(t, s.points.spendable(account))
		s.check(t, account)
		require.EqualValues(t, 154, s.points.spendable(account))
		_, err = s.Refund(t.Context(), taking(id, "b"))
		require.NoError(t, err)
		s.check(t, account)
		s.clock.Advance(2 * time.Minute)
		s.sound(t, "")
	})

	t.Run("IsRefused", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, _ := s.shipped(t, account)
		_, err := s.Receive(t.Context(), account, id)
		require.NoError(t, err)
		before := s.points.spendable(account)
		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateRefused }
		_, err = s.Refund(t.Context(), taking(id, "a", pieces(shirt, 3)))
		require.ErrorIs(t, err, ordering.ErrRefundRefused)
		_, err = s.Refund(t.Context(), taking(id, "a", pieces(shirt, 3)))
		require.ErrorIs(t, err, ordering.ErrRefundRefused, "the same key, the same answer")
		s.check(t, account)
		require.Equal(t, before, s.points.spendable(account), "what was taken back is undone")
		d, err := s.Order(t.Context(), uuid.Nil, id)
		require.NoError(t, err)
		require.Contains(t, d.Timeline[len(d.Timeline)-1].Note, "alert")
		require.Zero(t, d.Order.RefundedWon)

		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateDone }
		_, err = s.Refund(t.Context(), taking(id, "b", pieces(shirt, 3)))
		require.NoError(t, err, "the goods were the shopper's again")
		s.check(t, account)
		s.clock.Advance(2 * time.Minute)
		s.sound(t, "")
	})

	t.Run("IsOnItsWay", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, sock := s.shipped(t, account)
		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
		r, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 3)))
		require.NoError(t, err)
		require.Equal(t, "sent", r.Refund.State)
		_, err = s.Refund(t.Context(), taking(id, "b", pieces(sock, 1)))
		require.ErrorIs(t, err, ordering.ErrRefundOpen)
		_, err = s.Receive(t.Context(), account, id)
		require.ErrorIs(t, err, ordering.ErrRefundOpen, "what it earns is not known yet")
		_, err = s.Deliver(t.Context(), boss, id)
		require.NoError(t, err)

		part := s.payments.settlePart(id, r.Refund.ID, payments.RefundStateDone)
		for range 2 {
			s.hear(t, payments.Refunded{OrderID: id, Version: 3, RefundID: part.ID, AmountWon: part.AmountWon})
		}
		s.check(t, account)
		r, err = s.Refund(t.Context(), taking(id, "a", pieces(shirt, 3)))
		require.NoError(t, err)
		require.True(t, r.Replayed)
		require.Equal(t, "done", r.Refund.State)
		_, err = s.Receive(t.Context(), account, id)
		require.NoError(t, err)
		var confirmed ordering.Confirmed
		all := s.events(t, 0)
		require.NoError(t, json.Unmarshal(all[len(all)-1].data, &confirmed))
		require.Equal(t, r.Refund.ItemsWon, confirmed.ReturnedWon, "accounts hears what not to reward")
		require.Equal(t, part.AmountWon, confirmed.RefundedWon)
	})

	t.Run("IsRefusedLater", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, _ := s.shipped(t, account)
		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
		r, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 3)))
		require.NoError(t, err)
		s.payments.settlePart(id, r.Refund.ID, payments.RefundStateRefused)
		for range 2 {
			s.hear(t, payments.RefundRefused{OrderID: id, Version: 3, RefundID: r.Refund.ID, Code: "REFUND_REJECTED"})
		}
		_, err = s.Refund(t.Context(), taking(id, "a", pieces(shirt, 3)))
		require.ErrorIs(t, err, ordering.ErrRefundRefused)
		s.check(t, account)
	})

	t.Run("CostsNothingToGiveBack", func(t *testing.T) { // points had paid for everything
		t.Parallel()

		s, account := setup(t), uuid.New()
		s.points.grant(account, 50_000)
		in := s.input(account, "k", s.catalog.sell("셔츠", 25_000, 5))
		in.PointsWon = 25_000
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		s.relay(t)
		_, err = s.Ship(t.Context(), boss, p.Order.ID, "CJ", "1")
		require.NoError(t, err)
		r, err := s.Refund(t.Context(), taking(p.Order.ID, "a"))
		require.NoError(t, err)
		require.Equal(t, "done", r.Refund.State)
		require.EqualValues(t, 25_000, r.Refund.Points)
		require.Empty(t, s.payments.parts, "there is no money to ask for")
		s.check(t, account)
		require.EqualValues(t, 50_000, s.points.spendable(account))
		require.Equal(t, ordering.StateRefunded, s.state(t, p.Order.ID))
	})

	t.Run("Keys", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, sock := s.shipped(t, account)
		other, _, _ := s.shipped(t, account)
		first, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 1)))
		require.NoError(t, err)
		again, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 1)))
		require.NoError(t, err)
		require.True(t, again.Replayed)
		require.Equal(t, first.Refund.ID, again.Refund.ID)
		_, err = s.Refund(t.Context(), taking(id, "a", pieces(sock, 1)))
		require.ErrorIs(t, err, idempotency.ErrReused)
		_, err = s.Refund(t.Context(), taking(other, "a", pieces(shirt, 1)))
		require.ErrorIs(t, err, idempotency.ErrReused)
		require.EqualValues(t, 12_080, s.payments.of(id).RefundedWon)
	})

	t.Run("NotThatMany", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, sock := s.shipped(t, account)
		for name, items := range map[string][]app.ReturnedItem{
			"more than were bought": {pieces(shirt, 4)}, "another product": {pieces(uuid.New(), 1)}, "one of them another": {pieces(sock, 1), pieces(uuid.New(), 1)},
		} {
			_, err := s.Refund(t.Context(), taking(id, name, items...))
			require.ErrorIs(t, err, ordering.ErrNotThatMany, name)
		}
		for name, items := range map[string][]app.ReturnedItem{"twice": {pieces(shirt, 1), pieces(shirt, 1)}, "none": {pieces(shirt, 0)}} {
			_, err := s.Refund(t.Context(), taking(id, name, items...))
			require.ErrorIs(t, err, web.ErrInvalid, name)
		}
		_, err := s.Refund(t.Context(), taking(id, "two", pieces(shirt, 2)))
		require.NoError(t, err)
		_, err = s.Refund(t.Context(), taking(id, "two more", pieces(shirt, 2)))
		require.ErrorIs(t, err, ordering.ErrNotThatMany)
		s.check(t, account)
	})

	t.Run("BeforeShippingItIsCanceled", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		id := s.paid(t, account, shirt)
		_, err := s.Refund(t.Context(), taking(id, "a"))
		require.ErrorIs(t, err, ordering.ErrNotShipped)
		_, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.NoError(t, err)
		_, err = s.Refund(t.Context(), taking(id, "a"))
		require.ErrorIs(t, err, ordering.ErrIllegalTransition)
		_, err = s.Refund(t.Context(), taking(uuid.New(), "a"))
		require.ErrorIs(t, err, ordering.ErrNoOrder)
	})

	t.Run("TwentyAtOnce", func(t *testing.T) { // no piece comes back twice
		t.Parallel()

		s, account := setup(t), uuid.New()
		id, shirt, _ := s.shipped(t, account)
		var done atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for {
					_, err := s.Refund(t.Context(), taking(id, uuid.NewString(), pieces(shirt, 1)))
					switch {
					case err == nil:
						done.Add(1)
					case errors.Is(err, ordering.ErrRefundOpen):
						continue
					case !errors.Is(err, ordering.ErrNotThatMany):
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 3, done.Load())
		s.check(t, account)
		s.clock.Advance(2 * time.Minute)
		s.sound(t, "")
	})
}

// Whatever is away while a refund is under way, before or after it has done its part: the job ends it, and nothing is given twice.
func TestRefundSurvives(t *testing.T) {
	t.Parallel()

	for _, point := range []string{"take_back.before", "take_back.after", "refund.before", "refund.after"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()

			s, account := setup(t), uuid.New()
			id, shirt, _ := s.shipped(t, account)
			_, err := s.Receive(t.Context(), account, id)
			require.NoError(t, err)
			away := func(context.Context) error { return errors.New("away") }
			s.points.always(point, away)
			s.payments.always(point, away)
			r, err := s.Refund(t.Context(), taking(id, "a", pieces(shirt, 2)))
			require.NoError(t, err, "it is committed")
			require.NotEqual(t, "done", r.Refund.State)
			require.NoError(t, s.FinishRefunds(t.Context()))
			require.NotEqual(t, "done", s.refundState(t, id), "its time has not come")

			s.points.never(point)
			s.payments.never(point)
			s.clock.Advance(11 * time.Second)
			require.NoError(t, s.FinishRefunds(t.Context()))
			require.Equal(t, "done", s.refundState(t, id))
			s.check(t, account)
			require.EqualValues(t, r.Refund.ItemsWon, s.payments.of(id).RefundedWon, "the points were there, and taken once")
			s.clock.Advance(2 * time.Minute)
			s.sound(t, "")
		})
	}
}

func (s *shop) refundState(t tester, order uuid.UUID) (state string) {
	t.Helper()
	require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT state FROM ordering.refunds WHERE order_id = $1`, order).Scan(&state))
	return state
}
