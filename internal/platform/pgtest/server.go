package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/embedded"
	"github.com/sasapick/shop/internal/platform/pg"
)

// template is the shop's own database, which the server makes and which nobody else enters.
const template = "shop"

// settings trade what tests don't need, which is to survive a power cut, for speed.
var settings = map[string]string{
	"fsync":              "off",
	"synchronous_commit": "on", // the meaning of a commit stays
	"full_page_writes":   "off",
	"max_connections":    "300",
	"autovacuum":         "off",
	"wal_level":          "minimal",
	"max_wal_senders":    "0",
}

// server is the one PostgreSQL of a test process.
type server struct {
	postgres *embedded.Postgres
	folder   string
	release  func()           // of the folder's remover
	admin    *pgxpool.Pool    // of the superuser, in no test's database
	broken   map[string]error // schemas whose migrations fail: only tests that need them do
	cloning  sync.Mutex       // a template can be copied by one session at a time
}

var (
	starting sync.Mutex
	running  *server
	failed   error
)

func theServer(t testing.TB) *server {
	t.Helper()
	starting.Lock()
	defer starting.Unlock()
	if running == nil && failed == nil {
		ctx, cancel := background()
		defer cancel()
		running, failed = start(ctx)
	}
	if failed != nil {
		t.Fatalf("start PostgreSQL for the tests: %v", failed)
	}
	return running
}

// Stop ends the server of this test process, if there is one. A later New starts another.
func Stop() {
	starting.Lock()
	defer starting.Unlock()
	if running == nil {
		return
	}
	ctx, cancel := background()
	defer cancel()
	running.stop(ctx)
	running = nil
}

func start(ctx context.Context) (_ *server, err error) {
	s := &server{broken: map[string]error{}}
	if s.folder, err = os.MkdirTemp(parentFolder(), "sasapick-pgtest-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.stop(ctx)
		}
	}()
	if err := os.Chmod(s.folder, 0o711); err != nil { // as root, the server runs as another user
		return nil, err
	}
	if s.release, err = removeAtExit(s.folder); err != nil {
		return nil, err
	}
	kept := templateFolder()
	if kept != "" && isThere(kept) {
		if err := embedded.CopyCluster(kept, s.data()); err == nil {
			if err := s.open(ctx); err == nil {
				return s, nil
			}
		}
		// It was removed meanwhile, or it is another version's.
		if err := errors.Join(os.RemoveAll(s.data()), os.RemoveAll(kept)); err != nil {
			return nil, err
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.makeTemplate(ctx); err != nil {
		return nil, err
	}
	if kept == "" || len(s.broken) > 0 {
		return s, nil
	}
	s.admin.Close()
	if err := s.postgres.Stop(ctx); err != nil {
		return nil, err
	}
	if err := keepTemplate(s.data(), kept); err != nil {
		return nil, err
	}
	return s, s.open(ctx)
}

func (s *server) data() string { return filepath.Join(s.folder, "data") }

// open starts the server and connects to it.
func (s *server) open(ctx context.Context) (err error) {
	s.postgres, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: s.data(), Settings: settings})
	if err != nil {
		return err
	}
	s.admin, err = pgxpool.New(ctx, withDatabase(s.postgres.URL(), "postgres"))
	return err
}

func (s *server) stop(ctx context.Context) {
	if s.admin != nil {
		s.admin.Close()
	}
	if s.postgres != nil {
		_ = s.postgres.Stop(ctx)
	}
	if s.release != nil {
		s.release()
	}
	os.RemoveAll(s.folder)
}

// makeTemplate migrates one database and makes the roles.
func (s *server) makeTemplate(ctx context.Context) error {
	address := withDatabase(s.postgres.URL(), template)
	for _, schema := range pg.Schemas() {
		if err := pg.Migrate(ctx, address, schema); err != nil {
			s.broken[schema] = err
		}
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("enter the template: %w", err)
	}
	defer conn.Close(ctx)
	for _, schema := range pg.Schemas() {
		if s.broken[schema] != nil {
			continue
		}
		if _, err := conn.Exec(ctx, roleSQL(schema)); err != nil {
			return fmt.Errorf("make the role of %s: %w", schema, err)
		}
	}
	return nil
}

// roleSQL makes a module's role. Roles belong to the cluster, so the shop's own migrations make none.
func roleSQL(module string) string {
	role := pgx.Identifier{"shop_" + module}.Sanitize()
	sql := strings.Builder{}
	fmt.Fprintf(&sql, "CREATE ROLE %s LOGIN;", role)
	for _, name := range slices.Compact([]string{module, pg.Platform}) {
		schema := pgx.Identifier{name}.Sanitize()
		fmt.Fprintf(&sql, "GRANT USAGE ON SCHEMA %s TO %s;", schema, role)
		for _, kind := range []string{"TABLES", "SEQUENCES", "FUNCTIONS"} {
			fmt.Fprintf(&sql, "GRANT ALL ON ALL %s IN SCHEMA %s TO %s;", kind, schema, role)
			fmt.Fprintf(&sql, "ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT ALL ON %s TO %s;", schema, kind, role)
		}
	}
	return sql.String()
}

// require fails the test if a schema that it needs could not be made.
func (s *server) require(t testing.TB, schemas ...string) {
	t.Helper()
	for _, schema := range schemas {
		if !slices.Contains(pg.Schemas(), schema) {
			t.Fatalf("schema %s has no migrations", schema)
		}
	}
	for _, broken := range slices.Sorted(maps.Keys(s.broken)) {
		if broken == pg.Platform || slices.Contains(schemas, broken) {
			t.Fatal(s.broken[broken])
		}
	}
}

// clone makes a database that is dropped when the test ends, and returns the superuser's address of it.
func (s *server) clone(t testing.TB) string {
	t.Helper()
	name := "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	strategy := "STRATEGY file_copy" // without fsync it takes half the time of writing a copy through the log
	if strings.HasPrefix(s.postgres.Version(), "14.") {
		strategy = "" // it knows no other
	}
	s.cloning.Lock()
	_, err := s.admin.Exec(t.Context(), fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s %s", name, template, strategy))
	s.cloning.Unlock()
	if err != nil {
		t.Fatalf("make the test's database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := background()
		defer cancel()
		if _, err := s.admin.Exec(ctx, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return withDatabase(s.postgres.URL(), name)
}
