package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/cartstest"
	"github.com/sasapick/shop/internal/ordering/internal/postgres"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestCarts(t *testing.T) {
	t.Parallel()

	cartstest.Run(t, func(t *testing.T) cartstest.Fixture {
		pool := pgtest.New(t, "ordering")
		now := clock.NewManual(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
		return cartstest.Fixture{
			Carts: postgres.NewCarts(pool, now.Now),
			Left: func(t *testing.T, account uuid.UUID) time.Duration {
				var until time.Time
				require.NoError(t, pool.QueryRow(t.Context(), `SELECT expires_at FROM ordering.carts WHERE account_id = $1`, account).Scan(&until))
				return until.Sub(now.Now())
			},
			Pass:   func(_ *testing.T, _ uuid.UUID, d time.Duration) { now.Advance(d) },
			Expire: func(*testing.T, uuid.UUID) { now.Advance(app.CartTTL) },
		}
	})
}

func TestRemoveExpired(t *testing.T) {
	t.Parallel()

	pool := pgtest.New(t, "ordering")
	now := clock.NewManual(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	carts := postgres.NewCarts(pool, now.Now)
	put := func() uuid.UUID {
		account := uuid.New()
		require.NoError(t, carts.Put(t.Context(), account, app.CartLine{ProductID: uuid.New(), Quantity: 1, AddedAt: now.Now()}))
		return account
	}
	for range 3 {
		put()
	}
	now.Advance(app.CartTTL)
	live := put()

	removed, err := carts.RemoveExpired(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 2, removed, "no more than asked for")
	removed, err = carts.RemoveExpired(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	lines, err := carts.Lines(t.Context(), live)
	require.NoError(t, err)
	require.Len(t, lines, 1)
}
