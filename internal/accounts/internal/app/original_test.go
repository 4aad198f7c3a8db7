package app_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// original 51: a balance was read, reduced and written back without a lock or a version, so that two orders at once spent the same
// points. Here one of them gets them, whichever instance it asks.
func TestTheSamePointsTwice(t *testing.T) {
	t.Parallel()

	s := setup(t)
	instances := []*shop{s, s.another()}
	for range 10 {
		id := s.rich(1000)
		var spent atomic.Int64
		together(20, func(i int) error {
			_, err := instances[i%2].hold(uuid.New(), id, 1000)
			if err == nil {
				spent.Add(1)
			} else if !errors.Is(err, accounts.ErrNotEnoughPoints) {
				t.Error(err)
			}
			return err
		})
		require.EqualValues(t, 1, spent.Load())
		require.Equal(t, points{1000, 1000}, s.points(id))
	}
	s.sound()
}

// original 51: a negative amount was taken, and made its order's account richer.
func TestNegativePoints(t *testing.T) {
	t.Parallel()

	s := setup(t)
	id := s.rich(100)
	for _, negative := range []int64{-1, -100, -1 << 63} {
		_, err := s.hold(uuid.New(), id, negative)
		require.ErrorIs(t, err, accounts.ErrBadPoints)
	}
	require.ErrorIs(t, s.tryGrant(t.Context(), id, -101, "k"), accounts.ErrNotEnoughPoints)
	require.Equal(t, points{100, 0}, s.points(id))
	for _, sql := range []string{
		`UPDATE accounts.point_balances SET balance = -1`,
		`UPDATE accounts.point_balances SET held = 101`,
		`INSERT INTO accounts.point_entries (id, account_id, kind, points, order_id, at) VALUES (gen_random_uuid(), gen_random_uuid(), 'use', 1, gen_random_uuid(), now())`,
		`INSERT INTO accounts.point_holds VALUES (gen_random_uuid(), gen_random_uuid(), -1, 'held', now(), now())`,
	} {
		_, err := s.pool.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "23514", sql)
	}
}

// original 51: a rollback added points to the balance whatever the entry was, also for what had been earned or given back already.
func TestOnlyWhatWasSpentGoesBack(t *testing.T) {
	t.Parallel()

	s := setup(t)
	id := s.rich(1000)
	earned, unpaid, spent := orderOf(uuid.New(), id, 100), orderOf(uuid.New(), id, 100), orderOf(uuid.New(), id, 100)
	for _, c := range []ordering.Change{unpaid, spent} {
		_, err := s.hold(c.OrderID, id, 100)
		require.NoError(t, err)
	}
	s.paid(spent)
	s.confirmed(earned)
	for range 3 {
		for _, c := range []ordering.Change{earned, unpaid, spent} {
			require.NoError(t, s.tryHear(t.Context(), ordering.Canceled{Change: c}))
			require.NoError(t, s.service.SettlePoints(t.Context()))
		}
	}
	require.Equal(t, []string{"grant 1000", "use -100", "earn 379", "return 100"}, s.kinds(id))
	require.Equal(t, points{1379, 0}, s.points(id))
	s.sound()
}

// original 51: nothing was idempotent by the order, so that a repeat spent, earned and gave back again.
func TestEachEventOnce(t *testing.T) {
	t.Parallel()

	s := setup(t)
	instances := []*shop{s, s.another()}
	id := s.rich(1000)
	c := orderOf(uuid.New(), id, 100)
	for _, step := range []struct {
		event outbox.Event
		want  []string
	}{
		{ordering.Paid{Change: c}, []string{"grant 1000", "use -100"}},
		{ordering.Confirmed{Change: c}, []string{"grant 1000", "use -100", "earn 379"}},
		{ordering.Canceled{Change: c}, []string{"grant 1000", "use -100", "earn 379", "return 100"}},
	} {
		_, err := s.hold(c.OrderID, id, 100)
		require.NoError(t, err)
		for _, err := range together(8, func(i int) error {
			if err := instances[i%2].tryHear(t.Context(), step.event); err != nil {
				return err
			}
			return instances[i%2].service.SettlePoints(t.Context())
		}) {
			require.NoError(t, err)
		}
		require.NoError(t, s.service.SettlePoints(t.Context()))
		require.Equal(t, step.want, s.kinds(id))
	}
	require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.purchases`))
	s.sound()
}

// original 38: an order that was canceled by an admin gave its points to the admin, and two cancelations at once gave them twice. Here
// they go back to whose they were, whoever is named.
func TestPointsGoBackToWhoSpentThem(t *testing.T) {
	t.Parallel()

	s := setup(t)
	id, admin := s.rich(1000), s.rich(0)
	c := orderOf(uuid.New(), id, 100)
	_, err := s.hold(c.OrderID, id, 100)
	require.NoError(t, err)
	s.paid(c)
	c.AccountID = admin
	for _, err := range together(10, func(int) error {
		if err := s.tryHear(t.Context(), ordering.Canceled{Change: c}); err != nil {
			return err
		}
		return s.service.SettlePoints(t.Context())
	}) {
		require.NoError(t, err)
	}
	require.NoError(t, s.service.SettlePoints(t.Context()))
	require.Equal(t, points{1000, 0}, s.points(id))
	require.Equal(t, points{0, 0}, s.points(admin))
	s.sound()
}
