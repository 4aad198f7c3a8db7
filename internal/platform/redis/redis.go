// Package redis opens the shop's Redis, where there is one.
package redis

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
)

// Open returns a client for a URL such as redis://:password@host:6379/0, or nil for an empty one. It does not connect: a Redis
// that is away must not keep the shop from starting. Every wait is bounded, and a command is not repeated by the client:
// a script that ran and whose answer was lost must not run twice unseen.
func Open(url string) (redis.UniversalClient, error) {
	if url == "" {
		return nil, nil
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the address of Redis: %w", err)
	}
	options.ClientName = "shop"
	options.MaxRetries = -1
	options.DialTimeout = 2 * time.Second
	options.ReadTimeout = time.Second
	options.WriteTimeout = time.Second
	options.PoolTimeout = time.Second
	options.ContextTimeoutEnabled = true // who asks for less than that waits for less
	client := redis.NewClient(options)
	if err := redisotel.InstrumentTracing(client); err != nil {
		return nil, fmt.Errorf("trace Redis: %w", err)
	}
	return client, nil
}
