package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/db"
)

// chunk is how many products one transaction puts in: what is in memory at a time, and lost when it is interrupted.
const chunk = 5000

// Fill fills the catalogue with the first n products of the demo shop, with their opening stock. It can be stopped and
// repeated: what is there already is left as it is, and what is missing is added. progress hears how many are there.
func Fill(ctx context.Context, pool *pgxpool.Pool, n int, progress func(done int)) error {
	if n < 0 || n > Max {
		return fmt.Errorf("seed between 0 and %d products, not %d", Max, n)
	}
	sql := db.New()
	if err := fillCategories(ctx, pool, sql); err != nil {
		return err
	}
	for first := 0; first < n; first += chunk {
		after := min(first+chunk, n)
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return fillProducts(ctx, tx, sql, first, after) })
		if err != nil {
			return fmt.Errorf("seed products %d to %d: %w", first, after-1, err)
		}
		if progress != nil {
			progress(after)
		}
	}
	return nil
}

func fillCategories(ctx context.Context, pool *pgxpool.Pool, sql *db.Queries) error {
	var arg db.SeedCategoriesParams
	for _, c := range Categories() {
		arg.At = c.CreatedAt
		arg.Ids, arg.ParentIds = append(arg.Ids, c.ID), append(arg.ParentIds, c.ParentID)
		arg.Slugs, arg.Names, arg.NamesEn = append(arg.Slugs, c.Slug), append(arg.Names, c.Name), append(arg.NamesEn, c.NameEn)
		arg.Positions = append(arg.Positions, c.Position)
	}
	if _, err := sql.SeedCategories(ctx, pool, arg); err != nil {
		return fmt.Errorf("seed categories: %w", err)
	}
	return nil
}

func fillProducts(ctx context.Context, tx pgx.Tx, sql *db.Queries, first, after int) error {
	if err := sql.LockSeed(ctx, tx); err != nil {
		return fmt.Errorf("wait for another seeding: %w", err)
	}
	there, err := sql.SeededBetween(ctx, tx, db.SeededBetweenParams{FirstID: IDOf(first), LastID: IDOf(after - 1)})
	if err != nil {
		return fmt.Errorf("look for products: %w", err)
	}
	known := make(map[uuid.UUID]bool, len(there))
	for _, id := range there {
		known[id] = true
	}
	products := make([]Product, 0, after-first-len(known))
	for n := first; n < after; n++ {
		if !known[IDOf(n)] {
			products = append(products, ProductOf(n))
		}
	}
	if len(products) == 0 {
		return nil
	}
	copyIn := func(table string, columns []string, row func(Product) []any) error {
		source := pgx.CopyFromSlice(len(products), func(i int) ([]any, error) { return row(products[i]), nil })
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"catalog", table}, columns, source)
		return err
	}
	err = copyIn("products", []string{
		"id", "category_id", "name", "name_en", "brand", "color", "size", "list_price_won", "price_won", "description", "tags",
		"limit_per_customer", "state", "sales_count", "opening_sales", "created_at", "updated_at", "published_at",
	}, func(p Product) []any {
		return []any{
			p.ID, p.CategoryID, p.Name, p.NameEn, p.Brand, p.Color, p.Size, p.ListPriceWon, p.PriceWon, p.Description, p.Tags,
			p.LimitPerCustomer, app.StatePublished, p.SalesCount, p.SalesCount, p.CreatedAt, p.CreatedAt, p.CreatedAt,
		}
	})
	if err != nil {
		return fmt.Errorf("copy products: %w", err)
	}
	err = copyIn("pools", []string{"id", "product_id", "on_hand", "low_at"}, func(p Product) []any {
		return []any{p.ID, p.ID, p.Stock, app.LowAt(p.Stock)}
	})
	if err != nil {
		return fmt.Errorf("copy pools: %w", err)
	}
	return copyMovements(ctx, tx, products)
}

// copyMovements writes the opening stock into the ledger; what opens sold out has nothing to write.
func copyMovements(ctx context.Context, tx pgx.Tx, products []Product) error {
	stocked := make([]Product, 0, len(products))
	for _, p := range products {
		if p.Stock > 0 {
			stocked = append(stocked, p)
		}
	}
	columns := []string{"id", "pool_id", "kind", "quantity", "reason", "at"}
	source := pgx.CopyFromSlice(len(stocked), func(i int) ([]any, error) {
		p := stocked[i]
		return []any{p.MovementID, p.ID, app.KindReceive, p.Stock, "opening stock", p.CreatedAt.Truncate(time.Millisecond)}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"catalog", "stock_movements"}, columns, source); err != nil {
		return fmt.Errorf("copy movements: %w", err)
	}
	return nil
}
