package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/leases"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(stopping{m}) }

type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	defer pgtest.Stop()
	return s.m.Run()
}

// run runs the runner until the test ends, or stop.
func run(t *testing.T, r *jobs.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

func TestRunner(t *testing.T) {
	t.Parallel()

	t.Run("OneInstanceAtATime", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		var running atomic.Int32
		ran := make(chan string, 1000)
		var stops []func()
		for _, instance := range []string{"a", "b"} {
			r, err := jobs.NewRunner(leases.New(pool, instance), nil, slog.New(slog.DiscardHandler), jobs.Job{
				Name: "test.tick", Every: time.Millisecond, Run: func(context.Context) error {
					if running.Add(1) != 1 {
						t.Error("two instances at once")
					}
					defer running.Add(-1)
					select {
					case ran <- instance:
					default:
					}
					return nil
				},
			})
			require.NoError(t, err)
			stops = append(stops, run(t, r))
		}
		first := <-ran
		for range 20 {
			require.Equal(t, first, <-ran)
		}
		stop, other := stops[0], "b"
		if first == "b" {
			stop, other = stops[1], "a"
		}
		stop()
		require.Eventually(t, func() bool { return <-ran == other }, 20*time.Second, time.Millisecond)
	})

	t.Run("SurvivesErrorsAndPanics", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, pg.Platform)
		registry := prometheus.NewRegistry()
		var runs atomic.Int32
		broken := errors.New("broken")
		goOn := make(chan struct{})
		r, err := jobs.NewRunner(leases.New(pool, "a"), registry, slog.New(slog.DiscardHandler), jobs.Job{
			Name: "test.fails", Every: time.Millisecond, Run: func(context.Context) error {
				switch runs.Add(1) {
				case 1:
					return broken
				case 2:
					panic("a bug")
				case 3:
					<-goOn
				}
				return nil
			},
		})
		require.NoError(t, err)
		run(t, r)
		status := func() jobs.Status { return r.Status()[0] }
		require.Eventually(t, func() bool { return runs.Load() == 3 }, 20*time.Second, time.Millisecond)
		require.ErrorContains(t, status().Err, "test.fails panicked: a bug")
		require.True(t, status().LastOK.IsZero())
		require.True(t, status().Leads)
		close(goOn)
		require.Eventually(t, func() bool { return status().Err == nil && !status().LastOK.IsZero() }, 20*time.Second, time.Millisecond)
		families, err := registry.Gather()
		require.NoError(t, err)
		counted := map[string]int{}
		for _, f := range families {
			counted[f.GetName()] = len(f.GetMetric())
		}
		require.Equal(t, map[string]int{"shop_job_runs_total": 2, "shop_job_seconds": 1}, counted) // by outcome
	})

	t.Run("RunOnce", func(t *testing.T) {
		t.Parallel()

		broken := errors.New("broken")
		r, err := jobs.NewRunner(nil, nil, slog.New(slog.DiscardHandler),
			jobs.Job{Name: "test.ok", Every: time.Hour, Run: func(context.Context) error { return nil }},
			jobs.Job{Name: "test.fails", Every: time.Hour, Run: func(context.Context) error { return broken }})
		require.NoError(t, err)
		require.NoError(t, r.RunOnce(t.Context(), "test.ok"))
		require.ErrorIs(t, r.RunOnce(t.Context(), "test.fails"), broken)
		require.ErrorContains(t, r.RunOnce(t.Context(), "test.none"), "no job")
		require.ErrorIs(t, r.Status()[1].Err, broken)
	})

	t.Run("RefusesJobsThatMakeNoSense", func(t *testing.T) {
		t.Parallel()

		ok := jobs.Job{Name: "test.ok", Every: time.Hour, Run: func(context.Context) error { return nil }}
		never, nothing := ok, ok
		never.Every, nothing.Run = 0, nil
		for _, list := range [][]jobs.Job{{ok, ok}, {never}, {nothing}} {
			_, err := jobs.NewRunner(nil, nil, slog.New(slog.DiscardHandler), list...)
			require.Error(t, err)
		}
	})
}
