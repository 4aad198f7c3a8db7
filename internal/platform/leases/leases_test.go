package leases

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("LEASES_TEST_HOLDER_OF"); url != "" {
		holdUntilKilled(url)
	}
	goleak.VerifyTestMain(stopping{m})
}

type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	defer pgtest.Stop()
	return s.m.Run()
}

// brisk is a holder whose times are short, in the same proportions.
func brisk(pool *pgxpool.Pool, holder string) *Leases {
	l := New(pool, holder)
	l.lifetime, l.renewEvery, l.askEvery, l.margin = 1500*time.Millisecond, 300*time.Millisecond, 20*time.Millisecond, 300*time.Millisecond
	return l
}

// leader holds the lease in the background and tells what happens.
type leader struct {
	epochs chan int64 // one for each time it begins to lead
	causes chan error // why the context ended
	stop   func()
}

func lead(t *testing.T, l *Leases, name string) *leader {
	ctx, cancel := context.WithCancel(context.Background())
	led := &leader{epochs: make(chan int64, 100), causes: make(chan error, 100)}
	done := make(chan error, 1)
	go func() {
		done <- l.Hold(ctx, name, func(ctx context.Context, epoch int64) error {
			led.epochs <- epoch
			<-ctx.Done()
			led.causes <- context.Cause(ctx)
			return ctx.Err()
		})
	}()
	stopped := false
	led.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
	t.Cleanup(led.stop)
	return led
}

func exec1(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	tag, err := pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

func check(t *testing.T, pool *pgxpool.Pool, name string, epoch int64) error {
	return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return Check(t.Context(), tx, name, epoch) })
}

func TestHold(t *testing.T) {
	t.Parallel()

	t.Run("PassesOnAtOnceOnACleanStop", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		first := lead(t, New(pool, "first"), "x") // whose lease would run for five seconds
		require.EqualValues(t, 1, <-first.epochs)
		second := lead(t, brisk(pool, "second"), "x")
		first.stop()
		require.EqualValues(t, 2, <-second.epochs)
		require.ErrorIs(t, check(t, pool, "x", 1), ErrLost)
		require.NoError(t, check(t, pool, "x", 2))
	})

	t.Run("NeverTwoAtOnce", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var holders, turns atomic.Int32
		done := make(chan error, 4)
		for _, holder := range []string{"a", "b", "c", "d"} {
			l := brisk(pool, holder)
			go func() {
				done <- l.Hold(ctx, "x", func(ctx context.Context, epoch int64) error {
					if holders.Add(1) != 1 {
						t.Error("two holders at once")
					}
					err := check(t, pool, "x", epoch)
					holders.Add(-1)
					if turns.Add(1) == 40 {
						cancel()
					}
					return err
				})
			}()
		}
		for range 4 {
			require.ErrorIs(t, <-done, context.Canceled)
		}
		require.GreaterOrEqual(t, turns.Load(), int32(40))
	})

	t.Run("IsRenewed", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		l := brisk(pool, "a")
		for _, name := range []string{"x", "y"} {
			require.EqualValues(t, 1, <-lead(t, l, name).epochs)
		}
		var first, second time.Time
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT min(until) FROM platform.leases`).Scan(&first))
		require.Eventually(t, func() bool {
			require.NoError(t, pool.QueryRow(t.Context(), `SELECT min(until) FROM platform.leases`).Scan(&second))
			return second.Sub(first) > l.lifetime // far beyond the first end: renewed again and again
		}, 20*time.Second, 10*time.Millisecond)
		require.NoError(t, check(t, pool, "x", 1))
		require.NoError(t, check(t, pool, "y", 1))
	})

	t.Run("IsLostToAnother", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		led := lead(t, brisk(pool, "a"), "x")
		require.EqualValues(t, 1, <-led.epochs)
		exec1(t, pool, `UPDATE platform.leases SET holder = 'b', epoch = 2, until = clock_timestamp() + interval '1 hour'`)
		require.ErrorIs(t, <-led.causes, ErrLost)
		require.ErrorIs(t, check(t, pool, "x", 1), ErrLost)
		var holder string
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT holder FROM platform.leases`).Scan(&holder))
		require.Equal(t, "b", holder, "a loser must not release what is another's")
	})

	t.Run("EndsBeforeTheLeaseWhenItCannotBeRenewed", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		led := lead(t, brisk(pool, "a"), "x")
		require.EqualValues(t, 1, <-led.epochs)
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // only the lock was wanted
		var name string
		require.NoError(t, tx.QueryRow(t.Context(), `SELECT name FROM platform.leases FOR UPDATE`).Scan(&name))
		require.ErrorIs(t, <-led.causes, ErrLost)
		var runs bool
		require.NoError(t, tx.QueryRow(t.Context(), `SELECT until > clock_timestamp() FROM platform.leases`).Scan(&runs))
		require.True(t, runs, "the holder stops while the lease still keeps others out")
	})

	t.Run("AnErrorGivesItUp", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		ctx, cancel := context.WithCancel(t.Context())
		var turns []int64
		err := brisk(pool, "a").Hold(ctx, "x", func(_ context.Context, epoch int64) error {
			if turns = append(turns, epoch); len(turns) == 3 {
				cancel()
			}
			return errors.New("cannot work")
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []int64{1, 2, 3}, turns)
	})
}

// A process that is stopped beyond the end of its lease wakes to a dead context, and what it writes is refused.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()

	pool := pgtest.New(t, pg.Platform)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "LEASES_TEST_HOLDER_OF="+pool.Config().ConnString())
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	next := func() string {
		require.True(t, lines.Scan(), "the holder ended")
		return strings.TrimSpace(lines.Text())
	}
	require.Equal(t, "leads with epoch 1", next())

	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	require.EqualValues(t, 2, <-lead(t, brisk(pool, "next"), "x").epochs)
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))

	require.Equal(t, "context: the lease is lost", next())
	require.Equal(t, "check: the lease is lost", next())
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
}

// holdUntilKilled is the stopped process.
func holdUntilKilled(url string) {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		panic(err)
	}
	_ = brisk(pool, "stopped").Hold(ctx, "x", func(ctx context.Context, epoch int64) error {
		fmt.Println("leads with epoch", epoch)
		<-ctx.Done()
		fmt.Println("context:", context.Cause(ctx))
		err := pgx.BeginFunc(context.WithoutCancel(ctx), pool, func(tx pgx.Tx) error { return Check(context.WithoutCancel(ctx), tx, "x", epoch) })
		fmt.Println("check:", err)
		select {}
	})
}
