package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestOpen(t *testing.T) {
	t.Parallel()

	t.Run("BoundsItsSessions", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons"})
		for name, want := range map[string]string{
			"application_name": "shop.coupons", "statement_timeout": "5s", "lock_timeout": "2s",
			"idle_in_transaction_session_timeout": "2s", "TimeZone": "UTC",
		} {
			require.Equal(t, want, one[string](t, pool, "SELECT current_setting($1)", name), name)
		}
		require.EqualValues(t, pg.DefaultMaxConns, pool.Config().MaxConns)
	})

	t.Run("LetsTheURLDecide", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t) + "&statement_timeout=30s&pool_max_conns=3", Name: "coupons"})
		require.Equal(t, "30s", one[string](t, pool, "SELECT current_setting('statement_timeout')"))
		require.EqualValues(t, 3, pool.Config().MaxConns)
	})

	t.Run("GivesTimesInUTC", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons"})
		require.Equal(t, time.UTC, one[time.Time](t, pool, "SELECT now()").Location())
		require.Equal(t, time.UTC, one[[]time.Time](t, pool, "SELECT ARRAY[now()]")[0].Location())
	})

	t.Run("CallsItsTracer", func(t *testing.T) {
		t.Parallel()

		tracer := &tracer{}
		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons", Tracer: tracer})
		one[int](t, pool, "SELECT 7")
		require.Contains(t, tracer.statements, "SELECT 7")
	})

	t.Run("FailsAtOnce", func(t *testing.T) {
		t.Parallel()

		_, err := pg.Open(t.Context(), pg.Config{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable", Name: "coupons"})
		require.ErrorContains(t, err, "reach the database of coupons")
		require.True(t, pg.IsUnavailable(err))

		_, err = pg.Open(t.Context(), pg.Config{URL: "postgres://%zz", Name: "coupons"})
		require.ErrorContains(t, err, "read the database's URL for coupons")
	})

	t.Run("BoundsTheWaitForAConnection", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons", MaxConns: 1, AcquireTimeout: time.Second})
		held, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = pool.Exec(t.Context(), "SELECT 1")
		require.ErrorIs(t, err, pg.ErrExhausted)
		require.True(t, pg.IsUnavailable(err))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = pool.Exec(ended, "SELECT 1")
		require.ErrorIs(t, err, context.Canceled, "the caller's own end is not the pool's")

		held.Release()
		_, err = pool.Exec(t.Context(), "SELECT pg_sleep(1.2)")
		require.NoError(t, err, "the limit is for the wait, not for the statement")
	})
}

func TestTransactionsByHand(t *testing.T) {
	t.Parallel()

	pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons", MaxConns: 1})
	begin := func(first string) (conn *pgxpool.Conn, pid uint32) {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "BEGIN")
		require.NoError(t, err)
		_, _ = conn.Exec(t.Context(), first)
		return conn, conn.Conn().PgConn().PID()
	}
	commit := func(conn *pgxpool.Conn) error {
		defer pg.GiveBack(t.Context(), conn)
		var b pgx.Batch
		pg.QueueCommit(&b)
		return conn.SendBatch(t.Context(), &b).Close()
	}

	conn, pid := begin("CREATE TABLE public.kept ()")
	require.NoError(t, commit(conn))
	conn, _ = begin("SELECT 1/0")
	require.ErrorContains(t, commit(conn), "rolled back", "PostgreSQL answers so, and calls it no error")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	conn, _ = begin("CREATE TABLE public.lost ()")
	pg.GiveBack(ended, conn)
	require.Equal(t, []bool{true, false}, one[[]bool](t, pool, "SELECT ARRAY[to_regclass('public.kept') IS NOT NULL, to_regclass('public.lost') IS NOT NULL]"))
	require.Equal(t, pid, one[uint32](t, pool, "SELECT pg_backend_pid()"), "it is still the same connection")
}

func TestErrors(t *testing.T) {
	t.Parallel()

	t.Run("Code", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons"})
		_, err := pool.Exec(t.Context(), "SELECT 1/0")
		require.Equal(t, "22012", pg.Code(fmt.Errorf("divide: %w", err)))
		require.Empty(t, pg.Code(errors.New("other")))
		require.Empty(t, pg.Code(nil))
	})

	t.Run("LostSessionIsUnavailable", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons", MaxConns: 2})
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
		_, err = pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", conn.Conn().PgConn().PID())
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "SELECT 1")
		require.True(t, pg.IsUnavailable(err), err)
		_, err = conn.Exec(t.Context(), "SELECT 1")
		require.ErrorContains(t, err, "conn closed")
		require.True(t, pg.IsUnavailable(err), err)
		_, err = pool.Exec(t.Context(), "SELECT 1")
		require.NoError(t, err, "the pool heals")
	})

	t.Run("ClosedPoolIsUnavailable", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons"})
		pool.Close()
		_, err := pool.Exec(t.Context(), "SELECT 1")
		require.True(t, pg.IsUnavailable(err), err)
	})

	t.Run("EndOfTheCallersContextIsNot", func(t *testing.T) {
		t.Parallel()

		pool := open(t, pg.Config{URL: pgtest.URL(t), Name: "coupons"})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := pool.Exec(ctx, "SELECT pg_sleep(10)")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, pg.IsUnavailable(err), err)
	})

	t.Run("IsUnavailable", func(t *testing.T) {
		t.Parallel()

		for _, test := range []struct {
			err  error
			want bool
		}{
			{nil, false},
			{errors.New("other"), false},
			{context.Canceled, false},
			{context.DeadlineExceeded, false},
			{pgx.ErrNoRows, false},
			{&pgconn.PgError{Code: "57P01"}, true},
			{&pgconn.PgError{Code: "57P03"}, true},
			{&pgconn.PgError{Code: "53300"}, true},
			{&pgconn.PgError{Code: "25P03"}, true}, // idle in a transaction for too long
			{&pgconn.PgError{Code: "08006"}, true},
			{&pgconn.PgError{Code: "57014"}, false}, // statement timeout
			{&pgconn.PgError{Code: "55P03"}, false}, // lock timeout
			{&pgconn.PgError{Code: "40001"}, false},
			{&pgconn.PgError{Code: "23505"}, false},
			{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
			{&url.Error{Op: "Post", URL: "https://api.example", Err: io.ErrUnexpectedEOF}, false},
		} {
			require.Equal(t, test.want, pg.IsUnavailable(test.err), "%v", test.err)
		}
	})
}

func TestDatabases(t *testing.T) {
	t.Parallel()

	t.Run("GivesEachModuleItsPool", func(t *testing.T) {
		t.Parallel()

		base, own := empty(t), empty(t)
		modules, overrides := []string{"coupons", "queue"}, map[string]string{"queue": own}
		require.NoError(t, pg.MigrateAll(t.Context(), base, overrides, modules))
		d, err := pg.OpenAll(t.Context(), base, overrides, modules, pg.Config{MaxConns: 2})
		require.NoError(t, err)
		defer d.Close()

		require.Equal(t, []string{"coupons", "platform", "queue"}, d.Modules())
		require.NotSame(t, d.Pool("platform"), d.Pool("coupons"))
		require.Equal(t, "shop.coupons", one[string](t, d.Pool("coupons"), "SELECT current_setting('application_name')"))
		require.Equal(t, own, d.URL("queue"))
		require.False(t, d.Shared())
		require.Equal(t, []string{"coupons", "platform"}, schemas(t, d.Pool("coupons")))
		require.Equal(t, []string{"platform", "queue"}, schemas(t, d.Pool("queue")))
		require.Panics(t, func() { d.Pool("ordering") })
	})

	t.Run("KnowsWhenTheyShare", func(t *testing.T) {
		t.Parallel()

		base := pgtest.URL(t)
		d, err := pg.OpenAll(t.Context(), base, map[string]string{"queue": base + "&statement_timeout=9s"}, []string{"coupons", "queue"}, pg.Config{MaxConns: 2})
		require.NoError(t, err)
		defer d.Close()
		require.True(t, d.Shared())
	})

	t.Run("ClosesAllWhenOneFails", func(t *testing.T) {
		t.Parallel()

		base := pgtest.URL(t)
		_, err := pg.OpenAll(t.Context(), base, map[string]string{"queue": "postgres://nobody@127.0.0.1:1/none"}, []string{"coupons", "queue"}, pg.Config{MaxConns: 2})
		require.ErrorContains(t, err, "reach the database of queue")
		pool := open(t, pg.Config{URL: base, Name: "test"})
		require.Eventually(t, func() bool {
			return one[int](t, pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()") == 0
		}, 10*time.Second, 10*time.Millisecond)
	})
}

type tracer struct{ statements []string }

func (r *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.statements = append(r.statements, d.SQL)
	return ctx
}

func (r *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func open(t *testing.T, c pg.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}

// empty is the address of a database without any schema.
func empty(t *testing.T) string {
	t.Helper()
	address := pgtest.URL(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	name := u.Path[1:] + "_empty"
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template1")
	require.NoError(t, err)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), address)
		require.NoError(t, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
	})
	u.Path = "/" + name
	return u.String()
}

func schemas(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return one[[]string](t, pool, "SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'")
}
