package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/bench/benchfx"
	"github.com/sasapick/shop/internal/catalog"
)

// measureDrops compares the shop with other ways of selling a limited number of pieces first come first served.
func measureDrops(ctx context.Context, w *world, r *report) error {
	if _, err := w.givenInProcess(ctx, r, slots{}, bars{statement: 10}); err != nil {
		return err
	}
	if err := w.dropOverHTTP(ctx, r); err != nil {
		return err
	}
	return w.dropGone(ctx, r)
}

// slots are of the pieces of a drop, each an order's. All drops are of the first of the products.
type slots struct{}

func (slots) words() words {
	return words{id: "drops", title: "Slots of one drop", one: "slot", what: "slot", of: "drop"}
}

var errNoProduct = errors.New("there is no product")

const firstProduct = `SELECT id FROM catalog.products ORDER BY id LIMIT 1`

// announce makes the pre-order, too, with room for people who come more than once. The pieces come in and are set apart at the same
// moment, so that the product has what it had.
func (slots) announce(ctx context.Context, conn *pgxpool.Conn, quantity int64) (uuid.UUID, error) {
	id := uuid.Must(uuid.NewV7())
	tag, err := conn.Exec(ctx, `
WITH product AS (`+firstProduct+`), pool AS (
    INSERT INTO catalog.pools (id, product_id, drop_id, on_hand) SELECT $1, p.id, $1, $2 FROM product p
), made AS (
    INSERT INTO catalog.drops (id, product_id, quantity, starts_at, ends_at, revision)
    SELECT $1, p.id, $2, now() - interval '1 day', now() + interval '1 day', 1 FROM product p
), moved AS (
    INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, drop_id, at)
    SELECT gen_random_uuid(), m.pool_id, m.kind, m.quantity, m.drop_id, now()
    FROM product p, LATERAL (VALUES (p.id, 'receive', $2, NULL), (p.id, 'set_aside', -$2, $1), ($1, 'set_aside', $2, $1)) AS m (pool_id, kind, quantity, drop_id)
)
INSERT INTO ordering.preorders (id, version, product_id, title, per_customer, releases_at, state, created_at, updated_at)
SELECT $1, 1, p.id, 'Measured', 999, now() + interval '30 days', 'ready', now(), now() FROM product p`, id, quantity)
	if err == nil && tag.RowsAffected() == 0 {
		err = errNoProduct
	}
	if err != nil {
		return id, fmt.Errorf("make a drop: %w", err)
	}
	return id, nil
}

// clear takes the orders away with what they hold: unpaid, they would end five minutes later, while others are measured.
func (slots) clear(ctx context.Context, conn *pgxpool.Conn) error {
	for _, statement := range []string{
		`TRUNCATE catalog.reservations, catalog.reservation_lines, catalog.settlements`,
		`TRUNCATE ordering.orders, ordering.purchase_quotas, payments.payments CASCADE`,
		`UPDATE catalog.pools SET reserved = 0 WHERE reserved > 0`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("empty the reservations: %w", err)
		}
	}
	return nil
}

// count takes the pieces that are held: an order has one.
func (slots) count(ctx context.Context, conn *pgxpool.Conn, of uuid.UUID) (t tally, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(l.quantity), 0)::bigint, count(*), (SELECT reserved FROM catalog.pools WHERE id = $1)
		FROM catalog.reservation_lines l JOIN catalog.reservations r ON r.order_id = l.order_id AND r.state = 'held'
		WHERE l.pool_id = $1`, of).Scan(&t.rows, &t.holders, &t.counted)
	if err != nil {
		return t, fmt.Errorf("count the slots: %w", err)
	}
	return t, nil
}

func (slots) atShop(ctx context.Context, w *world, shop *benchfx.Shop) (func(context.Context, grant) error, error) {
	var product uuid.UUID
	err := w.onDatabase(ctx, func(conn *pgxpool.Conn) error { return conn.QueryRow(ctx, firstProduct).Scan((*[16]byte)(&product)) })
	if err != nil {
		return nil, fmt.Errorf("find the product: %w", err)
	}
	return func(ctx context.Context, g grant) error {
		_, err := shop.Stock.Reserve(ctx, catalog.ReserveInput{OrderID: g.ID, DropID: g.Of, Lines: []catalog.Line{{ProductID: product, Quantity: 1}}})
		return err
	}, nil
}
