package app_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// Who has ordered is answered with that order, whatever became of what it was made of: the draft of a repeat would be refused
// (woocommerce#67354: a shopper is kept out by what they hold; original, fault 36: a double click is two orders).
func TestPlaceRepeatsWhateverHasChanged(t *testing.T) {
	t.Parallel()

	down := func(context.Context) error { return errors.New("connection refused") }
	for name, change := range map[string]func(s *shop, in *app.PlaceInput){
		"SoldOut": func(s *shop, _ *app.PlaceInput) { s.catalog.sure = true },
		"Dearer": func(s *shop, in *app.PlaceInput) {
			s.catalog.change(in.Items[0].ProductID, func(o *catalog.Offer) { o.PriceWon++ })
		},
		"Stopped": func(s *shop, in *app.PlaceInput) {
			s.catalog.change(in.Items[0].ProductID, func(o *catalog.Offer) { o.OnSale = false })
		},
		"Limited": func(s *shop, in *app.PlaceInput) {
			s.catalog.change(in.Items[0].ProductID, func(o *catalog.Offer) { o.LimitPerCustomer = 1 })
		},
		"Hidden": func(s *shop, in *app.PlaceInput) { s.catalog.hide(in.Items[0].ProductID) },
		"AddressGone": func(s *shop, _ *app.PlaceInput) {
			s.accounts.always("address", func(context.Context) error { return accounts.ErrNoAddress })
		},
		"CatalogAway":  func(s *shop, _ *app.PlaceInput) { s.catalog.always("offers", down) },
		"CheckAway":    func(s *shop, _ *app.PlaceInput) { s.catalog.always("check", down) },
		"AccountsAway": func(s *shop, _ *app.PlaceInput) { s.accounts.always("address", down) },
		"TooManyUnpaid": func(s *shop, in *app.PlaceInput) {
			other := *in
			other.Key = idempotency.Of("other", "/v1/orders", in.Items)
			_, _ = s.Place(context.Background(), other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s, account := setup(t), uuid.New()
			in := s.input(account, "k", s.catalog.sell("셔츠", 12_900, 2))
			in.Items[0].Quantity = 1
			first, err := s.Place(t.Context(), in)
			require.NoError(t, err)
			change(s, &in)
			again, err := s.Place(t.Context(), in)
			require.NoError(t, err)
			require.True(t, again.Replayed)
			require.Equal(t, first.Order.ID, again.Order.ID)
			require.NotNil(t, again.Payment)

			in.Key = idempotency.Of("k", "/v1/orders", "another body")
			_, err = s.Place(t.Context(), in)
			require.ErrorIs(t, err, idempotency.ErrReused)
			s.check(t, account)
		})
	}
	t.Run("DatabaseAway", func(t *testing.T) { // nobody is told no who may have ordered
		t.Parallel()

		config := pgtest.New(t, "ordering").Config()
		var away atomic.Bool
		config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) {
			if away.Load() {
				return true, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return true, nil
		}
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		s, account := setupOn(t, pool), uuid.New()
		in := s.input(account, "k", s.catalog.sell("셔츠", 12_900, 2))
		_, err = s.Place(t.Context(), in)
		require.NoError(t, err)
		s.catalog.sure = true
		s.catalog.hide(in.Items[0].ProductID)
		away.Store(true)
		_, err = s.Place(t.Context(), in)
		f, ok := fault.As(err)
		require.True(t, ok)
		require.Equal(t, fault.Unavailable, f.Kind)
	})
}

// A key is answered with what came of its own request, also when the order was canceled again since.
func TestCancelKeys(t *testing.T) {
	t.Parallel()

	answer := func(s *shop, state payments.RefundState) {
		s.payments.refunds = func(payments.Payment) payments.RefundState { return state }
	}
	t.Run("TheFirstKeysOwnOutcome", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		answer(s, payments.RefundStateRefused)
		for _, key := range []string{"c1", "c2"} {
			_, err := s.Cancel(t.Context(), cancelation(account, id, key))
			require.ErrorIs(t, err, ordering.ErrRefundRefused)
		}
		answer(s, payments.RefundStateSent)
		c, err := s.Cancel(t.Context(), cancelation(account, id, "c3"))
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceling, c.Order.State)
		for _, key := range []string{"c1", "c2"} {
			_, err = s.Cancel(t.Context(), cancelation(account, id, key))
			require.ErrorIs(t, err, ordering.ErrRefundRefused, key)
		}
		answer(s, payments.RefundStateDone)
		s.clock.Advance(time.Minute)
		require.NoError(t, s.FinishCancelations(t.Context()))
		for key, want := range map[string]error{"c1": ordering.ErrRefundRefused, "c2": ordering.ErrRefundRefused, "c3": nil} {
			c, err = s.Cancel(t.Context(), cancelation(account, id, key))
			require.ErrorIs(t, err, want, key)
			require.True(t, c.Replayed)
		}
		require.Equal(t, 1, s.payments.returned[id])
		s.check(t, account)
	})
	t.Run("TwoKeysOfOneCancelation", func(t *testing.T) { // who joined it is not one who asks anew when it is refused
		t.Parallel()

		s, account := setup(t), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		answer(s, payments.RefundStateSent)
		for _, key := range []string{"c1", "c2", "c2"} {
			c, err := s.Cancel(t.Context(), cancelation(account, id, key))
			require.NoError(t, err)
			require.EqualValues(t, ordering.StateCanceling, c.Order.State)
		}
		s.hear(t, payments.RefundRefused{OrderID: id, Version: 3, RefundID: s.payments.of(id).Refund.ID, Code: "NO"})
		for _, key := range []string{"c1", "c2"} {
			_, err := s.Cancel(t.Context(), cancelation(account, id, key))
			require.ErrorIs(t, err, ordering.ErrRefundRefused)
			require.Equal(t, ordering.StatePaid, s.state(t, id))
		}
		s.check(t, account)
	})
	t.Run("OneKeyFiftyTimesAtOnce", func(t *testing.T) {
		t.Parallel()

		for _, state := range []payments.RefundState{payments.RefundStateRefused, payments.RefundStateSent} {
			s, account := setup(t), uuid.New()
			id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
			answer(s, state)
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					_, err := s.Cancel(t.Context(), cancelation(account, id, "c"))
					if want := map[payments.RefundState]error{payments.RefundStateRefused: ordering.ErrRefundRefused}[state]; !errors.Is(err, want) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.order_timeline WHERE to_state = 'canceling' AND from_state <> to_state`), "one key, one cancelation")
			require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.cancel_requests`))
			s.check(t, account)
		}
	})
	t.Run("OneKeyForTwoOrdersAtOnce", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		ids := []uuid.UUID{s.paid(t, account, shirt), s.paid(t, account, shirt)}
		failed := make([]error, 2)
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() { _, failed[i] = s.Cancel(t.Context(), cancelation(account, id, "c")) })
		}
		wg.Wait()
		if failed[0] != nil {
			failed[0], failed[1] = failed[1], failed[0]
		}
		require.NoError(t, failed[0])
		require.ErrorIs(t, failed[1], idempotency.ErrReused)
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'canceled'`))
		s.check(t, account)
	})
	t.Run("NotForEver", func(t *testing.T) {
		t.Parallel()

		s, account, boss := setup(t), uuid.New(), uuid.New()
		id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
		answer(s, payments.RefundStateRefused)
		var err error
		for range 20 {
			_, err = s.Cancel(t.Context(), cancelation(account, id, uuid.NewString()))
			require.ErrorIs(t, err, ordering.ErrRefundRefused)
		}
		_, err = s.Cancel(t.Context(), cancelation(account, id, uuid.NewString()))
		require.ErrorIs(t, err, ordering.ErrTooManyChanges)
		require.Equal(t, ordering.StatePaid, s.state(t, id), "nothing of it stays")
		answer(s, payments.RefundStateDone)
		c, err := s.Cancel(t.Context(), app.CancelInput{By: boss, OrderID: id, Key: idempotency.Of("c", "/admin", nil), Reason: "enough"})
		require.NoError(t, err, "the shop's people can")
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		s.check(t, account)
	})
}

// Refusals that are told late or twice, in any order.
func TestRefusals(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
	refuse := func(refund uuid.UUID) payments.RefundRefused {
		return payments.RefundRefused{OrderID: id, Version: 3, RefundID: refund, Code: "NO"}
	}
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateRefused }
	var refused []uuid.UUID
	for _, key := range []string{"c1", "c2"} {
		_, err := s.Cancel(t.Context(), cancelation(account, id, key))
		require.ErrorIs(t, err, ordering.ErrRefundRefused)
		refused = append(refused, s.payments.of(id).Refund.ID)
	}
	require.NotEqual(t, refused[0], refused[1])

	s.hear(t, refuse(refused[0]))
	require.Equal(t, ordering.StatePaid, s.state(t, id))

	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
	_, err := s.Cancel(t.Context(), cancelation(account, id, "c3"))
	require.NoError(t, err)
	require.NotContains(t, refused, s.payments.of(id).Refund.ID, "what was refused last is asked for again")
	for _, late := range refused {
		s.hear(t, refuse(late))
		require.Equal(t, ordering.StateCanceling, s.state(t, id), "another refund's refusal is not this one's")
	}
	s.hear(t, refuse(s.payments.of(id).Refund.ID))
	require.Equal(t, ordering.StatePaid, s.state(t, id))
	s.check(t, account)
}

func TestAddressChanges(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	id := s.paid(t, account, s.catalog.sell("셔츠", 12_900, 5))
	change := func(address uuid.UUID) (app.Details, error) {
		return s.ChangeAddress(t.Context(), app.AddressInput{AccountID: account, OrderID: id, AddressID: address})
	}
	before, err := s.Order(t.Context(), account, id)
	require.NoError(t, err)
	same, err := change(account)
	require.NoError(t, err)
	require.Equal(t, before, same, "the address that it has changes nothing")
	for range 60 {
		if _, err = change(secondAddress(account)); err != nil {
			break
		}
		if _, err = change(account); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ordering.ErrTooManyChanges)
	after, err := s.Order(t.Context(), account, id)
	require.NoError(t, err)
	require.Len(t, after.Timeline, 100)
	_, err = s.Cancel(t.Context(), cancelation(account, id, "c"))
	require.NoError(t, err, "what matters can still be done")
	s.check(t, account)
}
