package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var notified = failpoint.New("accounts.notify.written") // in the transaction of the bus

// Subscriptions are the events that accounts hears: what happens to an order is told to who placed it, and settles the points that
// the order holds and earns; that a product can be had again is told to who waited for it.
func Subscriptions(s *Service) []bus.Subscription {
	return []bus.Subscription{
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Paid) error {
			if err := s.askUse(ctx, tx, e.Change); err != nil {
				return err
			}
			return s.notify(ctx, tx, orderPaid, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Shipped) error {
			return s.notify(ctx, tx, orderShipped, e.Change, orderParams{Carrier: e.Carrier, InvoiceNumber: e.InvoiceNumber})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Delivered) error {
			return s.notify(ctx, tx, orderDelivered, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Confirmed) error {
			return s.askConfirm(ctx, tx, e.Change)
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Rejected) error {
			return s.askRelease(ctx, tx, e.Change)
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Canceled) error {
			if err := s.askRelease(ctx, tx, e.Change); err != nil {
				return err
			}
			return s.notify(ctx, tx, orderCanceled, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Expired) error {
			if err := s.askRelease(ctx, tx, e.Change); err != nil {
				return err
			}
			return s.notify(ctx, tx, orderExpired, e.Change, orderParams{})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.Refunded) error {
			if err := s.askReturn(ctx, tx, e); err != nil {
				return err
			}
			e.Lines = returned(e)
			return s.notify(ctx, tx, orderRefunded, e.Change, orderParams{RefundID: &e.RefundID, MoneyWon: e.MoneyWon, PointsBack: e.PointsBack})
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e ordering.RefundRefused) error {
			return s.ask(ctx, tx, e.Change, actionUndo, 0, &e.RefundID)
		}),
		bus.On("accounts", func(ctx context.Context, tx pgx.Tx, e catalog.Restocked) error { return s.notifyRestocked(ctx, tx, e) }),
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

// notifyRestocked puts a line into the inbox of each who waited for the product.
func (s *Service) notifyRestocked(ctx context.Context, tx pgx.Tx, e catalog.Restocked) error {
	params, err := json.Marshal(restockParams{ProductID: e.ProductID, ProductName: e.ProductName})
	if err != nil {
		return fmt.Errorf("encode notification: %w", err)
	}
	ids := make([]uuid.UUID, len(e.AccountIDs))
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	err = s.sql.InsertNotifications(ctx, tx, db.InsertNotificationsParams{
		Ids: ids, AccountIds: e.AccountIDs, EventID: bus.EnvelopeOf(ctx).ID, Kind: productRestocked, Params: params, At: e.At,
	})
	if err != nil {
		return fmt.Errorf("insert notifications: %w", err)
	}
	notified.Hit()
	return nil
}

// askUse refuses an order that was paid with points which it does not hold: a person must look at that event.
func (s *Service) askUse(ctx context.Context, tx pgx.Tx, e ordering.Change) error {
	if e.PointsWon == 0 {
		return nil
	}
	if err := s.mustHold(ctx, tx, e.OrderID); err != nil {
		return err
	}
	return s.ask(ctx, tx, e, actionUse, 0, nil)
}

// askReturn refuses an order that was paid without points, as askUse does.
func (s *Service) askReturn(ctx context.Context, tx pgx.Tx, e ordering.Refunded) error {
	if e.PointsBack == 0 {
		return nil
	}
	if err := s.mustHold(ctx, tx, e.OrderID); err != nil {
		return err
	}
	return s.ask(ctx, tx, e.Change, actionReturn, e.PointsBack, &e.RefundID)
}

func (s *Service) mustHold(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	holds, err := s.sql.PointHoldsOf(ctx, tx, []uuid.UUID{order})
	if err != nil {
		return fmt.Errorf("look up point hold: %w", err)
	}
	if len(holds) == 0 {
		return accounts.ErrNoPointHold
	}
	return nil
}

// returned are the order's lines of which something came back.
func returned(e ordering.Refunded) []ordering.Line {
	return slices.DeleteFunc(slices.Clone(e.Lines), func(l ordering.Line) bool {
		return !slices.ContainsFunc(e.Returned, func(r ordering.ReturnedLine) bool { return r.ProductID == l.ProductID })
	})
}

// askRelease has nothing to do for an order without points, which asks for no hold, however late.
func (s *Service) askRelease(ctx context.Context, tx pgx.Tx, e ordering.Change) error {
	if e.PointsWon == 0 {
		return nil
	}
	return s.ask(ctx, tx, e, actionRelease, 0, nil)
}

// askConfirm counts what was paid in money for goods that have not come back.
func (s *Service) askConfirm(ctx context.Context, tx pgx.Tx, e ordering.Change) error {
	won := e.ItemsWon - e.DiscountWon - e.PointsWon - e.ReturnedWon
	if won <= 0 {
		return nil
	}
	return s.ask(ctx, tx, e, actionConfirm, won, nil)
}

func (s *Service) ask(ctx context.Context, tx pgx.Tx, e ordering.Change, action string, won int64, refund *uuid.UUID) error {
	err := s.sql.AskPointSettlement(ctx, tx, db.AskPointSettlementParams{
		OrderID: e.OrderID, AccountID: e.AccountID, Action: action, Won: won, RefundID: refund, At: e.At,
	})
	if err != nil {
		return fmt.Errorf("ask for the settlement of points: %w", err)
	}
	return nil
}
