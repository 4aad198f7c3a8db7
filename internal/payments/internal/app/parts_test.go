package app_test

import (
	"encoding/json"
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
)

// part asks for some of an order's money back.
func (s shop) part(o order, id uuid.UUID, won int64) payments.Payment {
	s.t.Helper()
	p, err := s.tryPart(o, id, won)
	require.NoError(s.t, err)
	require.Equal(s.t, id, p.Refund.ID)
	require.Equal(s.t, won, p.Refund.AmountWon)
	return p
}

func (s shop) tryPart(o order, id uuid.UUID, won int64) (payments.Payment, error) {
	return s.instances[1].Refund(s.t.Context(), payments.RefundInput{OrderID: o.id, RefundID: id, AmountWon: won, Reason: "단순 변심"})
}

// refund is a refund of an order as it is now.
func (s shop) refund(o order, id uuid.UUID) payments.Refund {
	s.t.Helper()
	d, err := s.instances[0].Details(s.t.Context(), o.id)
	require.NoError(s.t, err)
	for _, r := range d.Refunds {
		if r.ID == id {
			return payments.Refund{ID: r.ID, State: payments.RefundState(r.State), AmountWon: r.AmountWon, Code: r.Code}
		}
	}
	s.t.Fatalf("order %s has no refund %s", o.id, id)
	return payments.Refund{}
}

// partAtToss gives some of a payment back at Toss, past the shop or, under a refund's id, as a shop does that dies before it hears of it.
func (s shop) partAtToss(paymentKey, idempotencyKey string, won int64) {
	s.t.Helper()
	a := s.gateway().Cancel(s.t.Context(), app.CancelRequest{PaymentKey: paymentKey, AmountWon: won, Reason: "at the desk", IdempotencyKey: idempotencyKey})
	require.Contains(s.t, []app.Outcome{app.OutcomePartial, app.OutcomeCanceled}, a.Outcome, a.Code)
}

// back is what Toss gave back of a payment, cancel by cancel.
func (s shop) back(paymentKey string) (won []int64) {
	s.t.Helper()
	for _, c := range s.atToss(paymentKey).Cancels {
		won = append(won, c.CancelAmount)
	}
	return won
}

func TestParts(t *testing.T) {
	t.Parallel()

	t.Run("GoBackOneAfterAnother", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		ids, amounts := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}, []int64{5000, 8000, 10_000}
		var sum int64
		for i, id := range ids {
			p := s.part(o, id, amounts[i])
			sum += amounts[i]
			require.False(t, p.Replayed)
			require.Equal(t, payments.RefundStateDone, p.Refund.State)
			require.Equal(t, sum, p.RefundedWon)
			require.Equal(t, payments.StateCaptured, p.State)
			require.Equal(t, id, s.payment(o).Refund.ID, "the latest")
			require.Equal(t, id.String(), s.posts("cancel")[i].IdempotencyKey)
			s.clock.Advance(time.Minute)
		}
		p := s.part(o, ids[0], amounts[0])
		require.True(t, p.Replayed)
		require.Equal(t, payments.RefundStateDone, p.Refund.State)
		require.Equal(t, amounts, s.back(key))
		require.Equal(t, "CANCELED", s.atToss(key).Status, "nothing is left")
		require.Equal(t, []string{"payments.captured.v1", "payments.refunded.v1", "payments.refunded.v1", "payments.refunded.v1"}, s.events(o))
		for i, e := range s.refundEvents(o) {
			require.Equal(t, [2]any{ids[i], amounts[i]}, [2]any{e.RefundID, e.AmountWon})
		}
		require.Equal(t, []string{
			"opened", "confirming", "captured", "refund_requested", "refunded", "refund_requested", "refunded", "refund_requested", "refunded",
		}, kinds(s.payment(o)))
		s.sound()
	})

	t.Run("AtOnceAreOne", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		id := uuid.New()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { s.part(o, id, 5000) })
		}
		wg.Wait()
		s.jobs(2)
		require.Equal(t, payments.RefundStateDone, s.refund(o, id).State)
		require.Equal(t, []int64{5000}, s.back(key))
		require.Len(t, s.posts("cancel"), 1)
		require.Len(t, s.events(o), 2)
		s.sound()
	})

	// Two parts at once: what is left at Toss would not tell which of them is done.
	t.Run("WaitForEachOther", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		var mu sync.Mutex
		var taken, refused []uuid.UUID
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.Fault500})
		s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				id := uuid.New()
				_, err := s.tryPart(o, id, 5000)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					taken = append(taken, id)
				case errors.Is(err, payments.ErrNotRefundable):
					refused = append(refused, id)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Len(t, taken, 1)
		_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.ErrorIs(t, err, payments.ErrNotRefundable, "nor can all of it")
		s.jobs(2)
		require.Equal(t, []int64{5000}, s.back(key))
		s.part(o, refused[0], 5000)
		require.Equal(t, []int64{5000, 5000}, s.back(key))
		s.sound()

		// The index is the last gate.
		under := func(state string) error {
			_, err := s.pool.Exec(t.Context(), `
				INSERT INTO payments.refunds (id, order_id, attempt_id, kind, state, amount_won, reason, requested_at, next_at)
				SELECT gen_random_uuid(), order_id, id, 'part', $2, 1, 'r', now(), now() FROM payments.attempts WHERE order_id = $1`, o.id, state)
			return err
		}
		require.NoError(t, under("requested"))
		require.ErrorContains(t, under("sent"), "refunds_one_under_way")
	})

	t.Run("OfWhatIsNotLeft", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		for _, won := range []int64{-1, 0, price + 1} {
			_, err := s.tryPart(o, uuid.New(), won)
			require.ErrorIs(t, err, payments.ErrNotRefundable, won)
		}
		s.part(o, uuid.New(), 5000)
		_, err := s.tryPart(o, uuid.New(), price-5000+1)
		require.ErrorIs(t, err, payments.ErrNotRefundable)
		_, err = s.tryPart(s.open(), uuid.New(), 1)
		require.ErrorIs(t, err, payments.ErrNotRefundable)
		_, err = s.tryPart(order{id: uuid.New()}, uuid.New(), 1)
		require.ErrorIs(t, err, payments.ErrNoPayment)
		_, err = s.tryPart(o, uuid.Nil, 1)
		require.ErrorContains(t, err, "needs an id", "it is not the whole")
		require.Equal(t, []int64{5000}, s.back(key))
		s.sound()
	})

	t.Run("UnderAnIDThatIsKnown", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		another, _ := s.paid()
		whole, _ := s.paid()
		p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: whole.id})
		require.NoError(t, err)
		id := uuid.New()
		s.part(o, id, 5000)
		for _, in := range []payments.RefundInput{
			{OrderID: o.id, RefundID: id, AmountWon: 5001},
			{OrderID: another.id, RefundID: id, AmountWon: 5000},
			{OrderID: whole.id, RefundID: p.Refund.ID, AmountWon: price},
		} {
			_, err := s.instances[0].Refund(t.Context(), in)
			require.ErrorIs(t, err, payments.ErrRefundReused)
		}
		require.Equal(t, []int64{5000}, s.back(key))

		// Another order's refund takes the id at the same moment.
		contested := uuid.New()
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `INSERT INTO payments.refunds (id, order_id, attempt_id, kind, state, amount_won, reason, requested_at, next_at)
			SELECT $2, order_id, id, 'part', 'requested', 1, 'r', $3, $3 FROM payments.attempts WHERE order_id = $1`, another.id, contested, s.clock.Now())
		require.NoError(t, err)
		second := make(chan error, 1)
		go func() {
			_, err := s.tryPart(o, contested, 1)
			second <- err
		}()
		await(t, "the second to wait for the first", func() (waits bool) {
			row := s.pool.QueryRow(t.Context(), `
				SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
			require.NoError(t, row.Scan(&waits))
			return waits
		})
		require.NoError(t, tx.Commit(t.Context()))
		require.ErrorIs(t, <-second, payments.ErrRefundReused)
		s.jobs(1)
		s.sound()
	})

	for name, kind := range map[string]string{
		"Timeout": emulator.FaultTimeout, "TimeoutAfterCommit": emulator.FaultAfterCommitTimeout, "Reset": emulator.FaultReset,
		"ResetAfterCommit": emulator.FaultAfterCommitReset, "500": emulator.Fault500, "429": emulator.Fault429,
	} {
		t.Run("SurviveA"+name, func(t *testing.T) {
			t.Parallel()

			s := setup(t, func(c *settings) { c.timeout = 200 * time.Millisecond })
			o, key := s.paid()
			s.part(o, uuid.New(), 3000)
			s.toss.Inject(emulator.Fault{Path: "cancel", Kind: kind})
			s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500}) // nor can it be read back
			id := uuid.New()
			p := s.part(o, id, 5000)
			require.Equal(t, payments.RefundStateSent, p.Refund.State)
			require.EqualValues(t, 3000, p.RefundedWon)
			s.jobs(2)
			require.Equal(t, payments.RefundStateDone, s.refund(o, id).State)
			require.EqualValues(t, 8000, s.payment(o).RefundedWon)
			require.Equal(t, []int64{3000, 5000}, s.back(key))
			require.Len(t, s.events(o), 3)
			s.sound()
		})
	}

	for _, died := range []string{"BeforeTossWasAsked", "WhenTossHadGivenItBack"} {
		t.Run("OfAShopThatDied"+died, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			o, key := s.paid()
			id, err := s.instances[0].RequestOnly(t.Context(), payments.RefundInput{OrderID: o.id, RefundID: uuid.New(), AmountWon: 5000})
			require.NoError(t, err)
			if died == "WhenTossHadGivenItBack" {
				s.partAtToss(key, id.String(), 5000)
			}
			require.NoError(t, s.instances[1].SendRefunds(t.Context()))
			require.Equal(t, payments.RefundStateDone, s.refund(o, id).State)
			require.Equal(t, []int64{5000}, s.back(key), "the same key, the same cancel")
			for _, r := range s.posts("cancel") {
				require.Equal(t, id.String(), r.IdempotencyKey)
			}
			s.sound()
		})
	}

	t.Run("AreReadBackWhenTheAnswerIsLost", func(t *testing.T) {
		t.Parallel()

		for _, before := range []int64{0, 3000} { // Toss says DONE, or PARTIAL_CANCELED, of what did not go back
			l := &liar{canceled: lost}
			s := setup(t, lying(l))
			l.lies.Store(false)
			o, key := s.paid()
			if before > 0 {
				s.part(o, uuid.New(), before)
			}
			l.lies.Store(true)
			id := uuid.New()
			p := s.part(o, id, 5000)
			require.Equal(t, payments.RefundStateDone, p.Refund.State, "it is read")
			require.Equal(t, before+5000, p.RefundedWon)

			s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultReset})
			last := uuid.New()
			p = s.part(o, last, price-5000-before)
			require.Equal(t, payments.RefundStateSent, p.Refund.State, "it is read, and not back")
			require.Equal(t, before+5000, p.RefundedWon)
			s.jobs(1)
			require.Equal(t, payments.RefundStateDone, s.refund(o, last).State)
			require.Equal(t, "CANCELED", s.atToss(key).Status)
			require.EqualValues(t, price, s.payment(o).RefundedWon)
			s.sound()
		}
	})

	t.Run("ThatTossRefuses", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.part(o, uuid.New(), 3000)
		s.clock.Advance(time.Minute)
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "NOT_ALLOWED_PARTIAL_REFUND"})
		id := uuid.New()
		for range 2 {
			p := s.part(o, id, 5000)
			require.Equal(t, payments.RefundStateRefused, p.Refund.State, "it stays so")
			require.Equal(t, "NOT_ALLOWED_PARTIAL_REFUND", p.Refund.Code)
			require.EqualValues(t, 3000, p.RefundedWon)
		}
		require.Len(t, s.posts("cancel"), 2)
		require.Equal(t, []string{"payments.captured.v1", "payments.refunded.v1", "payments.refund_refused.v1"}, s.events(o))
		require.Equal(t, id, s.refundEvents(o)[1].RefundID)
		require.ErrorIs(t, s.instances[0].RetryRefund(t.Context(), o.id, id), payments.ErrRefundOfOrder)
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.EqualValues(t, 1, s.counted(0, "shop_payments_backlog", "refunds_refused"), "though another part went back before")
		require.Equal(t, payments.RefundStateDone, s.part(o, uuid.New(), 5000).Refund.State, "another id is another part")
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.Zero(t, s.counted(0, "shop_payments_backlog", "refunds_refused"))
		require.Equal(t, []int64{3000, 5000}, s.back(key))
		s.sound()
	})

	t.Run("AndThenTheWhole", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.part(o, uuid.New(), 5000)
		p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(t, err)
		require.Equal(t, payments.RefundStateDone, p.Refund.State)
		require.EqualValues(t, price-5000, p.Refund.AmountWon, "what is left")
		require.EqualValues(t, price, p.RefundedWon)
		require.Equal(t, []int64{5000, price - 5000}, s.back(key))
		_, err = s.tryPart(o, uuid.New(), 1)
		require.ErrorIs(t, err, payments.ErrNotRefundable)
		s.sound()

		o, _ = s.paid() // and in the other order
		_, err = s.instances[0].RequestOnly(t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(t, err)
		_, err = s.tryPart(o, uuid.New(), 1)
		require.ErrorIs(t, err, payments.ErrNotRefundable)
	})

	t.Run("AreHeardOfByAWebhookFirst", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.part(o, uuid.New(), 3000)
		id, err := s.instances[0].RequestOnly(t.Context(), payments.RefundInput{OrderID: o.id, RefundID: uuid.New(), AmountWon: 5000})
		require.NoError(t, err)
		s.hook(0, "t-1", statusChanged(o, key)) // of the part before
		require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
		require.Equal(t, payments.RefundStateRequested, s.refund(o, id).State)
		s.partAtToss(key, id.String(), 5000)
		for _, transmission := range []string{"t-2", "t-2", "t-3"} {
			s.hook(0, transmission, statusChanged(o, key))
			require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
			require.Equal(t, payments.RefundStateDone, s.refund(o, id).State)
		}
		asked := len(s.posts("cancel"))
		s.jobs(2)
		require.Len(t, s.posts("cancel"), asked, "nothing is left to be sent")
		require.EqualValues(t, 8000, s.payment(o).RefundedWon)
		require.Len(t, s.events(o), 3)
		s.sound()
	})

	t.Run("AreNoDispute", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.part(o, uuid.New(), 5000)
		s.clock.Advance(time.Hour)
		before := s.money()
		p, err := s.confirm(1, o, key, "k-"+o.number)
		require.NoError(t, err)
		require.Equal(t, payments.StateCaptured, p.State)
		p, err = s.confirm(1, o, key, "another click")
		require.NoError(t, err)
		require.Equal(t, payments.StateCaptured, p.State)
		s.hook(0, "t-1", statusChanged(o, key))
		require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
		require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.Equal(t, before, s.money())
		require.Zero(t, s.counted(0, "shop_payments_alerts_total", "disputed"))
		s.sound()
	})
}

// refundEvents are what was told of an order's refunds.
func (s shop) refundEvents(o order) (all []payments.Refunded) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT data FROM payments.outbox WHERE key = $1 AND type LIKE 'payments.refund%' ORDER BY id`, o.id)
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var data []byte
		var e payments.Refunded
		require.NoError(s.t, rows.Scan(&data))
		require.NoError(s.t, json.Unmarshal(data, &e))
		all = append(all, e)
	}
	require.NoError(s.t, rows.Err())
	return all
}

// What went back past the shop, at Toss's own desk.
func TestPartsPastTheShop(t *testing.T) {
	t.Parallel()

	disputed := func(t *testing.T, s shop, o order) {
		t.Helper()
		require.Equal(t, [2]string{"captured", "SHOP_OTHER_BALANCE"}, s.attempt(o))
		require.Contains(t, fmt.Sprint(s.wrong()), "attempts.undisputed "+o.id.String())
		require.NotZero(t, s.counted(0, "shop_payments_alerts_total", "disputed")+s.counted(1, "shop_payments_alerts_total", "disputed"))
	}

	t.Run("GoToAPerson", func(t *testing.T) {
		t.Parallel()

		for _, before := range []int64{0, 3000} {
			s := setup(t)
			o, key := s.paid()
			if before > 0 {
				s.part(o, uuid.New(), before)
			}
			s.partAtToss(key, "desk-part", 1000)
			s.hook(0, "t-1", statusChanged(o, key))
			s.jobs(1)
			disputed(t, s, o)
			require.Equal(t, before, s.payment(o).RefundedWon)

			s.cancelAtToss(key) // and when all of it went back there is no doubt
			require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
			require.EqualValues(t, price, s.payment(o).RefundedWon)
			events := s.refundEvents(o)
			require.EqualValues(t, price-before, events[len(events)-1].AmountWon)
			require.Equal(t, "CANCELED", s.atToss(key).Status)
			s.sound()
		}
	})

	// With a part under way nobody can tell what went back for it, unless it is exactly that.
	t.Run("BesideOneUnderWay", func(t *testing.T) {
		t.Parallel()

		for name, atDesk := range map[string]int64{"APart": 1000, "All": price} {
			s := setup(t)
			o, key := s.paid()
			s.partAtToss(key, "desk-part", atDesk)
			id := uuid.New()
			p := s.part(o, id, 5000)
			require.Equal(t, payments.RefundStateSent, p.Refund.State, name)
			s.jobs(3)
			require.Equal(t, payments.RefundStateSent, s.refund(o, id).State, name)
			require.Equal(t, "SHOP_OTHER_BALANCE", s.refund(o, id).Code, name)
			require.Zero(t, s.payment(o).RefundedWon, name)
			disputed(t, s, o)
			s.clock.Advance(15 * 24 * time.Hour)
			s.jobs(1)
			require.Equal(t, payments.RefundStateSent, s.refund(o, id).State, "%s: it is no refusal", name)
		}
	})

	t.Run("AreTheShopsOwnWhenTheyAreWhatItAskedFor", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		o, key := s.paid()
		s.partAtToss(key, "desk-part", price)
		p := s.part(o, uuid.New(), price) // ALREADY_CANCELED_PAYMENT: read back
		require.Equal(t, payments.RefundStateDone, p.Refund.State)
		s.sound()
	})
}

// What was read before a part was done, and is written after, speaks against nothing.
func TestAnOldReadingOfAPartDisputesNothing(t *testing.T) {
	t.Parallel()

	old := func(a app.Answer) app.Answer {
		a.Outcome, a.Code, a.BackWon = app.OutcomePaid, "", 0
		return a
	}
	l := &liar{read: old}
	s := setup(t, lying(l))
	l.lies.Store(false)
	o, key := s.paid()
	s.clock.Advance(time.Hour)
	s.part(o, uuid.New(), 5000)
	l.lies.Store(true)
	s.hook(0, "t-1", statusChanged(o, key))
	require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
	outcome, processed := s.outcome("t-1")
	require.False(t, processed)
	require.Equal(t, "unknown", outcome)
	require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
	s.sound()

	s.clock.Advance(time.Minute) // and now it is Toss that has forgotten
	require.NoError(t, s.instances[0].ProcessWebhooks(t.Context()))
	require.Equal(t, [2]string{"captured", "SHOP_OTHER_BALANCE"}, s.attempt(o))
	l.lies.Store(false)
	require.NoError(t, s.instances[0].ReadBack(t.Context(), o.id))
	require.Equal(t, [2]string{"captured", ""}, s.attempt(o))
	s.sound()
}

// A wallet abroad takes each part on and does it later, or not.
func TestPartsThatTakeTheirTime(t *testing.T) {
	t.Parallel()

	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("Webhook=%t", told), func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			o := s.open()
			key := s.authorize(o, "해외간편결제")
			_, err := s.confirm(0, o, key, "k")
			require.NoError(t, err)
			for i, c := range []struct {
				end   func(*emulator.Emulator, string) error
				won   int64
				state payments.RefundState
				code  string
				back  int64
			}{
				{(*emulator.Emulator).AbortCancel, 5000, payments.RefundStateRefused, "CANCEL_ABORTED", 0},
				{(*emulator.Emulator).FinishCancel, 5000, payments.RefundStateDone, "", 5000},
				{(*emulator.Emulator).AbortCancel, price - 5000, payments.RefundStateRefused, "CANCEL_ABORTED", 5000},
				{(*emulator.Emulator).FinishCancel, price - 5000, payments.RefundStateDone, "", price},
			} {
				id := uuid.New()
				p := s.part(o, id, c.won)
				require.Equal(t, payments.RefundStateSent, p.Refund.State)
				require.Equal(t, "CANCEL_IN_PROGRESS", p.Refund.Code)
				s.jobs(2)
				require.Equal(t, payments.RefundStateSent, s.refund(o, id).State)
				require.NoError(t, c.end(s.toss, o.number))
				if told {
					cancels := s.atToss(key).Cancels
					s.hook(0, fmt.Sprint("t-", i), map[string]any{"eventType": "CANCEL_STATUS_CHANGED", "data": cancels[len(cancels)-1]})
					require.NoError(t, s.instances[1].ProcessWebhooks(t.Context()))
					require.NoError(t, s.instances[1].SendRefunds(t.Context()))
				} else {
					s.jobs(1)
				}
				require.Equal(t, payments.Refund{ID: id, State: c.state, AmountWon: c.won, Code: c.code}, s.refund(o, id))
				require.Equal(t, c.back, s.payment(o).RefundedWon)
				s.sound()
			}
			require.Equal(t, "CANCELED", s.atToss(key).Status)
		})
	}
}

// The name of a cancel that was taken on is known from the answer to it, though the payment could not be read.
func TestACancelThatWasTakenOnAndNotRead(t *testing.T) {
	t.Parallel()

	s := setup(t)
	o := s.open()
	key := s.authorize(o, "해외간편결제")
	_, err := s.confirm(0, o, key, "k")
	require.NoError(t, err)
	s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultSlow}) // the first call; the next is the reading
	s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500})
	id := uuid.New()
	require.Equal(t, payments.RefundStateSent, s.part(o, id, 5000).Refund.State)
	require.NoError(t, s.toss.AbortCancel(o.number))
	s.jobs(1)
	require.Equal(t, payments.Refund{ID: id, State: payments.RefundStateRefused, AmountWon: 5000, Code: "CANCEL_ABORTED"}, s.refund(o, id))
	s.sound()
}

// After 14 days a part is only read, as all of it is.
func TestAPartAfter14Days(t *testing.T) {
	t.Parallel()

	for _, done := range []bool{true, false} {
		s := setup(t)
		o, key := s.paid()
		s.part(o, uuid.New(), 3000)
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "A_CODE_OF_NEXT_YEAR", Count: -1})
		id := uuid.New()
		s.part(o, id, 5000)
		s.clock.Advance(14 * 24 * time.Hour)
		if done {
			s.toss.Release()
			s.partAtToss(key, "desk-part", 5000)
		}
		asked := len(s.posts("cancel"))
		s.jobs(2)
		require.Len(t, s.posts("cancel"), asked)
		if done {
			require.Equal(t, payments.RefundStateDone, s.refund(o, id).State)
			require.EqualValues(t, 8000, s.payment(o).RefundedWon)
		} else {
			require.Equal(t, payments.Refund{ID: id, State: payments.RefundStateRefused, AmountWon: 5000, Code: "SHOP_GIVEN_UP"}, s.refund(o, id))
			require.EqualValues(t, 3000, s.payment(o).RefundedWon)
		}
		s.sound()
	}
}

// Whatever parts are asked for, and however Toss fails, all of them together never are more than came, and what is done is what Toss did.
func TestPartsNeverExceedWhatCame(t *testing.T) {
	t.Parallel()

	s := setup(t)
	broken := []string{"", "", emulator.FaultReset, emulator.FaultAfterCommitReset, emulator.Fault500, emulator.Fault429}
	rapid.Check(t, func(r *rapid.T) {
		s.clock.Advance(today.Sub(s.clock.Now()))
		o, key := s.paid()
		type asked struct {
			id  uuid.UUID
			won int64
		}
		var all []asked
		for range rapid.IntRange(1, 8).Draw(r, "requests") {
			if kind := rapid.SampledFrom(broken).Draw(r, "fault"); kind != "" {
				path := rapid.SampledFrom([]string{"cancel", key}).Draw(r, "path")
				s.toss.Inject(emulator.Fault{Path: path, Kind: kind, Count: rapid.IntRange(1, 2).Draw(r, "times")})
			}
			a := asked{uuid.New(), rapid.Int64Range(-1, price+1).Draw(r, "won")}
			if len(all) > 0 && rapid.Bool().Draw(r, "again") {
				a = rapid.SampledFrom(all).Draw(r, "which")
			}
			all = append(all, a)
			var wg sync.WaitGroup
			for range rapid.IntRange(1, 2).Draw(r, "at once") {
				wg.Go(func() {
					if _, err := s.tryPart(o, a.id, a.won); err != nil && !errors.Is(err, payments.ErrNotRefundable) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if rapid.Bool().Draw(r, "job") {
				s.clock.Advance(time.Minute)
				if err := s.instances[0].SendRefunds(t.Context()); err != nil {
					r.Fatal(err)
				}
			}
		}
		s.toss.Release()
		s.jobs(3)

		p, at := s.payment(o), s.atToss(key)
		var back int64
		for _, won := range s.back(key) {
			back += won
		}
		if back > price || back != p.RefundedWon || at.BalanceAmount != price-back {
			r.Errorf("Toss gave %d back and has %d left; the shop says %d", back, at.BalanceAmount, p.RefundedWon)
		}
		var told int64
		for _, e := range s.refundEvents(o) {
			told += e.AmountWon
		}
		if told != back {
			r.Errorf("%d went back, and %d were told of", back, told)
		}
	})
	s.sound()
}
