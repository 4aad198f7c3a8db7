//go:build unix

package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/embedded"
)

// children are what this test binary does when it is started again as another process.
var children = map[string]func(dir string){
	"write": writeForEver,
	"lock":  lockForEver,
	"watch": watchForEver,
	"umask": startUnderUmask,
}

// writeForEver is a shop that commits a row, tells of it, and so on until it is killed.
func writeForEver(dir string) {
	ctx := context.Background()
	p, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: dir})
	exitOn(err)
	conn, err := pgx.Connect(ctx, p.URL())
	exitOn(err)
	_, err = conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS rows (n bigint GENERATED ALWAYS AS IDENTITY)")
	exitOn(err)
	fmt.Println("server", p.PID())
	for {
		var n int64
		exitOn(conn.QueryRow(ctx, "INSERT INTO rows DEFAULT VALUES RETURNING (SELECT count(*) + 1 FROM rows)").Scan(&n))
		fmt.Println("row", n)
	}
}

func lockForEver(dir string) {
	_, err := embedded.LockDir(dir)
	exitOn(err)
	fmt.Println("locked", os.Getpid())
	select {}
}

func watchForEver(dir string) {
	_, err := embedded.Watch("touch '" + filepath.Join(dir, "ended") + "'")
	exitOn(err)
	fmt.Println("watched", 0)
	select {}
}

// startUnderUmask is a shop of somebody who keeps everything to themselves.
func startUnderUmask(dir string) {
	syscall.Umask(0o077)
	o := embedded.PostgresOptions{Dir: filepath.Join(dir, "new", "newer", "postgres"), Repository: os.Getenv("EMBEDDED_TEST_REPOSITORY"), CacheDir: filepath.Join(dir, "cache", "new")}
	if o.Repository != "" {
		o.OnlyIn(func(string) []string { return nil })
	}
	p, err := embedded.StartPostgres(context.Background(), o)
	exitOn(err)
	exitOn(p.Stop(context.Background()))
	fmt.Println("stopped", 0)
}

func exitOn(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// child is another process that runs one of the children.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func spawn(t *testing.T, name, dir string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "EMBEDDED_TEST_CHILD="+name, "EMBEDDED_TEST_DIR="+dir), env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	return c
}

// next reads a line such as "row 7".
func (c *child) next(t *testing.T, word string) int {
	t.Helper()
	require.True(t, c.lines.Scan(), "the child ended")
	said, number, _ := strings.Cut(c.lines.Text(), " ")
	require.Equal(t, word, said, c.lines.Text())
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	return n
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	for c.lines.Scan() {
	}
	_ = c.cmd.Wait()
}

func TestKill(t *testing.T) {
	t.Parallel()

	t.Run("KeepsWhatWasCommitted", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		committed := 0
		for range 3 {
			shop := spawn(t, "write", dir)
			shop.next(t, "server")
			for range 50 {
				committed = shop.next(t, "row")
			}
			shop.kill()
		}
		p := start(t, options(dir))
		require.GreaterOrEqual(t, query[int](t, p.URL(), "SELECT count(*) FROM rows"), committed)
	})

	t.Run("EndsTheServerToo", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		shop := spawn(t, "write", dir)
		server := shop.next(t, "server")
		shop.next(t, "row")
		shop.kill()
		await(t, "the server ends", func() bool { return !runs(server) })
	})

	t.Run("OfShopAndServer", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(folder(t), "postgres")
		shop := spawn(t, "write", dir)
		server := shop.next(t, "server")
		committed := shop.next(t, "row")
		require.NoError(t, syscall.Kill(server, syscall.SIGKILL))
		shop.kill()
		p := start(t, options(dir))
		require.GreaterOrEqual(t, query[int](t, p.URL(), "SELECT count(*) FROM rows"), committed)
	})
}

func TestPreviousServer(t *testing.T) {
	t.Parallel()

	t.Run("IsReplaced", func(t *testing.T) {
		t.Parallel()

		o := options(filepath.Join(folder(t), "postgres"))
		p := start(t, o)
		exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
		require.NoError(t, p.Stop(t.Context()))

		orphan := asUser(owner(t, o.Dir), filepath.Join(p.Bin(), "postgres"), "-D", o.Dir, "-c", "listen_addresses=", "-c", "unix_socket_directories="+o.Dir)
		require.NoError(t, orphan.Start())
		ended := make(chan error, 1)
		go func() { ended <- orphan.Wait() }()
		await(t, "the orphan answers", func() bool {
			conn, err := pgx.Connect(t.Context(), p.URL())
			if err == nil {
				err = conn.Close(t.Context())
			}
			return err == nil
		})

		var said []string
		o.Progress = func(s string) { said = append(said, s) }
		next := start(t, o)
		require.NoError(t, <-ended, "it was shut down, not killed")
		require.Contains(t, said, "stopping the database server that an earlier shop left behind")
		require.Equal(t, 42, query[int](t, next.URL(), "SELECT n FROM kept"))
	})

	for name, pid := range map[string]func(t *testing.T, dir string) int{
		"NumberIsAnothersNow": func(t *testing.T, dir string) int {
			sleeper := asUser(owner(t, dir), "sleep", "1000")
			require.NoError(t, sleeper.Start())
			t.Cleanup(func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() })
			return sleeper.Process.Pid
		},
		"NumberIsAZombies": func(t *testing.T, _ string) int {
			zombie := exec.Command("true")
			require.NoError(t, zombie.Start())
			t.Cleanup(func() { _ = zombie.Wait() })
			return zombie.Process.Pid
		},
		"NumberIsNobodys": func(t *testing.T, _ string) int {
			gone := exec.Command("true")
			require.NoError(t, gone.Run())
			return gone.Process.Pid
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := options(filepath.Join(folder(t), "postgres"))
			require.NoError(t, start(t, o).Stop(t.Context()))
			note := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n  1 1\nready   \n", pid(t, o.Dir), o.Dir, o.Dir)
			require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "postmaster.pid"), []byte(note), 0o600))
			start(t, o)
		})
	}
}

func TestLockDir(t *testing.T) {
	t.Parallel()

	t.Run("AdmitsOne", func(t *testing.T) {
		t.Parallel()

		dir := filepath.Join(t.TempDir(), "new", "data")
		unlock, err := embedded.LockDir(dir)
		require.NoError(t, err)
		_, err = embedded.LockDir(dir)
		require.EqualError(t, err, fmt.Sprintf("another shop (process %d) is using the data folder %s: stop it first, or give this one another folder with SHOP_DATA_DIR", os.Getpid(), dir))
		unlock()
		unlock, err = embedded.LockDir(dir)
		require.NoError(t, err)
		unlock()
	})

	// A program that is being started has a copy of every open file until it runs.
	t.Run("EndsThoughACopyOfItsFileIsOpen", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()
		unlock, err := embedded.LockDir(dir)
		require.NoError(t, err)
		closeCopy := copyOf(t, filepath.Join(dir, "lock"))
		defer closeCopy()
		unlock()
		unlock, err = embedded.LockDir(dir)
		require.NoError(t, err)
		unlock()
	})

	t.Run("EndsWithItsProcess", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()
		shop := spawn(t, "lock", dir)
		pid := shop.next(t, "locked")
		_, err := embedded.LockDir(dir)
		require.ErrorContains(t, err, fmt.Sprintf("(process %d)", pid))
		shop.kill()
		unlock, err := embedded.LockDir(dir)
		require.NoError(t, err)
		unlock()
	})
}

// copyOf copies the descriptor by which this process has a file open, as a fork does.
func copyOf(t *testing.T, path string) (closeCopy func()) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == path {
			number, err := strconv.Atoi(filepath.Base(link))
			require.NoError(t, err)
			duplicate, err := syscall.Dup(number)
			require.NoError(t, err)
			return func() { _ = syscall.Close(duplicate) }
		}
	}
	t.Skipf("the system does not show that %s is open", path)
	return nil
}

func TestWatch(t *testing.T) {
	t.Parallel()

	t.Run("RunsWhenKilled", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()
		shop := spawn(t, "watch", dir)
		shop.next(t, "watched")
		require.NoFileExists(t, filepath.Join(dir, "ended"))
		shop.kill()
		await(t, "the command runs", func() bool {
			_, err := os.Stat(filepath.Join(dir, "ended"))
			return err == nil
		})
	})

	t.Run("DoesNothingWhenReleased", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()
		release, err := embedded.Watch("touch '" + filepath.Join(dir, "ended") + "'")
		require.NoError(t, err)
		release()
		require.NoFileExists(t, filepath.Join(dir, "ended"))
	})
}

// runs says whether a process lives; a zombie does not.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) && syscall.Kill(pid, 0) == nil
	}
	_, rest, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(rest, "Z")
}
