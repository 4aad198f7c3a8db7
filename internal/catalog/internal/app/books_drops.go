package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// checkDrops looks at the drops that are open, and from a checkpoint on at those of the closed ones of which something moved since.
func (s *Service) checkDrops(ctx context.Context, from string) (books.Finding, error) {
	return s.lookAtDrops(ctx, from, func(tx pgx.Tx, since uuid.UUID) (wrong []books.Mismatch, err error) {
		rows, err := s.sql.DropsOff(ctx, tx, db.DropsOffParams{Since: since, RowLimit: books.MostWrong})
		if err != nil {
			return nil, fmt.Errorf("sum up drops: %w", err)
		}
		for _, r := range rows {
			if !r.Known {
				wrong = append(wrong, books.Wrong(r.ID, "the drop and its pool do not belong together"))
				continue
			}
			wrong = append(wrong, books.Wrong(r.ID, "of %d pieces %d are on hand, %d were sold and %d went back", r.Quantity, r.OnHand, r.Sold, r.Returned))
		}
		return wrong, nil
	})
}

func (s *Service) checkClosedDrops(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.DropCount(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count drops: %w", err)
	}
	rows, err := s.sql.DropsNotEmptied(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look at closed drops: %w", err)
	}
	for _, r := range rows {
		found.Wrong = append(found.Wrong, books.Wrong(r.ID, "%d are on hand, and %d are reserved", r.OnHand, r.Reserved))
	}
	return found, nil
}

func (s *Service) checkShifts(ctx context.Context, from string) (books.Finding, error) {
	return s.lookAtDrops(ctx, from, func(tx pgx.Tx, since uuid.UUID) (wrong []books.Mismatch, err error) {
		rows, err := s.sql.ShiftsOff(ctx, tx, db.ShiftsOffParams{Since: since, RowLimit: books.MostWrong})
		if err != nil {
			return nil, fmt.Errorf("compare the ledgers of drops: %w", err)
		}
		for _, r := range rows {
			wrong = append(wrong, books.Wrong(r.ID, "%d came to the drop and %d went from its product, and %d lines are of other stock", r.Came, r.Went, r.Astray))
		}
		return wrong, nil
	})
}

// lookAtDrops goes by the movements since the checkpoint.
func (s *Service) lookAtDrops(ctx context.Context, from string, look func(tx pgx.Tx, since uuid.UUID) ([]books.Mismatch, error)) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Time{})
	if err != nil {
		return found, err
	}
	found.Through = through.String()
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if found.Looked, err = s.sql.DropCount(ctx, tx); err != nil {
			return fmt.Errorf("count drops: %w", err)
		}
		found.Wrong, err = look(tx, since)
		return err
	})
	return found, err
}
