package app

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/books"
)

// resting is an order that has not changed for a while, with its lines.
type resting struct {
	db.OrdersAtRestRow
	lines []catalog.Line
}

// page looks at a thousand orders at rest. Their states are read first, and what other modules say of them after that, in no
// transaction: what is wrong may have changed in between, and is looked at twice.
type page func(ctx context.Context, orders []resting, found *books.Finding) error

// atRest looks, page by page, at the orders at rest that were made, or of which an event was made, since the checkpoint.
func (l ledger) atRest(ctx context.Context, from string, look page) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Time{})
	if err != nil {
		return found, err
	}
	found.Through = through.String()
	return found, l.pages(ctx, l.pool, since, &found, func(ids []uuid.UUID) error {
		var orders []resting
		err := l.read(ctx, func(tx pgx.Tx) (err error) {
			orders, err = l.restingOf(ctx, tx, ids)
			return err
		})
		if err != nil || len(orders) == 0 {
			return err
		}
		found.Looked += int64(len(orders))
		return look(ctx, orders, &found)
	})
}

func (l ledger) restingOf(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]resting, error) {
	rows, err := l.sql.OrdersAtRest(ctx, tx, db.OrdersAtRestParams{Ids: ids, RestingSince: l.clock().Add(-rest)})
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	lines, err := l.sql.LinesOfOrders(ctx, tx, ids)
	if err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	of := map[uuid.UUID][]catalog.Line{}
	for _, i := range lines {
		of[i.OrderID] = append(of[i.OrderID], catalog.Line{ProductID: i.ProductID, Quantity: i.Quantity})
	}
	orders := make([]resting, len(rows))
	for i, r := range rows {
		orders[i] = resting{r, of[r.ID]}
	}
	return orders, nil
}

func idsOf(orders []resting) []uuid.UUID {
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	return ids
}

// note adds a mismatch, unless more than can be told are known.
func note(found *books.Finding, id uuid.UUID, format string, args ...any) {
	if len(found.Wrong) < books.MostWrong {
		found.Wrong = append(found.Wrong, books.Wrong(id, format, args...))
	}
}

func (l ledger) holds(ctx context.Context, from string) (books.Finding, error) {
	return l.atRest(ctx, from, func(ctx context.Context, orders []resting, found *books.Finding) error {
		answer, err := l.stock.Holds(ctx, catalog.HoldsInput{OrderIDs: idsOf(orders)})
		if err != nil {
			return fmt.Errorf("ask what orders hold: %w", err)
		}
		holds := map[uuid.UUID]catalog.Hold{}
		for _, h := range answer.Items {
			holds[h.OrderID] = h
		}
		for _, o := range orders {
			h, known := holds[o.ID]
			want := catalog.Used
			switch state := ordering.State(o.State); {
			case state == ordering.StatePending:
				continue // on its way
			case state == ordering.StateAwaitingPayment:
				want = catalog.Held
			case dead(state):
				if known && h.State != catalog.Released {
					note(found, o.ID, "is %s, and what it had is %s", o.State, h.State)
				}
				continue
			}
			switch {
			case !known:
				note(found, o.ID, "is %s, and holds nothing", o.State)
			case h.State != want:
				note(found, o.ID, "is %s, and what it has is %s", o.State, h.State)
			case !slices.Equal(sorted(h.Lines), sorted(o.lines)):
				note(found, o.ID, "is %s, and what is %s for it are not its lines", o.State, h.State)
			}
		}
		return nil
	})
}

func sorted(lines []catalog.Line) []catalog.Line {
	return slices.SortedFunc(slices.Values(lines), func(a, b catalog.Line) int { return bytes.Compare(a.ProductID[:], b.ProductID[:]) })
}

// openHolds looks at all there are: they end with the orders that they are for. The stock is asked first, so that the order of a hold
// is there, if it ever was.
func (l ledger) openHolds(ctx context.Context, _ string) (found books.Finding, err error) {
	for after := uuid.Nil; ; {
		open, err := l.stock.OpenHolds(ctx, catalog.OpenHoldsInput{After: after, Limit: bookPage})
		if err != nil {
			return found, fmt.Errorf("ask what is held: %w", err)
		}
		if len(open.Items) == 0 {
			return found, nil
		}
		ids := make([]uuid.UUID, len(open.Items))
		for i, h := range open.Items {
			ids[i] = h.OrderID
		}
		after = ids[len(ids)-1]
		rows, err := l.sql.StatesOf(ctx, l.pool, ids)
		if err != nil {
			return found, fmt.Errorf("read orders: %w", err)
		}
		states := map[uuid.UUID]ordering.State{}
		for _, r := range rows {
			states[r.ID] = ordering.State(r.State)
		}
		found.Looked += int64(len(ids))
		for _, id := range ids {
			switch state, known := states[id]; {
			case !known:
				note(&found, id, "stock is held for an order that is not there")
			case dead(state):
				note(&found, id, "stock is held for an order that is %s", state)
			}
		}
	}
}

func (l ledger) money(ctx context.Context, from string) (books.Finding, error) {
	return l.atRest(ctx, from, func(ctx context.Context, orders []resting, found *books.Finding) error {
		answer, err := l.payments.Accounts(ctx, payments.AccountsInput{OrderIDs: idsOf(orders)})
		if err != nil {
			return fmt.Errorf("ask what was paid: %w", err)
		}
		accounts := map[uuid.UUID]payments.Account{}
		for _, a := range answer.Items {
			accounts[a.OrderID] = a
		}
		for _, o := range orders {
			a := accounts[o.ID] // none: nothing was paid
			kept, due := a.CapturedWon-a.RefundedWon, o.DueWon
			switch state := ordering.State(o.State); {
			case state == ordering.StatePending, l.clock().Sub(a.MovedAt) < rest:
				continue // on its way
			case state == ordering.StateAwaitingPayment:
				due = 0
			case dead(state):
				if due = 0; a.RefundDue {
					continue // the money is on its way back
				}
			}
			if kept != due {
				note(found, o.ID, "is %s and due %d won; %d were paid and %d given back", o.State, o.DueWon, a.CapturedWon, a.RefundedWon)
			}
		}
		return nil
	})
}
