package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/platform/auth"
)

// catalogues are a small one and a large one, with the stores that both are read from.
type catalogues struct {
	Small         int      `default:"1000" help:"Products of the small catalogue."`
	Large         int      `default:"1000000" help:"Products of the large one."`
	Lines         int      `default:"200000" help:"Lines that are imported, and a tenth of them before that."`
	Cassandra     []string `env:"SHOP_TEST_CASSANDRA_HOSTS" help:"Hosts of Cassandra."`
	Elasticsearch string   `env:"SHOP_TEST_ELASTICSEARCH_URL" help:"URL of an Elasticsearch that is reached without TLS."`
}

var errNoStores = errors.New("catalogues are measured in Cassandra and Elasticsearch: name them with --cassandra and --elasticsearch")

func (s catalogues) there() bool { return len(s.Cassandra) > 0 && s.Elasticsearch != "" }

// measure fills both, and compares what they are read at.
func (s catalogues) measure(ctx context.Context, w *world, r *report) error {
	return s.with(ctx, w, s.Small, func(small *catalogue) error {
		return s.with(ctx, w, s.Large, func(large *catalogue) error {
			if err := s.fill(ctx, r, small, large); err != nil {
				return err
			}
			for _, p := range []func(context.Context, *report, *catalogue, *catalogue) error{hits, misses, lists, s.bulk} {
				if err := p(ctx, r, small, large); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// catalogue is a world whose products are in a keyspace of Cassandra and behind an alias of Elasticsearch too, which bear the name of its database.
type catalogue struct {
	*world
	stores   catalogues
	products int
	manager  string // a token
}

// with lets use have a catalogue that is empty, but for the categories, and removes it whatever becomes of that.
func (s catalogues) with(ctx context.Context, beside *world, products int, use func(*catalogue) error) (err error) {
	of := beside.settings
	of.Database = beside.server
	w, err := newWorld(ctx, of)
	if err != nil {
		return err
	}
	c := &catalogue{world: w, stores: s, products: products}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := seedInto(ctx, w.url, 0); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := w.register(ctx, conn, 1); err != nil {
		return err
	}
	if c.manager, err = w.sign(w.people[0].id, auth.Manager, time.Now()); err != nil {
		return err
	}
	return use(c)
}

func (c *catalogue) String() string { return thousands(float64(c.products)) + " products" }

// place are the arguments that say where it is.
func (c *catalogue) place() []string {
	return []string{
		"--database", c.url, "--folder", c.folder, "--stores", c.name,
		"--cassandra", strings.Join(c.stores.Cassandra, ","), "--elasticsearch", c.stores.Elasticsearch,
	}
}

// start starts a shop that has this catalogue.
func (c *catalogue) start(ctx context.Context, arguments ...string) (*child, error) {
	return startChild(ctx, append(append([]string{"shop", "--log", c.log()}, c.place()...), arguments...)...)
}

func (c *catalogue) log() string { return filepath.Join(c.folder, "catalog.log") }

// close drops what the catalogue has in all of its stores.
func (c *catalogue) close() error {
	return errors.Join(c.dropKeyspace(), c.dropIndexes(), c.world.close())
}

func (c *catalogue) dropKeyspace() error {
	cluster := gocql.NewCluster(c.stores.Cassandra...)
	cluster.Timeout, cluster.ConnectTimeout = time.Minute, patience
	session, err := cluster.CreateSession()
	if err != nil {
		return fmt.Errorf("reach Cassandra: %w", err)
	}
	defer session.Close()
	if err := session.Query(`DROP KEYSPACE IF EXISTS ` + c.name).Exec(); err != nil {
		return fmt.Errorf("drop the keyspace: %w", err)
	}
	return nil
}

func (c *catalogue) dropIndexes() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, strings.TrimRight(c.stores.Elasticsearch, "/")+"/"+c.name+"-*", nil)
	if err != nil {
		return fmt.Errorf("drop the indexes: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("drop the indexes: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("drop the indexes: Elasticsearch answered %s", answer.Status)
	}
	return nil
}

// versions says what the products are in.
func (c *catalogue) versions(ctx context.Context) (string, error) {
	of, err := place{Database: c.url, Folder: c.folder, Cassandra: c.stores.Cassandra, Elasticsearch: c.stores.Elasticsearch, Stores: c.name}.config()
	if err != nil {
		return "", err
	}
	cassandra, err := catalogfx.CassandraVersion(ctx, of)
	if err != nil {
		return "", err
	}
	elasticsearch, err := catalogfx.ElasticsearchVersion(ctx, of)
	return cassandra + ", " + elasticsearch, err
}
