package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// BenchmarkReserve measures what the catalog does for an order: Offers, Check and Reserve, on the database of
// SHOP_TEST_DATABASE_URL, which keeps what it commits. "alone" is a transaction for each request. What is worth comparing are the
// ratios of rounds that alternate: go test -run - -bench Reserve -benchtime 5s -count 3.
func BenchmarkReserve(b *testing.B) { benchmark(b, (*bench).reserve) }

// BenchmarkOffers measures how many baskets can be priced.
func BenchmarkOffers(b *testing.B) { benchmark(b, (*bench).offers) }

// BenchmarkOrder measures all that the catalog does before an order waits to be paid.
func BenchmarkOrder(b *testing.B) {
	benchmark(b, func(s *bench, ctx context.Context, product uuid.UUID) error {
		if err := s.offers(ctx, product); err != nil {
			return err
		}
		return s.reserve(ctx, product)
	})
}

type bench struct{ *app.Service }

func (s *bench) reserve(ctx context.Context, product uuid.UUID) error {
	_, err := s.Reserve(ctx, catalog.ReserveInput{OrderID: orderID(), Lines: []catalog.Line{{ProductID: product, Quantity: 1}}})
	return err
}

func (s *bench) offers(ctx context.Context, product uuid.UUID) error {
	_, err := s.Offers(ctx, catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
	return err
}

func benchmark(b *testing.B, do func(s *bench, ctx context.Context, product uuid.UUID) error) {
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
					pool := durable(b)
					service, err := app.NewService(app.Parts{
						Pool: pool, Outbox: outbox.New("catalog", clock.System), Audit: audit.New("catalog", clock.System), Clock: clock.System,
						Log: slog.New(slog.DiscardHandler), Trees: memory.NewTrees(clock.System, time.Second), Flights: flights.limits,
					})
					require.NoError(b, err)
					s := &bench{service}
					b.Cleanup(s.Close)
					ids := stocked(b, pool, products.n)
					var next atomic.Int64
					b.SetParallelism(callers / 2) // times GOMAXPROCS
					b.ResetTimer()
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							if err := do(s, b.Context(), ids[next.Add(1)%int64(len(ids))]); err != nil {
								b.Error(err)
								return
							}
						}
					})
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
				})
			}
		}
	}
}

// stocked puts up n products of which there is more than anybody orders.
func stocked(b *testing.B, pool *pgxpool.Pool, n int) []uuid.UUID {
	b.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
	}
	_, err := pool.Exec(b.Context(), `
		WITH category AS (
			INSERT INTO catalog.categories (id, slug, name, name_en, created_at, updated_at)
			VALUES (gen_random_uuid(), 'goods', '상품', 'Goods', now(), now()) RETURNING id
		), product AS (
			INSERT INTO catalog.products (id, category_id, name, brand, list_price_won, price_won, state, created_at, updated_at)
			SELECT p.id, c.id, '상품', '나이키', 29000, 29000, 'published', now(), now() FROM unnest($1::uuid[]) AS p (id), category c
			RETURNING id
		), pool AS (
			INSERT INTO catalog.pools (id, product_id, on_hand) SELECT id, id, 1::bigint << 40 FROM product
			RETURNING id
		)
		INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, at)
		SELECT gen_random_uuid(), id, 'receive', 1::bigint << 40, now() FROM pool`, ids)
	require.NoError(b, err)
	_, err = pool.Exec(b.Context(), `ANALYZE catalog.products, catalog.pools`)
	require.NoError(b, err)
	return ids
}

// durable is an empty database of the catalog's on a server that loses nothing in a power cut.
func durable(b *testing.B) *pgxpool.Pool {
	b.Helper()
	server := stacktest.Address(b, "SHOP_TEST_DATABASE_URL")
	name := "catalog_bench_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec := func(ctx context.Context, sql string) {
		conn, err := pgx.Connect(ctx, server)
		require.NoError(b, err)
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, sql)
		require.NoError(b, err)
	}
	exec(b.Context(), `CREATE DATABASE `+name+` TEMPLATE template0`)
	b.Cleanup(func() { exec(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`) })
	u, err := url.Parse(server)
	require.NoError(b, err)
	u.Path = "/" + name
	require.NoError(b, pg.Migrate(b.Context(), u.String(), "catalog"))
	pool, err := pg.Open(b.Context(), pg.Config{URL: u.String(), Name: "catalog"})
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	return pool
}
