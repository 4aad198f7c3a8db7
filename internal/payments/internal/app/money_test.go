package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
)

// paid is an order whose money is in.
func (s shop) paid() (o order, paymentKey string) {
	s.t.Helper()
	o = s.open()
	paymentKey = s.authorize(o, "카드")
	p, err := s.confirm(0, o, paymentKey, "k-"+o.number)
	require.NoError(s.t, err)
	require.Equal(s.t, payments.StateCaptured, p.State)
	return o, paymentKey
}

func TestRefund(t *testing.T) {
	t.Parallel()

	refund := func(s shop, o order) payments.Payment {
		s.t.Helper()
		p, err := s.instances[1].Refund(s.t.Context(), payments.RefundInput{OrderID: o.id, Reason: "단순 변심"})
		require.NoError(s.t, err)
		return p
	}

	// original 38: a double refund.
	t.Run("GivesEverythingBackOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { refund(s, o) })
		}
		wg.Wait()
		s.jobs(2)
		p := refund(s, o)
		require.True(t, p.Replayed)
		require.Equal(t, payments.RefundStateDone, p.Refund.State)
		require.EqualValues(t, price, p.Refund.AmountWon)
		require.EqualValues(t, price, p.RefundedWon)
		require.Equal(t, payments.StateCaptured, p.State)
		require.Len(t, s.posts("cancel"), 1)
		require.Equal(t, p.Refund.ID.String(), s.posts("cancel")[0].IdempotencyKey)
		require.Equal(t, "CANCELED", s.atToss(key).Status)
		require.Equal(t, []string{"payments.captured.v1", "payments.refunded.v1"}, s.events(o))
		require.Equal(t, []string{"opened", "confirming", "captured", "refund_requested", "refunded"}, kinds(p))
		s.sound()
	})

	t.Run("OfWhatIsNotPaid", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.ErrorIs(t, err, payments.ErrNotRefundable)
		_, err = s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: uuid.New()})
		require.ErrorIs(t, err, payments.ErrNoPayment)
	})

	for name, kind := range map[string]string{
		"Timeout": emulator.FaultTimeout, "TimeoutAfterCommit": emulator.FaultAfterCommitTimeout, "Reset": emulator.FaultReset,
		"ResetAfterCommit": emulator.FaultAfterCommitReset, "500": emulator.Fault500, "429": emulator.Fault429,
	} {
		t.Run("SurvivesA"+name, func(t *testing.T) {
			t.Parallel()

			s := setup(t, func(c *settings) { c.timeout = 200 * time.Millisecond })
			o, key := s.paid()
			s.toss.Inject(emulator.Fault{Path: "cancel", Kind: kind})
			s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500}) // nor can it be read back
			p := refund(s, o)
			require.Equal(t, payments.RefundStateSent, p.Refund.State)
			require.Zero(t, p.RefundedWon)
			s.jobs(2)
			p = s.payment(o)
			require.Equal(t, payments.RefundStateDone, p.Refund.State)
			require.EqualValues(t, price, p.RefundedWon)
			require.Len(t, s.atToss(key).Cancels, 1)
			require.Equal(t, []string{"payments.captured.v1", "payments.refunded.v1"}, s.events(o))
			s.sound()
		})
	}

	t.Run("ThatWasDoneAlready", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.cancelAtToss(key)
		p := refund(s, o) // ALREADY_CANCELED_PAYMENT: read back
		require.Equal(t, payments.RefundStateDone, p.Refund.State)
		s.sound()
	})

	t.Run("OfAKilledShop", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		_, err := s.instances[0].RequestOnly(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "r"})
		require.NoError(t, err)
		require.Equal(t, payments.RefundStateRequested, s.payment(o).Refund.State)
		require.Equal(t, "DONE", s.atToss(key).Status)
		require.NoError(t, s.instances[1].SendRefunds(t.Context()))
		require.Equal(t, payments.RefundStateDone, s.payment(o).Refund.State)
		s.sound()
	})

	// original 33: an order was canceled although Toss had refused to give its money back.
	t.Run("IsRefusedAndAskedForAgain", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, _ := s.paid()
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
		p := refund(s, o)
		require.Equal(t, payments.RefundStateRefused, p.Refund.State)
		require.Equal(t, "EXCEED_MAX_REFUND_DUE", p.Refund.Code)
		refused := p.Refund.ID
		require.Equal(t, refused, refund(s, o).Refund.ID, "a repeat is no new request")
		require.Len(t, s.posts("cancel"), 1)
		require.Equal(t, []string{"payments.captured.v1", "payments.refund_refused.v1"}, s.events(o))
		s.sound()

		p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "r", Retry: refused})
		require.NoError(t, err)
		require.Equal(t, payments.RefundStateDone, p.Refund.State)
		require.NotEqual(t, refused, p.Refund.ID)
		require.EqualValues(t, price, p.RefundedWon)
		p, err = s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "r", Retry: refused})
		require.NoError(t, err)
		require.True(t, p.Replayed)
		s.sound()
	})

	t.Run("AtTossItself", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.cancelAtToss(key)
		s.hook(0, "t-1", statusChanged(o, key))
		s.hook(1, "t-1", statusChanged(o, key))
		s.jobs(2)
		p := s.payment(o)
		require.EqualValues(t, price, p.RefundedWon)
		require.Equal(t, []string{"payments.captured.v1", "payments.refunded.v1"}, s.events(o))
		s.sound()
	})
}

func (s shop) cancelAtToss(paymentKey string) {
	s.t.Helper()
	g := s.gateway()
	require.Equal(s.t, app.OutcomeCanceled, g.Cancel(s.t.Context(), app.CancelRequest{PaymentKey: paymentKey, Reason: "at the desk", IdempotencyKey: "desk-" + paymentKey}).Outcome)
}

func TestStrayMoney(t *testing.T) {
	t.Parallel()

	// saleor PR#9504 (T18), original 39: a late webhook after the end changed what was captured.
	t.Run("ForAClosedOrderGoesBack", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		_, err := s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: o.id})
		require.NoError(t, err)
		require.NoError(t, s.confirmPastTheShop(o, key))
		for _, id := range []string{"t-1", "t-1", "t-2"} {
			s.hook(0, id, statusChanged(o, key))
			require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
		}
		require.Equal(t, payments.StateClosed, s.payment(o).State)
		s.jobs(2)
		require.Equal(t, "CANCELED", s.atToss(key).Status)
		p := s.payment(o)
		require.Equal(t, payments.StateClosed, p.State)
		require.Equal(t, []string{"opened", "closed", "captured", "refund_requested", "refunded"}, kinds(p))
		require.Empty(t, s.events(o), "no order has this money")
		s.sound()
	})

	// vendure#2620, PR#3734 (T4, T18): paid twice with two cards.
	t.Run("ASecondPaymentGoesBack", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		one, two := s.authorize(o, "카드"), s.authorize(o, "토스페이")
		_, err := s.confirm(0, o, one, "k")
		require.NoError(t, err)
		require.NoError(t, s.confirmPastTheShop(o, two))
		// Toss knows the order by one payment only, the latest; the webhook names it.
		s.hook(0, "t-1", statusChanged(o, two))
		s.jobs(3)
		require.Equal(t, "DONE", s.atToss(one).Status)
		require.Equal(t, "CANCELED", s.atToss(two).Status)
		p := s.payment(o)
		require.Equal(t, payments.StateCaptured, p.State)
		require.Zero(t, p.RefundedWon, "the order's own money stays")
		require.Nil(t, p.Refund)
		require.Len(t, s.events(o), 1)
		s.sound()
	})

	t.Run("IsNotAskedForOnceTheOrderIsPaid", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		one, two := s.authorize(o, "카드"), s.authorize(o, "토스페이")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultCode, Code: "NOT_AVAILABLE_PAYMENT"})
		_, err := s.confirm(0, o, one, "k")
		require.ErrorIs(t, err, payments.ErrDeclined)
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(two, "k2"))) // and dies
		require.NoError(t, s.confirmPastTheShop(o, one))                                       // Toss changes its mind about the first
		s.hook(0, "t-1", statusChanged(o, one))
		require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		asked := len(s.posts("confirm"))
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[1].Reconcile(t.Context()))
		require.Len(t, s.posts("confirm"), asked, "nobody wants the second card's money")
		require.Equal(t, "IN_PROGRESS", s.atToss(two).Status)
		s.jobs(2)
		_, err = s.confirm(0, o, two, "k2")
		require.ErrorIs(t, err, payments.ErrDeclined)
		s.sound()
	})

	t.Run("OfARestoredShopIsFound", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.confirmPastTheShop(o, key)) // by the shop before its database was restored
		require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
		s.sound()
	})
}

// strayRefused is an order that was closed before its money came, and the refund of that, which Toss has refused.
func (s shop) strayRefused() (o order, refund uuid.UUID) {
	s.t.Helper()
	o = s.open()
	key := s.authorize(o, "카드")
	_, err := s.instances[0].Close(s.t.Context(), payments.CloseInput{OrderID: o.id})
	require.NoError(s.t, err)
	require.NoError(s.t, s.confirmPastTheShop(o, key))
	s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
	s.hook(0, "t-stray", statusChanged(o, key))
	s.jobs(2)
	d, err := s.instances[0].Details(s.t.Context(), o.id)
	require.NoError(s.t, err)
	require.Len(s.t, d.Refunds, 1)
	require.Equal(s.t, []string{"stray", "refused"}, []string{d.Refunds[0].Kind, d.Refunds[0].State})
	return o, d.Refunds[0].ID
}

func TestDeposits(t *testing.T) {
	t.Parallel()

	begin := func(s shop) (o order, key string) {
		o = s.open()
		key = s.authorize(o, "가상계좌")
		p, err := s.confirm(0, o, key, "k")
		require.NoError(s.t, err)
		require.Equal(s.t, payments.StateConfirming, p.State, "an order that waits for a deposit must not be ended")
		require.Equal(s.t, today.Truncate(time.Second).Add(24*time.Hour), p.DepositDueAt.UTC())
		closed, err := s.instances[1].Close(s.t.Context(), payments.CloseInput{OrderID: o.id})
		require.NoError(s.t, err)
		require.Equal(s.t, payments.StateConfirming, closed.State)
		return o, key
	}

	t.Run("AreCaptured", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := begin(s)
		require.NoError(t, s.toss.Deposit(o.number))
		secret := *s.atToss(key).Secret
		hook := map[string]any{"createdAt": "2026-01-02T12:04:05.000000", "secret": "guessed", "status": "DONE", "transactionKey": "x", "orderId": o.number}
		s.hook(0, "t-forged", hook)
		before := len(s.toss.Requests())
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		require.Len(t, s.toss.Requests(), before, "a wrong secret is not even followed")
		hook["secret"] = secret
		s.hook(0, "t-true", hook)
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		s.sound()
	})

	t.Run("AreFoundWithoutAWebhook", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, _ := begin(s)
		s.jobs(2)
		require.NoError(t, s.toss.Deposit(o.number))
		s.jobs(2)
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		s.sound()
	})

	// A drop's piece cannot wait for a bank transfer: the account is withdrawn at once.
	t.Run("AreNotAwaitedForWhatOthersWaitFor", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o := s.open(func(in *payments.OpenInput) { in.NoDeposit = true })
		key := s.authorize(o, "가상계좌")
		_, err := s.confirm(0, o, key, "k")
		require.NoError(t, err)
		require.NoError(t, s.instances[1].SendRefunds(t.Context()))
		require.Equal(t, "CANCELED", s.atToss(key).Status)
		require.Equal(t, payments.StateOpen, s.payment(o).State, "not an hour later")
		p, err := s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: o.id})
		require.NoError(t, err)
		require.Equal(t, payments.StateClosed, p.State, "the piece is for the next one")
		s.sound()
	})

	t.Run("AreWithdrawnWhenNobodyPays", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := begin(s)
		s.clock.Advance(25 * time.Hour)
		s.jobs(4)
		require.Equal(t, "CANCELED", s.atToss(key).Status, "nobody can pay into it any more")
		require.Equal(t, payments.StateOpen, s.payment(o).State)
		p, err := s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: o.id})
		require.NoError(t, err)
		require.Equal(t, payments.StateClosed, p.State)
		require.Empty(t, s.events(o))
		s.sound()
	})

	t.Run("AreKeptWhenPaidInTheLastMoment", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := begin(s)
		s.clock.Advance(25 * time.Hour)
		require.NoError(t, s.instances[0].Reconcile(t.Context())) // asks for the withdrawal
		require.NoError(t, s.toss.Deposit(o.number))
		require.NoError(t, s.instances[0].SendRefunds(t.Context()))
		s.jobs(3)
		require.Equal(t, "DONE", s.atToss(key).Status)
		require.Equal(t, payments.StateCaptured, s.payment(o).State)
		require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
		s.sound()
	})
}

func TestWebhooks(t *testing.T) {
	t.Parallel()

	t.Run("AreNeverBelieved", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, other := s.open(), s.open()
		key := s.authorize(o, "카드")
		s.hook(0, "t-1", statusChanged(o, key)) // says DONE; Toss does not
		s.hook(0, "t-2", statusChanged(other, key))
		s.hook(0, "t-3", statusChanged(order{number: "N-NONE-AT-ALL"}, key))
		s.hook(0, "t-4", map[string]any{"eventType": "A_NEW_EVENT", "data": map[string]any{}})
		s.hook(0, "t-5", map[string]any{"eventType": "BILLING_DELETED"})
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		require.Equal(t, payments.StateOpen, s.payment(o).State)
		require.Equal(t, payments.StateOpen, s.payment(other).State)
		require.Len(t, s.toss.Requests(), 2, "only what names an order of ours is read back")
		for id, want := range map[string]string{"t-1": "read", "t-2": "ignored", "t-3": "ignored", "t-4": "ignored", "t-5": "ignored"} {
			got, processed := s.outcome(id)
			require.True(t, processed, id)
			require.Equal(t, want, got, id)
		}
	})

	t.Run("AreReadAgainWhenTossFails", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500})
		s.hook(0, "t-1", statusChanged(o, key))
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		got, processed := s.outcome("t-1")
		require.False(t, processed)
		require.Equal(t, "unknown", got)
		s.jobs(1)
		got, processed = s.outcome("t-1")
		require.True(t, processed)
		require.Equal(t, "read", got)
	})

	t.Run("AreForgotten", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.hook(0, "t-1", statusChanged(o, key))
		s.jobs(1)
		s.clock.Advance(8 * 24 * time.Hour)
		s.jobs(1)
		var n int
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments.webhooks`).Scan(&n))
		require.Zero(t, n)
	})

	t.Run("AreBounded", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.WebhookRate = 0.001 })
		refused := 0
		for range 5 {
			if err := s.instances[0].Receive(t.Context(), "t", []byte(`{}`)); err != nil {
				refused++
			}
		}
		require.Equal(t, 4, refused)
	})

	t.Run("ComeFromTheEmulator", func(t *testing.T) {
		t.Parallel()

		late := &door{}
		s := setup(t, func(c *settings) { c.hooks = late })
		late.set(s.instances[1].WebhookHandler())
		o := s.open()
		key := s.authorize(o, "카드")
		require.NoError(t, s.confirmPastTheShop(o, key))
		await(t, "the webhook", func() bool {
			require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
			return s.payment(o).State == payments.StateCaptured
		})
		s.sound()
	})
}

// door is a handler that is known only later, or that is another one later.
type door struct {
	mu sync.Mutex
	h  http.Handler
}

func (d *door) set(h http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.h = h
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	h := d.h
	d.mu.Unlock()
	h.ServeHTTP(w, r)
}

func TestWebhookShape(t *testing.T) {
	t.Parallel()

	s := setup(t)
	long, err := json.Marshal(map[string]string{"eventType": strings.Repeat("x", 256<<10)})
	require.NoError(t, err)
	for body, ok := range map[string]bool{
		`{}`: true, `{"eventType":"X","data":{"orderId":"a\u0000b"}}`: true, `[]`: false, `null`: false, `"x"`: false, `{`: false, ``: false, string(long): false,
	} {
		err := s.instances[0].Receive(t.Context(), "", []byte(body))
		require.Equal(t, ok, err == nil, "%.40s: %v", body, err)
	}
	require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
}
