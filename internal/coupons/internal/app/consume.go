package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
)

// Subscriptions are the events that coupons hear: a paid order's coupon is used, one that ends, or comes back in whole, gives it back,
// and who signs up is welcomed.
func Subscriptions(s *Service) []bus.Subscription {
	return []bus.Subscription{
		bus.On("coupons", func(ctx context.Context, tx pgx.Tx, e ordering.Paid) error { return s.askUse(ctx, tx, e.OrderID) }),
		bus.On("coupons", func(ctx context.Context, tx pgx.Tx, e ordering.Rejected) error {
			return s.askRelease(ctx, tx, e.Change)
		}),
		bus.On("coupons", func(ctx context.Context, tx pgx.Tx, e ordering.Expired) error {
			return s.askRelease(ctx, tx, e.Change)
		}),
		bus.On("coupons", func(ctx context.Context, tx pgx.Tx, e ordering.Canceled) error {
			return s.askRelease(ctx, tx, e.Change)
		}),
		bus.On("coupons", func(ctx context.Context, tx pgx.Tx, e ordering.Refunded) error {
			if !e.Whole {
				return nil
			}
			return s.askRelease(ctx, tx, e.Change)
		}),
		bus.On("coupons", func(ctx context.Context, tx pgx.Tx, e accounts.Registered) error {
			return s.askWelcome(ctx, tx, e.AccountID)
		}),
	}
}

// askUse asks nothing of an order without a coupon: an order has its coupon long before it is paid.
func (s *Service) askUse(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	if err := s.sql.AskUse(ctx, tx, order); err != nil {
		return fmt.Errorf("ask for settlement: %w", err)
	}
	return nil
}

// askRelease asks nothing of an order that names no coupon. Of one that does it asks for a tombstone at least: a coupon that the order asks
// for late must not be held for ever.
func (s *Service) askRelease(ctx context.Context, tx pgx.Tx, o ordering.Change) error {
	if o.DiscountWon == 0 {
		return nil
	}
	if err := s.sql.AskRelease(ctx, tx, o.OrderID); err != nil {
		return fmt.Errorf("ask for settlement: %w", err)
	}
	return nil
}

func (s *Service) askWelcome(ctx context.Context, tx pgx.Tx, account uuid.UUID) error {
	if err := s.sql.AddNewcomer(ctx, tx, account); err != nil {
		return fmt.Errorf("add newcomer: %w", err)
	}
	return nil
}
