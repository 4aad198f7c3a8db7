package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
)

func TestWithdrawals(t *testing.T) {
	t.Parallel()

	// overdue is an order that waits for a deposit which nobody made.
	overdue := func(s shop) (o order, key string) {
		o = s.open()
		key = s.authorize(o, "가상계좌")
		_, err := s.confirm(0, o, key, "k")
		require.NoError(s.t, err)
		s.clock.Advance(25 * time.Hour)
		require.NoError(s.t, s.instances[0].Reconcile(s.t.Context())) // asks for the withdrawal
		return o, key
	}

	t.Run("EndWhenNobodyCanPayAnyMore", func(t *testing.T) {
		t.Parallel()

		l := &liar{read: func(a app.Answer) app.Answer {
			return app.Answer{Outcome: app.OutcomeDeclined, Code: "EXPIRED", PaymentKey: a.PaymentKey, OrderNumber: a.OrderNumber}
		}}
		s := setup(t, lying(l))
		l.lies.Store(false)
		o, _ := overdue(s)
		l.lies.Store(true)
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "A_CODE_OF_NEXT_YEAR", Count: -1})
		require.NoError(t, s.instances[0].SendRefunds(t.Context()))
		require.Equal(t, payments.StateOpen, s.payment(o).State)
		d, err := s.instances[0].Details(t.Context(), o.id)
		require.NoError(t, err)
		require.Equal(t, "done", d.Refunds[0].State)
		s.jobs(1)
		require.Len(t, s.posts("cancel"), 1)
	})

	t.Run("GoToAPersonWhenTossWillNot", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := overdue(s)
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "A_CODE_OF_NEXT_YEAR", Count: -1})
		s.jobs(25)
		require.Less(t, len(s.posts("cancel")), 25, "there is an end")
		require.Equal(t, [2]string{"disputed", "SHOP_DEPOSIT_NOT_WITHDRAWN"}, s.attempt(o))
		require.Equal(t, payments.StateConfirming, s.payment(o).State, "somebody may still pay into it")
		require.Len(t, s.wrong(), 1)

		s.toss.Release()
		s.cancelAtToss(key)
		require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
		require.Equal(t, payments.StateOpen, s.payment(o).State)
	})

	// An account that is withdrawn gives back nothing, so it is not in the way of money that comes into it all the same.
	t.Run("AreNoRefundOfMoneyThatComesAllTheSame", func(t *testing.T) {
		t.Parallel()

		for _, closed := range []bool{false, true} {
			l := &liar{read: func(a app.Answer) app.Answer { a.Outcome, a.Code = app.OutcomePaid, ""; return a }}
			s := setup(t, lying(l))
			l.lies.Store(false)
			o, key := overdue(s)
			s.jobs(1)
			require.Equal(t, payments.StateOpen, s.payment(o).State)
			if closed {
				_, err := s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: o.id})
				require.NoError(t, err)
			}
			l.lies.Store(true)
			s.hook(0, "t-1", statusChanged(o, key))
			require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
			outcome, processed := s.outcome("t-1")
			require.True(t, processed)
			require.Equal(t, "read", outcome)
			l.lies.Store(false)
			if closed {
				require.Equal(t, payments.StateClosed, s.payment(o).State)
				s.jobs(2)
				require.Contains(t, kinds(s.payment(o)), "refunded")
			} else {
				require.Equal(t, payments.StateCaptured, s.payment(o).State)
				p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
				require.NoError(t, err)
				require.Equal(t, payments.RefundStateDone, p.Refund.State)
			}
			s.sound()
		}
	})
}
