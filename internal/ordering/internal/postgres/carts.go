// Package postgres keeps carts in the module's own schema: the shop's default, where there is no Redis.
package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/clock"
)

// Carts is app.Carts on PostgreSQL. A cart's header row is its lock.
type Carts struct {
	pool  *pgxpool.Pool
	sql   *db.Queries
	clock clock.Clock
}

var _ app.Carts = (*Carts)(nil)

// NewCarts returns the carts of the module's schema.
func NewCarts(pool *pgxpool.Pool, c clock.Clock) *Carts {
	return &Carts{pool: pool, sql: db.New(), clock: c}
}

// Lines implements app.Carts.
func (c *Carts) Lines(ctx context.Context, account uuid.UUID) ([]app.CartLine, error) {
	rows, err := c.sql.CartLinesOf(ctx, c.pool, db.CartLinesOfParams{AccountID: account, Now: c.clock()})
	if err != nil {
		return nil, err
	}
	lines := make([]app.CartLine, len(rows))
	for i, r := range rows {
		lines[i] = app.CartLine{ProductID: r.ProductID, Quantity: r.Quantity, SeenPriceWon: r.SeenPriceWon, AddedAt: r.AddedAt.UTC()}
	}
	return lines, nil
}

// Put implements app.Carts.
func (c *Carts) Put(ctx context.Context, account uuid.UUID, line app.CartLine) error {
	return c.change(ctx, account, func(tx pgx.Tx) error {
		others, err := c.sql.CountOtherCartLines(ctx, tx, db.CountOtherCartLinesParams{AccountID: account, ProductID: line.ProductID})
		if err != nil {
			return fmt.Errorf("count lines: %w", err)
		}
		if others >= app.MaxCartProducts {
			return ordering.ErrCartFull
		}
		return c.sql.PutCartLine(ctx, tx, db.PutCartLineParams{
			AccountID: account, ProductID: line.ProductID, Quantity: line.Quantity, SeenPriceWon: line.SeenPriceWon, AddedAt: line.AddedAt,
		})
	})
}

// Remove implements app.Carts.
func (c *Carts) Remove(ctx context.Context, account, product uuid.UUID) error {
	return c.change(ctx, account, func(tx pgx.Tx) error {
		return c.sql.RemoveCartLine(ctx, tx, db.RemoveCartLineParams{AccountID: account, ProductID: product})
	})
}

// Take implements app.Carts. Most orders come without a cart: all of them together cost one look.
func (c *Carts) Take(ctx context.Context, bought []app.Bought) error {
	accounts := make([]uuid.UUID, len(bought))
	for i, b := range bought {
		accounts[i] = b.AccountID
	}
	filled, err := c.sql.AccountsWithCarts(ctx, c.pool, accounts)
	if err != nil || len(filled) == 0 {
		return err
	}
	now := c.clock()
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		live, err := c.sql.LockCarts(ctx, tx, db.LockCartsParams{AccountIds: filled, Now: now})
		if err != nil || len(live) == 0 {
			return err
		}
		var owners, products []uuid.UUID
		var quantities []int64
		for _, b := range bought {
			if slices.Contains(live, b.AccountID) {
				owners, products, quantities = append(owners, b.AccountID), append(products, b.ProductID), append(quantities, b.Quantity)
			}
		}
		if err := db.TakeFromCarts(ctx, tx, owners, products, quantities); err != nil {
			return err
		}
		return c.sql.KeepCarts(ctx, tx, db.KeepCartsParams{AccountIds: live, ExpiresAt: now.Add(app.CartTTL)})
	})
}

// Clear implements app.Carts.
func (c *Carts) Clear(ctx context.Context, account uuid.UUID) error {
	return c.sql.ClearCart(ctx, c.pool, account)
}

// RemoveExpired implements app.Carts.
func (c *Carts) RemoveExpired(ctx context.Context, n int) (int, error) {
	removed, err := c.sql.RemoveExpiredCarts(ctx, c.pool, db.RemoveExpiredCartsParams{Now: c.clock(), AtMost: int32(n)})
	return int(removed), err
}

// change runs fn while the cart is locked and lives. What has expired is gone first.
func (c *Carts) change(ctx context.Context, account uuid.UUID, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		now := c.clock()
		if err := c.sql.RemoveExpiredCart(ctx, tx, db.RemoveExpiredCartParams{AccountID: account, Now: now}); err != nil {
			return fmt.Errorf("remove expired cart: %w", err)
		}
		if err := c.sql.KeepCart(ctx, tx, db.KeepCartParams{AccountID: account, ExpiresAt: now.Add(app.CartTTL)}); err != nil {
			return fmt.Errorf("lock cart: %w", err)
		}
		return fn(tx)
	})
}
