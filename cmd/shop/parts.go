package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/health"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// parts are what the shop stands on, for /readyz and for the doctor.
func (g *ground) parts(s *shop) ([]health.Part, error) {
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
	for _, m := range g.away() {
		client, err := rpc.NewClient(g.config.Elsewhere(m), g.config.RPCToken)
		if err != nil {
			return nil, err
		}
		g.closers = append(g.closers, client.Close)
		parts = append(parts, health.Part{
			Name: m, Kind: "a module, hosted by another process", Check: func(ctx context.Context) error { return client.Check(ctx, m) },
		})
	}
	return parts, nil
}

// away are the modules that another process hosts, as far as its address is known.
func (g *ground) away() (names []string) {
	for _, m := range config.Modules {
		if !g.config.Hosts(m) && g.config.Elsewhere(m) != "" {
			names = append(names, m)
		}
	}
	return names
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
