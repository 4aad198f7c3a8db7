package app

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var notified = failpoint.New("accounts.notify.written") // in the transaction of the bus

// Subscriptions are the events that accounts hears: what happens to an order is told to who placed it.
func Subscriptions(s *Service) []bus.Subscription {
	return []bus.Subscription{
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Paid) error {
			return s.notify(ctx, tx, orderPaid, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Shipped) error {
			return s.notify(ctx, tx, orderShipped, e.Change, orderParams{Carrier: e.Carrier, InvoiceNumber: e.InvoiceNumber})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Delivered) error {
			return s.notify(ctx, tx, orderDelivered, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Canceled) error {
			return s.notify(ctx, tx, orderCanceled, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Expired) error {
			return s.notify(ctx, tx, orderExpired, e.Change, orderParams{})
		}),
	}
}

// notify puts a line into the inbox of who placed the order. An event that comes again adds nothing.
func (s *Service) notify(ctx context.Context, tx pgx.Tx, kind string, e ordering.Change, p orderParams) error {
	p.OrderID, p.OrderNumber, p.TotalWon = e.OrderID, e.Number, e.TotalWon
	if len(e.Lines) > 0 {
		p.Product, p.Others = e.Lines[0].Name, len(e.Lines)-1
	}
	params, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode notification: %w", err)
	}
	_, err = s.sql.InsertNotification(ctx, tx, db.InsertNotificationParams{
		ID: uuid.Must(uuid.NewV7()), AccountID: e.AccountID, EventID: bus.EnvelopeOf(ctx).ID,
		Kind: kind, Params: params, At: e.At,
	})
	if err != nil {
		return fmt.Errorf("insert notification: %w", err)
	}
	notified.Hit()
	return nil
}
