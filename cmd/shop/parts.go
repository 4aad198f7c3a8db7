package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/sasapick/shop/internal/catalog/catalogfx"
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
			Name: "kafka", Kind: "Kafka, real", Check: func(ctx context.Context) error { return anyOf(ctx, brokers) },
		})
	}
	if hosts := g.config.CassandraHosts; len(hosts) > 0 && g.config.Hosts("catalog") {
		parts = append(parts, health.Part{
			Name: "cassandra", Kind: "Cassandra, real", Check: func(ctx context.Context) error { return anyOf(ctx, withPort(hosts, "9042")) },
		})
	}
	if g.config.ElasticsearchURL != "" && g.config.Hosts("catalog") {
		parts = append(parts, health.Part{
			Name: "elasticsearch", Kind: "Elasticsearch, real", Check: func(ctx context.Context) error {
				_, err := catalogfx.ElasticsearchVersion(ctx, g.config)
				return err
			},
		})
	}
	if s.blobs != nil && g.bucket() {
		parts = append(parts, health.Part{Name: "blobs", Kind: "S3, real", Check: s.blobs.Check})
	}
	for _, m := range g.away() {
		client, err := rpc.NewClient(g.config.Elsewhere(m), g.config.RPCToken, nil)
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

// bucket tells whether the blobs are in one.
func (g *ground) bucket() bool { return strings.HasPrefix(g.config.BlobURL, "s3:") }

// away are the modules that another process hosts, as far as its address is known.
func (g *ground) away() (names []string) {
	for _, m := range config.Modules {
		if !g.config.Hosts(m) && g.config.Elsewhere(m) != "" {
			names = append(names, m)
		}
	}
	return names
}

// anyOf says whether one of the brokers, or of the nodes, can be reached: the client finds the others through it.
func anyOf(ctx context.Context, hosts []string) error {
	var all []error
	for _, h := range hosts {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h)
		if err == nil {
			return conn.Close()
		}
		all = append(all, err)
	}
	return fmt.Errorf("reach one of %s: %w", strings.Join(hosts, ", "), errors.Join(all...))
}

// withPort gives hosts that are named without a port the usual one.
func withPort(hosts []string, port string) (addresses []string) {
	for _, h := range hosts {
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(h, port)
		}
		addresses = append(addresses, h)
	}
	return addresses
}
