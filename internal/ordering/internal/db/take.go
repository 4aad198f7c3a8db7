package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	removeCartLines = `
DELETE FROM ordering.cart_lines l
USING unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS b (account_id, product_id, quantity)
WHERE l.account_id = b.account_id AND l.product_id = b.product_id AND l.quantity <= b.quantity`

	lowerCartLines = `
UPDATE ordering.cart_lines l SET quantity = l.quantity - b.quantity
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS b (account_id, product_id, quantity)
WHERE l.account_id = b.account_id AND l.product_id = b.product_id AND l.quantity > b.quantity`
)

// TakeFromCarts lowers the lines by the quantities, and removes those of which nothing is left. Each line is named once, and the
// carts are locked.
func TakeFromCarts(ctx context.Context, tx pgx.Tx, accounts, products []uuid.UUID, quantities []int64) error {
	b := &pgx.Batch{}
	b.Queue(removeCartLines, accounts, products, quantities)
	b.Queue(lowerCartLines, accounts, products, quantities)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("take from carts: %w", err)
	}
	return nil
}
