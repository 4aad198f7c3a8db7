package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/platform/redis"
)

// takeOne gives the account a place among the first, once: 1 when it is new, 0 when it had one, -1 when none is left.
var takeOne = goredis.NewScript(`
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 0 end
if redis.call('SCARD', KEYS[1]) > tonumber(ARGV[2]) then
	redis.call('SREM', KEYS[1], ARGV[1])
	return -1
end
return 1`)

var errNoneLeft = errors.New("none is left")

// behind gives as soon as Redis has counted; a writer brings them to the database afterwards, a thousand at a time. What
// it has not written yet is in this process only.
type behind struct {
	prefix string // of the keys in Redis
	redis  goredis.UniversalClient
	pool   *pgxpool.Pool
	of     giveaway

	mu      sync.Mutex
	changed *sync.Cond
	buffer  []grant
	writing int
	given   map[uuid.UUID]bool
	closed  bool
	failure error // of the writer, which then writes no more
	ended   sync.WaitGroup
}

// writtenBehind is the way of a script in Redis; nil, and why, where there is none.
func (w *world) writtenBehind(ctx context.Context, g giveaway) (*way, func(), string, error) {
	if w.settings.Redis == "" {
		return nil, func() {}, "a script in Redis, written behind: not measured, for want of a Redis", nil
	}
	pool, err := w.openPool(ctx, 1)
	if err != nil {
		return nil, nil, "", err
	}
	b, err := newBehind(g, pool, w.settings.Redis, w.keys())
	if err != nil {
		pool.Close()
		return nil, nil, "", err
	}
	return &way{name: "a script in Redis, written behind", rest: pool.Reset, give: b.give, drain: b.drain}, func() { b.close(); pool.Close() }, "", nil
}

// keys is how the names begin of what this world has in Redis.
func (w *world) keys() string { return "bench:" + w.name + ":" }

func newBehind(of giveaway, pool *pgxpool.Pool, address, prefix string) (*behind, error) {
	client, err := redis.Open(address)
	if err != nil {
		return nil, err
	}
	b := &behind{prefix: prefix, redis: client, pool: pool, of: of, given: map[uuid.UUID]bool{}}
	b.changed = sync.NewCond(&b.mu)
	b.ended.Go(b.write)
	return b, nil
}

func (b *behind) give(ctx context.Context, of uuid.UUID) error {
	g := grantOf(of, uuid.New())
	taken, err := takeOne.Run(ctx, b.redis, []string{b.prefix + of.String()}, g.To[:], int64(plenty)).Int()
	switch {
	case err != nil:
		return fmt.Errorf("take one: %w", err)
	case taken < 0:
		return errNoneLeft
	case taken == 0:
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given[of] = true
	b.buffer = append(b.buffer, g)
	b.changed.Broadcast()
	return b.failure
}

// write brings the buffer to the database until it is closed.
func (b *behind) write() {
	for {
		b.mu.Lock()
		for len(b.buffer) == 0 && !b.closed {
			b.changed.Wait()
		}
		if b.closed {
			b.mu.Unlock()
			return
		}
		// One giveaway after the other: those of a measurement are all of the same.
		n := 1
		for n < min(bulk, len(b.buffer)) && b.buffer[n].Of == b.buffer[0].Of {
			n++
		}
		grants := b.buffer[:n:n]
		b.buffer, b.writing = b.buffer[n:], n
		b.mu.Unlock()

		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := insertMany(ctx, b.pool, b.of, grants)
		cancel()
		b.mu.Lock()
		b.writing = 0
		if err != nil {
			b.failure, b.closed = err, true
		}
		b.changed.Broadcast()
		b.mu.Unlock()
	}
}

// drain waits until everything is written, says how much was not when it came, and takes the keys away.
func (b *behind) drain(ctx context.Context) (left int, err error) {
	b.mu.Lock()
	left = len(b.buffer) + b.writing
	for len(b.buffer)+b.writing > 0 && !b.closed {
		b.changed.Wait()
	}
	err = b.failure
	var keys []string
	for of := range b.given {
		keys = append(keys, b.prefix+of.String())
	}
	clear(b.given)
	b.mu.Unlock()
	if err == nil && len(keys) > 0 {
		if err = b.redis.Unlink(ctx, keys...).Err(); err != nil {
			err = fmt.Errorf("tidy up in Redis: %w", err)
		}
	}
	return left, err
}

func (b *behind) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, _ = b.drain(ctx)
	b.mu.Lock()
	b.closed = true
	b.changed.Broadcast()
	b.mu.Unlock()
	b.ended.Wait()
	_ = b.redis.Close()
}
