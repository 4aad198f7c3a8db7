package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// buckets is what the queries divide pools and products into.
const buckets = 64

// prints is the checkpoint of what is compared with the whole ledger: sums, up to a movement.
//
// A sum for each pool would be the plain thing, but a million of them are no checkpoint. So each bucket of pools has one sum, in
// which a pool's number counts a 64-bit multiple of its own. What is on hand, less what moved since, must still give it. Where it
// does not, the bucket's pools are compared with their whole ledgers one by one: so a movement that came late, or that a later
// seeding put behind the checkpoint, costs one slower look and is no mismatch.
type prints struct {
	Until string          `json:"until"`
	Sums  [buckets]string `json:"sums"` // "": 0
}

// checkLedger compares sums as they are now, and looks closer at the buckets where they differ from the checkpoint's.
func (s *Service) checkLedger(
	ctx context.Context, from string,
	sums func(tx pgx.Tx, since, through uuid.UUID) ([]db.StockPrintsRow, error),
	closer func(tx pgx.Tx, buckets []int64) ([]books.Mismatch, error),
) (found books.Finding, err error) {
	var before, after prints
	if from != "" {
		if err := json.Unmarshal([]byte(from), &before); err != nil {
			return found, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	since, through, err := books.Span(before.Until, time.Time{})
	if err != nil {
		return found, err
	}
	after.Until = through.String()
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := sums(tx, since, through)
		if err != nil {
			return fmt.Errorf("sum up the ledger: %w", err)
		}
		var now prints
		for _, r := range rows {
			found.Looked += r.Looked
			now.Sums[r.Bucket], after.Sums[r.Bucket] = r.AtSince, r.AtThrough
		}
		var doubtful []int64
		for i := range buckets {
			if cmp.Or(now.Sums[i], "0") != cmp.Or(before.Sums[i], "0") {
				doubtful = append(doubtful, int64(i))
			}
		}
		if len(doubtful) > 0 {
			found.Wrong, err = closer(tx, doubtful)
		}
		return err
	})
	if err != nil {
		return found, err
	}
	left, err := json.Marshal(after)
	found.Through = string(left)
	return found, err
}

func (s *Service) checkOnHand(ctx context.Context, from string) (books.Finding, error) {
	return s.checkLedger(ctx, from, func(tx pgx.Tx, since, through uuid.UUID) ([]db.StockPrintsRow, error) {
		return s.sql.StockPrints(ctx, tx, db.StockPrintsParams{Since: since, Through: through})
	}, func(tx pgx.Tx, doubtful []int64) (wrong []books.Mismatch, err error) {
		rows, err := s.sql.StockOffLedger(ctx, tx, db.StockOffLedgerParams{Buckets: doubtful, RowLimit: books.MostWrong})
		if err != nil {
			return nil, fmt.Errorf("compare pools with the ledger: %w", err)
		}
		for _, r := range rows {
			if !r.Known {
				wrong = append(wrong, books.Wrong(r.ID, "there is no such pool, and the ledger has %d in it", r.Moved))
				continue
			}
			wrong = append(wrong, books.Wrong(r.ID, "%d are on hand, and the ledger says %d", r.OnHand, r.Moved))
		}
		return wrong, nil
	})
}

func (s *Service) checkSales(ctx context.Context, from string) (books.Finding, error) {
	return s.checkLedger(ctx, from, func(tx pgx.Tx, since, through uuid.UUID) ([]db.StockPrintsRow, error) {
		rows, err := s.sql.SalesPrints(ctx, tx, db.SalesPrintsParams{Since: since, Through: through})
		same := make([]db.StockPrintsRow, len(rows))
		for i, r := range rows {
			same[i] = db.StockPrintsRow(r)
		}
		return same, err
	}, func(tx pgx.Tx, doubtful []int64) (wrong []books.Mismatch, err error) {
		rows, err := s.sql.SalesOffLedger(ctx, tx, db.SalesOffLedgerParams{Buckets: doubtful, RowLimit: books.MostWrong})
		if err != nil {
			return nil, fmt.Errorf("compare products with the ledger: %w", err)
		}
		for _, r := range rows {
			wrong = append(wrong, books.Wrong(r.ID, "it shows %d sales, and the ledger has %d", r.Told, r.Sold))
		}
		return wrong, nil
	})
}
