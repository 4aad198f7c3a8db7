package catalogfx

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/cassandra"
	"github.com/sasapick/shop/internal/catalog/internal/elastic"
	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/leases"
)

// projectors are one for each store that outlives the process.
type projectors []*app.Projector

func newProjectors(s *cassandra.Store, x *elastic.Index, pool *pgxpool.Pool, c clock.Clock, r *prometheus.Registry, log *slog.Logger) projectors {
	var all projectors
	if s != nil {
		all = append(all, app.NewProjector("cassandra", s, pool, c, log))
	}
	if x != nil {
		all = append(all, app.NewProjector("search", x, pool, c, log))
	}
	r.MustRegister(app.NewLag(pool, all.stores()...))
	return all
}

func (all projectors) stores() (names []string) {
	for _, p := range all {
		names = append(names, p.Store())
	}
	return names
}

func projecting(all projectors) (work []jobs.Job) {
	for _, p := range all {
		work = append(work, p.Job())
	}
	return work
}

func compared(all projectors) (invariants []books.Invariant) {
	for _, p := range all {
		invariants = append(invariants, p.Book())
	}
	return invariants
}

// Reindexer makes the stores that outlive the process anew from the truth.
type Reindexer struct {
	projectors projectors
	leases     *leases.Leases
	log        *slog.Logger
}

func newReindexer(all projectors, l *leases.Leases, log *slog.Logger) *Reindexer {
	return &Reindexer{projectors: all, leases: l, log: log}
}

// Stores are the names of those that there are.
func (r *Reindexer) Stores() []string { return r.projectors.stores() }

// Reindex makes a store anew, under traffic: readers see the old one until the new one is whole. Where shops run, one of them does the work;
// this process takes part, so that it is done where none does. progress hears how many products are in. What was broken off is gone on with.
func (r *Reindexer) Reindex(ctx context.Context, store string, progress func(products int64)) error {
	n := slices.Index(r.Stores(), store)
	if n < 0 {
		return fmt.Errorf("there is no store %q; there are: %s", store, strings.Join(r.Stores(), ", "))
	}
	p := r.projectors[n]
	runner, err := jobs.NewRunner(r.leases, nil, r.log, p.Job())
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- runner.Run(working) }()
	defer func() {
		stop()
		<-done
	}()
	return p.Reindex(ctx, progress)
}

// Migrate makes the keyspace in Cassandra, where there is one to be.
func Migrate(ctx context.Context, c config.Config) error {
	if len(c.CassandraHosts) == 0 || !c.Hosts(name) {
		return nil
	}
	_, err := CassandraVersion(ctx, c)
	return err
}

// CassandraVersion says which Cassandra the shop is set to.
func CassandraVersion(ctx context.Context, c config.Config) (string, error) {
	s, err := cassandra.New(cassandra.Config{
		Hosts: c.CassandraHosts, Keyspace: c.CassandraKeyspace, Datacenter: c.CassandraDatacenter, Migrate: c.Migrate,
	})
	if err != nil {
		return "", err
	}
	defer s.Close()
	return s.Version(ctx)
}

// ElasticsearchVersion says which Elasticsearch the shop is set to.
func ElasticsearchVersion(ctx context.Context, c config.Config) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.ElasticsearchURL, nil)
	if err != nil {
		return "", fmt.Errorf("read the address of Elasticsearch: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("reach Elasticsearch: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil || answer.Version.Number == "" {
		return "", fmt.Errorf("ask Elasticsearch: it answered %s, and no version", response.Status)
	}
	return "Elasticsearch " + answer.Version.Number, nil
}
