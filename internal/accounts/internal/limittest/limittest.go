// Package limittest is what every app.Limit must do.
package limittest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts/internal/app"
)

// Run checks the limit that make returns. pass lets time go by; where the clock runs by itself it does nothing.
func Run(t *testing.T, make func(t *testing.T) (limit app.Limit, pass func(time.Duration))) {
	t.Run("AdmitsAsManyAsTheRate", func(t *testing.T) {
		t.Parallel()
		limit, _ := make(t)
		key, rate := uuid.NewString(), app.Rate{Tries: 5, Per: time.Hour}
		for range rate.Tries {
			require.Zero(t, take(t, limit, key, rate))
		}
		wait := take(t, limit, key, rate)
		require.Positive(t, wait)
		require.LessOrEqual(t, wait, rate.Per/time.Duration(rate.Tries), "one try comes back after its share of the time")
	})

	t.Run("CountsEachKeyByItself", func(t *testing.T) {
		t.Parallel()
		limit, _ := make(t)
		rate := app.Rate{Tries: 1, Per: time.Hour}
		one, other := uuid.NewString(), uuid.NewString()
		require.Zero(t, take(t, limit, one, rate))
		require.Positive(t, take(t, limit, one, rate))
		require.Zero(t, take(t, limit, other, rate))
	})

	t.Run("AdmitsAgainAfterTheWait", func(t *testing.T) {
		t.Parallel()
		limit, pass := make(t)
		key, rate := uuid.NewString(), app.Rate{Tries: 2, Per: 400 * time.Millisecond}
		require.Zero(t, take(t, limit, key, rate))
		require.Zero(t, take(t, limit, key, rate))
		pass(take(t, limit, key, rate))
		require.Eventually(t, func() bool {
			wait, err := limit.Take(t.Context(), key, rate)
			return err == nil && wait == 0
		}, 10*time.Second, 10*time.Millisecond)
	})

	t.Run("DoesNotCountWhatItRefuses", func(t *testing.T) {
		t.Parallel()
		limit, _ := make(t)
		key, rate := uuid.NewString(), app.Rate{Tries: 1, Per: time.Hour}
		require.Zero(t, take(t, limit, key, rate))
		first := take(t, limit, key, rate)
		for range 100 {
			require.LessOrEqual(t, take(t, limit, key, rate), first)
		}
	})

	t.Run("AdmitsNoMoreUnderConcurrency", func(t *testing.T) {
		t.Parallel()
		limit, _ := make(t)
		key, rate := uuid.NewString(), app.Rate{Tries: 10, Per: time.Hour}
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				wait, err := limit.Take(t.Context(), key, rate)
				if err != nil {
					t.Error(err)
				} else if wait == 0 {
					admitted.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, rate.Tries, admitted.Load())
	})
}

func take(t *testing.T, limit app.Limit, key string, rate app.Rate) time.Duration {
	t.Helper()
	wait, err := limit.Take(t.Context(), key, rate)
	require.NoError(t, err)
	return wait
}
