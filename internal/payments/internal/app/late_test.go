package app_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
)

// What fails is put off, so that it is not the first of every run; it is counted, and never lost.
func TestWhatFailsIsPutOff(t *testing.T) {
	t.Parallel()

	t.Run("Attempts", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		var poisoned []order
		begin := func() (o order, key string) {
			o = s.open()
			key = s.authorize(o, "카드")
			require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
			return o, key
		}
		for range 64 { // as many as a run takes
			o, _ := begin()
			poisoned = append(poisoned, o)
		}
		s.clock.Advance(5 * time.Second) // it is due after all of them
		healthy, _ := begin()
		s.breakTable("ledger", "INSERT", "P0001", 64)
		s.clock.Advance(time.Minute)
		require.Error(t, s.instances[0].Reconcile(t.Context()))
		require.EqualValues(t, 64, s.counted(0, "shop_payments_alerts_total", "attempt_failed"))
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.Equal(t, payments.StateCaptured, s.payment(healthy).State)
		require.Equal(t, [2]string{"sent", "SHOP_FAILED"}, s.attempt(poisoned[0]))
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		for _, o := range poisoned {
			require.Equal(t, payments.StateCaptured, s.payment(o).State)
		}
		s.sound()
	})

	t.Run("Webhooks", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		arrive := func(i int) (o order) {
			o = s.open()
			key := s.authorize(o, "카드")
			require.NoError(t, s.confirmPastTheShop(o, key))
			s.hook(0, fmt.Sprintf("t-%03d", i), statusChanged(o, key))
			s.clock.Advance(time.Millisecond)
			return o
		}
		var poisoned []order
		for i := range 128 { // as many as a run takes
			poisoned = append(poisoned, arrive(i))
		}
		healthy := arrive(128)
		s.breakTable("ledger", "INSERT", "P0001", 128)
		require.Error(t, s.instances[0].ProcessWebhooks(t.Context()))
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		require.EqualValues(t, 128, s.counted(0, "shop_payments_alerts_total", "webhook_failed"))
		require.Equal(t, payments.StateCaptured, s.payment(healthy).State)
		outcome, processed := s.outcome("t-000")
		require.False(t, processed)
		require.Equal(t, "failed", outcome)
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		for _, o := range poisoned {
			require.Equal(t, payments.StateCaptured, s.payment(o).State)
		}
		s.sound()
	})

	// A webhook may be all that tells of money: it is followed however long that takes.
	t.Run("AWebhookIsNeverLost", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.confirmPastTheShop(o, key))
		s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault429, Count: -1})
		s.hook(0, "t-1", statusChanged(o, key))
		s.jobs(9 * 24 * 3) // Toss is away for nine days
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.EqualValues(t, 1, s.counted(0, "shop_payments_backlog", "webhooks"))
		require.EqualValues(t, 1, s.counted(0, "shop_payments_backlog", "webhooks_stuck"))
		require.Less(t, len(s.toss.Requests()), 9*24+30, "and asked about less and less often")
		require.Contains(t, fmt.Sprint(s.wrong()), "webhooks.processed t-1")
		s.toss.Release()
		s.jobs(4)
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
	})

	t.Run("Refunds", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, _ := s.paid()
		s.breakTable("ledger", "INSERT", "P0001", 2)
		_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(t, err)
		require.Equal(t, "SHOP_FAILED", s.payment(o).Refund.Code)
		require.NoError(t, s.instances[0].SendRefunds(t.Context()), "it is not due")
		s.clock.Advance(time.Minute)
		require.Error(t, s.instances[0].SendRefunds(t.Context()))
		require.EqualValues(t, 1, s.counted(0, "shop_payments_alerts_total", "refund_failed"))
		s.jobs(1)
		require.Equal(t, payments.RefundStateDone, s.payment(o).Refund.State)
		s.sound()
	})

	// One row at which the code breaks must not end the process, nor then the next one that finds it.
	t.Run("APanic", func(t *testing.T) {
		t.Parallel()

		poison := ""
		s := setup(t, func(c *settings) {
			c.gateway = func(g app.Gateway) app.Gateway { return panicking{g, &poison} }
		})
		o, healthy := s.open(), s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
		require.NoError(t, s.instances[0].Start(t.Context(), healthy.id, healthy.confirmInput(s.authorize(healthy, "카드"), "k")))
		poison = key
		s.clock.Advance(time.Minute)
		require.ErrorContains(t, s.instances[0].Reconcile(t.Context()), "panic: a bug")
		require.Equal(t, payments.StateCaptured, s.payment(healthy).State)
		require.Equal(t, [2]string{"sent", "SHOP_FAILED"}, s.attempt(o))
		poison = ""
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
	})
}

// panicking is a gateway with a bug.
type panicking struct {
	app.Gateway
	poison *string
}

func (g panicking) Confirm(ctx context.Context, in app.ConfirmRequest) app.Answer {
	if in.PaymentKey == *g.poison {
		panic("a bug")
	}
	return g.Gateway.Confirm(ctx, in)
}

// After 14 days the gateway is about to forget the key: a person decides.
func TestAfter14Days(t *testing.T) {
	t.Parallel()

	t.Run("ARefundIsOnlyRead", func(t *testing.T) {
		t.Parallel()

		for _, done := range []bool{true, false} {
			s := setup(t)
			o, key := s.paid()
			s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "A_CODE_OF_NEXT_YEAR", Count: -1})
			_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
			require.NoError(t, err)
			s.clock.Advance(14*24*time.Hour - time.Minute)
			require.NoError(t, s.instances[0].SendRefunds(t.Context()))
			asked := len(s.posts("cancel"))
			require.Equal(t, 2, asked, "until then it is sent")
			require.Equal(t, payments.RefundStateSent, s.payment(o).Refund.State)
			require.Contains(t, s.wrong()[0], "refunds.age "+s.payment(o).Refund.ID.String(), "and named by its age")
			if done {
				s.toss.Release()
				s.cancelAtToss(key)
				asked++
			}
			s.jobs(2)
			require.Len(t, s.posts("cancel"), asked)
			p := s.payment(o)
			if done {
				require.Equal(t, payments.RefundStateDone, p.Refund.State)
				require.Equal(t, []string{"payments.captured.v1", "payments.refunded.v1"}, s.events(o))
			} else {
				require.Equal(t, payments.RefundStateRefused, p.Refund.State)
				require.Equal(t, "SHOP_GIVEN_UP", p.Refund.Code)
				require.Equal(t, []string{"payments.captured.v1", "payments.refund_refused.v1"}, s.events(o))
				require.EqualValues(t, 1, s.counted(0, "shop_payments_alerts_total", "refund_refused")+s.counted(1, "shop_payments_alerts_total", "refund_refused"))
			}
			s.sound()
		}
	})

	t.Run("ADepositIsStillAwaited", func(t *testing.T) {
		t.Parallel()

		due := today.Add(30 * 24 * time.Hour)
		long := func(a app.Answer) app.Answer {
			if a.Outcome == app.OutcomeDeposit {
				a.DepositDue, a.Overdue = &due, false
			}
			return a
		}
		s := setup(t, lying(&liar{confirm: long, read: long}))
		o := s.open()
		_, err := s.confirm(0, o, s.authorize(o, "가상계좌"), "k")
		require.NoError(t, err)
		s.clock.Advance(20 * 24 * time.Hour)
		s.jobs(1)
		require.Equal(t, payments.StateConfirming, s.payment(o).State)
		require.NoError(t, s.toss.Deposit(o.number))
		s.jobs(1)
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		s.sound()
	})
}

// A wallet abroad takes a cancel on and does it later, or not. Its webhook names nothing but the cancel.
func TestCancelsThatTakeTheirTime(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		end   func(*emulator.Emulator, string) error
		state payments.RefundState
		code  string
	}{
		"Done":    {(*emulator.Emulator).FinishCancel, payments.RefundStateDone, ""},
		"Aborted": {(*emulator.Emulator).AbortCancel, payments.RefundStateRefused, "CANCEL_ABORTED"},
	} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/Webhook=%t", name, told), func(t *testing.T) {
				t.Parallel()

				s := setup(t)
				o := s.open()
				key := s.authorize(o, "해외간편결제")
				_, err := s.confirm(0, o, key, "k")
				require.NoError(t, err)
				p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
				require.NoError(t, err)
				require.Equal(t, payments.RefundStateSent, p.Refund.State)
				require.Equal(t, "CANCEL_IN_PROGRESS", p.Refund.Code)
				require.Zero(t, p.RefundedWon, "nothing is back")
				s.jobs(3)
				require.Equal(t, payments.RefundStateSent, s.payment(o).Refund.State)

				require.NoError(t, c.end(s.toss, o.number))
				if told {
					cancel := s.atToss(key).Cancels[0]
					event := map[string]any{"eventType": "CANCEL_STATUS_CHANGED", "createdAt": "2026-01-02T12:04:05.000000", "data": cancel}
					s.hook(0, "t-1", event)
					s.hook(1, "t-2", event)
					cancel.TransactionKey = "txrd_anothers"
					event["data"] = cancel
					s.hook(1, "t-3", event)
					require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
					for id, want := range map[string]string{"t-1": "read", "t-2": "read", "t-3": "ignored"} {
						outcome, _ := s.outcome(id)
						require.Equal(t, want, outcome)
					}
					require.NoError(t, s.instances[1].SendRefunds(t.Context()), "it is due at once")
				} else {
					s.jobs(2)
				}
				p = s.payment(o)
				require.Equal(t, c.state, p.Refund.State)
				require.Equal(t, c.code, p.Refund.Code)
				s.sound()
			})
		}
	}
}
