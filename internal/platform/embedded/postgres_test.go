//go:build unix

package embedded_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sasapick/shop/internal/platform/embedded"
)

func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv("EMBEDDED_TEST_CHILD")]; ok {
		run(os.Getenv("EMBEDDED_TEST_DIR"))
		return
	}
	goleak.VerifyTestMain(m)
}

func TestStartPostgres(t *testing.T) {
	t.Parallel()

	t.Run("KeepsData", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		first := start(t, options(dir))
		require.Regexp(t, `^\d+\.\d+`, first.Version())
		require.FileExists(t, filepath.Join(first.Bin(), "postgres"))
		exec1(t, first.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
		require.NoError(t, first.Stop(t.Context()))
		require.NoError(t, first.Stop(t.Context()))
		_, open := <-first.Done()
		require.False(t, open, "Done is closed without an error after Stop")

		second := start(t, options(dir))
		require.Equal(t, 42, query[int](t, second.URL(), "SELECT n FROM kept"))
		require.NoDirExists(t, dir+".new")
	})

	t.Run("IsDurableAndPrivate", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		o.Settings = nil
		p := start(t, o)
		for name, want := range map[string]string{
			"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on", "timezone": "UTC",
			"shared_buffers": "64MB", "max_connections": "100", "max_wal_size": "512MB",
			"listen_addresses": "", "unix_socket_permissions": "0700", "server_encoding": "UTF8",
		} {
			require.Equal(t, want, query[string](t, p.URL(), "SELECT current_setting('"+name+"')"), name)
		}
		require.Equal(t, "shop", query[string](t, p.URL(), "SELECT current_database()"))
		require.Equal(t, int64(1), query[int64](t, p.URL(), "SELECT count(*) FROM pg_hba_file_rules WHERE type = 'local'"))
		require.Equal(t, int64(1), query[int64](t, p.URL(), "SELECT count(*) FROM pg_hba_file_rules"))

		info, err := os.Stat(p.SocketDir())
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	})

	t.Run("IsClosedToOtherUsers", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() != 0 {
			t.Skip("only root can become another user")
		}

		p := start(t, options(filepath.Join(folder(t), "postgres")))
		socket := filepath.Join(p.SocketDir(), ".s.PGSQL.5432")
		require.Error(t, asUser(12345, "test", "-S", socket).Run())
		require.NoError(t, asUser(owner(t, p.SocketDir()), "test", "-S", socket).Run(), "the check itself works")
		require.NotZero(t, owner(t, p.SocketDir()), "the server does not run as root")
	})

	t.Run("TakesSettings", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		o.Settings["work_mem"] = "7MB"
		require.Equal(t, "7MB", query[string](t, start(t, o).URL(), "SELECT current_setting('work_mem')"))
	})

	t.Run("SaysWhyItDidNotStart", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		o.Settings["shared_buffers"] = "nonsense"
		_, err := embedded.StartPostgres(t.Context(), o)
		require.ErrorContains(t, err, `invalid value for parameter "shared_buffers": "nonsense"`)

		delete(o.Settings, "shared_buffers")
		start(t, o) // the folder is not locked any more
	})

	t.Run("RefusesASecond", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		first := start(t, o)
		_, err := embedded.StartPostgres(t.Context(), o)
		require.EqualError(t, err, fmt.Sprintf("another shop (process %d) is using the database in %s: stop it first, or choose another folder with SHOP_DATA_DIR", os.Getpid(), o.Dir))
		require.Equal(t, 1, query[int](t, first.URL(), "SELECT 1"))
	})

	t.Run("RefusesAForeignFolder", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("years of work"), 0o600))
		_, err := embedded.StartPostgres(t.Context(), options(dir))
		require.ErrorContains(t, err, "the folder "+dir+" is not empty and holds no database (there is thesis.txt)")

		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})

	t.Run("RefusesAnotherMajorVersion", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("12\n"), 0o600))
		_, err := embedded.StartPostgres(t.Context(), options(dir))
		require.ErrorContains(t, err, "the database in "+dir+" was made by PostgreSQL 12, and ")
		require.ErrorContains(t, err, "set SHOP_PG_BIN to the programs of PostgreSQL 12")

		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})

	t.Run("TakesAnEmptyFolder", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		require.NoError(t, os.Mkdir(dir, 0o755))
		start(t, options(dir))
	})

	t.Run("ClearsAnUnfinishedStart", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		require.NoError(t, os.MkdirAll(filepath.Join(dir+".new", "base"), 0o700))
		start(t, options(dir))
	})

	t.Run("TakesALongPath", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), strings.Repeat("long", 30), "with, comma", "postgres")
		p := start(t, options(dir))
		require.NotEqual(t, dir, p.SocketDir())
		require.Equal(t, 1, query[int](t, p.URL(), "SELECT 1"))
		require.NoError(t, p.Stop(t.Context()))
		require.NoDirExists(t, p.SocketDir())
	})

	t.Run("FollowsLinks", func(t *testing.T) {
		t.Parallel()

		base := folder(t)
		require.NoError(t, os.Mkdir(filepath.Join(base, "disk"), 0o711))
		require.NoError(t, os.Symlink(filepath.Join(base, "disk"), filepath.Join(base, "link")))
		o := options(filepath.Join(base, "link", "postgres"))
		start(t, o)
		o.Dir = filepath.Join(base, "disk", "postgres")
		_, err := embedded.StartPostgres(t.Context(), o)
		require.ErrorContains(t, err, "another shop")
	})

	t.Run("AsksForAPasswordOnLoopback", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		o.OverTCP()
		p := start(t, o)
		require.Equal(t, 1, query[int](t, p.URL(), "SELECT 1"))

		u, err := url.Parse(p.URL())
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", u.Hostname())
		u.User = url.UserPassword("shop", "guess")
		_, err = pgx.Connect(t.Context(), u.String())
		require.ErrorContains(t, err, "28P01")
	})

	t.Run("TellsOfASuddenEnd", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		p := start(t, o)
		require.NoError(t, syscall.Kill(p.PID(), syscall.SIGKILL))
		select {
		case err := <-p.Done():
			require.ErrorContains(t, err, "PostgreSQL ended by itself (signal: killed)")
		case <-time.After(30 * time.Second):
			t.Fatal("nobody noticed")
		}
		require.NoError(t, p.Stop(t.Context()))
		start(t, o)
	})

	t.Run("StopsInTime", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		p, err := embedded.StartPostgres(t.Context(), o)
		require.NoError(t, err)
		exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorContains(t, p.Stop(over), "PostgreSQL did not stop in time and was made to")
		require.False(t, runs(p.PID()))
		require.Equal(t, 42, query[int](t, start(t, o).URL(), "SELECT n FROM kept"))
	})

	t.Run("PutsALargeLogAside", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		require.NoError(t, start(t, o).Stop(t.Context()))
		log := filepath.Join(o.Dir, "postgres.log")
		require.NoError(t, os.Truncate(log, 10<<20+1))
		require.NoError(t, start(t, o).Stop(t.Context()))
		info, err := os.Stat(log)
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(1<<20))
		require.FileExists(t, log+".old")
	})

	t.Run("WorksUnderAnyUmask", func(t *testing.T) {
		t.Parallel()

		spawn(t, "umask", folder(t)).next(t, "stopped")
	})

	t.Run("SaysWhatRootCannotReach", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() != 0 {
			t.Skip("only root's database runs as another user")
		}

		base := folder(t)
		require.NoError(t, os.Mkdir(filepath.Join(base, "closed"), 0o700))
		_, err := embedded.StartPostgres(t.Context(), options(filepath.Join(base, "closed", "postgres")))
		require.ErrorContains(t, err, "who cannot enter "+filepath.Join(base, "closed"))
	})

	t.Run("SaysThatAFolderHasNoPrograms", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		o.Bin = t.TempDir()
		_, err := embedded.StartPostgres(t.Context(), o)
		require.EqualError(t, err, o.Bin+" has no program postgres, so it is no folder of PostgreSQL's server programs")
	})
}

func TestDataDir(t *testing.T) {
	t.Setenv("SHOP_DATA_DIR", "/somewhere")
	require.Equal(t, "/somewhere", embedded.DataDir())
	t.Setenv("SHOP_DATA_DIR", "")
	if os.Geteuid() == 0 {
		require.Equal(t, "/var/lib/sasapick", embedded.DataDir())
		return
	}
	t.Setenv("XDG_DATA_HOME", "/data")
	require.Equal(t, "/data/sasapick", embedded.DataDir())
}

// options are for a server whose data need not survive a power cut.
func options(dir string) embedded.PostgresOptions {
	return embedded.PostgresOptions{Dir: dir, Settings: map[string]string{"fsync": "off"}}
}

// folder is a temporary folder that root's database can enter (t.TempDir is closed to other users), in memory where there
// is such a place.
func folder(t *testing.T) string {
	t.Helper()
	parent := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "sasapick-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, o embedded.PostgresOptions) *embedded.Postgres {
	t.Helper()
	p, err := embedded.StartPostgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, p.Stop(ctx))
	})
	return p
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	return conn
}

func exec1(t *testing.T, address, sql string) {
	t.Helper()
	conn := connect(t, address)
	defer conn.Close(t.Context())
	_, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func query[T any](t *testing.T, address, sql string) (value T) {
	t.Helper()
	conn := connect(t, address)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Sys().(*syscall.Stat_t).Uid
}

func asUser(uid uint32, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd
}

// await polls until the condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, what)
}
