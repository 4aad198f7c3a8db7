package app_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// The first request is told that nothing is left, and then hangs. Stock comes back, and a repeat takes the silent order over and opens
// its payment. The first wakes: it must not reject the order now, because what was opened could be paid and nobody would give it back.
func TestPlaceDoesNotRejectWhatWasTakenOver(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 0)
	in := s.input(account, "k", shirt)

	var repeat app.Placement
	var repeatErr error
	opened, woken, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.payments.once("open.after", func(ctx context.Context) error {
		close(opened)
		<-woken
		return ctx.Err()
	})
	s.catalog.once("reserve.after", func(ctx context.Context) error {
		s.exec(t, `UPDATE ordering.orders SET claimed_at = now() - interval '6 seconds'`)
		s.catalog.restock(shirt, 1)
		go func() {
			defer close(done)
			repeat, repeatErr = s.Place(t.Context(), in)
		}()
		<-opened
		return ctx.Err()
	})
	_, err := s.Place(t.Context(), in)
	close(woken)
	<-done

	require.ErrorIs(t, err, idempotency.ErrInProgress)
	require.NoError(t, repeatErr)
	require.EqualValues(t, ordering.StateAwaitingPayment, repeat.Order.State)
	require.Equal(t, payments.StateOpen, s.payments.of(repeat.Order.ID).State)
	s.check(t, account)
}
