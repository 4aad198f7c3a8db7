package app_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// watch sees what is sent to the database, and can hold it up.
type watch struct{ seen func(sql string) }

func (w watch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.seen(d.SQL)
	return ctx
}

func (w watch) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		w.seen(q.SQL)
	}
	return ctx
}

func (watch) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (watch) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (watch) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// watched is a shop, whose tables the test may break, that says what it sends.
func watched(t *testing.T, seen func(sql string)) *shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "catalog", Tracer: watch{seen}})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return setupOn(t, pool)
}

func TestFlights(t *testing.T) {
	t.Parallel()

	t.Run("GetThroughWhenAllElseIsBusy", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		line := catalog.Line{ProductID: product, Quantity: 1}
		used, released, waiting := uuid.New(), uuid.New(), uuid.New()
		_, err := s.reserve(0, used, line)
		require.NoError(t, err)
		_, err = s.reserve(0, released, line)
		require.NoError(t, err)
		require.NoError(t, s.hear(paid, used))
		require.NoError(t, s.hear(canceled, released))
		var taken []*pgxpool.Conn
		for range s.pool.Config().MaxConns {
			conn, err := s.pool.Acquire(t.Context())
			require.NoError(t, err)
			taken = append(taken, conn)
		}

		offers, err := s.service().Offers(t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
		require.NoError(t, err)
		require.Len(t, offers.Items, 1)
		_, err = s.reserve(0, waiting, line)
		require.NoError(t, err)
		require.NoError(t, s.service().Settle(t.Context()))
		for _, conn := range taken {
			conn.Release()
		}
		require.Equal(t, stock{9, 1}, s.stock(product))
	})

	t.Run("LeaveTheRestAlone", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product := s.product(100)
		require.NoError(t, s.hear(canceled, uuid.New()))
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE catalog.reservations IN ACCESS EXCLUSIVE MODE`)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 50 { // all flights are stuck, in both instances
			wg.Go(func() { _, _ = s.reserve(i, uuid.New(), catalog.Line{ProductID: product, Quantity: 1}) })
		}
		for _, instance := range s.instances { // and so are the jobs
			wg.Go(func() { _ = instance.Settle(t.Context()) })
		}
		await(t, "the flights are stuck", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= 2
		})
		require.EqualValues(t, 1, s.pool.Stat().AcquiredConns(), "the test's own")
		offers, err := s.service().Offers(t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
		require.NoError(t, err)
		require.Len(t, offers.Items, 1)
		require.NoError(t, tx.Commit(t.Context()))
		wg.Wait()
	})

	t.Run("ReadManyBasketsAtOnce", func(t *testing.T) {
		t.Parallel()

		var reads atomic.Int64
		s := watched(t, func(sql string) {
			if strings.Contains(sql, "name: OffersOf") {
				reads.Add(1)
			}
		})
		a, b, unknown := s.product(5), s.product(0), uuid.New()
		baskets := make([][]uuid.UUID, 256)
		for i := range baskets {
			baskets[i] = [][]uuid.UUID{{a, b}, {b, unknown}, {unknown}, {b, a, b}}[i%4]
		}
		found, err := s.service().OffersTogether(t.Context(), baskets...)
		require.NoError(t, err)
		require.EqualValues(t, 1, reads.Load(), "one statement for everybody")
		for _, offers := range found {
			require.Contains(t, offers, a)
			require.Contains(t, offers, b)
			require.Len(t, offers, 2)
		}
	})

	// The statements' plans are made while the tables are empty, and must be good for millions of rows.
	t.Run("AreBoundedAndPlannedOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		settings := map[string]string{}
		require.NoError(t, s.service().OnFlight(t.Context(), func(ctx context.Context, conn *pgxpool.Conn) error {
			for _, name := range []string{"plan_cache_mode", "enable_seqscan", "lock_timeout", "statement_timeout"} {
				var value string
				if err := conn.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value); err != nil {
					return err
				}
				settings[name] = value
			}
			return nil
		}))
		require.Equal(t, map[string]string{
			"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "lock_timeout": "2s", "statement_timeout": "5s",
		}, settings)
	})
}
