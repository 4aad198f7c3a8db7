// Package redis counts tries in Redis, where all instances of the shop count together.
package redis

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/accounts/internal/app"
)

// The keys are accounts:limit:<what>:<whom>. Each holds the instant, in microseconds of the server's clock, when the
// tries that were made will all have come back, and expires then.
const keyPrefix = "accounts:limit:"

var take = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local share, per = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + share
local wait = full - now - per
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0
`)

const (
	patience      = 200 * time.Millisecond
	leftAlone     = time.Second // after a failure, so that a Redis that is away does not slow every sign-in
	complainEvery = time.Minute
)

// Limit is an app.Limit. While Redis is away each instance counts by itself: signing in goes on, and guessing does too,
// as fast as there are instances.
type Limit struct {
	client    redis.UniversalClient
	otherwise app.Limit
	log       *slog.Logger

	mu         sync.Mutex
	failed     time.Time
	complained time.Time
}

var _ app.Limit = (*Limit)(nil)

// NewLimit returns a limit in client's Redis; otherwise counts while that cannot be reached.
func NewLimit(client redis.UniversalClient, otherwise app.Limit, log *slog.Logger) *Limit {
	return &Limit{client: client, otherwise: otherwise, log: log}
}

// Take counts a try.
func (l *Limit) Take(ctx context.Context, key string, r app.Rate) (time.Duration, error) {
	if l.away() {
		return l.otherwise.Take(ctx, key, r)
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	share := r.Per / time.Duration(r.Tries)
	wait, err := take.Run(short, l.client, []string{keyPrefix + key}, share.Microseconds(), r.Per.Microseconds()).Int64()
	if err == nil {
		return time.Duration(wait) * time.Microsecond, nil
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	l.fail(ctx, err)
	return l.otherwise.Take(ctx, key, r)
}

func (l *Limit) away() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.failed.IsZero() && time.Since(l.failed) < leftAlone
}

func (l *Limit) fail(ctx context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = time.Now()
	if time.Since(l.complained) < complainEvery {
		return
	}
	l.complained = l.failed
	l.log.ErrorContext(ctx, "tries are counted in this process while Redis cannot be reached", "error.message", err.Error())
}
