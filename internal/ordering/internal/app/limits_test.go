package app_test

import (
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

func TestPlaceLimits(t *testing.T) {
	t.Parallel()

	t.Run("TooManyUnpaid", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1000)
		var wg sync.WaitGroup
		var placed, refused atomic.Int64
		for range 40 {
			in := s.input(account, uuid.NewString(), shirt)
			wg.Go(func() {
				switch _, err := s.Place(t.Context(), in); {
				case err == nil:
					placed.Add(1)
				case errors.Is(err, ordering.ErrTooManyUnpaid):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 2, placed.Load())
		require.EqualValues(t, 38, refused.Load())
		s.check(t, account)
		s.place(t, uuid.New(), shirt) // another's

		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		s.place(t, account, shirt)
	})
	t.Run("PerCustomer", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid = 1000 }), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1000)
		s.catalog.change(shirt, func(o *catalog.Offer) { o.LimitPerCustomer = 7 })
		var wg sync.WaitGroup
		var placed, refused atomic.Int64
		for range 30 {
			in := s.input(account, uuid.NewString(), shirt)
			in.Items[0].Quantity = 2
			wg.Go(func() {
				switch _, err := s.Place(t.Context(), in); {
				case err == nil:
					placed.Add(1)
				case errors.Is(err, ordering.ErrLimitPerCustomer):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 3, placed.Load())
		require.EqualValues(t, 27, refused.Load())
		require.Equal(t, 6, s.bought(t, account, shirt))
		s.check(t, account)

		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Zero(t, s.bought(t, account, shirt), "an order that died gives back")
		id := s.paid(t, account, shirt)
		in := s.input(account, "more", shirt)
		in.Items[0].Quantity = 7
		_, err := s.Place(t.Context(), in)
		require.ErrorIs(t, err, ordering.ErrLimitPerCustomer, "what was paid counts on")
		f, _ := fault.As(err)
		require.Equal(t, "/items/0/quantity", f.Fields[0].Pointer)
		_, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
		require.NoError(t, err)
		_, err = s.Place(t.Context(), in)
		require.NoError(t, err)
		s.check(t, account)
	})
	t.Run("ThreeInstances", func(t *testing.T) { // the limits are the database's, not a process's
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1000)
		s.catalog.change(shirt, func(o *catalog.Offer) { o.LimitPerCustomer = 3 })
		instances := []*app.Service{s.Service, s.instance(t), s.instance(t)}
		var wg sync.WaitGroup
		var unpaid, over, placed atomic.Int64
		keys := []string{uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()}
		for i := range 60 {
			in := s.input(account, keys[i%len(keys)], shirt)
			in.Items[0].Quantity = 2
			wg.Go(func() {
				switch _, err := instances[i%len(instances)].Place(t.Context(), in); {
				case err == nil:
					placed.Add(1)
				case errors.Is(err, ordering.ErrTooManyUnpaid):
					unpaid.Add(1)
				case errors.Is(err, ordering.ErrLimitPerCustomer):
					over.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 12, placed.Load(), "one order, for whoever asks with its key")
		require.EqualValues(t, 48, over.Load())
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders`))
		require.Equal(t, 2, s.bought(t, account, shirt))

		s.catalog.change(shirt, func(o *catalog.Offer) { o.LimitPerCustomer = 0 })
		for i := range 60 {
			in := s.input(account, uuid.NewString(), shirt)
			wg.Go(func() {
				if _, err := instances[i%len(instances)].Place(t.Context(), in); errors.Is(err, ordering.ErrTooManyUnpaid) {
					unpaid.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 59, unpaid.Load())
		s.check(t, account)
	})
	t.Run("MixedBaskets", func(t *testing.T) { // magento2#39417: opposite orders of products, while others are given back
		t.Parallel()

		s, account := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid = 1000 }), uuid.New()
		a, b, c := s.catalog.sell("셔츠", 12_900, 1000), s.catalog.sell("바지", 22_900, 1000), s.catalog.sell("양말", 3_000, 1000)
		var wg sync.WaitGroup
		for i := range 60 {
			in := s.input(account, uuid.NewString(), [][]uuid.UUID{{a, b, c}, {c, b, a}, {b, c, a}}[i%3]...)
			wg.Go(func() {
				p, err := s.Place(t.Context(), in)
				if err == nil && i%2 == 0 {
					_, err = s.Cancel(t.Context(), cancelation(account, p.Order.ID, uuid.NewString()))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range []uuid.UUID{a, b, c} {
			require.Equal(t, 30, s.bought(t, account, p))
		}
		s.check(t, account)
	})
	t.Run("LastPieces", func(t *testing.T) { // medusa#16825: a hundred checkouts, one piece
		t.Parallel()

		s := setup(t)
		shirt := s.catalog.sell("셔츠", 12_900, 1)
		var wg sync.WaitGroup
		var placed atomic.Int64
		for range 100 {
			in := s.input(uuid.New(), "k", shirt)
			wg.Go(func() {
				switch _, err := s.Place(t.Context(), in); {
				case err == nil:
					placed.Add(1)
				case !errors.Is(err, catalog.ErrOutOfStock):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.relay(t)
		require.EqualValues(t, 1, placed.Load())
		require.Zero(t, s.catalog.leftOf(shirt))
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state <> 'rejected'`))
		require.NoError(t, s.ReturnQuotas(t.Context()))
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.purchase_quotas WHERE quantity > 0`))
	})
}
