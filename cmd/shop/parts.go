package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/sasapick/shop/internal/platform/health"
	"github.com/sasapick/shop/internal/platform/pg"
)

// parts are what the shop stands on, for /readyz and for the doctor.
func (g *ground) parts(s *shop) []health.Part {
	parts := []health.Part{{
		Name: "database", Kind: "PostgreSQL, " + either(g.died != nil || g.attached, "embedded", "real"), Required: true,
		Check: s.databases.Pool(pg.Platform).Ping,
	}}
	for module := range g.config.ModuleDatabaseURLs() {
		parts = append(parts, health.Part{
			Name: "database of " + module, Kind: "PostgreSQL, real", Required: true, Check: s.databases.Pool(module).Ping,
		})
	}
	if s.redis != nil {
		parts = append(parts, health.Part{
			Name: "redis", Kind: "Redis, real", Check: func(ctx context.Context) error { return s.redis.Ping(ctx).Err() },
		})
	}
	if brokers := g.config.KafkaBrokers; len(brokers) > 0 {
		parts = append(parts, health.Part{
			Name: "kafka", Kind: "Kafka, real", Check: func(ctx context.Context) error { return anyBroker(ctx, brokers) },
		})
	}
	return parts
}

// anyBroker says whether one of the brokers can be reached: the client finds the others through it.
func anyBroker(ctx context.Context, brokers []string) error {
	var all []error
	for _, b := range brokers {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b)
		if err == nil {
			return conn.Close()
		}
		all = append(all, err)
	}
	return fmt.Errorf("reach a broker of %s: %w", strings.Join(brokers, ", "), errors.Join(all...))
}
