package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/leases"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// An instance that comes later gets its turn at every job, though the first one had them all, and the first gets them back.
func TestTurns(t *testing.T) {
	t.Parallel()

	const n = 6
	pool := pgtest.New(t, pg.Platform)
	var mu sync.Mutex
	ran := map[string]map[string]bool{"first": {}, "second": {}} // by instance and job
	start := func(instance string) {
		var all []Job
		for i := range n {
			name := fmt.Sprint("test.", i)
			all = append(all, Job{Name: name, Every: 10 * time.Millisecond, Run: func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				ran[instance][name] = true
				return nil
			}})
		}
		r, err := NewRunner(leases.New(pool, instance), nil, slog.New(slog.DiscardHandler), all...)
		require.NoError(t, err)
		r.turn = 100 * time.Millisecond
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	all := func(instance string) bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ran[instance]) == n
	}
	start("first")
	require.Eventually(t, func() bool { return all("first") }, 20*time.Second, time.Millisecond)
	start("second")
	require.Eventually(t, func() bool { return all("second") }, 40*time.Second, time.Millisecond)
	mu.Lock()
	clear(ran["first"])
	mu.Unlock()
	require.Eventually(t, func() bool { return all("first") }, 40*time.Second, time.Millisecond)
}

// A job runs no more often for the turns: an instance whose turn is over leaves the run that is due to the next.
func TestTurnsCostNoRun(t *testing.T) {
	t.Parallel()

	pool := pgtest.New(t, pg.Platform)
	var mu sync.Mutex
	var runs []time.Time
	r, err := NewRunner(leases.New(pool, "a"), nil, slog.New(slog.DiscardHandler), Job{
		Name: "test.hourly", Every: time.Hour, Run: func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			runs = append(runs, time.Now())
			return nil
		},
	})
	require.NoError(t, err)
	r.turn = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(runs)
	}
	require.Eventually(t, func() bool { return count() == 1 }, 20*time.Second, time.Millisecond)
	until := func() (at time.Time) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT until FROM platform.leases`).Scan(&at))
		return at
	}
	first := until()
	require.Eventually(t, func() bool { return until().Sub(first) > 2*time.Second }, 20*time.Second, 20*time.Millisecond, "renewals")
	require.Equal(t, 1, count())
	cancel()
	require.NoError(t, <-done)
}
