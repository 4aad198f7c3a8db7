package app

import (
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
	maxHeld   = 1000 // open holds that a checkpoint carries
)

func (s *Service) checkLines(ctx context.Context, from string) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Time{})
	if err != nil {
		return found, err
	}
	found.Through = through.String()
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
			since = next(until)
		}
		return nil
	})
	return found, err
}

// settled is the checkpoint of holds.sold. What can have changed behind it are orders that moved stock since, and those that still
// held something then. An order that was paid long ago, and gave back without a line in the ledger, is found by a look at everything.
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
	err = s.byKeys(ctx, func(tx pgx.Tx) error {
		look := func(orders []uuid.UUID) error {
			found.Looked += int64(len(orders))
			wrong, err := s.sql.SoldOffLedger(ctx, tx, db.SoldOffLedgerParams{OrderIds: orders, RowLimit: books.MostWrong})
			if err != nil {
				return fmt.Errorf("compare orders with the ledger: %w", err)
			}
			for _, w := range wrong {
				m := books.Wrong(w.OrderID, "the hold of %d is %s; %d were sold and %d put back", w.Quantity, w.State, w.Sold, w.Restocked)
				if !slices.Contains(found.Wrong, m) { // an order may be met in two places
					found.Wrong = append(found.Wrong, m)
				}
			}
			return nil
		}
		if err := look(before.Held); err != nil {
			return err
		}
		for last := false; !last && len(found.Wrong) < books.MostWrong; {
			page, err := s.sql.OrdersFrom(ctx, tx, db.OrdersFromParams{Since: sinceOrder, RowLimit: holdsPage})
			if err != nil {
				return fmt.Errorf("list reservations: %w", err)
			}
			if last = len(page) < holdsPage; !last {
				sinceOrder = next(page[len(page)-1])
			}
			if err := look(page); err != nil {
				return err
			}
		}
		for last := false; !last && len(found.Wrong) < books.MostWrong; {
			page, err := s.sql.MovedOrdersFrom(ctx, tx, db.MovedOrdersFromParams{Since: sinceMovement, RowLimit: holdsPage})
			if err != nil {
				return fmt.Errorf("list movements: %w", err)
			}
			if last = len(page) < holdsPage; !last {
				sinceMovement = next(page[len(page)-1].ID)
			}
			if err := look(movedOrders(page)); err != nil {
				return err
			}
		}
		if held, err = s.sql.HeldBefore(ctx, tx, db.HeldBeforeParams{Until: throughOrder, RowLimit: maxHeld + 1}); err != nil {
			return fmt.Errorf("list open holds: %w", err)
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	if len(held) > maxHeld { // the next look begins where the list ends
		throughOrder, held = held[maxHeld], held[:maxHeld]
	}
	through, err := json.Marshal(settled{Orders: throughOrder.String(), Movements: throughMovement.String(), Held: held})
	found.Through = string(through)
	return found, err
}

// movedOrders are the orders of movements, each once.
func movedOrders(page []db.MovedOrdersFromRow) []uuid.UUID {
	seen := map[uuid.UUID]bool{}
	var orders []uuid.UUID
	for _, m := range page {
		if m.OrderID != nil && !seen[*m.OrderID] {
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

// next is the least id that is greater.
func next(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}
