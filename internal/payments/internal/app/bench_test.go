package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// BenchmarkOpen measures what payments does for an order that is placed, on the database of SHOP_TEST_DATABASE_URL, which keeps what it
// commits. What is worth comparing are the ratios of rounds that alternate: go test -run - -bench Open -benchtime 5s -count 3.
func BenchmarkOpen(b *testing.B) {
	accounts := make([]uuid.UUID, 50_000)
	for i := range accounts {
		accounts[i] = uuid.New()
	}
	for _, callers := range []int{64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			pool := durable(b)
			service, err := app.NewService(app.Parts{
				Pool: pool, Outbox: outbox.New("payments", clock.System), Audit: audit.New("payments", clock.System), Clock: clock.System,
				Logger: slog.New(slog.DiscardHandler),
			})
			require.NoError(b, err)
			b.Cleanup(service.Shutdown)
			b.SetParallelism(callers / 2) // times GOMAXPROCS
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					id := uuid.Must(uuid.NewV7())
					_, err := service.Open(b.Context(), payments.OpenInput{
						OrderID: id, OrderNumber: "20260102-" + id.String()[19:], OrderName: "운동화 외 1건", AccountID: accounts[(int(id[14])<<8|int(id[15]))%len(accounts)],
						AmountWon: price, ExpiresAt: time.Now().Add(15 * time.Minute),
					})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "opened/s")
		})
	}
}

// durable is an empty database of the module's on a server that loses nothing in a power cut.
func durable(b *testing.B) *pgxpool.Pool {
	b.Helper()
	server := stacktest.Address(b, "SHOP_TEST_DATABASE_URL")
	name := "payments_bench_" + strings.ReplaceAll(uuid.NewString(), "-", "")
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
	require.NoError(b, pg.Migrate(b.Context(), u.String(), "payments"))
	pool, err := pg.Open(b.Context(), pg.Config{URL: u.String(), Name: "payments"})
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	return pool
}
