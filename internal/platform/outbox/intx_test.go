package outbox_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
)

func TestInTx(t *testing.T) {
	t.Parallel()

	pool, box := setup(t)
	woken, stop := outbox.Wakes("doors")
	failed := errors.New("no")
	require.ErrorIs(t, box.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		require.NoError(t, box.Add(t.Context(), tx, event(uuid.New(), 1)))
		return failed
	}), failed)
	require.Zero(t, count(t, pool), "an event exists only if its transaction commits")
	require.Empty(t, woken)

	for range 3 {
		require.NoError(t, box.InTx(t.Context(), pool, func(tx pgx.Tx) error { return box.Add(context.Background(), tx, event(uuid.New(), 1)) }))
	}
	require.Len(t, woken, 1)
	<-woken
	stop()
	box.Wake()
	require.Empty(t, woken)
}

// A transaction that lost a race for a lock runs again, from its beginning; anything else is the caller's to judge
// (magento2#39417: orders lost to deadlocks).
func TestInTxRepeats(t *testing.T) {
	t.Parallel()

	raise := func(code string) string { return `DO $$ BEGIN RAISE 'a race' USING ERRCODE = '` + code + `'; END $$` }
	lost := func(t *testing.T, pool *pgxpool.Pool, box *outbox.Outbox, code string, times int) (runs int, err error) {
		err = box.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			runs++
			if err := box.Add(t.Context(), tx, event(uuid.New(), 1)); err != nil {
				return err
			}
			if runs > times {
				return nil
			}
			_, err := tx.Exec(t.Context(), raise(code))
			return err
		})
		return runs, err
	}

	for _, code := range []string{"40001", "40P01", "55P03"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()

			pool, _ := setup(t)
			box := outbox.New("doors", clock.System)
			before := repeated(t, "doors", code)
			runs, err := lost(t, pool, box, code, 2)
			require.NoError(t, err)
			require.Equal(t, 3, runs)
			require.Equal(t, 1, count(t, pool), "what was rolled back is not added twice")
			require.EqualValues(t, 2, repeated(t, "doors", code)-before)

			runs, err = lost(t, pool, box, code, 100)
			require.Equal(t, code, pg.Code(err), "there is an end")
			require.Equal(t, 4, runs)
		})
	}
	t.Run("NothingElse", func(t *testing.T) {
		t.Parallel()

		pool, box := setup(t)
		for _, code := range []string{"23505", "57014", "08006"} {
			runs, err := lost(t, pool, box, code, 1)
			require.Equal(t, code, pg.Code(err))
			require.Equal(t, 1, runs, code)
		}
		require.Zero(t, count(t, pool))
	})
	t.Run("NobodyWaitsAnyMore", func(t *testing.T) {
		t.Parallel()

		pool, box := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := box.InTx(ctx, pool, func(tx pgx.Tx) error {
			runs++
			_, err := tx.Exec(ctx, raise("40P01"))
			cancel()
			return err
		})
		require.Error(t, err)
		require.Equal(t, 1, runs)
	})
	t.Run("ARealDeadlock", func(t *testing.T) {
		t.Parallel()

		pool, box := setup(t)
		_, err := pool.Exec(t.Context(), `CREATE TABLE doors.locks (id int PRIMARY KEY); INSERT INTO doors.locks VALUES (1), (2)`)
		require.NoError(t, err)
		met := make(chan struct{}, 2)
		both := make(chan struct{})
		go func() { <-met; <-met; close(both) }()
		done := make(chan error, 2)
		for _, order := range [][2]int{{1, 2}, {2, 1}} {
			go func() {
				first := true
				done <- box.InTx(t.Context(), pool, func(tx pgx.Tx) error {
					for _, id := range order {
						if _, err := tx.Exec(t.Context(), `SELECT 1 FROM doors.locks WHERE id = $1 FOR UPDATE`, id); err != nil {
							return err
						}
						if first {
							first = false
							met <- struct{}{}
							<-both
						}
					}
					return box.Add(t.Context(), tx, event(uuid.New(), 1))
				})
			}()
		}
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.Equal(t, 2, count(t, pool))
	})
}

// repeated reads the metric as it is scraped.
func repeated(t *testing.T, module, code string) (n float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(outbox.Collectors()...)
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, m := range families {
		for _, v := range m.GetMetric() {
			if labels := v.GetLabel(); labels[0].GetValue() == code && labels[1].GetValue() == module {
				n += v.GetCounter().GetValue()
			}
		}
	}
	return n
}
