package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// Graces of the books: how long what is under way may take beyond its time.
const (
	gracePending   = 5 * time.Minute  // after a pending order became the job's
	graceUnpaid    = 15 * time.Minute // after an order's time to be paid is over: the gateway may have to be asked
	graceCanceling = time.Hour        // after an order was canceled: the money has to go back
	graceRefund    = 24 * time.Hour   // after a refund was asked for: the gateway may take its time
	rest           = time.Minute      // after an order changed, for the other modules to have heard of it
)

// lately is for how long the orders of a drop that was called off are looked at.
const lately = 24 * time.Hour

// keptEvents is for how long an event is certainly in the outbox.
const keptEvents = 48 * time.Hour

// Books are what must hold of the module's books, and between them and those of the catalog and of payments.
func Books(s *Service) []books.Invariant {
	b := ledger{s}
	return []books.Invariant{
		b.since("orders.sums", "an order's lines, less what a coupon takes off them, and its shipping sum to its total, and that less its points is due", b.sums),
		b.since("orders.timeline", "an order's timeline has no gap, and its last row is the order's state", b.timelines),
		b.since("orders.transitions", "an order went no way that is not in the table of transitions", b.transitions),
		b.since("orders.events", "an order's version is the number of its events, and none is missing", b.events),
		b.since("orders.refunds", "an order gave back what its refunds say, no piece of it came back twice, and it is refunded once all did", b.refunds),
		{Module: "ordering", Name: "quotas.sum", Says: "what counts against a customer's limit is what the customer's orders that are not dead have", Check: b.quotas},
		b.now("orders.pending", "no order is being placed for long", b.pending),
		b.now("orders.unpaid", "no order waits for its payment long after its time", b.unpaid),
		b.now("orders.canceling", "no order is being canceled for long", b.cancelings),
		b.now("refunds.age", "no refund of goods that came back is under way for long", b.openRefunds),
		b.since("preorders.limits", "nobody has more of a drop than a customer may", b.preorderLimits),
		b.now("preorders.canceled", "no order of a drop that was called off lives on unasked", b.canceledDrops),
		{Module: "ordering", Name: "holds.orders", Says: "an order holds its lines of the stock while it waits, has used them once it is paid, and holds nothing when it is dead", Check: b.holds, Settles: true},
		{Module: "ordering", Name: "holds.open", Says: "what is held of the stock is held for an order that lives", Check: b.openHolds, Settles: true},
		{Module: "ordering", Name: "coupons.orders", Says: "an order has the coupon that it names while it waits, has used it once it is paid, and has none when it is dead", Check: b.redemptions, Settles: true},
		{Module: "ordering", Name: "coupons.open", Says: "a coupon is held for an order that lives", Check: b.openRedemptions, Settles: true},
		{Module: "ordering", Name: "points.orders", Says: "an order holds the points that pay for it while it waits, has used them once it is paid, and holds none when it is dead", Check: b.pointHolds, Settles: true},
		{Module: "ordering", Name: "points.open", Says: "points are held for an order that lives", Check: b.openPoints, Settles: true},
		{Module: "ordering", Name: "money.orders", Says: "what was paid for an order and not given back is what it is due, and nothing for one that is unpaid or dead", Check: b.money, Settles: true},
	}
}

// ledger looks at the books of a service.
type ledger struct{ *Service }

// look names what is wrong with a page of orders, all of it read at one instant.
type look func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error)

// since is an invariant of what changes only with an order's events. What changes with none, as when a manager begins to pack, is
// looked at with the next one.
func (l ledger) since(name, says string, look look) books.Invariant {
	return books.Invariant{Module: "ordering", Name: name, Says: says, Check: func(ctx context.Context, from string) (found books.Finding, err error) {
		since, through, err := books.Span(from, time.Time{})
		if err != nil {
			return found, err
		}
		found.Through = through.String()
		return found, l.read(ctx, func(tx pgx.Tx) error {
			return l.pages(ctx, tx, since, &found, func(ids []uuid.UUID) error {
				found.Looked += int64(len(ids))
				wrong, err := look(ctx, tx, ids)
				if err != nil {
					return fmt.Errorf("look: %w", err)
				}
				found.Wrong = append(found.Wrong, wrong...)
				found.Wrong = found.Wrong[:min(len(found.Wrong), books.MostWrong)]
				return nil
			})
		})
	}}
}

const (
	bookPage = 1_000       // orders that are looked at, or asked about, at once
	bookSpan = time.Minute // in which orders changed that are found at once
)

// pages hands out the ids of orders that were made, or of which an event was made, from an id on, until look has seen enough or half of
// the look's time is over. Then the finding is short, and its checkpoint is where the next look goes on.
func (l ledger) pages(ctx context.Context, from db.DBTX, since uuid.UUID, found *books.Finding, look func(ids []uuid.UUID) error) error {
	over := books.Spent(ctx, 0.5)
	breakOff := func(at uuid.UUID) bool {
		if at.String() >= found.Through || !over() { // what comes after the checkpoint is of a few minutes only
			return false
		}
		found.Short, found.Through = true, at.String()
		return true
	}
	if since == uuid.Nil {
		for after := uuid.Nil; len(found.Wrong) < books.MostWrong; {
			ids, err := l.sql.OrdersAfter(ctx, from, db.OrdersAfterParams{After: after, AtMost: bookPage})
			if err != nil {
				return fmt.Errorf("find orders: %w", err)
			}
			if len(ids) == 0 {
				return nil
			}
			if err := look(ids); err != nil {
				return err
			}
			if after = ids[len(ids)-1]; breakOff(after) {
				return nil
			}
		}
		return nil
	}
	for last := false; !last && len(found.Wrong) < books.MostWrong; {
		until := books.FirstID(timeOf(since).Add(bookSpan))
		if last = timeOf(until).After(time.Now()); last {
			until = uuid.Max
		}
		changed, err := l.sql.ChangedOrders(ctx, from, db.ChangedOrdersParams{Since: since, Until: until})
		if err != nil {
			return fmt.Errorf("find orders: %w", err)
		}
		for ids := range slices.Chunk(changed, bookPage) {
			if err := look(ids); err != nil || len(found.Wrong) >= books.MostWrong {
				return err
			}
		}
		if since = until; !last && breakOff(since) {
			return nil
		}
	}
	return nil
}

// timeOf is when a UUIDv7 was made.
func timeOf(id uuid.UUID) time.Time {
	sec, nsec := id.Time().UnixTime()
	return time.Unix(sec, nsec)
}

// now is an invariant of what is not settled, which is never much.
func (l ledger) now(name, says string, look func(ctx context.Context, tx pgx.Tx, now time.Time) ([]books.Mismatch, error)) books.Invariant {
	return books.Invariant{Module: "ordering", Name: name, Says: says, Check: func(ctx context.Context, _ string) (found books.Finding, err error) {
		return found, l.read(ctx, func(tx pgx.Tx) error {
			if found.Looked, err = l.sql.CountUnsettled(ctx, tx); err != nil {
				return fmt.Errorf("count: %w", err)
			}
			if found.Wrong, err = look(ctx, tx, l.clock()); err != nil {
				return fmt.Errorf("look: %w", err)
			}
			return nil
		})
	}}
}

// read reads at one instant. A page is reached through indexes, however young the statistics are.
func (l ledger) read(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return books.Snapshot(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
			return fmt.Errorf("prepare to look: %w", err)
		}
		return fn(tx)
	})
}

// each makes mismatches of the rows that are wrong.
func each[R any](rows []R, err error, wrong func(r R) books.Mismatch) ([]books.Mismatch, error) {
	var all []books.Mismatch
	for _, r := range rows {
		all = append(all, wrong(r))
	}
	return all, err
}

func (l ledger) sums(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error) {
	rows, err := l.sql.OrdersOffSum(ctx, tx, ids)
	return each(rows, err, func(r db.OrdersOffSumRow) books.Mismatch {
		return books.Wrong(r.ID, "its lines are worth %d won, less %d; its items %d, less %d, its shipping %d, its total %d, less %d in points, and %d are due",
			r.LinesWon, r.LinesOff, r.ItemsWon, r.DiscountWon, r.ShippingWon, r.TotalWon, r.PointsWon, r.DueWon)
	})
}

func (l ledger) timelines(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error) {
	rows, err := l.sql.TimelinesOff(ctx, tx, ids)
	return each(rows, err, func(r db.TimelinesOffRow) books.Mismatch {
		return books.Wrong(r.ID, "it is %s after %d steps; its timeline has %d, %d of which do not hang together, and ends with %q", r.State, r.Step, r.Rows, r.Torn, r.Last)
	})
}

func (l ledger) transitions(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error) {
	legal, _ := ways()
	rows, err := l.sql.IllegalSteps(ctx, tx, db.IllegalStepsParams{Ids: ids, Legal: legal})
	return each(rows, err, func(r db.IllegalStepsRow) books.Mismatch {
		return books.Wrong(r.OrderID, "step %d leads from %q to %s", r.Step, r.FromState, r.ToState)
	})
}

// ways are the table of transitions as the books read it: all of it, and those that publish an event.
func ways() (legal, told []string) {
	for _, t := range transitions {
		way := string(t.from) + ">" + string(t.to)
		legal = append(legal, way)
		if t.event != nil {
			told = append(told, way)
		}
	}
	return legal, told
}

func (l ledger) events(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error) {
	_, told := ways()
	rows, err := l.sql.EventsOff(ctx, tx, db.EventsOffParams{Ids: ids, Told: told, YoungSince: l.clock().Add(-keptEvents)})
	return each(rows, err, func(r db.EventsOffRow) books.Mismatch {
		return books.Wrong(r.ID, "version %d after %d steps that publish; %d events are kept, from version %d to %d", r.Version, r.Steps, r.Events, r.First, r.Last)
	})
}

// quotas looks at all that the shoppers of the orders have, once for each of them.
func (l ledger) quotas(ctx context.Context, from string) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Time{})
	if err != nil {
		return found, err
	}
	found.Through = through.String()
	return found, l.read(ctx, func(tx pgx.Tx) error {
		shoppers := map[uuid.UUID]bool{}
		err := l.pages(ctx, tx, since, &found, func(ids []uuid.UUID) error {
			accounts, err := l.sql.ShoppersOf(ctx, tx, ids)
			for _, a := range accounts {
				shoppers[a] = true
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("find shoppers: %w", err)
		}
		found.Looked = int64(len(shoppers))
		for accounts := range slices.Chunk(slices.Collect(maps.Keys(shoppers)), bookPage) {
			rows, err := l.sql.QuotasOff(ctx, tx, accounts)
			if err != nil {
				return fmt.Errorf("look: %w", err)
			}
			for _, r := range rows {
				note(&found, r.AccountID, "%d pieces of product %s are counted, and its orders have %d", r.Counted, r.ProductID, r.Living)
			}
		}
		return nil
	})
}

func (l ledger) pending(ctx context.Context, tx pgx.Tx, now time.Time) ([]books.Mismatch, error) {
	before := now.Add(-l.config.RecoverAfter - gracePending)
	rows, err := l.sql.PendingSince(ctx, tx, db.PendingSinceParams{Before: before, AtMost: books.MostWrong})
	return each(rows, err, func(r db.PendingSinceRow) books.Mismatch {
		return books.Wrong(r.ID, "is being placed since %s", r.Since.UTC().Format(time.RFC3339))
	})
}

func (l ledger) unpaid(ctx context.Context, tx pgx.Tx, now time.Time) ([]books.Mismatch, error) {
	rows, err := l.sql.UnpaidSince(ctx, tx, db.UnpaidSinceParams{Before: now.Add(-graceUnpaid), AtMost: books.MostWrong})
	return each(rows, err, func(r db.UnpaidSinceRow) books.Mismatch {
		return books.Wrong(r.ID, "was to be paid until %s", r.Since.UTC().Format(time.RFC3339))
	})
}

func (l ledger) cancelings(ctx context.Context, tx pgx.Tx, now time.Time) ([]books.Mismatch, error) {
	rows, err := l.sql.CancelingSince(ctx, tx, db.CancelingSinceParams{Before: now.Add(-graceCanceling), AtMost: books.MostWrong})
	return each(rows, err, func(r db.CancelingSinceRow) books.Mismatch {
		return books.Wrong(r.ID, "is being %s since %s", ordering.StateCanceled, r.Since.UTC().Format(time.RFC3339))
	})
}

func (l ledger) refunds(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error) {
	rows, err := l.sql.RefundsOff(ctx, tx, ids)
	return each(rows, err, func(r db.RefundsOffRow) books.Mismatch {
		return books.Wrong(r.ID, "it is %s and says that %d won went back for goods worth %d; its refunds say %d for %d, %d pieces did not come back, and %d did twice",
			r.State, r.RefundedWon, r.ReturnedWon, r.RefundsWon, r.GoodsWon, r.LeftOver, r.TooMany)
	})
}

func (l ledger) openRefunds(ctx context.Context, tx pgx.Tx, now time.Time) ([]books.Mismatch, error) {
	rows, err := l.sql.RefundsSince(ctx, tx, db.RefundsSinceParams{Before: now.Add(-graceRefund), AtMost: books.MostWrong})
	return each(rows, err, func(r db.RefundsSinceRow) books.Mismatch {
		return books.Wrong(r.OrderID, "refund %s is %s since %s", r.ID, r.State, r.Since.UTC().Format(time.RFC3339))
	})
}

func (l ledger) preorderLimits(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]books.Mismatch, error) {
	rows, err := l.sql.OverPreorderLimits(ctx, tx, ids)
	return each(rows, err, func(r db.OverPreorderLimitsRow) books.Mismatch {
		return books.Wrong(r.ID, "its account %s has %d pieces of drop %s, of which a customer may have %d", r.AccountID, r.Pieces, r.DropID, r.PerCustomer)
	})
}

func (l ledger) canceledDrops(ctx context.Context, tx pgx.Tx, now time.Time) ([]books.Mismatch, error) {
	rows, err := l.sql.LeftOfCanceledDrops(ctx, tx, db.LeftOfCanceledDropsParams{Since: now.Add(-lately), AtMost: books.MostWrong})
	return each(rows, err, func(r db.LeftOfCanceledDropsRow) books.Mismatch {
		return books.Wrong(r.ID, "is %s, and its drop %s was called off", r.State, r.DropID)
	})
}
