package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
)

func TestSlotByStatement(t *testing.T) {
	t.Parallel()

	t.Run("NeverOversells", func(t *testing.T) {
		t.Parallel()

		neverOversells(t, slots{}, catalog.ErrOutOfStock)
	})

	t.Run("TakesOneForARepeat", func(t *testing.T) {
		t.Parallel()

		w, drop := setup(t, slots{}, 2)
		pool, err := w.openPool(t.Context(), 2)
		require.NoError(t, err)
		defer pool.Close()
		g := grantOf(drop, uuid.New())
		require.NoError(t, slots{}.byStatement(t.Context(), pool, g))
		require.NoError(t, slots{}.byStatement(t.Context(), pool, g))

		got, err := w.tally(t.Context(), slots{}, drop, 1)
		require.NoError(t, err)
		require.Equal(t, tally{promised: 1, rows: 1, holders: 1, counted: 1}, got)
	})
}

// TestSlotsTally breaks the books in each way that a tally is there to see.
func TestSlotsTally(t *testing.T) {
	t.Parallel()

	w, drop := setup(t, slots{}, plenty)
	held, released := uuid.New(), uuid.New()
	err := w.onDatabase(t.Context(), func(conn *pgxpool.Conn) error {
		return execAll(t.Context(), conn,
			`INSERT INTO catalog.reservations (order_id, state, created_at, updated_at)
			 VALUES ('`+held.String()+`', 'held', now(), now()), ('`+released.String()+`', 'released', now(), now())`,
			`INSERT INTO catalog.reservation_lines (order_id, pool_id, product_id, quantity)
			 SELECT o.id, p.id, p.product_id, 3 FROM catalog.pools p, (VALUES ('`+held.String()+`'::uuid), ('`+released.String()+`')) AS o (id)
			 WHERE p.id = '`+drop.String()+`'`,
			`UPDATE catalog.pools SET reserved = 2 WHERE id = '`+drop.String()+`'`)
	})
	require.NoError(t, err)
	got, err := w.tally(t.Context(), slots{}, drop, 5)
	require.NoError(t, err)

	require.EqualValues(t, 2, got.lost())
	require.EqualValues(t, 2, got.doubled())
	require.True(t, got.miscounted())
	require.Equal(t, "a way: of 5 slots, lost 2, doubled 2; in 1 of 1 drops the counter is not the number of its slots", outcome("a way", slots{}.words(), got))

	got, err = w.tally(t.Context(), dropOrders{}, drop, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.lost(), "nobody has ordered it")
	require.True(t, got.miscounted())
}

// TestDropOrders: what a caller of a drop is told is an order with a slot, and is gone before the next measurement.
func TestDropOrders(t *testing.T) {
	t.Parallel()

	w, drop := setup(t, slots{}, plenty)
	shop, err := w.open(t.Context(), 0)
	require.NoError(t, err)
	defer w.shut(t.Context(), shop)
	const callers, calls = 4, 5
	l := w.place(shop, ordersOf(drop), callers)
	ones := make(chan func(), callers)
	for n := range callers {
		one, _, err := l.caller(n)
		require.NoError(t, err)
		ones <- func() {
			for range calls {
				if err := one(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}
	together(callers, func() { (<-ones)() })

	got, err := w.tally(t.Context(), dropOrders{}, drop, callers*calls)
	require.NoError(t, err)
	require.Equal(t, tally{promised: callers * calls, rows: callers * calls, holders: callers * calls, counted: callers * calls}, got)
	require.NoError(t, w.clear(t.Context(), dropOrders{}))
	got, err = w.tally(t.Context(), slots{}, drop, 0)
	require.NoError(t, err)
	require.Zero(t, got)
	var orders int
	require.NoError(t, w.onDatabase(t.Context(), func(conn *pgxpool.Conn) error {
		return conn.QueryRow(t.Context(), `SELECT count(*) FROM ordering.orders`).Scan(&orders)
	}))
	require.Zero(t, orders)
}
