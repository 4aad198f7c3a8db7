package app_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
)

// original 35, saleor PR#11069: other parts were called while a transaction was open, and what they were told of was not committed.
// Here no session of ordering's is in a transaction while anybody is asked, and what was decided before the call can be seen by all.
func TestNoCallWithinATransaction(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 10)
	states := map[string][]ordering.State{}
	var mu sync.Mutex
	look := func(point string) func(context.Context) error {
		return func(ctx context.Context) error {
			if n := s.count(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`); n > 0 {
				t.Errorf("%s: %d open transactions", point, n)
			}
			var state string
			_ = s.pool.QueryRow(ctx, `SELECT state FROM ordering.orders`).Scan(&state)
			mu.Lock()
			defer mu.Unlock()
			states[point] = append(states[point], ordering.State(state))
			return ctx.Err()
		}
	}
	for _, point := range []string{"check", "offers", "reserve.before"} {
		s.catalog.always(point, look(point))
	}
	for _, point := range []string{"open.before", "close", "confirm", "refund.before"} {
		s.payments.always(point, look(point))
	}
	s.accounts.always("address", look("address"))

	id := s.paid(t, account, shirt)
	_, err := s.Cancel(t.Context(), cancelation(account, id, "c"))
	require.NoError(t, err)
	s.exec(t, `TRUNCATE ordering.orders, ordering.order_lines, ordering.order_timeline, ordering.refunds, ordering.refund_lines`)
	s.place(t, account, shirt)
	s.clock.Advance(16 * time.Minute)
	require.NoError(t, s.Expire(t.Context()))
	none, pending, waiting := ordering.State(""), ordering.StatePending, ordering.StateAwaitingPayment
	require.Equal(t, map[string][]ordering.State{
		"check": {none, none}, "offers": {none, none}, "address": {none, none}, "reserve.before": {pending, pending}, "open.before": {pending, pending},
		"confirm": {waiting}, "close": {waiting}, "refund.before": {ordering.StateCanceling},
	}, states)
}

// saleor PR#11069 (T16): a part that hangs for one shopper holds up nobody else who wants the same product.
func TestASlowPartHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()

	s := setup(t)
	shirt := s.catalog.sell("셔츠", 12_900, 10)
	hung, woken, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s.payments.once("open.before", func(ctx context.Context) error {
		close(hung)
		<-woken
		return ctx.Err()
	})
	slow := uuid.New()
	go func() {
		_, err := s.Place(t.Context(), s.input(slow, "k", shirt))
		done <- err
	}()
	<-hung
	for range 5 {
		s.paid(t, uuid.New(), shirt)
	}
	close(woken)
	require.NoError(t, <-done)
	s.check(t, slow)
}

// original 43: an admin could take an order from any state to any other, and ship what was unpaid or canceled. TestTransitions tries every pair of
// states; this is what a manager meets.
func TestNothingUnpaidIsShipped(t *testing.T) {
	t.Parallel()

	s, account, boss := setup(t), uuid.New(), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 10)
	unpaid := s.place(t, account, shirt).Order.ID
	canceled := s.paid(t, account, shirt)
	_, err := s.Cancel(t.Context(), cancelation(account, canceled, "c"))
	require.NoError(t, err)
	for _, id := range []uuid.UUID{unpaid, canceled} {
		before, err := s.Order(t.Context(), uuid.Nil, id)
		require.NoError(t, err)
		for _, try := range []func() (app.Details, error){
			func() (app.Details, error) { return s.Prepare(t.Context(), boss, id) },
			func() (app.Details, error) { return s.Ship(t.Context(), boss, id, "CJ", "612345678901") },
			func() (app.Details, error) { return s.Deliver(t.Context(), boss, id) },
			func() (app.Details, error) { return s.Receive(t.Context(), account, id) },
		} {
			_, err := try()
			require.ErrorIs(t, err, ordering.ErrIllegalTransition)
		}
		after, err := s.Order(t.Context(), uuid.Nil, id)
		require.NoError(t, err)
		require.Equal(t, before, after, "and no invoice number")
	}
	require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.audit_log`))
}

// original 34: whatever failed while an order was being undone, the rest of the undoing was skipped. Here an order that could not even
// be rejected is pending, and is rejected by the next repeat or the job; what it held goes back with the event of that.
func TestUndoingIsFinished(t *testing.T) {
	t.Parallel()

	for name, recover := range map[string]func(t *testing.T, s *shop, in app.PlaceInput){
		"SameKey": func(t *testing.T, s *shop, in app.PlaceInput) {
			_, err := s.Place(t.Context(), in)
			require.ErrorIs(t, err, catalog.ErrReservationReleased)
		},
		"Job": func(t *testing.T, s *shop, _ app.PlaceInput) {
			s.clock.Advance(31 * time.Second)
			require.NoError(t, s.Recover(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s, account := setup(t), uuid.New()
			in := s.input(account, "k", s.catalog.sell("셔츠", 12_900, 3))
			s.payments.once("open.after", func(context.Context) error { return errors.New("reset") })
			_, err := s.Place(t.Context(), in)
			require.ErrorIs(t, err, ordering.ErrNotPlaced)
			var id uuid.UUID
			require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT id FROM ordering.orders`).Scan(&id))
			s.catalog.release(id)

			s.payments.once("close", func(context.Context) error { return errors.New("reset") })
			_, err = s.Place(t.Context(), in)
			require.ErrorIs(t, err, ordering.ErrNotPlaced, "what may be paid is not rejected")
			require.Equal(t, ordering.StatePending, s.state(t, id))

			recover(t, s, in)
			require.Equal(t, ordering.StateRejected, s.state(t, id))
			require.Equal(t, payments.StateClosed, s.payments.of(id).State)
			s.check(t, account)
		})
	}
}

// original 40, medusa#13301: a payment's message was sent before its commit, so that either could be lost. Here connections are cut
// while payments are confirmed and heard of: an order is paid and published once, or neither.
func TestPaidAndPublishedTogether(t *testing.T) {
	t.Parallel()

	s := setup(t)
	shirt := s.catalog.sell("셔츠", 12_900, 1000)
	cut := func(ctx context.Context) error {
		var n int64
		return s.pool.QueryRow(ctx, `
			SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`).Scan(&n)
	}
	placed := make([]app.Placement, 30)
	for i := range placed {
		placed[i] = s.place(t, uuid.New(), shirt)
	}
	var wg sync.WaitGroup
	for i, p := range placed {
		wg.Go(func() { _, _ = s.Confirm(t.Context(), confirmation(p, uuid.NewString())) })
		wg.Go(func() {
			_ = s.tryHear(t.Context(), payments.Captured{OrderID: p.Order.ID, Version: 1})
			if i%3 == 0 {
				_ = cut(t.Context())
			}
		})
	}
	wg.Wait()
	s.pool.Reset()
	for _, p := range placed {
		paid := s.state(t, p.Order.ID) == ordering.StatePaid
		events := s.count(t, `SELECT count(*) FROM ordering.outbox WHERE key = $1 AND type = 'ordering.paid.v1'`, p.Order.ID)
		require.Equal(t, map[bool]int{true: 1, false: 0}[paid], events)
		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateCaptured })
		s.hear(t, payments.Captured{OrderID: p.Order.ID, Version: 1}) // the bus tries until it can
		s.check(t, p.Order.AccountID)
	}
	require.Equal(t, len(placed), s.count(t, `SELECT count(*) FROM ordering.outbox WHERE type = 'ordering.paid.v1'`))
}
