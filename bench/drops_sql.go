package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/pg"
)

// reserveOne is all of a slot in one round trip. The check on the pool has the last word on who is too late.
const reserveOne = `
WITH held AS (
    INSERT INTO catalog.reservations (order_id, state, created_at, updated_at)
    SELECT $1, 'held', $3, $3
    FROM catalog.drops d JOIN catalog.pools p ON p.id = d.id
    WHERE d.id = $2 AND p.reserved < p.on_hand AND NOT d.closed AND clock_timestamp() >= d.starts_at AND clock_timestamp() < d.ends_at
    ON CONFLICT DO NOTHING
    RETURNING order_id
), taken AS (
    UPDATE catalog.pools p SET reserved = p.reserved + 1
    FROM held h WHERE p.id = $2
    RETURNING h.order_id, p.id, p.product_id
)
INSERT INTO catalog.reservation_lines (order_id, pool_id, product_id, quantity)
SELECT t.order_id, t.id, t.product_id, 1 FROM taken t`

func (slots) byStatement(ctx context.Context, pool *pgxpool.Pool, g grant) error {
	tag, err := pool.Exec(ctx, reserveOne, g.ID, g.Of, g.At)
	if err != nil && pg.Code(err) != checkViolation {
		return fmt.Errorf("reserve a slot: %w", err)
	}
	if err == nil && tag.RowsAffected() == 1 {
		return nil
	}
	var state string
	err = pool.QueryRow(ctx, `SELECT state FROM catalog.reservations WHERE order_id = $1`, g.ID).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return catalog.ErrOutOfStock
	}
	if err != nil {
		return fmt.Errorf("look up a slot: %w", err)
	}
	return nil
}

func (slots) byLock(ctx context.Context, tx pgx.Tx, g grant) error {
	var product uuid.UUID
	var onHand, left int64
	if err := tx.QueryRow(ctx, `SELECT product_id, on_hand, on_hand - reserved FROM catalog.pools WHERE id = $1`, g.Of).Scan(&product, &onHand, &left); err != nil {
		return fmt.Errorf("read what is left: %w", err)
	}
	if left <= 0 {
		return catalog.ErrOutOfStock
	}
	if _, err := tx.Exec(ctx, `UPDATE catalog.pools SET reserved = $2 WHERE id = $1`, g.Of, onHand-(left-1)); err != nil {
		return fmt.Errorf("write back what is left: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO catalog.reservations (order_id, state, created_at, updated_at) VALUES ($1, 'held', $2, $2)`, g.ID, g.At); err != nil {
		return fmt.Errorf("insert a reservation: %w", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO catalog.reservation_lines (order_id, pool_id, product_id, quantity) VALUES ($1, $2, $3, 1)`, g.ID, g.Of, product)
	if err != nil {
		return fmt.Errorf("insert its line: %w", err)
	}
	return nil
}

func (slots) queue(_ context.Context, b *pgx.Batch, grants []grant) error {
	orders := make([]uuid.UUID, len(grants))
	for i, g := range grants {
		orders[i] = g.ID
	}
	of, at := grants[0].Of, grants[0].At
	b.Queue(`INSERT INTO catalog.reservations (order_id, state, created_at, updated_at) SELECT unnest($1::uuid[]), 'held', $2, $2`, orders, at)
	b.Queue(`INSERT INTO catalog.reservation_lines (order_id, pool_id, product_id, quantity)
		SELECT o.id, p.id, p.product_id, 1 FROM catalog.pools p, unnest($2::uuid[]) AS o (id) WHERE p.id = $1`, of, orders)
	b.Queue(`UPDATE catalog.pools SET reserved = reserved + $2 WHERE id = $1`, of, len(orders))
	return nil
}
