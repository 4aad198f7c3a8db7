package redis_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/cartstest"
	"github.com/sasapick/shop/internal/ordering/internal/redis"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

func TestCarts(t *testing.T) {
	t.Parallel()

	client := stacktest.RedisClient(t, stacktest.Redis(t))
	key := func(account uuid.UUID) string { return "ordering:cart:{" + account.String() + "}" }

	cartstest.Run(t, func(*testing.T) cartstest.Fixture {
		left := func(t *testing.T, account uuid.UUID) time.Duration {
			d, err := client.PTTL(t.Context(), key(account)).Result()
			require.NoError(t, err)
			require.Positive(t, d, "the key has no expiry")
			return d
		}
		return cartstest.Fixture{
			Carts: redis.NewCarts(client, app.CartTTL),
			Left:  left,
			Pass: func(t *testing.T, account uuid.UUID, d time.Duration) {
				require.NoError(t, client.PExpire(t.Context(), key(account), left(t, account)-d).Err())
			},
			Expire: func(t *testing.T, account uuid.UUID) {
				require.NoError(t, client.PExpire(t.Context(), key(account), time.Millisecond).Err())
				require.Eventually(t, func() bool { return client.Exists(t.Context(), key(account)).Val() == 0 }, 5*time.Second, time.Millisecond)
			},
		}
	})
}

func TestRedisIsAway(t *testing.T) {
	t.Parallel()

	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	carts := redis.NewCarts(client, app.CartTTL)

	_, err := carts.Lines(t.Context(), uuid.New())
	require.ErrorIs(t, err, ordering.ErrCartUnavailable)
	require.ErrorIs(t, carts.Put(t.Context(), uuid.New(), app.CartLine{ProductID: uuid.New(), Quantity: 1}), ordering.ErrCartUnavailable)
	require.ErrorIs(t, carts.Remove(t.Context(), uuid.New(), uuid.New()), ordering.ErrCartUnavailable)
	require.ErrorIs(t, carts.Take(t.Context(), []app.Bought{{AccountID: uuid.New(), ProductID: uuid.New(), Quantity: 1}}), ordering.ErrCartUnavailable)
	require.ErrorIs(t, carts.Clear(t.Context(), uuid.New()), ordering.ErrCartUnavailable)
}
