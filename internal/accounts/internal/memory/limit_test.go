package memory

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/accounts/internal/limittest"
	"github.com/sasapick/shop/internal/platform/clock"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(*testing.T) (app.Limit, func(time.Duration)) {
		now := clock.NewManual(time.Now())
		return NewLimit(now.Now), now.Advance
	})

	t.Run("ItsMemoryIsBounded", func(t *testing.T) {
		t.Parallel()
		now := clock.NewManual(time.Now())
		limit := NewLimit(now.Now)
		limit.most = 100
		for i := range 1000 {
			wait, err := limit.Take(t.Context(), strconv.Itoa(i), app.Rate{Tries: 1, Per: time.Minute})
			require.NoError(t, err)
			require.Zero(t, wait)
			require.LessOrEqual(t, len(limit.full), 100)
		}
	})

	t.Run("ForgetsFirstWhatCountsNoMore", func(t *testing.T) {
		t.Parallel()
		now := clock.NewManual(time.Now())
		limit := NewLimit(now.Now)
		limit.most = 8
		rate := app.Rate{Tries: 1, Per: time.Minute}
		for i := range 7 {
			_, _ = limit.Take(t.Context(), strconv.Itoa(i), rate)
		}
		now.Advance(2 * time.Minute)
		_, _ = limit.Take(t.Context(), "present", rate)
		_, _ = limit.Take(t.Context(), "one more", rate)
		wait, err := limit.Take(t.Context(), "present", rate)
		require.NoError(t, err)
		require.Positive(t, wait)
	})
}
