package pgtest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_TEST_CHILD") != "" {
		os.Exit(m.Run()) // without Main: the server has to end by itself
	}
	pgtest.Main(m)
}

func TestNew(t *testing.T) {
	t.Parallel()

	t.Run("IsFresh", func(t *testing.T) {
		t.Parallel()

		for range 2 {
			pool := pgtest.New(t, "platform")
			require.Zero(t, count(t, pool, "platform.leases"))
			_, err := pool.Exec(t.Context(), "INSERT INTO platform.leases VALUES ('x', 'me', 1, now())")
			require.NoError(t, err)
			require.Equal(t, 1, count(t, pool, "platform.leases"))
		}
	})

	t.Run("KeepsToItsSchema", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, "coupons")
		require.Zero(t, count(t, pool, "coupons.outbox"))
		require.Zero(t, count(t, pool, "platform.leases"))
		_, err := pool.Exec(t.Context(), "INSERT INTO coupons.outbox (event_id, type, key, aggregate_version, occurred_at, data) VALUES ($1, 't', $1, 1, now(), '{}')", uuid.New())
		require.NoError(t, err, "sequences are granted too")
		_, err = pool.Exec(t.Context(), "SELECT count(*) FROM queue.outbox")
		require.ErrorContains(t, err, "permission denied for schema queue")
		_, err = pool.Exec(t.Context(), "CREATE TABLE coupons.mine (id int)")
		require.Equal(t, "42501", pg.Code(err), "a module changes its schema by migrations only")
	})

	t.Run("ServesManyAtOnce", func(t *testing.T) {
		t.Parallel()

		for range 6 {
			t.Run("", func(t *testing.T) {
				t.Parallel()

				require.Zero(t, count(t, pgtest.New(t, "platform"), "platform.leases"))
			})
		}
	})
}

func TestURL(t *testing.T) {
	t.Parallel()

	address := pgtest.URL(t)
	require.NoError(t, pg.Migrate(t.Context(), address, pg.Schemas()...), "nothing is to do")
	pool, err := pg.Open(t.Context(), pg.Config{URL: address, Name: "test"})
	require.NoError(t, err)
	defer pool.Close()
	for _, schema := range pg.Schemas() {
		require.Equal(t, 1, count(t, pool, "pg_namespace WHERE nspname = '"+schema+"'"), schema)
	}
	require.Equal(t, 1, count(t, pool, "pg_roles WHERE rolname = current_user AND rolsuper"))
}

// TestChild is the other process of TestLeavesNothing.
func TestChild(t *testing.T) {
	end := os.Getenv("PGTEST_TEST_CHILD")
	if end == "" {
		return
	}
	pool := pgtest.New(t, "platform")
	fmt.Println("folder", pool.Config().ConnConfig.Host) // the socket lies in the server's folder
	if end == "killed" {
		select {}
	}
}

func TestLeavesNothing(t *testing.T) {
	t.Parallel()

	for _, end := range []string{"killed", "ended"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()

			cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
			cmd.Env = append(os.Environ(), "PGTEST_TEST_CHILD="+end)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(out)
			require.True(t, lines.Scan())
			data, found := strings.CutPrefix(lines.Text(), "folder ")
			require.True(t, found, lines.Text())
			require.Contains(t, data, "sasapick-pgtest-")
			if end == "killed" {
				require.DirExists(t, data)
				require.NoError(t, cmd.Process.Kill())
			}
			for lines.Scan() {
			}
			_ = cmd.Wait()
			require.Eventually(t, func() bool {
				_, err := os.Stat(filepath.Dir(data))
				return os.IsNotExist(err)
			}, 30*time.Second, 20*time.Millisecond, "the folder, and the server in it, are gone")
		})
	}
}

func count(t *testing.T, pool *pgxpool.Pool, from string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}
