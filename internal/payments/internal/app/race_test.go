package app_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// medusa#13301, saleor#19220, vendure#2620 (T4): the confirm and the webhook both thought that they had been first.
func TestConfirmRacesWebhook(t *testing.T) {
	t.Parallel()

	for _, order := range []string{"WebhookFirst", "ConfirmFirst", "AtOnce"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			for i := range 20 {
				o := s.open()
				key := s.authorize(o, "카드")
				confirm := func() {
					p, err := s.confirm(0, o, key, "k")
					require.NoError(t, err)
					require.Equal(t, payments.StateCaptured, p.State)
				}
				webhook := func() {
					s.hook(1, fmt.Sprintf("t-%d", i), statusChanged(o, key))
					require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
				}
				switch order {
				case "WebhookFirst": // Toss has the money, and its webhook is read before our own call returns
					require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
					require.Equal(t, app.OutcomePaid, s.instances[0].AskOnly(t.Context(), key).Outcome)
					webhook()
					require.Equal(t, payments.StateCaptured, s.payment(o).State)
					confirm()
				case "ConfirmFirst":
					confirm()
					webhook()
				default:
					var wg sync.WaitGroup
					wg.Go(confirm)
					wg.Go(webhook)
					wg.Wait()
				}
				require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
				require.Equal(t, []string{"opened", "confirming", "captured"}, kinds(s.payment(o)))
			}
			s.sound()
		})
	}
}

// Every interleaving of what may happen to an order: two confirms of two cards on two instances, repeats, the end of the order, webhooks, the
// jobs, a refund, parts of one, and a Toss that fails, or that is made to take money past the shop. On failure rapid prints the seed.
func TestInterleavings(t *testing.T) {
	t.Parallel()

	s := setup(t, func(c *settings) {
		c.timeout = 150 * time.Millisecond
		c.app.AnswerWithin, c.app.RepeatWithin = 300*time.Millisecond, 20*time.Millisecond
	})
	acts := []string{"confirm A", "confirm A again", "confirm B", "confirm B again", "close", "webhook A", "webhook B", "jobs", "refund", "part", "another part", "past the shop", "repeat A"}
	faults := []string{"", "", emulator.FaultReset, emulator.FaultAfterCommitReset, emulator.Fault500, emulator.Fault429, emulator.FaultTimeout, emulator.FaultAfterCommitTimeout}
	books := s.auditor()
	transmission := 0
	rapid.Check(t, func(r *rapid.T) {
		s.clock.Advance(-s.clock.Now().Sub(today)) // each order has its own quarter of an hour
		o := s.open()
		a, b := s.authorize(o, "카드"), s.authorize(o, "토스페이")
		parts := map[string]uuid.UUID{"part": uuid.New(), "another part": uuid.New()} // of which there is money for one
		plan := rapid.SliceOfN(rapid.SampledFrom(acts), 2, 10).Draw(r, "acts")
		for _, path := range []string{"confirm", "cancel", a} {
			if kind := rapid.SampledFrom(faults).Draw(r, "fault of "+path); kind != "" {
				s.toss.Inject(emulator.Fault{Path: path, Kind: kind, Count: rapid.IntRange(1, 2).Draw(r, "times")})
			}
		}
		parallel := rapid.Bool().Draw(r, "at once")

		var mu sync.Mutex
		var failures []error
		closed := false
		fail := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, err)
		}
		act := func(i, n int, what string) {
			instance := s.instances[i%2]
			confirm := func(paymentKey, idempotencyKey string) {
				p, err := instance.Confirm(t.Context(), o.confirmInput(paymentKey, idempotencyKey))
				switch {
				case err == nil && (p.State == payments.StateCaptured || p.State == payments.StateConfirming):
				case errors.Is(err, payments.ErrInProgress), errors.Is(err, payments.ErrOrderClosed), errors.Is(err, payments.ErrAlreadyPaid),
					errors.Is(err, payments.ErrDeclined), errors.Is(err, idempotency.ErrInProgress):
				default:
					fail(fmt.Errorf("%s: %v, %w", what, p.State, err))
				}
			}
			var err error
			switch what {
			case "confirm A", "repeat A":
				confirm(a, "A")
			case "confirm A again":
				confirm(a, "A2")
			case "confirm B":
				confirm(b, "B")
			case "confirm B again":
				confirm(b, "B2")
			case "close":
				var p payments.Payment
				if p, err = instance.Close(t.Context(), payments.CloseInput{OrderID: o.id}); err == nil && p.State == payments.StateClosed {
					mu.Lock()
					closed = true
					mu.Unlock()
				}
			case "webhook A", "webhook B":
				key := a
				if what == "webhook B" {
					key = b
				}
				s.hook(i, fmt.Sprintf("t-%d-%d", n, i), statusChanged(o, key))
				err = instance.ProcessWebhooks(t.Context())
			case "jobs":
				err = errors.Join(instance.Reconcile(t.Context()), instance.SendRefunds(t.Context()))
			case "refund":
				if _, err = instance.Refund(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "r"}); errors.Is(err, payments.ErrNotRefundable) {
					err = nil
				}
			case "part", "another part":
				in := payments.RefundInput{OrderID: o.id, RefundID: parts[what], AmountWon: 12_000}
				if _, err = instance.Refund(t.Context(), in); errors.Is(err, payments.ErrNotRefundable) {
					err = nil
				}
			case "past the shop":
				_ = s.confirmPastTheShop(o, b)
			}
			if err != nil {
				fail(fmt.Errorf("%s: %w", what, err))
			}
		}
		transmission++
		var wg sync.WaitGroup
		for i, what := range plan {
			if n := transmission; parallel {
				wg.Go(func() { act(i, n, what) })
			} else {
				act(i, n, what)
			}
		}
		wg.Wait()
		s.toss.Release()
		for _, err := range failures {
			r.Errorf("%v", err)
		}

		// Toss tells what it has, and the jobs run until nothing is due.
		for i, key := range []string{a, b} {
			s.hook(i, fmt.Sprintf("end-%d-%d", transmission, i), statusChanged(o, key))
		}
		s.jobs(8)
		if _, err := s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: o.id}); err != nil { // its time is over
			r.Errorf("close: %v", err)
		}
		p := s.payment(o)
		var kept int64
		for _, key := range []string{a, b} {
			if at := s.atToss(key); at.Status == "DONE" || at.Status == "PARTIAL_CANCELED" {
				kept += at.BalanceAmount
			}
		}
		switch {
		case closed && p.State != payments.StateClosed:
			r.Errorf("closed, and then %s", p.State)
		case p.State == payments.StateConfirming:
			r.Errorf("not settled: %v", kinds(p))
		case p.State == payments.StateCaptured && kept != p.AmountWon-p.RefundedWon:
			r.Errorf("captured, refunded %d, and Toss keeps %d: %v", p.RefundedWon, kept, kinds(p))
		case p.State != payments.StateCaptured && kept != 0 && p.State != payments.StateOpen:
			r.Errorf("%s, and Toss keeps %d: %v", p.State, kept, kinds(p))
		case p.State == payments.StateOpen && kept != 0:
			r.Errorf("open, and Toss keeps %d: %v", kept, kinds(p))
		}
		captured := 0
		for _, typ := range s.events(o) {
			if typ == "payments.captured.v1" {
				captured++
			}
		}
		if want := map[bool]int{true: 1}[p.State == payments.StateCaptured]; captured != want {
			r.Errorf("%s, with %d events of a capture", p.State, captured)
		}
		for name, wrong := range books.look() { // once one order has failed, its fault stays in them
			r.Errorf("the books: %s: %v", name, wrong)
		}
	})
	s.sound()
}

// confirmPastTheShop takes the money of a payment that the shop did not ask for.
func (s shop) confirmPastTheShop(o order, paymentKey string) error {
	g := s.gateway()
	if a := g.Confirm(s.t.Context(), app.ConfirmRequest{PaymentKey: paymentKey, OrderNumber: o.number, AmountWon: price, IdempotencyKey: "past-" + paymentKey}); a.Outcome != app.OutcomePaid {
		return errors.New(a.Code)
	}
	return nil
}
