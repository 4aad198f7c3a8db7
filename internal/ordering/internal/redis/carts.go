// Package redis keeps carts in Redis: a hash for each cart, changed by scripts, forgotten after its time.
package redis

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
)

// Carts is app.Carts on Redis. While Redis is away every call is ordering.ErrCartUnavailable.
type Carts struct {
	client redis.UniversalClient
	ttl    time.Duration
}

var _ app.Carts = (*Carts)(nil)

// NewCarts returns carts that live for ttl after their last change.
func NewCarts(client redis.UniversalClient, ttl time.Duration) *Carts {
	return &Carts{client: client, ttl: ttl}
}

// A field of the hash is a product; its value is quantity|seen price|when it was added, in milliseconds.
var (
	put = redis.NewScript(`
local old = redis.call('HGET', KEYS[1], ARGV[1])
local added = ARGV[4]
if old then
  added = string.match(old, '|(%d+)$')
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '|' .. ARGV[3] .. '|' .. added)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1`)

	remove = redis.NewScript(`
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`)

	take = redis.NewScript(`
for i = 2, #ARGV, 2 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if old then
    local quantity, rest = string.match(old, '^(%d+)(|.*)$')
    local left = tonumber(quantity) - tonumber(ARGV[i + 1])
    if left > 0 then
      redis.call('HSET', KEYS[1], ARGV[i], string.format('%d', left) .. rest)
    else
      redis.call('HDEL', KEYS[1], ARGV[i])
    end
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)
)

// key keeps all of a cart in one slot of a cluster.
func key(account uuid.UUID) string { return "ordering:cart:{" + account.String() + "}" }

// Lines implements app.Carts.
func (c *Carts) Lines(ctx context.Context, account uuid.UUID) ([]app.CartLine, error) {
	fields, err := c.client.HGetAll(ctx, key(account)).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	lines := make([]app.CartLine, 0, len(fields))
	for product, value := range fields {
		line, err := parse(product, value)
		if err != nil {
			return nil, fmt.Errorf("read a line of the cart: %w", err)
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b app.CartLine) int {
		return cmp.Or(a.AddedAt.Compare(b.AddedAt), slices.Compare(a.ProductID[:], b.ProductID[:]))
	})
	return lines, nil
}

func parse(product, value string) (app.CartLine, error) {
	id, err := uuid.Parse(product)
	if err != nil {
		return app.CartLine{}, err
	}
	parts := strings.Split(value, "|")
	if len(parts) != 3 {
		return app.CartLine{}, fmt.Errorf("%q has not three parts", value)
	}
	var numbers [3]int64
	for i, p := range parts {
		if numbers[i], err = strconv.ParseInt(p, 10, 64); err != nil {
			return app.CartLine{}, err
		}
	}
	return app.CartLine{ProductID: id, Quantity: numbers[0], SeenPriceWon: numbers[1], AddedAt: time.UnixMilli(numbers[2]).UTC()}, nil
}

// Put implements app.Carts.
func (c *Carts) Put(ctx context.Context, account uuid.UUID, line app.CartLine) error {
	done, err := put.Run(ctx, c.client, []string{key(account)},
		line.ProductID.String(), line.Quantity, line.SeenPriceWon, line.AddedAt.UnixMilli(), app.MaxCartProducts, c.ttl.Milliseconds()).Int()
	if err != nil {
		return unavailable(err)
	}
	if done == 0 {
		return ordering.ErrCartFull
	}
	return nil
}

// Remove implements app.Carts.
func (c *Carts) Remove(ctx context.Context, account, product uuid.UUID) error {
	return unavailable(remove.Run(ctx, c.client, []string{key(account)}, product.String(), c.ttl.Milliseconds()).Err())
}

// Take implements app.Carts, in one round trip. A node that has not seen the script yet is sent it.
func (c *Carts) Take(ctx context.Context, bought []app.Bought) error {
	args := map[uuid.UUID][]any{}
	for _, b := range bought {
		if args[b.AccountID] == nil {
			args[b.AccountID] = []any{c.ttl.Milliseconds()}
		}
		args[b.AccountID] = append(args[b.AccountID], b.ProductID.String(), b.Quantity)
	}
	run := func(accounts []uuid.UUID, script func(p redis.Scripter, keys []string, args []any) *redis.Cmd) (unseen []uuid.UUID, err error) {
		commands := make([]*redis.Cmd, len(accounts))
		_, err = c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, a := range accounts {
				commands[i] = script(p, []string{key(a)}, args[a])
			}
			return nil
		})
		for i, command := range commands {
			switch {
			case redis.HasErrorPrefix(command.Err(), "NOSCRIPT"):
				unseen = append(unseen, accounts[i])
			case command.Err() != nil:
				return nil, command.Err()
			}
		}
		if len(unseen) > 0 {
			err = nil
		}
		return unseen, err
	}
	unseen, err := run(slices.Collect(maps.Keys(args)), func(p redis.Scripter, keys []string, args []any) *redis.Cmd {
		return take.EvalSha(ctx, p, keys, args...)
	})
	if err == nil && len(unseen) > 0 {
		_, err = run(unseen, func(p redis.Scripter, keys []string, args []any) *redis.Cmd { return take.Eval(ctx, p, keys, args...) })
	}
	return unavailable(err)
}

// Clear implements app.Carts.
func (c *Carts) Clear(ctx context.Context, account uuid.UUID) error {
	return unavailable(c.client.Del(ctx, key(account)).Err())
}

// RemoveExpired implements app.Carts: Redis forgets by itself.
func (c *Carts) RemoveExpired(context.Context, int) (int, error) { return 0, nil }

// unavailable keeps the cause, for the log, behind what the shopper is told.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ordering.ErrCartUnavailable.WithRetryAfter(time.Second), err)
}
