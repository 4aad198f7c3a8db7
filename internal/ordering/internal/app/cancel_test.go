package app_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

func TestCancel(t *testing.T) {
	t.Parallel()

	t.Run("Unpaid", func(t *testing.T) { // original 39: it was canceled, and its checkout could still be paid
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		p := s.place(t, account, shirt)
		in := cancelation(account, p.Order.ID, "c")
		c, err := s.Cancel(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		require.False(t, c.Replayed)
		require.Equal(t, payments.StateClosed, s.payments.of(p.Order.ID).State)
		c, err = s.Cancel(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		require.True(t, c.Replayed)
		s.check(t, account)
		require.EqualValues(t, 5, s.catalog.leftOf(shirt))
		require.Zero(t, s.bought(t, account, shirt))
	})
	t.Run("WhileTheGatewayIsAsked", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		s.payments.gateway = func(payments.Payment) payments.State { return payments.StateConfirming }
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		_, err := s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		_, err = s.Cancel(t.Context(), cancelation(account, p.Order.ID, "c"))
		require.ErrorIs(t, err, ordering.ErrPaymentInProgress)
		require.Equal(t, ordering.StateAwaitingPayment, s.state(t, p.Order.ID))
	})
	t.Run("PaidInTheMeantime", func(t *testing.T) { // payments knows more: the order becomes paid, and its money goes back
		t.Parallel()

		s, account := setup(t), uuid.New()
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateCaptured })
		c, err := s.Cancel(t.Context(), cancelation(account, p.Order.ID, "c"))
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		require.Equal(t, 1, s.payments.returned[p.Order.ID])
		s.check(t, account)
	})
	t.Run("TwentyTimesOneRefund", func(t *testing.T) { // original 38: each gave the money back
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				in := cancelation(account, id, "c")
				if i%2 == 1 {
					in = cancelation(account, id, uuid.NewString())
				}
				if c, err := s.Cancel(t.Context(), in); err != nil || c.Order.State != string(ordering.StateCanceled) {
					t.Errorf("%s %v", c.Order.State, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, s.payments.returned[id])
		s.check(t, account)
	})
	t.Run("MoneyOnItsWay", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
		c, err := s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceling, c.Order.State)
		_, err = s.Ship(t.Context(), uuid.New(), id, "CJ", "1")
		require.ErrorIs(t, err, ordering.ErrIllegalTransition, "what is being canceled is not shipped")
		s.relay(t)
		require.EqualValues(t, "used", s.catalog.hold(id), "holds go back when the money has")

		s.payments.set(id, func(p *payments.Payment) { p.RefundedWon = p.AmountWon })
		refund := s.payments.of(id).Refund
		s.hear(t, payments.Refunded{OrderID: id, Version: 3, RefundID: refund.ID, AmountWon: refund.AmountWon})
		s.hear(t, payments.Refunded{OrderID: id, Version: 3, RefundID: refund.ID, AmountWon: refund.AmountWon})
		c, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.NoError(t, err)
		require.True(t, c.Replayed)
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		s.check(t, account)
	})
	t.Run("RefundRefused", func(t *testing.T) { // original 33: it was canceled though the money was not given back
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		_, err := s.Prepare(t.Context(), uuid.New(), id)
		require.NoError(t, err)
		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateRefused }
		_, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.ErrorIs(t, err, ordering.ErrRefundRefused)
		require.Equal(t, ordering.StatePreparing, s.state(t, id), "back to where it was")
		_, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.ErrorIs(t, err, ordering.ErrRefundRefused, "the same key, the same answer")
		d, err := s.Order(t.Context(), uuid.Nil, id)
		require.NoError(t, err)
		require.Contains(t, d.Timeline[len(d.Timeline)-1].Note, "alert")
		refused := s.payments.of(id).Refund

		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
		_, err = s.Cancel(t.Context(), cancelation(account, id, "c2"))
		require.NoError(t, err)
		s.hear(t, payments.RefundRefused{OrderID: id, Version: 3, RefundID: refused.ID, Code: "REFUND_REJECTED"})
		require.Equal(t, ordering.StateCanceling, s.state(t, id), "the first refund's refusal is not the second's")
		s.hear(t, payments.RefundRefused{OrderID: id, Version: 4, RefundID: s.payments.of(id).Refund.ID, Code: "REFUND_REJECTED"})
		require.Equal(t, ordering.StatePreparing, s.state(t, id))
		s.check(t, account)
	})
	t.Run("OutageOfTheRefund", func(t *testing.T) {
		t.Parallel()

		for _, point := range []string{"refund.before", "refund.after"} {
			s, account := setup(t), uuid.New()
			id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
			s.payments.once(point, func(context.Context) error { return errors.New("reset") })
			c, err := s.Cancel(t.Context(), cancelation(account, id, "c"))
			require.NoError(t, err)
			require.EqualValues(t, ordering.StateCanceling, c.Order.State, "committed before the gateway is asked")
			require.NoError(t, s.FinishCancelations(t.Context()))
			require.Equal(t, ordering.StateCanceling, s.state(t, id), "not before its time")
			s.clock.Advance(11 * time.Second)
			require.NoError(t, s.FinishCancelations(t.Context()))
			require.Equal(t, ordering.StateCanceled, s.state(t, id))
			require.Equal(t, 1, s.payments.returned[id])
			s.check(t, account)
		}
	})
	t.Run("AfterShipping", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		_, err := s.Ship(t.Context(), uuid.New(), id, "CJ", "1")
		require.NoError(t, err)
		_, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.ErrorIs(t, err, ordering.ErrAlreadyShipping)
		require.Zero(t, s.payments.returned[id])
	})
	t.Run("AfterItsEnd", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		_, err := s.Cancel(t.Context(), cancelation(account, p.Order.ID, "c"))
		require.ErrorIs(t, err, ordering.ErrIllegalTransition)
	})
	t.Run("Keys", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		a, b := s.place(t, account, shirt), s.place(t, account, shirt)
		_, err := s.Cancel(t.Context(), cancelation(account, a.Order.ID, "c"))
		require.NoError(t, err)
		_, err = s.Cancel(t.Context(), cancelation(account, b.Order.ID, "c"))
		require.ErrorIs(t, err, idempotency.ErrReused)
		require.Equal(t, ordering.StateAwaitingPayment, s.state(t, b.Order.ID))
	})
	t.Run("Anothers", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		p := s.place(t, uuid.New(), s.catalog.sell("셔츠", 12_900, 5))
		_, err := s.Cancel(t.Context(), cancelation(uuid.New(), p.Order.ID, "c"))
		require.ErrorIs(t, err, ordering.ErrNoOrder)
	})
	t.Run("AgainstConfirm", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		shirt := s.catalog.sell("셔츠", 12_900, 100)
		for range 20 {
			account := uuid.New()
			p := s.place(t, account, shirt)
			var confirmed, canceled error
			var wg sync.WaitGroup
			wg.Go(func() { _, confirmed = s.Confirm(t.Context(), confirmation(p, uuid.NewString())) })
			wg.Go(func() { _, canceled = s.Cancel(t.Context(), cancelation(account, p.Order.ID, uuid.NewString())) })
			wg.Wait()
			require.NoError(t, canceled, "unpaid or paid, it ends")
			if confirmed != nil {
				require.ErrorIs(t, confirmed, payments.ErrOrderClosed)
			}
			require.Equal(t, ordering.StateCanceled, s.state(t, p.Order.ID))
			s.check(t, account)
		}
	})
	t.Run("AgainstShipping", func(t *testing.T) { // never shipped and refunded
		t.Parallel()

		s := setup(t)
		shirt := s.catalog.sell("셔츠", 12_900, 100)
		done := s.payments.refunds
		for i := range 20 {
			account := uuid.New()
			id := s.paid(t, account, shirt)
			if i%2 == 1 { // and when it is canceled for the second time, because the gateway had refused the first
				s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateRefused }
				_, err := s.Cancel(t.Context(), cancelation(account, id, uuid.NewString()))
				require.ErrorIs(t, err, ordering.ErrRefundRefused)
				s.payments.refunds = done
			}
			var shipped, canceled error
			var wg sync.WaitGroup
			wg.Go(func() { _, shipped = s.Ship(t.Context(), uuid.New(), id, "CJ", "1") })
			wg.Go(func() { _, canceled = s.Cancel(t.Context(), cancelation(account, id, uuid.NewString())) })
			wg.Wait()
			if shipped == nil {
				require.ErrorIs(t, canceled, ordering.ErrAlreadyShipping)
				require.Zero(t, s.payments.returned[id])
			} else {
				require.ErrorIs(t, shipped, ordering.ErrIllegalTransition)
				require.NoError(t, canceled)
				require.Equal(t, 1, s.payments.returned[id])
			}
			s.check(t, account)
		}
	})
	t.Run("RefundedOutside", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		waiting, sent := s.paid(t, account, shirt), s.paid(t, account, shirt)
		_, err := s.Ship(t.Context(), uuid.New(), sent, "CJ", "1")
		require.NoError(t, err)
		for _, id := range []uuid.UUID{waiting, sent} {
			s.payments.set(id, func(p *payments.Payment) { p.RefundedWon = p.AmountWon })
			s.hear(t, payments.Refunded{OrderID: id, Version: 3, RefundID: uuid.New(), AmountWon: 15_900})
		}
		require.Equal(t, ordering.StateCanceled, s.state(t, waiting))
		require.Equal(t, ordering.StateShipping, s.state(t, sent), "the parcel is gone: a person has to look")
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.order_timeline WHERE order_id = $1 AND note LIKE 'alert:%'`, sent))
		s.check(t, account)
	})
}

// A manager cancels, and the money goes to who paid: payments is asked for the order, and for nobody's account (original 38: the caller
// got the points).
func TestCancelByManager(t *testing.T) {
	t.Parallel()

	s, account, boss := setup(t), uuid.New(), uuid.New()
	id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
	c, err := s.Cancel(t.Context(), app.CancelInput{By: boss, OrderID: id, Key: idempotency.Of("c", "/admin", nil), Reason: "out of print"})
	require.NoError(t, err)
	require.EqualValues(t, ordering.StateCanceled, c.Order.State)
	p := s.payments.of(id)
	require.Equal(t, account, p.AccountID)
	require.Equal(t, p.AmountWon, p.RefundedWon)
	require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.order_timeline WHERE order_id = $1 AND actor_kind = 'manager' AND actor_id = $2`, id, boss))
	require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.audit_log WHERE action = 'orders.cancel' AND subject = $1`, id.String()))
	s.check(t, account)
}
