package app_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
)

// A part that is away for a moment keeps an order for a moment: it is asked again after a second, and then less and less often.
func TestJobsRetrySoon(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 5)
	p := s.place(t, account, shirt)
	var asked atomic.Int64
	s.payments.always("close", func(context.Context) error { asked.Add(1); return errors.New("connection refused") })
	s.clock.Advance(15 * time.Minute)
	require.Error(t, s.Expire(t.Context()))
	require.NoError(t, s.Expire(t.Context()), "not at once")
	require.EqualValues(t, 1, asked.Load())
	s.clock.Advance(time.Second)
	require.Error(t, s.Expire(t.Context()))
	require.EqualValues(t, 2, asked.Load())

	const hours = 6
	for range hours * 3600 {
		s.clock.Advance(time.Second)
		if s.count(t, `SELECT count(*) FROM ordering.orders WHERE attend_at <= $1`, s.clock.Now()) > 0 {
			_ = s.Expire(t.Context())
		}
		if asked.Load() > 20 {
			break
		}
	}
	require.Greater(t, s.clock.Now().Sub(start), 20*time.Minute, "an outage that lasts is not asked about each second")
	s.payments.never("close")
	s.clock.Advance(time.Minute)
	require.NoError(t, s.Expire(t.Context()), "never later than a minute")
	require.Equal(t, ordering.StateExpired, s.state(t, p.Order.ID))
	s.check(t, account)
}

// Orders that cannot be helped do not keep a job from the others, however many they are: a run gives up on a part that is away, and
// the next one begins with those that were not looked at.
func TestJobsKeepNobodyWaiting(t *testing.T) {
	t.Parallel()

	s, account := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid = 1000 }), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 1000)
	const poisoned, sound = 60, 30
	for range poisoned {
		s.place(t, account, shirt)
	}
	s.clock.Advance(time.Second)
	last := s.place(t, uuid.New(), shirt).Order.ID
	for range sound - 1 {
		last = s.place(t, account, shirt).Order.ID
	}
	s.clock.Advance(16 * time.Minute)
	var asked atomic.Int64
	s.payments.closing = func(order uuid.UUID) error {
		asked.Add(1)
		if s.count(t, `SELECT count(*) FROM ordering.orders WHERE id = $1 AND created_at = $2`, order, start) == 1 {
			return errors.New("cannot be closed")
		}
		return nil
	}
	require.Error(t, s.Expire(t.Context()))
	require.LessOrEqual(t, asked.Load(), int64(22), "twenty in a row, and those that were under way")
	runs := 1
	for ; s.state(t, last) != ordering.StateExpired; runs++ {
		require.Less(t, runs, 6)
		_ = s.Expire(t.Context())
	}
	require.Equal(t, sound, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'expired'`))
	require.Equal(t, poisoned, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'awaiting_payment' AND attend_at > $1`, s.clock.Now()))
}

// What died is taken out of its shopper's counters once, by whoever does it, while the shopper goes on.
func TestQuotasAreReturnedOnce(t *testing.T) {
	t.Parallel()

	s, account := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid = 1000 }), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 1000)
	s.catalog.change(shirt, func(o *catalog.Offer) { o.LimitPerCustomer = 5 })
	other := s.instance(t)
	for round := range 10 {
		var ids []uuid.UUID
		for range 5 {
			ids = append(ids, s.place(t, account, shirt).Order.ID)
		}
		_, err := s.Place(t.Context(), s.input(account, uuid.NewString(), shirt))
		require.ErrorIs(t, err, ordering.ErrLimitPerCustomer)
		for _, id := range ids {
			_, err := s.Cancel(t.Context(), cancelation(account, id, uuid.NewString()))
			require.NoError(t, err)
		}
		require.Zero(t, s.bought(t, account, shirt))
		if round%2 == 0 {
			continue // what waits to be returned does not count either
		}
		done := make(chan error, 2)
		for _, service := range []*app.Service{s.Service, other} {
			go func() { done <- service.ReturnQuotas(t.Context()) }()
		}
		require.NoError(t, errors.Join(<-done, <-done))
		require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.quota_returns`))
		require.Zero(t, s.bought(t, account, shirt))
	}
	s.check(t, account)
}
