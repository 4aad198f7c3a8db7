package pg_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// A plan that was made for an empty table is not used for long after it has been filled, though nobody has analyzed it since.
func TestPlans(t *testing.T) {
	t.Parallel()

	pool := open(t, pg.Config{URL: pgtest.URL(t), MaxConns: 1})
	planned := func(at time.Time) {
		t.Helper()
		require.NoError(t, pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			conn.Conn().PgConn().CustomData()[pg.PlannedAt] = at
			return nil
		}))
	}
	exec := func(sql string) {
		t.Helper()
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	planned(time.Now().Add(time.Hour))
	for _, sql := range []string{
		`CREATE TABLE young (id int PRIMARY KEY) WITH (autovacuum_enabled = off)`, `VACUUM young`, `SET plan_cache_mode = force_generic_plan`,
		`PREPARE one (int) AS SELECT * FROM young WHERE id = $1`, `EXECUTE one (1)`, `INSERT INTO young SELECT generate_series(1, 20000)`,
	} {
		exec(sql)
	}
	plan := func() string {
		t.Helper()
		rows, err := pool.Query(t.Context(), `EXPLAIN EXECUTE one (1)`)
		require.NoError(t, err)
		var lines []string
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			lines = append(lines, line)
		}
		require.NoError(t, rows.Err())
		return strings.Join(lines, "\n")
	}
	require.Contains(t, plan(), "Seq Scan", "or there is nothing to see here")
	planned(time.Now().Add(-pg.PlansLast))
	require.Contains(t, plan(), "Index")
	require.EqualValues(t, 1, pool.Stat().NewConnsCount())
}
