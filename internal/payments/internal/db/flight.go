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

// readPayments is paymentsOf, a row at a time. Left to itself the planner, which met the tables young, would read all of them for a few
// rows, flight by flight, until somebody analyzes them.
const readPayments = `
SELECT p.*, coalesce(c.customer_key, '')
FROM unnest($1::uuid[]) AS i (id)
CROSS JOIN LATERAL (SELECT * FROM payments.payments WHERE order_id = i.id OFFSET 0) p
LEFT JOIN LATERAL (SELECT customer_key FROM payments.customers WHERE account_id = p.account_id OFFSET 0) c ON true`

// OpenAll opens many payments in one round trip and one implicit transaction, and returns them as they are then, whoever opened
// them. The arrays are in the order of the order's ids, so that two flights with the same orders do not block each other.
func (q *Queries) OpenAll(ctx context.Context, pool *pgxpool.Pool, customers EnsureCustomersParams, in OpenPaymentsParams) (map[uuid.UUID]PaymentsOfRow, error) {
	ids := slices.Clone(in.OrderIds)
	var b pgx.Batch
	b.Queue(ensureCustomers, customers.AccountIds, customers.CustomerKeys)
	b.Queue(openPayments, in.At, in.OrderIds, in.OrderNumbers, in.OrderNames, in.AccountIds, in.AmountsWon, in.ExpireAt, in.NoDeposits)
	b.Queue(readPayments, ids)
	opened, err := q.fly(ctx, pool, &b, ids)
	if err != nil {
		return nil, fmt.Errorf("open payments: %w", err)
	}
	return opened, nil
}

// CloseAll closes many payments in one round trip and one implicit transaction, and returns them as they are then, each read after its
// lock was waited for. The ids are sorted, and none comes twice.
func (q *Queries) CloseAll(ctx context.Context, pool *pgxpool.Pool, in ClosePaymentsParams) (map[uuid.UUID]PaymentsOfRow, error) {
	var b pgx.Batch
	b.Queue(closePayments, in.At, in.OrderIds)
	b.Queue(readPayments, in.OrderIds)
	closed, err := q.fly(ctx, pool, &b, in.OrderIds)
	if err != nil {
		return nil, fmt.Errorf("close payments: %w", err)
	}
	return closed, nil
}

// fly sends the batch, whose last statement reads the payments.
func (q *Queries) fly(ctx context.Context, pool *pgxpool.Pool, b *pgx.Batch, ids []uuid.UUID) (map[uuid.UUID]PaymentsOfRow, error) {
	results := pool.SendBatch(ctx, b)
	found, err := q.readAll(ctx, results, b.Len()-1, ids)
	if closed := results.Close(); err == nil { // the commit's own error comes only here
		err = closed
	}
	return found, err
}

func (q *Queries) readAll(ctx context.Context, results pgx.BatchResults, before int, ids []uuid.UUID) (map[uuid.UUID]PaymentsOfRow, error) {
	for range before {
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
