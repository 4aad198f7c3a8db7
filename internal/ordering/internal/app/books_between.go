package app

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
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
	return idsIn(orders, func(o resting) uuid.UUID { return o.ID })
}

// note adds a mismatch, unless more than can be told are known.
func note(found *books.Finding, id uuid.UUID, format string, args ...any) {
	if len(found.Wrong) < books.MostWrong {
		found.Wrong = append(found.Wrong, books.Wrong(id, format, args...))
	}
}

// kept is what another module says that an order has of it: what its state is, and whether it is what the order asked for.
type kept struct {
	state string // held, used or released, as every module calls them
	right bool
}

// compare looks whether orders have what they asked for: held while they wait, used once they are paid, given back when they are dead.
// What came back after shipping was used all the same, unless it goes back as it is. asks tells whether an order asks for anything.
func compare(orders []resting, what string, goesBack bool, asks func(o resting) bool, has map[uuid.UUID]kept, found *books.Finding) {
	for _, o := range orders {
		h, known := has[o.ID]
		known = known && h.state != string(catalog.Released)
		want := catalog.Used
		switch state := ordering.State(o.State); {
		case state == ordering.StatePending:
			continue // on its way
		case state == ordering.StateRefunded && !goesBack:
		case state == ordering.StateAwaitingPayment:
			want = catalog.Held
		case dead(state):
			if known {
				note(found, o.ID, "is %s, and its %s is %s", o.State, what, h.state)
			}
			continue
		}
		switch {
		case !asks(o) && known:
			note(found, o.ID, "asked for no %s, and one is %s", what, h.state)
		case !asks(o):
		case !known:
			note(found, o.ID, "is %s, and has no %s", o.State, what)
		case h.state != string(want):
			note(found, o.ID, "is %s, and its %s is %s", o.State, what, h.state)
		case !h.right:
			note(found, o.ID, "is %s, and its %s is not what it asked for", o.State, what)
		}
	}
}

func (l ledger) holds(ctx context.Context, from string) (books.Finding, error) {
	return l.atRest(ctx, from, func(ctx context.Context, orders []resting, found *books.Finding) error {
		answer, err := l.stock.Holds(ctx, catalog.HoldsInput{OrderIDs: idsOf(orders)})
		if err != nil {
			return fmt.Errorf("ask what orders hold: %w", err)
		}
		lines := map[uuid.UUID][]catalog.Line{}
		for _, o := range orders {
			lines[o.ID] = sorted(o.lines)
		}
		has := map[uuid.UUID]kept{}
		for _, h := range answer.Items {
			has[h.OrderID] = kept{string(h.State), slices.Equal(sorted(h.Lines), lines[h.OrderID])}
		}
		compare(orders, "stock", false, func(resting) bool { return true }, has, found)
		return nil
	})
}

func (l ledger) redemptions(ctx context.Context, from string) (books.Finding, error) {
	return l.atRest(ctx, from, func(ctx context.Context, orders []resting, found *books.Finding) error {
		answer, err := l.discounts.Redemptions(ctx, coupons.RedemptionsInput{OrderIDs: idsOf(orders)})
		if err != nil {
			return fmt.Errorf("ask which coupons orders have: %w", err)
		}
		of := map[uuid.UUID]resting{}
		for _, o := range orders {
			of[o.ID] = o
		}
		has := map[uuid.UUID]kept{}
		for _, r := range answer.Items {
			o := of[r.OrderID]
			has[r.OrderID] = kept{string(r.State), o.CouponID != nil && *o.CouponID == r.CouponID && o.DiscountWon == r.DiscountWon}
		}
		compare(orders, "coupon", true, func(o resting) bool { return o.CouponID != nil }, has, found)
		return nil
	})
}

func (l ledger) pointHolds(ctx context.Context, from string) (books.Finding, error) {
	return l.atRest(ctx, from, func(ctx context.Context, orders []resting, found *books.Finding) error {
		answer, err := l.points.Holds(ctx, accounts.HoldsInput{OrderIDs: idsOf(orders)})
		if err != nil {
			return fmt.Errorf("ask what points orders have: %w", err)
		}
		points := map[uuid.UUID]int64{}
		for _, o := range orders {
			points[o.ID] = o.PointsWon
		}
		has := map[uuid.UUID]kept{}
		for _, h := range answer.Items {
			has[h.OrderID] = kept{string(h.State), h.Points == points[h.OrderID]}
		}
		compare(orders, "hold of points", false, func(o resting) bool { return o.PointsWon > 0 }, has, found)
		return nil
	})
}

func sorted(lines []catalog.Line) []catalog.Line {
	return slices.SortedFunc(slices.Values(lines), func(a, b catalog.Line) int { return bytes.Compare(a.ProductID[:], b.ProductID[:]) })
}

// open looks at all that a module holds for orders: it ends with the orders that it is for. next names the orders of a page of it, and is
// asked first, so that the order of a hold is there, if it ever was.
func (l ledger) open(ctx context.Context, what string, next func(after uuid.UUID) ([]uuid.UUID, error)) (found books.Finding, err error) {
	for after := uuid.Nil; ; {
		ids, err := next(after)
		if err != nil {
			return found, fmt.Errorf("ask what is held: %w", err)
		}
		if len(ids) == 0 {
			return found, nil
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
				note(&found, id, "%s held for an order that is not there", what)
			case dead(state):
				note(&found, id, "%s held for an order that is %s", what, state)
			}
		}
	}
}

func (l ledger) openHolds(ctx context.Context, _ string) (books.Finding, error) {
	return l.open(ctx, "stock is", func(after uuid.UUID) ([]uuid.UUID, error) {
		open, err := l.stock.OpenHolds(ctx, catalog.OpenHoldsInput{After: after, Limit: bookPage})
		return idsIn(open.Items, func(h catalog.Hold) uuid.UUID { return h.OrderID }), err
	})
}

func (l ledger) openRedemptions(ctx context.Context, _ string) (books.Finding, error) {
	return l.open(ctx, "a coupon is", func(after uuid.UUID) ([]uuid.UUID, error) {
		open, err := l.discounts.OpenRedemptions(ctx, coupons.OpenRedemptionsInput{After: after, Limit: bookPage})
		return idsIn(open.Items, func(r coupons.Redemption) uuid.UUID { return r.OrderID }), err
	})
}

func (l ledger) openPoints(ctx context.Context, _ string) (books.Finding, error) {
	return l.open(ctx, "points are", func(after uuid.UUID) ([]uuid.UUID, error) {
		open, err := l.points.OpenHolds(ctx, accounts.OpenHoldsInput{After: after, Limit: bookPage})
		return idsIn(open.Items, func(h accounts.PointHold) uuid.UUID { return h.OrderID }), err
	})
}

func idsIn[T any](items []T, id func(T) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = id(item)
	}
	return ids
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
			kept, due := a.CapturedWon-a.RefundedWon, o.DueWon-o.RefundedWon
			switch state := ordering.State(o.State); {
			case state == ordering.StatePending, l.clock().Sub(a.MovedAt) < rest:
				continue // on its way
			case state == ordering.StateAwaitingPayment:
				due = 0
			case dead(state) && state != ordering.StateRefunded:
				if due = 0; a.RefundDue {
					continue // the money is on its way back
				}
			}
			if kept != due {
				note(found, o.ID, "is %s and due %d won, %d of which went back; %d were paid and %d given back", o.State, o.DueWon, o.RefundedWon, a.CapturedWon, a.RefundedWon)
			}
		}
		return nil
	})
}
