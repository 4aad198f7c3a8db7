package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

const (
	holdsPage = 5000 // orders that one statement looks at, so that each is short however much there is
	maxHeld   = 5000 // open holds that a checkpoint carries
)

func (s *Service) checkLines(ctx context.Context, from string) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Time{})
	if err != nil {
		return found, err
	}
	over := books.Spent(ctx, 0.5)
	err = s.byKeys(ctx, func(tx pgx.Tx) error {
		for len(found.Wrong) < books.MostWrong {
			page, err := s.sql.OrdersFrom(ctx, tx, db.OrdersFromParams{Since: since, RowLimit: holdsPage})
			if err != nil {
				return fmt.Errorf("list reservations: %w", err)
			}
			found.Looked += int64(len(page))
			until, last := uuid.Max, len(page) < holdsPage
			if !last {
				until = page[len(page)-1]
			}
			wrong, err := s.sql.LinesOff(ctx, tx, db.LinesOffParams{Since: since, Until: until, RowLimit: books.MostWrong})
			if err != nil {
				return fmt.Errorf("compare reservations with lines: %w", err)
			}
			for _, w := range wrong {
				found.Wrong = append(found.Wrong, books.Wrong(w.OrderID, "%s", w.Wrong))
			}
			if last {
				return nil
			}
			if since = next(until); over() {
				through, found.Short = lesser(through, since), true
				return nil
			}
		}
		return nil
	})
	found.Through = through.String()
	return found, err
}

// settled is the checkpoint of holds.sold. What can have changed behind it are orders that moved stock since, and those that still
// held something then. Two kinds are found by a look at everything only: an order that was paid long ago and gave back without a line
// in the ledger, and one that was sold without a line after more than maxHeld later ones had been held as long.
type settled struct {
	Orders    string      `json:"orders"`
	Movements string      `json:"movements"`
	Held      []uuid.UUID `json:"held"` // before Orders
}

func (s *Service) checkSold(ctx context.Context, from string) (found books.Finding, err error) {
	var before settled
	if from != "" {
		if err := json.Unmarshal([]byte(from), &before); err != nil {
			return found, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	sinceOrder, throughOrder, err := books.Span(before.Orders, time.Time{})
	if err != nil {
		return found, err
	}
	sinceMovement, throughMovement, err := books.Span(before.Movements, time.Time{})
	if err != nil {
		return found, err
	}
	var held []uuid.UUID
	ordersOver, over := books.Spent(ctx, 0.4), books.Spent(ctx, 0.7)
	err = s.byKeys(ctx, func(tx pgx.Tx) error {
		look := func(orders []uuid.UUID) error {
			found.Looked += int64(len(orders))
			wrong, err := s.sql.SoldOffLedger(ctx, tx, db.SoldOffLedgerParams{OrderIds: orders, RowLimit: books.MostWrong})
			if err != nil {
				return fmt.Errorf("compare orders with the ledger: %w", err)
			}
			for _, w := range wrong {
				m := books.Wrong(w.OrderID, "the hold of %d is %s; %d were sold, %d put back and %d returned", w.Quantity, w.State, w.Sold, w.Restocked, w.Returned)
				if !slices.Contains(found.Wrong, m) { // an order may be met in two places
					found.Wrong = append(found.Wrong, m)
				}
			}
			return nil
		}
		if err := look(before.Held); err != nil {
			return err
		}
		first, until := sinceOrder, uuid.Max // what the pages cover
		for len(found.Wrong) < books.MostWrong {
			page, err := s.sql.OrdersFrom(ctx, tx, db.OrdersFromParams{Since: sinceOrder, RowLimit: holdsPage})
			if err != nil {
				return fmt.Errorf("list reservations: %w", err)
			}
			if err := look(page); err != nil {
				return err
			}
			if len(page) < holdsPage {
				break
			}
			if sinceOrder = next(page[len(page)-1]); ordersOver() {
				until, throughOrder, found.Short = sinceOrder, lesser(throughOrder, sinceOrder), true
				break
			}
		}
		covered := func(order uuid.UUID) bool { return !less(order, first) && less(order, until) }
		for len(found.Wrong) < books.MostWrong {
			page, err := s.sql.MovedOrdersFrom(ctx, tx, db.MovedOrdersFromParams{Since: sinceMovement, RowLimit: holdsPage})
			if err != nil {
				return fmt.Errorf("list movements: %w", err)
			}
			if err := look(moved(page, covered)); err != nil {
				return err
			}
			if len(page) < holdsPage {
				break
			}
			if sinceMovement = next(page[len(page)-1].ID); over() {
				throughMovement, found.Short = lesser(throughMovement, sinceMovement), true
				break
			}
		}
		if held, err = s.sql.HeldBefore(ctx, tx, db.HeldBeforeParams{Until: throughOrder, RowLimit: maxHeld}); err != nil {
			return fmt.Errorf("list open holds: %w", err)
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	through, err := json.Marshal(settled{Orders: throughOrder.String(), Movements: throughMovement.String(), Held: held})
	found.Through = string(through)
	return found, err
}

// moved are the orders of movements, each once, but for those whose reservations are covered.
func moved(page []db.MovedOrdersFromRow, covered func(order uuid.UUID) bool) []uuid.UUID {
	seen := map[uuid.UUID]bool{}
	var orders []uuid.UUID
	for _, m := range page {
		if m.OrderID != nil && !seen[*m.OrderID] && !(m.Known && covered(*m.OrderID)) {
			seen[*m.OrderID] = true
			orders = append(orders, *m.OrderID)
		}
	}
	return orders
}

// byKeys reads at one instant, row by row through the indexes: a page of orders is never worth a scan of them all, whatever the
// statistics of a table that grows this fast say.
func (s *Service) byKeys(ctx context.Context, read func(tx pgx.Tx) error) error {
	return books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
			return fmt.Errorf("set up the look: %w", err)
		}
		return read(tx)
	})
}

func less(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) < 0 }

func lesser(a, b uuid.UUID) uuid.UUID {
	if less(a, b) {
		return a
	}
	return b
}

// next is the least id that is greater.
func next(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}
