package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
)

// Subscriptions are the events that the catalog hears: a paid order's hold is used, one that ends gives it back, what comes back after shipping
// can be sold again if a person says so, and a closed account waits for nothing. It hears itself too: the tree of categories is read anew
// although whoever changed it died before it could say so, and a picture that was added has its thumbnails made.
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
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e ordering.Refunded) error { return s.askReturn(ctx, tx, e) }),
		bus.On("catalog", func(ctx context.Context, _ pgx.Tx, _ catalog.CategoryChanged) error {
			s.forgetTree(ctx)
			return nil
		}),
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e accounts.Closed) error {
			if err := s.sql.DeleteAlertsOf(ctx, tx, e.AccountID); err != nil {
				return fmt.Errorf("delete alerts: %w", err)
			}
			return nil
		}),
		bus.On("catalog", func(ctx context.Context, tx pgx.Tx, e catalog.ImageAdded) error {
			return s.askThumbnails(ctx, tx, e.ImageID)
		}),
	}
}

// askUse refuses an order that was paid without a reservation: a person must look at that event.
func (s *Service) askUse(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	if err := s.mustHold(ctx, tx, order); err != nil {
		return err
	}
	return s.ask(ctx, tx, order, actionUse)
}

// askReturn refuses an order without a reservation, as askUse does.
func (s *Service) askReturn(ctx context.Context, tx pgx.Tx, e ordering.Refunded) error {
	if !e.Restock {
		return nil
	}
	if err := s.mustHold(ctx, tx, e.OrderID); err != nil {
		return err
	}
	asked := db.AskReturnsParams{OrderID: e.OrderID, RefundID: e.RefundID}
	for _, r := range e.Returned {
		asked.ProductIds, asked.Quantities = append(asked.ProductIds, r.ProductID), append(asked.Quantities, r.Quantity)
	}
	if err := s.sql.AskReturns(ctx, tx, asked); err != nil {
		return fmt.Errorf("ask for settlement: %w", err)
	}
	return nil
}

func (s *Service) mustHold(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	_, err := s.sql.ReservationOf(ctx, tx, order)
	if errors.Is(err, pgx.ErrNoRows) {
		return catalog.ErrNoReservation
	}
	if err != nil {
		return fmt.Errorf("look up reservation: %w", err)
	}
	return nil
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
