// Package pgtest gives each test a fresh database of a real PostgreSQL.
//
// The first call in a test process starts a server of its own, with fsync off, through the same code that gives the shop
// its database; every database is a clone of one template that all migrations were applied to. The server ends with the
// test process, however that ends, and its folder is removed.
package pgtest

import (
	"context"
	"flag"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/pg"
)

// New gives the test a fresh database and connects as the role of one module, which may use the module's own schema and the
// platform's and nothing else: SQL that touches another module's schema fails with "permission denied for schema".
func New(t testing.TB, module string) *pgxpool.Pool {
	t.Helper()
	s := theServer(t)
	s.require(t, module)
	pool, err := pg.Open(t.Context(), pg.Config{URL: withUser(t, s.clone(t), "shop_"+module), Name: module})
	if err != nil {
		t.Fatalf("open the test's database: %v", err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

// URL gives the test a fresh database with every module's schema, and returns the superuser's address of it.
func URL(t testing.TB) string {
	t.Helper()
	s := theServer(t)
	s.require(t, pg.Schemas()...)
	return s.clone(t)
}

// Main runs the tests and stops the server. Use it where goroutines are counted; otherwise the server ends with the
// process. Under the race detector, which makes each several times as slow, random tests are run 40 times instead of 100; -rapid.checks
// says otherwise.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
func Main(m *testing.M) {
	if checks := flag.Lookup("rapid.checks"); checks != nil && underRace {
		_ = checks.Value.Set("40") // before the command line is read
	}
	code := m.Run()
	Stop()
	os.Exit(code)
}

// closePool fails the test when it did not give every connection back, instead of waiting for ever.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() { pool.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("%d connections were not given back to the pool", pool.Stat().AcquiredConns())
	}
}

func withUser(t testing.TB, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("read the test database's address: %v", err)
	}
	u.User = url.User(user)
	return u.String()
}

func withDatabase(address, name string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err) // it is the server's own
	}
	u.Path = "/" + name
	return u.String()
}

// background bounds work that must not end with a test's context.
func background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
