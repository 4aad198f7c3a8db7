package app_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
)

// liar is a Toss whose answers are not what it does, while it lies.
type liar struct {
	app.Gateway
	lies                    *atomic.Bool
	confirm, read, canceled func(app.Answer) app.Answer
}

// lying puts a liar before a shop's gateway.
func lying(l *liar) func(*settings) {
	l.lies = &atomic.Bool{}
	l.lies.Store(true)
	return func(c *settings) {
		c.gateway = func(g app.Gateway) app.Gateway {
			own := *l
			own.Gateway = g
			return own
		}
	}
}

func (l liar) told(a app.Answer, lie func(app.Answer) app.Answer) app.Answer {
	if lie == nil || !l.lies.Load() {
		return a
	}
	return lie(a)
}

func (l liar) Confirm(ctx context.Context, in app.ConfirmRequest) app.Answer {
	return l.told(l.Gateway.Confirm(ctx, in), l.confirm)
}

func (l liar) Payment(ctx context.Context, key string) app.Answer {
	return l.told(l.Gateway.Payment(ctx, key), l.read)
}

func (l liar) PaymentByOrder(ctx context.Context, number string) app.Answer {
	return l.told(l.Gateway.PaymentByOrder(ctx, number), l.read)
}

func (l liar) Cancel(ctx context.Context, in app.CancelRequest) app.Answer {
	return l.told(l.Gateway.Cancel(ctx, in), l.canceled)
}

func lost(app.Answer) app.Answer {
	return app.Answer{Outcome: app.OutcomeUnknown, Code: "SHOP_TIMEOUT"}
}

// another is an answer about something else than was asked for.
var another = map[string]struct {
	code string
	lie  func(app.Answer) app.Answer
}{
	"Payment":  {"SHOP_OTHER_PAYMENT", func(a app.Answer) app.Answer { a.PaymentKey = "tgen_another"; return a }},
	"Order":    {"SHOP_OTHER_ORDER", func(a app.Answer) app.Answer { a.OrderNumber = "N-ANOTHER"; return a }},
	"Amount":   {"SHOP_OTHER_AMOUNT", func(a app.Answer) app.Answer { a.AmountWon--; return a }},
	"Currency": {"SHOP_NOT_WON", func(a app.Answer) app.Answer { a.Outcome, a.Code = app.OutcomeMismatch, "SHOP_NOT_WON"; return a }},
}

// attempt is the state and the last word of an order's first attempt.
func (s shop) attempt(o order) [2]string {
	s.t.Helper()
	d, err := s.instances[0].Details(s.t.Context(), o.id)
	require.NoError(s.t, err)
	return [2]string{d.Attempts[0].State, d.Attempts[0].Code}
}

// What is read back is compared with what was asked: of another payment, order, amount or currency nothing is settled, and a person
// decides (original 40, 45).
func TestAnotherPaymentSettlesNothing(t *testing.T) {
	t.Parallel()

	for name, c := range another {
		// however it was learned, it is disputed and not known; once Toss tells the truth, a person's question settles it
		disputed := func(t *testing.T, s shop, l *liar, o order) {
			require.Equal(t, [2]string{"disputed", c.code}, s.attempt(o))
			require.Equal(t, payments.StateConfirming, s.payment(o).State)
			require.Empty(t, s.events(o))
			require.EqualValues(t, 1, s.counted(0, "shop_payments_alerts_total", "disputed")+s.counted(1, "shop_payments_alerts_total", "disputed"))
			s.jobs(2)
			require.Empty(t, s.events(o), "no job decides it")
			l.lies.Store(false)
			require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
			require.Equal(t, payments.StateCaptured, s.payment(o).State)
			s.sound()
		}
		t.Run(name+"/Confirmed", func(t *testing.T) {
			t.Parallel()

			l := &liar{confirm: c.lie}
			s := setup(t, lying(l))
			o := s.open()
			p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
			require.NoError(t, err)
			require.Equal(t, payments.StateConfirming, p.State)
			disputed(t, s, l, o)
		})
		t.Run(name+"/ReadBack", func(t *testing.T) {
			t.Parallel()

			l := &liar{confirm: lost, read: c.lie}
			s := setup(t, lying(l))
			o := s.open()
			p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
			require.NoError(t, err)
			require.Equal(t, payments.StateConfirming, p.State)
			disputed(t, s, l, o)
		})
		t.Run(name+"/ByTheJob", func(t *testing.T) {
			t.Parallel()

			l := &liar{confirm: lost, read: c.lie}
			s := setup(t, lying(l))
			o := s.open()
			key := s.authorize(o, "카드")
			require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
			s.clock.Advance(time.Minute)
			require.NoError(t, s.instances[1].Reconcile(t.Context()))
			disputed(t, s, l, o)
		})
		t.Run(name+"/ByAWebhook", func(t *testing.T) {
			t.Parallel()

			l := &liar{confirm: lost, read: c.lie}
			s := setup(t, lying(l))
			o := s.open()
			key := s.authorize(o, "카드")
			require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
			s.instances[0].AskOnly(t.Context(), key)
			s.hook(0, "t-1", statusChanged(o, key))
			require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
			outcome, processed := s.outcome("t-1")
			require.True(t, processed)
			require.Equal(t, "mismatch", outcome)
			require.EqualValues(t, 1, s.counted(1, "shop_payments_alerts_total", "webhook_mismatch"))
			disputed(t, s, l, o)
		})
		t.Run(name+"/Refunded", func(t *testing.T) {
			t.Parallel()

			l := &liar{canceled: lost, read: c.lie}
			s := setup(t, lying(l))
			l.lies.Store(false)
			o, _ := s.paid()
			l.lies.Store(true)
			p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
			require.NoError(t, err)
			require.Equal(t, payments.RefundStateSent, p.Refund.State)
			require.Equal(t, c.code, p.Refund.Code)
			s.jobs(2)
			require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
			require.NotZero(t, s.counted(0, "shop_payments_alerts_total", "disputed"))
			l.lies.Store(false)
			s.jobs(2)
			require.Equal(t, payments.RefundStateDone, s.payment(o).Refund.State)
			s.sound()
		})
	}

	// A shopper may confirm with any key, and open a window at Toss for any amount: as long as no money was taken, that is an attempt
	// which came to nothing, and holds no order.
	t.Run("ButNoShopperCanMakeADispute", func(t *testing.T) {
		t.Parallel()

		for name, wait := range map[string]time.Duration{"InProgress": 0, "Expired": 11 * time.Minute} {
			s := setup(t)
			o, own := s.open(), s.open()
			key := s.authorize(own, "카드")
			s.clock.Advance(wait)
			_, err := s.confirm(0, o, key, "k")
			require.ErrorIs(t, err, payments.ErrDeclined, name)
			require.Equal(t, payments.StateOpen, s.payment(o).State)
			s.hook(0, "t-1", statusChanged(o, s.authorize(own, "카드")))
			require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
			outcome, _ := s.outcome("t-1")
			require.Equal(t, "ignored", outcome)
			require.Zero(t, s.counted(0, "shop_payments_alerts_total", "disputed"))
			s.sound()
		}
	})

	t.Run("AndItEndsWhenTheMoneyWentBack", func(t *testing.T) {
		t.Parallel()

		l := &liar{confirm: another["Amount"].lie}
		s := setup(t, lying(l))
		o := s.open()
		key := s.authorize(o, "카드")
		_, err := s.confirm(0, o, key, "k")
		require.NoError(t, err)
		s.cancelAtToss(key) // by a person, at Toss's desk
		require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
		require.Equal(t, payments.StateOpen, s.payment(o).State)
		s.sound()
	})
}

// Money that is ours stays ours until a person has decided, whatever Toss says of it afterwards; and the books tell of the doubt.
func TestDoubts(t *testing.T) {
	t.Parallel()

	says := func(a app.Answer) func(app.Answer) app.Answer {
		return func(read app.Answer) app.Answer {
			read.Outcome, read.Code, read.BackWon = a.Outcome, a.Code, a.BackWon
			return read
		}
	}
	for name, c := range map[string]struct {
		answer app.Answer
		code   string
	}{
		"Aborted":           {app.Answer{Outcome: app.OutcomeDeclined, Code: "ABORTED"}, "ABORTED"},
		"PartlyBack":        {app.Answer{Outcome: app.OutcomePartial, Code: "PARTIAL_CANCELED", BackWon: 1000}, "SHOP_OTHER_BALANCE"},
		"DepositTakenBack":  {app.Answer{Outcome: app.OutcomeDeposit}, "SHOP_DEPOSIT_TAKEN_BACK"},
		"OfAnotherCurrency": {app.Answer{Outcome: app.OutcomeMismatch, Code: "SHOP_NOT_WON"}, "SHOP_NOT_WON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			l := &liar{read: says(c.answer)}
			s := setup(t, lying(l))
			o, key := s.paid()
			before := s.payment(o)
			// DONE and ABORTED were seen 46 ms apart: what was read so soon is read again.
			s.hook(0, "t-1", statusChanged(o, key))
			require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
			_, processed := s.outcome("t-1")
			require.False(t, processed)
			s.sound()

			s.clock.Advance(time.Minute)
			require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
			_, processed = s.outcome("t-1")
			require.True(t, processed)
			require.Equal(t, [2]string{"captured", c.code}, s.attempt(o))
			require.Equal(t, before, s.payment(o))
			require.Len(t, s.wrong(), 1)
			require.Contains(t, s.wrong()[0], "attempts.undisputed "+o.id.String())
			require.NoError(t, s.instances[0].Reconcile(t.Context()))
			require.EqualValues(t, 1, s.counted(0, "shop_payments_backlog", "stuck"))
			listed, err := s.instances[0].Payments(t.Context(), app.PaymentsQuery{State: "unknown", Page: firstPage})
			require.NoError(t, err)
			require.Len(t, listed.Items, 1)

			l.lies.Store(false)
			require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
			require.Equal(t, [2]string{"captured", ""}, s.attempt(o))
			s.sound()
		})
	}
}

// DEPOSIT_CALLBACK tells of an account, of a deposit, and of a bank that takes it back; each is read by the payment whose secret it knows.
func TestADepositThatIsTakenBack(t *testing.T) {
	t.Parallel()

	s := setup(t)
	o := s.open()
	first, key := s.authorize(o, "가상계좌"), s.authorize(o, "가상계좌")
	_, err := s.confirm(0, o, key, "k")
	require.NoError(t, err)
	hook := map[string]any{"createdAt": "2026-01-02T12:04:05.000000", "secret": *s.atToss(key).Secret, "transactionKey": "x", "orderId": o.number}
	told := func(id, status string) {
		hook["status"] = status
		s.hook(0, id, hook)
		require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
		outcome, _ := s.outcome(id)
		require.Equal(t, "read", outcome, id)
	}
	told("issued", "WAITING_FOR_DEPOSIT")
	require.Equal(t, payments.StateConfirming, s.payment(o).State)
	require.NoError(t, s.toss.Deposit(key))
	told("paid", "DONE")
	require.Equal(t, payments.StateCaptured, s.payment(o).State)
	require.NoError(t, s.toss.TakeBack(key))
	s.clock.Advance(time.Minute)
	told("taken-back", "WAITING_FOR_DEPOSIT")
	require.Equal(t, payments.StateCaptured, s.payment(o).State, "a person decides")
	require.Equal(t, [2]string{"captured", "SHOP_DEPOSIT_TAKEN_BACK"}, s.attempt(o))
	require.NoError(t, s.toss.Deposit(key))
	told("paid-again", "DONE")
	s.sound()
	require.Equal(t, "IN_PROGRESS", s.atToss(first).Status)
}

// A confirm that was refused before any bank was asked is believed once the payment was read, and not before.
func TestARefusalIsReadFirst(t *testing.T) {
	t.Parallel()

	void := func(a app.Answer) app.Answer {
		return app.Answer{Outcome: app.OutcomeVoid, Code: "NOT_FOUND_PAYMENT_SESSION"} // although the money was taken
	}
	l := &liar{confirm: void, read: lost}
	s := setup(t, lying(l))
	o := s.open()
	p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
	require.NoError(t, err)
	require.Equal(t, payments.StateConfirming, p.State)
	require.Equal(t, [2]string{"sent", "NOT_FOUND_PAYMENT_SESSION"}, s.attempt(o))
	l.lies.Store(false)
	s.jobs(1)
	require.Equal(t, payments.StateCaptured, s.payment(o).State)
	s.sound()
}
