package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/postgres"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// BenchmarkPlace measures ordering's own share of a placed order: the other modules are fakes that cost nothing, the database is the
// one of SHOP_TEST_DATABASE_URL, which keeps what it commits. "alone" is a transaction for each step of each order. What is worth
// comparing are the ratios of rounds that alternate: go test -run - -bench Place -benchtime 5s -count 3.
func BenchmarkPlace(b *testing.B) {
	for _, flights := range []struct {
		name   string
		limits batch.Limits
	}{{"shared", batch.Limits{}}, {"alone", batch.Limits{Shards: 12, MaxBatch: 1}}} {
		for _, products := range []struct {
			name string
			n    int
		}{{"hot", 1}, {"spread", 10_000}} {
			for _, callers := range []int{64, 256} {
				b.Run(fmt.Sprintf("%s/%s/%d", flights.name, products.name, callers), func(b *testing.B) {
					benchmarkPlace(b, flights.limits, products.n, callers)
				})
			}
		}
	}
}

func benchmarkPlace(b *testing.B, limits batch.Limits, products, callers int) {
	pool := durable(b)
	cat, pay := newCatalog(clock.System), newPayments(clock.System)
	service, err := app.NewService(app.Parts{
		Pool: pool, Outbox: outbox.New("ordering", clock.System), Audit: audit.New("ordering", clock.System), Clock: clock.System,
		Log: slog.New(slog.DiscardHandler), Products: cat, Stock: cat, Drops: cat, Payments: pay, Accounts: &fakeAccounts{has: newPoints()},
		Points: newPoints(), Coupons: newDiscounts(),
		Carts: postgres.NewCarts(pool, clock.System), Config: app.Defaults(), Flights: limits,
	})
	require.NoError(b, err)
	b.Cleanup(service.Close)
	s := &shop{catalog: cat}
	ids := make([]uuid.UUID, products)
	for i := range ids {
		ids[i] = cat.sell(fmt.Sprintf("상품 %d", i), 29_000, 1<<40)
	}
	var next atomic.Int64
	b.SetParallelism(callers / 2) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			in := s.input(uuid.New(), "k", ids[next.Add(1)%int64(len(ids))])
			if _, err := service.Place(b.Context(), in); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// durable is an empty database of ordering's on a server that loses nothing in a power cut.
func durable(b *testing.B) *pgxpool.Pool {
	b.Helper()
	server := stacktest.Address(b, "SHOP_TEST_DATABASE_URL")
	name := "ordering_bench_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec := func(ctx context.Context, sql string) {
		conn, err := pgx.Connect(ctx, server)
		require.NoError(b, err)
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, sql)
		require.NoError(b, err)
	}
	exec(b.Context(), `CREATE DATABASE `+name)
	u, err := url.Parse(server)
	require.NoError(b, err)
	u.Path = "/" + name
	require.NoError(b, pg.Migrate(b.Context(), u.String(), "ordering"))
	pool, err := pg.Open(b.Context(), pg.Config{URL: u.String(), Name: "ordering"})
	require.NoError(b, err)
	b.Cleanup(func() {
		pool.Close()
		exec(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`)
	})
	return pool
}
