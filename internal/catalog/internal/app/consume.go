package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
)

// Subscriptions are the events that the catalog hears: a paid order's hold is used, one that ends gives it back.
func Subscriptions(s *Service) []bus.Subscription {
	return []bus.Subscription{
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e ordering.Paid) error { return s.askUse(ctx, tx, e.OrderID) }),
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e ordering.Rejected) error {
			return s.askRelease(ctx, tx, e.OrderID)
		}),
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e ordering.Expired) error {
			return s.askRelease(ctx, tx, e.OrderID)
		}),
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e ordering.Canceled) error {
			return s.askRelease(ctx, tx, e.OrderID)
		}),
	}
}

// askUse refuses an order that was paid without a reservation: a person must look at that event.
func (s *Service) askUse(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	_, err := s.sql.ReservationOf(ctx, tx, order)
	if errors.Is(err, pgx.ErrNoRows) {
		return catalog.ErrNoReservation
	}
	if err != nil {
		return fmt.Errorf("look up reservation: %w", err)
	}
	return s.ask(ctx, tx, order, actionUse)
}

func (s *Service) askRelease(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	return s.ask(ctx, tx, order, actionRelease)
}

func (s *Service) ask(ctx context.Context, tx pgx.Tx, order uuid.UUID, action string) error {
	if err := s.sql.AskSettlement(ctx, tx, db.AskSettlementParams{OrderID: order, Action: action}); err != nil {
		return fmt.Errorf("ask for settlement: %w", err)
	}
	return nil
}
