package redis_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/accounts/internal/limittest"
	"github.com/sasapick/shop/internal/accounts/internal/memory"
	limits "github.com/sasapick/shop/internal/accounts/internal/redis"
	"github.com/sasapick/shop/internal/platform/clock"
	platform "github.com/sasapick/shop/internal/platform/redis"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	client, err := platform.Open(stacktest.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	limittest.Run(t, func(*testing.T) (app.Limit, func(time.Duration)) {
		return limits.NewLimit(client, never{t}, slog.New(slog.DiscardHandler)), func(time.Duration) {}
	})
}

func TestLimitWithoutRedis(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	limit := limits.NewLimit(client, memory.NewLimit(clock.System), slog.New(slog.DiscardHandler))

	rate := app.Rate{Tries: 1, Per: time.Hour}
	wait, err := limit.Take(t.Context(), "key", rate)
	require.NoError(t, err)
	require.Zero(t, wait)
	wait, err = limit.Take(t.Context(), "key", rate)
	require.NoError(t, err)
	require.Positive(t, wait, "this process counts while Redis is away")
}

// never fails the test when the fallback is asked, so that the suite cannot pass without Redis.
type never struct{ t *testing.T }

func (n never) Take(context.Context, string, app.Rate) (time.Duration, error) {
	n.t.Error("the limit in Redis was not used")
	return 0, nil
}
