// Package redis keeps the tree of categories in Redis, where all instances of the shop find it.
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// The keys are catalog:categories:{<database>}:tree and :lease. Both expire.
const keyPrefix = "catalog:categories:"

var (
	get = redis.NewScript(`
local tree = redis.call('GET', KEYS[1])
if tree then
  return {tree, ''}
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {'', ARGV[1]}
end
return {'', ''}`)

	put = redis.NewScript(`
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  redis.call('DEL', KEYS[2])
end
return 1`)
)

const (
	patience      = 200 * time.Millisecond
	leftAlone     = 5 * time.Second // after a failure, so that a Redis that is away does not slow those who wait for a tree
	complainEvery = time.Minute
)

// Trees is an app.Trees. Each of its calls fails soon while Redis is away.
type Trees struct {
	client redis.UniversalClient
	keys   []string
	life   time.Duration
	log    *slog.Logger

	mu         sync.Mutex
	failed     time.Time
	complained time.Time
}

var _ app.Trees = (*Trees)(nil)

// NewTrees returns the place of the tree that is read from a database. It lives for so long, unless it is dropped: that is how long a
// change of which Redis could not be told may stay unseen.
func NewTrees(client redis.UniversalClient, database string, life time.Duration, log *slog.Logger) *Trees {
	key := keyPrefix + "{" + database + "}"
	return &Trees{client: client, keys: []string{key + ":tree", key + ":lease"}, life: life, log: log}
}

var errAway = errors.New("it could not be reached a moment ago")

// Get implements [app.Trees].
func (t *Trees) Get(ctx context.Context) (tree []byte, lease string, err error) {
	if t.away() {
		return nil, "", errAway
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := get.Run(ctx, t.client, t.keys, rand.Text(), app.TreeLease.Milliseconds()).StringSlice()
	if err != nil {
		return nil, "", t.fail(ctx, "get", err)
	}
	if found[0] != "" {
		tree = []byte(found[0])
	}
	return tree, found[1], nil
}

// Put implements [app.Trees].
func (t *Trees) Put(ctx context.Context, lease string, tree []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := put.Run(ctx, t.client, t.keys, lease, tree, t.life.Milliseconds()).Err(); err != nil {
		return t.fail(ctx, "put", err)
	}
	return nil
}

// Drop implements [app.Trees].
func (t *Trees) Drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := t.client.Del(ctx, t.keys...).Err(); err != nil {
		return t.fail(ctx, "drop", err)
	}
	return nil
}

func (t *Trees) away() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.failed.IsZero() && time.Since(t.failed) < leftAlone
}

func (t *Trees) fail(ctx context.Context, what string, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = time.Now()
	if time.Since(t.complained) >= complainEvery {
		t.complained = t.failed
		t.log.ErrorContext(ctx, "the categories are read from the database while Redis cannot be reached", "error.message", err.Error())
	}
	return fmt.Errorf("%s the tree of categories: %w", what, err)
}
