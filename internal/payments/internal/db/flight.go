package db

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// OpenAll opens many payments in one round trip and one implicit transaction, and returns them as they are then, whoever opened
// them. The arrays are in the order of the order's ids, so that two flights with the same orders do not block each other.
func (q *Queries) OpenAll(ctx context.Context, pool *pgxpool.Pool, customers EnsureCustomersParams, in OpenPaymentsParams) (map[uuid.UUID]PaymentsOfRow, error) {
	ids := slices.Clone(in.OrderIds)
	var b pgx.Batch
	b.Queue(ensureCustomers, customers.AccountIds, customers.CustomerKeys)
	b.Queue(openPayments, in.At, in.OrderIds, in.OrderNumbers, in.OrderNames, in.AccountIds, in.AmountsWon, in.ExpireAt)
	b.Queue(paymentsOf, ids)
	results := pool.SendBatch(ctx, &b)
	opened, err := q.readAll(ctx, results, ids)
	if closed := results.Close(); err == nil { // the commit's own error comes only here
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("open payments: %w", err)
	}
	return opened, nil
}

func (q *Queries) readAll(ctx context.Context, results pgx.BatchResults, ids []uuid.UUID) (map[uuid.UUID]PaymentsOfRow, error) {
	for range 2 {
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	rows, err := q.PaymentsOf(ctx, queued{results}, ids)
	if err != nil {
		return nil, err
	}
	opened := make(map[uuid.UUID]PaymentsOfRow, len(rows))
	for _, r := range rows {
		opened[r.PaymentsPayment.OrderID] = r
	}
	return opened, nil
}

// queued lets a generated query read the result of the statement that was queued next.
type queued struct{ pgx.BatchResults }

func (r queued) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return r.BatchResults.Exec()
}

func (r queued) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return r.BatchResults.Query()
}

func (r queued) QueryRow(context.Context, string, ...any) pgx.Row { return r.BatchResults.QueryRow() }
