package app_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/platform/fault"
)

// A crash, or an outage, after each call: the same key, or the job, makes exactly one order of it (medusa#1887: a crash left the cart
// stuck; saleor#10925; original 33, 34: a failed payment was a success, and timeouts and crashes were not compensated at all).
func TestPlaceSurvives(t *testing.T) {
	t.Parallel()

	failures := map[string]func(cancel context.CancelFunc) func(context.Context) error{
		"Outage": func(context.CancelFunc) func(context.Context) error {
			return func(context.Context) error { return errors.New("connection reset by peer") }
		},
		"Busy": func(context.CancelFunc) func(context.Context) error {
			return func(context.Context) error { return catalog.ErrBusy }
		},
		"Panic": func(context.CancelFunc) func(context.Context) error {
			return func(context.Context) error { panic("crash") }
		},
		"ShopperGone": func(cancel context.CancelFunc) func(context.Context) error {
			return func(ctx context.Context) error { cancel(); return nil }
		},
	}
	recoveries := map[string]func(t *testing.T, s *shop, in app.PlaceInput){
		"SameKey": func(t *testing.T, s *shop, in app.PlaceInput) {
			p, err := s.Place(t.Context(), in)
			require.NoError(t, err)
			require.EqualValues(t, ordering.StateAwaitingPayment, p.Order.State)
			require.NotNil(t, p.Payment)
		},
		"Job": func(t *testing.T, s *shop, _ app.PlaceInput) {
			s.clock.Advance(31 * time.Second)
			require.NoError(t, s.Recover(t.Context()))
		},
	}
	for point, of := range map[string]func(s *shop) *points{
		"reserve.before": func(s *shop) *points { return &s.catalog.points },
		"reserve.after":  func(s *shop) *points { return &s.catalog.points },
		"redeem.before":  func(s *shop) *points { return &s.coupons.points },
		"redeem.after":   func(s *shop) *points { return &s.coupons.points },
		"hold.before":    func(s *shop) *points { return &s.points.points },
		"hold.after":     func(s *shop) *points { return &s.points.points },
		"open.before":    func(s *shop) *points { return &s.payments.points },
		"open.after":     func(s *shop) *points { return &s.payments.points },
	} {
		for failure, fail := range failures {
			for recovery, recover := range recoveries {
				t.Run(point+"/"+failure+"/"+recovery, func(t *testing.T) {
					t.Parallel()

					s, account := setup(t), uuid.New()
					shirt := s.catalog.sell("셔츠", 12_900, 3)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					of(s).once(point, fail(cancel))
					in := s.reduced(account, "k", shirt)
					_, err := place(ctx, s, in)
					require.Error(t, err)
					if f, ok := fault.As(err); ok {
						require.Equal(t, fault.Unavailable, f.Kind, "an outage is no refusal: %v", err)
					}
					require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'pending'`))

					recover(t, s, in)

					require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders`))
					require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'awaiting_payment'`))
					require.EqualValues(t, 2, s.catalog.leftOf(shirt))
					require.EqualValues(t, 500, s.points.spendable(account), "held once")
					s.check(t, account)
					again, err := s.Place(t.Context(), in)
					require.NoError(t, err)
					require.True(t, again.Replayed)
				})
			}
		}
	}
}

// place is Place, with a panic as an error.
func place(ctx context.Context, s *shop, in app.PlaceInput) (p app.Placement, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("panic")
		}
	}()
	return s.Place(ctx, in)
}

func TestPlaceOutageBeforeTheOrder(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 3)
	in := s.input(account, "k", shirt)
	for point, of := range map[string]*points{"check": &s.catalog.points, "offers": &s.catalog.points, "address": &s.accounts.points} {
		of.once(point, func(context.Context) error { return errors.New("connection refused") })
		_, err := s.Place(t.Context(), in)
		require.ErrorIs(t, err, ordering.ErrNotPlaced, point)
	}
	require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.orders`))
	_, err := s.Place(t.Context(), in)
	require.NoError(t, err)
}

// Connections are cut while orders are placed, so nobody knows what was committed: each key still gets exactly one order.
func TestPlaceLosesConnections(t *testing.T) {
	t.Parallel()

	s := setup(t)
	shirt := s.catalog.sell("셔츠", 12_900, 1000)
	var cut atomic.Int64
	cutter := func(ctx context.Context) error {
		var n int64
		_ = s.pool.QueryRow(ctx, `
			SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`).Scan(&n)
		cut.Add(n)
		return ctx.Err()
	}
	s.catalog.always("reserve.after", cutter)
	s.payments.always("open.after", cutter)
	var wg sync.WaitGroup
	accounts := make([]uuid.UUID, 30)
	for i := range accounts {
		accounts[i] = uuid.New()
		in := s.input(accounts[i], "k", shirt)
		wg.Go(func() {
			_, _ = s.Place(t.Context(), in) // told now, or below
		})
	}
	wg.Wait()
	require.Positive(t, cut.Load(), "nothing was cut")
	s.catalog.never("reserve.after")
	s.payments.never("open.after")
	s.pool.Reset() // the outage is over
	s.exec(t, `UPDATE ordering.orders SET claimed_at = now() - interval '6 seconds' WHERE claimed_at IS NOT NULL`)
	for _, account := range accounts {
		in := s.input(account, "k", shirt)
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateAwaitingPayment, p.Order.State)
		s.check(t, account)
	}
	require.Equal(t, len(accounts), s.count(t, `SELECT count(*) FROM ordering.orders`))
	require.EqualValues(t, 1000-len(accounts), s.catalog.leftOf(shirt))
}
