package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
)

// maxHolds is how many holds one call may ask for.
const maxHolds = 1000

// Holds implements [catalog.Stock].
func (s *Service) Holds(ctx context.Context, in catalog.HoldsInput) (catalog.Holds, error) {
	if len(in.OrderIDs) > maxHolds {
		return catalog.Holds{}, catalog.ErrTooManyHolds
	}
	rows, err := s.sql.HoldsOf(ctx, s.pool, in.OrderIDs)
	if err != nil {
		return catalog.Holds{}, fmt.Errorf("read holds: %w", err)
	}
	holds := catalog.Holds{Items: []catalog.Hold{}}
	for _, r := range rows {
		h := holdOf(&holds, r.OrderID, catalog.HoldState(r.State))
		if r.ProductID != nil {
			h.Lines = append(h.Lines, catalog.Line{ProductID: *r.ProductID, Quantity: *r.Quantity})
		}
	}
	return holds, nil
}

// OpenHolds implements [catalog.Stock].
func (s *Service) OpenHolds(ctx context.Context, in catalog.OpenHoldsInput) (catalog.Holds, error) {
	if in.Limit < 1 || in.Limit > maxHolds {
		return catalog.Holds{}, catalog.ErrTooManyHolds
	}
	rows, err := s.sql.OpenHolds(ctx, s.pool, db.OpenHoldsParams{After: in.After, RowLimit: int32(in.Limit)})
	if err != nil {
		return catalog.Holds{}, fmt.Errorf("read open holds: %w", err)
	}
	holds := catalog.Holds{Items: []catalog.Hold{}}
	for _, r := range rows {
		h := holdOf(&holds, r.OrderID, catalog.Held)
		h.Lines = append(h.Lines, catalog.Line{ProductID: r.ProductID, Quantity: r.Quantity})
	}
	return holds, nil
}

// holdOf is the order's hold among the holds, whose rows come order by order.
func holdOf(holds *catalog.Holds, order uuid.UUID, state catalog.HoldState) *catalog.Hold {
	n := len(holds.Items)
	if n == 0 || holds.Items[n-1].OrderID != order {
		holds.Items = append(holds.Items, catalog.Hold{OrderID: order, State: state, Lines: []catalog.Line{}})
		n++
	}
	return &holds.Items[n-1]
}
