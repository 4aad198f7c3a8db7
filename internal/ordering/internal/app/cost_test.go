package app_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// trips counts round trips to the database, and statements.
type trips struct{ trips, statements atomic.Int64 }

func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.trips.Add(1)
	c.statements.Add(1)
	return ctx
}

func (c *trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	c.trips.Add(1)
	c.statements.Add(int64(d.Batch.Len()))
	return ctx
}

func (c *trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// medusa#2465: a cart of nine items costs nine times one of one. Here an order costs two round trips to insert, two to finish and one
// look at its cart, with however many lines; and those are shared by all who order at the same time.
func TestPlaceCostsTheSameForAnyNumberOfLines(t *testing.T) {
	t.Parallel()

	cost := &trips{}
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "ordering", Tracer: cost})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s := setupOn(t, pool)
	products := make([]uuid.UUID, 50)
	for i := range products {
		products[i] = s.catalog.sell("상품", 20_000, 1000)
	}
	var statements int64
	for _, n := range []int{1, 2, 10, 50} {
		cost.trips.Store(0)
		cost.statements.Store(0)
		s.place(t, uuid.New(), products[:n]...)
		require.EqualValues(t, 5, cost.trips.Load(), "%d lines", n)
		if statements == 0 {
			statements = cost.statements.Load()
		}
		require.Equal(t, statements, cost.statements.Load(), "%d lines", n)
	}
}
