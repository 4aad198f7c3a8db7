package redis_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/redis"
	"github.com/sasapick/shop/internal/catalog/internal/treestest"
	platform "github.com/sasapick/shop/internal/platform/redis"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

func TestTrees(t *testing.T) {
	t.Parallel()

	client, err := platform.Open(stacktest.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	treestest.Run(t, func(t *testing.T) (app.Trees, func(time.Duration)) {
		database := uuid.NewString()
		keys := []string{"catalog:categories:{" + database + "}:tree", "catalog:categories:{" + database + "}:lease"}
		t.Cleanup(func() { _ = client.Del(t.Context(), keys...) })
		pass := func(d time.Duration) {
			for _, key := range keys {
				left, err := client.PTTL(t.Context(), key).Result()
				require.NoError(t, err)
				if left < 0 {
					require.EqualValues(t, -2, left, "the key has no expiry")
					continue
				}
				if left -= d; left > 0 {
					require.NoError(t, client.PExpire(t.Context(), key, left).Err())
				} else {
					require.NoError(t, client.Del(t.Context(), key).Err())
				}
			}
		}
		return redis.NewTrees(client, database, treestest.Life, slog.New(slog.DiscardHandler)), pass
	})
}

func TestTreesWithoutRedis(t *testing.T) {
	t.Parallel()

	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	var log strings.Builder
	trees := redis.NewTrees(client, "none", treestest.Life, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		_, _, err := trees.Get(t.Context())
		require.Error(t, err)
		require.Error(t, trees.Put(t.Context(), "lease", nil))
		require.Error(t, trees.Drop(t.Context()))
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "said once a minute")
}
