package app_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

func TestOpen(t *testing.T) {
	t.Parallel()

	t.Run("IsRepeatable", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		in := o.openInput()
		in.AmountWon, in.ExpiresAt = 99_000, today.Add(time.Hour)
		p, err := s.instances[1].Open(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, price, p.AmountWon, "it is as it is")
		require.Equal(t, today.Add(15*time.Minute), p.ExpiresAt)
		require.Equal(t, "http://shop/toss/pay/"+o.number, p.CheckoutURL)
		require.Equal(t, "test_ck_1", p.ClientKey)
		require.GreaterOrEqual(t, len(p.CustomerKey), 20)
		require.Equal(t, []string{"opened"}, kinds(s.payment(o)))

		other := order{id: uuid.Must(uuid.NewV7()), account: o.account, number: "N-OTHER"}
		q, err := s.instances[0].Open(t.Context(), other.openInput())
		require.NoError(t, err)
		require.Equal(t, p.CustomerKey, q.CustomerKey, "one account, one key")
	})

	t.Run("ManyShareATransaction", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		var wg sync.WaitGroup
		account := uuid.New()
		for i := range 60 {
			id := uuid.Must(uuid.NewV7())
			for n := range 2 { // and each twice at once
				wg.Go(func() {
					o := order{id: id, account: account, number: "N-" + id.String()}
					if p, err := s.instances[(i+n)%2].Open(t.Context(), o.openInput()); err != nil || p.State != payments.StateOpen {
						t.Errorf("%v %v", p, err)
					}
				})
			}
		}
		wg.Wait()
		var rows, opened int
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM payments.payments), (SELECT count(*) FROM payments.history)`).Scan(&rows, &opened))
		require.Equal(t, [2]int{60, 60}, [2]int{rows, opened})
	})

	// original 45a: a numeric id went to Toss as the order's number.
	t.Run("RefusesWhatCannotBePaid", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		for _, spoil := range []func(*payments.OpenInput){
			func(in *payments.OpenInput) { in.AmountWon = 99 },
			func(in *payments.OpenInput) { in.OrderNumber = "short" },
			func(in *payments.OpenInput) { in.OrderNumber = "with space" },
			func(in *payments.OpenInput) { in.OrderName = strings.Repeat("가", 101) },
			func(in *payments.OpenInput) { in.AccountID = uuid.Nil },
		} {
			in := order{id: uuid.New(), account: uuid.New(), number: "N-123456"}.openInput()
			spoil(&in)
			_, err := s.instances[0].Open(t.Context(), in)
			require.Error(t, err)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	closing := func(s shop, o order) payments.State {
		p, err := s.instances[1].Close(t.Context(), payments.CloseInput{OrderID: o.id})
		require.NoError(t, err)
		return p.State
	}

	// original 39: an order was cancelled, and its checkout could still be paid.
	t.Run("EndsAnOpenPayment", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		require.Equal(t, payments.StateClosed, closing(s, o))
		require.Equal(t, payments.StateClosed, closing(s, o))
		_, err := s.confirm(0, o, key, "k")
		require.ErrorIs(t, err, payments.ErrOrderClosed)
		require.Empty(t, s.posts("confirm"), "Toss was not asked")
		p, err := s.instances[0].Open(t.Context(), o.openInput())
		require.NoError(t, err)
		require.Equal(t, payments.StateClosed, p.State, "for good")
		require.Equal(t, []string{"opened", "closed"}, kinds(s.payment(o)))
	})

	t.Run("OfWhatWasNeverOpenedIsATombstone", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := order{id: uuid.Must(uuid.NewV7()), account: uuid.New(), number: "N-123456"}
		require.Equal(t, payments.StateClosed, closing(s, o))
		p, err := s.instances[0].Open(t.Context(), o.openInput())
		require.NoError(t, err)
		require.Equal(t, payments.StateClosed, p.State)
		_, err = s.confirm(0, o, "tgen_1", "k")
		require.ErrorIs(t, err, payments.ErrNoPayment)
		_, err = s.instances[0].Payment(t.Context(), payments.PaymentInput{OrderID: o.id})
		require.ErrorIs(t, err, payments.ErrNoPayment)
		_, err = s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.ErrorIs(t, err, payments.ErrNotRefundable)
	})

	t.Run("NeverEndsWhatMayBePaid", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.AnswerWithin = time.Millisecond })
		o := s.open()
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
		require.NoError(t, err)
		require.Equal(t, payments.StateConfirming, p.State)
		require.Equal(t, payments.StateConfirming, closing(s, o))
		s.toss.Release()
		await(t, "the capture", func() bool { return s.payment(o).State == payments.StateCaptured })
		require.Equal(t, payments.StateCaptured, closing(s, o))
		s.sound()
	})
}

func TestConfirm(t *testing.T) {
	t.Parallel()

	t.Run("Captures", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		p, err := s.confirm(0, o, s.authorize(o, "토스페이"), "k")
		require.NoError(t, err)
		require.Equal(t, payments.StateCaptured, p.State)
		require.Equal(t, "토스페이", p.Method)
		require.NotEmpty(t, p.ReceiptURL)
		require.Equal(t, today.Truncate(time.Second), p.ApprovedAt.UTC())
		require.False(t, p.Replayed)
		require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
		require.Equal(t, []string{"opened", "confirming", "captured"}, kinds(s.payment(o)))
		s.sound()
	})

	t.Run("IsRepeatable", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		first, err := s.confirm(0, o, key, "k")
		require.NoError(t, err)
		for _, idempotencyKey := range []string{"k", "another"} { // the same payment key is the same confirm
			again, err := s.confirm(1, o, key, idempotencyKey)
			require.NoError(t, err)
			require.True(t, again.Replayed)
			again.Replayed = false
			require.Equal(t, first, again)
		}
		other := o.confirmInput(key, "k")
		other.RequestHash = []byte("another body")
		_, err = s.instances[0].Confirm(t.Context(), other)
		require.ErrorIs(t, err, idempotency.ErrReused)
		_, err = s.confirm(0, o, "tgen_other", "k2")
		require.ErrorIs(t, err, payments.ErrAlreadyPaid)
		require.Len(t, s.posts("confirm"), 1)
		require.Len(t, s.events(o), 1)
	})

	t.Run("RefusesBeforeTossIsAsked", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, other := s.open(), s.open()
		key := s.authorize(o, "카드")
		for name, c := range map[string]struct {
			spoil func(*payments.ConfirmInput)
			want  error
		}{
			"LessMoney":     {func(in *payments.ConfirmInput) { in.AmountWon = 100 }, payments.ErrAmountMismatch},
			"MoreMoney":     {func(in *payments.ConfirmInput) { in.AmountWon = price + 1 }, payments.ErrAmountMismatch},
			"AnothersOrder": {func(in *payments.ConfirmInput) { in.AccountID = other.account }, payments.ErrNoPayment},
			"NoOrder":       {func(in *payments.ConfirmInput) { in.OrderNumber = "N-NONE-AT-ALL" }, payments.ErrNoPayment},
			"NoKey":         {func(in *payments.ConfirmInput) { in.PaymentKey = "" }, payments.ErrNoPayment},
			"NulKey":        {func(in *payments.ConfirmInput) { in.PaymentKey = "a\x00b" }, payments.ErrNoPayment},
			"LongKey":       {func(in *payments.ConfirmInput) { in.PaymentKey = strings.Repeat("k", 201) }, payments.ErrNoPayment},
		} {
			in := o.confirmInput(key, "k-"+name)
			c.spoil(&in)
			_, err := s.instances[0].Confirm(t.Context(), in)
			require.ErrorIs(t, err, c.want, name)
		}
		require.Empty(t, s.posts("confirm"))
		require.Equal(t, payments.StateOpen, s.payment(o).State)

		// vendure#3065, woocommerce gateway-stripe PR#5720 (T21): paid after the reservation had expired.
		s.clock.Advance(15 * time.Minute)
		_, err := s.confirm(0, o, key, "late")
		require.ErrorIs(t, err, payments.ErrOrderClosed)
		require.Empty(t, s.posts("confirm"))
	})

	// original 42: nothing kept a payment key to one order, or an order to one payment.
	t.Run("APaymentKeyIsOneOrders", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, other := s.open(), s.open()
		key := s.authorize(o, "카드")
		_, err := s.confirm(0, o, key, "k")
		require.NoError(t, err)
		_, err = s.confirm(0, other, key, "k")
		require.ErrorIs(t, err, payments.ErrNoPayment)
		require.Equal(t, payments.StateOpen, s.payment(other).State)
		s.sound()
	})

	t.Run("DeclinedCanBePaidInAnotherWay", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		bad, err := s.tryAuthorize(o, "카드", "REJECT_CARD_COMPANY")
		require.NoError(t, err)
		for _, idempotencyKey := range []string{"k", "k", "k2"} {
			_, err = s.confirm(0, o, bad, idempotencyKey)
			require.ErrorIs(t, err, payments.ErrDeclined)
			require.ErrorContains(t, err, "REJECT_CARD_COMPANY")
		}
		require.Len(t, s.posts("confirm"), 1)
		require.Equal(t, payments.StateOpen, s.payment(o).State)
		p, err := s.confirm(0, o, s.authorize(o, "계좌이체"), "k3")
		require.NoError(t, err)
		require.Equal(t, payments.StateCaptured, p.State)
		require.Equal(t, []string{"opened", "confirming", "declined", "confirming", "captured"}, kinds(s.payment(o)))
		require.Len(t, s.events(o), 1)
		s.sound()
	})

	t.Run("AMadeUpKeyHoldsNothing", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		_, err := s.confirm(0, o, "tgen_i_made_this_up", "k")
		require.ErrorIs(t, err, payments.ErrDeclined)
		require.ErrorContains(t, err, "NOT_FOUND_PAYMENT")
		require.Equal(t, payments.StateOpen, s.payment(o).State)
	})

	t.Run("AnExpiredSessionCanBePaidAgain", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		s.clock.Advance(10 * time.Minute)
		_, err := s.confirm(0, o, key, "k")
		require.ErrorIs(t, err, payments.ErrDeclined)
		p, err := s.confirm(0, o, s.authorize(o, "카드"), "k2")
		require.NoError(t, err)
		require.Equal(t, payments.StateCaptured, p.State)
	})

	// spree PR#13938 (T24): two confirms at once; PrestaShop ps_checkout PR#1546 (T28): a second pay while the first is not known.
	t.Run("DoubleClick", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.RepeatWithin = time.Minute })
		o := s.open()
		key := s.authorize(o, "카드")
		second := s.authorize(o, "토스페이")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		var wg sync.WaitGroup
		var fresh atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				p, err := s.confirm(i, o, key, "k")
				if err != nil || p.State != payments.StateCaptured {
					t.Errorf("%v %v", p.State, err)
				}
				if !p.Replayed {
					fresh.Add(1)
				}
			})
		}
		await(t, "Toss to be asked", func() bool { return len(s.posts("confirm")) == 1 })
		require.Equal(t, payments.StateConfirming, s.payment(o).State, "it is durable before Toss answers")
		_, err := s.confirm(1, o, second, "k2")
		require.ErrorIs(t, err, payments.ErrInProgress)
		s.toss.Release()
		wg.Wait()
		require.EqualValues(t, 1, fresh.Load())
		require.Len(t, s.posts("confirm"), 1)
		require.Len(t, s.events(o), 1)
		s.sound()
	})

	t.Run("ARepeatDoesNotWaitForEver", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.AnswerWithin, c.app.RepeatWithin = time.Millisecond, time.Millisecond })
		o := s.open()
		key := s.authorize(o, "카드")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		for i := range 3 {
			p, err := s.confirm(i, o, key, "k")
			require.NoError(t, err)
			require.Equal(t, payments.StateConfirming, p.State)
			require.Equal(t, i > 0, p.Replayed)
		}
		require.LessOrEqual(t, len(s.posts("confirm")), 1)
	})

	// saleor PR#11069 (T16): rows were locked while the payment service was asked.
	t.Run("ASlowTossHoldsNoConnection", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.AnswerWithin = time.Minute })
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold, Count: -1})
		var wg sync.WaitGroup
		orders := int(s.pool.Config().MaxConns) * 3 // far more than there are connections
		for i := range orders {
			o := s.open()
			key := s.authorize(o, "카드")
			wg.Go(func() {
				if p, err := s.confirm(i, o, key, "k"); err != nil || p.State != payments.StateCaptured {
					t.Errorf("%v %v", p.State, err)
				}
			})
		}
		await(t, "all to wait for Toss", func() bool { return len(s.posts("confirm")) == orders })
		await(t, "no connection to be held", func() bool { return s.pool.Stat().AcquiredConns() == 0 })
		require.Equal(t, payments.StateOpen, s.payment(s.open()).State, "others are served meanwhile")
		s.toss.Release()
		wg.Wait()
		s.sound()
	})

	t.Run("GoesOnWithoutTheShopper", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = s.instances[0].Confirm(ctx, o.confirmInput(key, "k"))
		}()
		await(t, "Toss to be asked", func() bool { return len(s.posts("confirm")) == 1 })
		hangUp()
		<-gone
		s.toss.Release()
		await(t, "the capture", func() bool { return s.payment(o).State == payments.StateCaptured })
	})

	t.Run("IsBounded", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.MaxCalls, c.app.AnswerWithin = 1, time.Millisecond })
		o, other := s.open(), s.open()
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		_, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
		require.NoError(t, err)
		_, err = s.confirm(0, other, s.authorize(other, "카드"), "k")
		require.ErrorIs(t, err, payments.ErrBusy)
		require.Equal(t, payments.StateOpen, s.payment(other).State, "nothing was begun")
	})
}

func TestUnknown(t *testing.T) {
	t.Parallel()

	// Whatever a confirm's answer was lost to, the job finds out, and nobody pays twice (original 33, 42: a failure was an HTTP 200, and
	// nothing asked again).
	for name, c := range map[string]struct {
		faults []emulator.Fault
		state  payments.State // in the end
	}{
		"Timeout":            {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultTimeout}}, payments.StateCaptured},
		"TimeoutAfterCommit": {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultAfterCommitTimeout}}, payments.StateCaptured},
		"Reset":              {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultReset}}, payments.StateCaptured},
		"ResetAfterCommit":   {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultAfterCommitReset}}, payments.StateCaptured},
		"500":                {[]emulator.Fault{{Path: "confirm", Kind: emulator.Fault500}}, payments.StateCaptured},
		"429":                {[]emulator.Fault{{Path: "confirm", Kind: emulator.Fault429}}, payments.StateCaptured},
		"AllOfThem": {[]emulator.Fault{
			{Path: "confirm", Kind: emulator.Fault500},
			{Path: "confirm", Kind: emulator.FaultReset},
			{Path: "confirm", Kind: emulator.Fault429},
			{Path: "confirm", Kind: emulator.FaultAfterCommitReset},
			{Path: "confirm", Kind: emulator.FaultReset},
		}, payments.StateCaptured},
		"UnknownCode":       {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultCode, Code: "A_CODE_OF_NEXT_YEAR"}}, payments.StateOpen},
		"ProviderError":     {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultCode, Code: "PROVIDER_ERROR"}}, payments.StateOpen},
		"AlreadyProcessing": {[]emulator.Fault{{Path: "confirm", Kind: emulator.FaultCode, Code: "ALREADY_PROCESSED_PAYMENT"}}, payments.StateOpen},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t, func(c *settings) { c.timeout = 300 * time.Millisecond })
			o := s.open()
			key := s.authorize(o, "카드")
			for _, f := range c.faults {
				s.toss.Inject(f)
			}
			// Not even reading back works at first.
			s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500, Count: len(c.faults)})
			p, err := s.confirm(0, o, key, "k")
			require.NoError(t, err)
			require.Equal(t, payments.StateConfirming, p.State, "not known is no failure")
			second, err := s.tryAuthorize(o, "카드", "")
			if err == nil {
				_, err = s.confirm(1, o, second, "k2")
				require.ErrorIs(t, err, payments.ErrInProgress)
			}
			closed, err := s.instances[1].Close(t.Context(), payments.CloseInput{OrderID: o.id})
			require.NoError(t, err)
			require.Equal(t, payments.StateConfirming, closed.State)

			for range 12 { // a minute each, so that the session of Toss lives for some of them
				s.clock.Advance(time.Minute)
				require.NoError(t, s.instances[1].Reconcile(t.Context()))
			}
			s.jobs(2)
			require.Equal(t, c.state, s.payment(o).State)
			keys := map[string]bool{}
			for _, r := range s.posts("confirm") {
				keys[r.IdempotencyKey] = true
			}
			require.Len(t, keys, 1, "always the same key")
			if c.state == payments.StateCaptured {
				again, err := s.confirm(0, o, key, "k")
				require.NoError(t, err)
				require.Equal(t, payments.StateCaptured, again.State)
				require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
			} else {
				_, err := s.confirm(0, o, key, "k")
				require.ErrorIs(t, err, payments.ErrDeclined)
				require.Empty(t, s.events(o))
			}
			s.sound()
		})
	}

	// saleor#10925, magento2#13952, #10767, #25862 (T17): paid, and the shop died before it wrote that down.
	t.Run("KilledBeforeTheAnswer", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k"))) // and nothing after it
		require.Equal(t, payments.StateConfirming, s.payment(o).State)
		require.NoError(t, s.instances[1].Reconcile(t.Context()))
		require.Empty(t, s.posts("confirm"), "its owner may still be alive")
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[1].Reconcile(t.Context()))
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		p, err := s.confirm(1, o, key, "k")
		require.NoError(t, err)
		require.True(t, p.Replayed)
		s.sound()
	})

	t.Run("KilledAfterTossTookTheMoney", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
		require.Equal(t, app.OutcomePaid, s.instances[0].AskOnly(t.Context(), key).Outcome)
		s.clock.Advance(time.Hour) // long after the session
		require.NoError(t, s.instances[1].Reconcile(t.Context()))
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
		s.sound()
	})

	t.Run("After14DaysAPersonDecides", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
		s.clock.Advance(14 * 24 * time.Hour)
		before := len(s.toss.Requests())
		s.jobs(3)
		require.Len(t, s.toss.Requests(), before, "Toss forgets the key soon: asking again could pay twice")
		require.Equal(t, payments.StateConfirming, s.payment(o).State)

		require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
		require.Empty(t, s.posts("confirm"), "nor does a person's question pay")
		require.Equal(t, payments.StateOpen, s.payment(o).State, "the session is over")
	})

	t.Run("AnotherAmountIsForAPerson", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.gateway = func(g app.Gateway) app.Gateway { return otherAmount{g} } })
		o := s.open()
		p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
		require.NoError(t, err)
		require.Equal(t, payments.StateConfirming, p.State)
		s.jobs(3)
		require.Equal(t, payments.StateConfirming, s.payment(o).State)
		require.Empty(t, s.events(o))
		d, err := s.instances[0].Details(t.Context(), o.id)
		require.NoError(t, err)
		require.Equal(t, "disputed", d.Attempts[0].State)
		require.Equal(t, "SHOP_OTHER_AMOUNT", d.Attempts[0].Code)
	})
}

// otherAmount is a Toss that took another amount than it was asked for.
type otherAmount struct{ app.Gateway }

func (g otherAmount) Confirm(ctx context.Context, in app.ConfirmRequest) app.Answer {
	a := g.Gateway.Confirm(ctx, in)
	a.AmountWon++
	return a
}
