package app

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/books"
)

// Books are what must hold of the module's books.
//
// What is not here cannot be read from them: a product's availability is worked out from its pool each time, and is stored nowhere.
func Books(s *Service) []books.Invariant {
	return []books.Invariant{
		invariant("stock.on_hand", "what is on hand of a pool is the sum of its movements", s.checkOnHand),
		invariant("stock.reserved", "what is reserved of a pool is the sum of what open orders hold of it", s.checkReserved),
		invariant("stock.left", "nothing is reserved that is not on hand", s.checkLeft),
		invariant("drops.sum", "the pieces of a drop are those that are left, held and sold, and those that it gave back when it was closed and since", s.checkDrops),
		invariant("drops.closed", "a drop that is closed has nothing on hand but what orders hold of it", s.checkClosedDrops),
		invariant("drops.shifts", "what a drop took of its product's stock, and gave back to it, stands in the ledgers of both", s.checkShifts),
		invariant("holds.lines", "each line of a reservation belongs to one, and to a pool of its product; what is held, or was sold, has lines", s.checkLines),
		invariant("holds.sold", "an order's sales stand in the ledger to the piece if it used what it held, and are put back once if it gave that up later, or in parts if they came back", s.checkSold),
		invariant("settlements.done", "what the events of orders ask of their holds is done within a minute", s.checkSettlements),
		invariant("alerts.looked", "a product that may be had again, and that somebody waits for, is looked at within a minute", s.checkLooks),
		invariant("alerts.told", "nobody waits for a product that can be had, unless a look at it is due", s.checkAlerts),
		invariant("documents.published", "a product whose availability or sales changed has a new document within a minute", s.checkMarks),
		invariant("images.thumbnails", "a picture that was added has its thumbnails, and is shown, within ten minutes", s.checkThumbnails),
		invariant("images.told", "the pictures that a product shows are those that it has, in their order", s.checkImages),
		invariant("documents.sales", "the sales that a product shows, with those on the way, are what the ledger says was sold since it opened", s.checkSales),
	}
}

func invariant(name, says string, check func(context.Context, string) (books.Finding, error)) books.Invariant {
	return books.Invariant{Module: "catalog", Name: name, Says: says, Check: check}
}

func (s *Service) checkReserved(ctx context.Context, _ string) (found books.Finding, err error) {
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		open, err := s.sql.OpenStock(ctx, tx)
		if err != nil {
			return fmt.Errorf("count pools and holds: %w", err)
		}
		found.Looked = open.Pools + open.Holds
		wrong, err := s.sql.ReservedOffHolds(ctx, tx, books.MostWrong)
		if err != nil {
			return fmt.Errorf("compare pools with holds: %w", err)
		}
		for _, w := range wrong {
			if !w.Known {
				found.Wrong = append(found.Wrong, books.Wrong(w.ID, "there is no such pool, and %d are held of it", w.Held))
				continue
			}
			found.Wrong = append(found.Wrong, books.Wrong(w.ID, "%d are reserved, and %d are held", w.Reserved, w.Held))
		}
		return nil
	})
	return found, err
}

func (s *Service) checkLeft(ctx context.Context, _ string) (found books.Finding, err error) {
	open, err := s.sql.OpenStock(ctx, s.pool)
	if err != nil {
		return found, fmt.Errorf("count pools: %w", err)
	}
	found.Looked = open.Pools
	wrong, err := s.sql.Oversold(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for oversold pools: %w", err)
	}
	for _, w := range wrong {
		found.Wrong = append(found.Wrong, books.Wrong(w.ID, "%d are reserved, and %d are on hand", w.Reserved, w.OnHand))
	}
	return found, nil
}

func (s *Service) checkSettlements(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.SettlementsWaiting(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count settlements: %w", err)
	}
	overdue, err := s.sql.SettlementsOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for overdue settlements: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.OrderID, "the order has asked to %s what it holds since %s", w.Action, w.AskedAt.Format(time.RFC3339)))
	}
	return found, nil
}

func (s *Service) checkMarks(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.MarksWaiting(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count marks: %w", err)
	}
	overdue, err := s.sql.MarksOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for overdue marks: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.ProductID, "its document is out of date since %s", w.MarkedAt.Format(time.RFC3339)))
	}
	return found, nil
}
