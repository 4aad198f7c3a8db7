package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/pg"
)

// Sender is a connection or a transaction.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Balance is a balance of points under lock.
type Balance = AccountsPointBalance

// PointHold is what an order holds of an account's points.
type PointHold = PointHoldsOfRow

// TakeBack is what a refund took back of the points that its order had earned.
type TakeBack = AccountsPointTakeBack

// Points is what a flight, or a settlement, knows of orders, accounts and refunds.
type Points struct {
	Holds     map[uuid.UUID]PointHold // by order
	Balances  map[uuid.UUID]Balance
	Tiers     map[uuid.UUID]string   // of the accounts that are not closed
	Confirmed map[uuid.UUID]bool     // orders whose purchase was counted
	Returned  map[uuid.UUID]int64    // by order: the points that its refunds brought back
	Refunded  map[uuid.UUID]bool     // the refunds that brought some back
	TakeBacks map[uuid.UUID]TakeBack // by refund
}

func newPoints() Points {
	return Points{
		Holds: map[uuid.UUID]PointHold{}, Balances: map[uuid.UUID]Balance{}, Tiers: map[uuid.UUID]string{}, Confirmed: map[uuid.UUID]bool{},
		Returned: map[uuid.UUID]int64{}, Refunded: map[uuid.UUID]bool{}, TakeBacks: map[uuid.UUID]TakeBack{},
	}
}

// BoardHold begins a transaction and locks the balances, in one round trip. The holds are looked up after that: what an order
// holds changes under the lock of its account's balance only.
func (q *Queries) BoardHold(ctx context.Context, conn Sender, orders, accounts []uuid.UUID) (Points, error) {
	known := newPoints()
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue(lockBalances, accounts).Query(known.readBalances)
	b.Queue(pointHoldsOf, orders).Query(known.readHolds)
	b.Queue(tiersOf, accounts).Query(known.readTiers)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return Points{}, fmt.Errorf("lock balances: %w", err)
	}
	return known, nil
}

// LandHold writes the holds and commits, in one round trip. It returns how many orders took something: not those that somebody
// else has put there in the meantime.
func (q *Queries) LandHold(ctx context.Context, conn Sender, w HoldPointsParams) (fresh int, err error) {
	b := &pgx.Batch{}
	b.Queue(holdPoints, w.At, w.OrderIds, w.AccountIds, w.Points).QueryRow(func(row pgx.Row) error { return row.Scan(&fresh) })
	pg.QueueCommit(b)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return 0, fmt.Errorf("write holds: %w", err)
	}
	return fresh, nil
}

// BoardSettle locks what orders hold and the balances of their accounts, in one round trip. What their refunds did changes under the
// lock of the balance too; it is read if there are any.
func (q *Queries) BoardSettle(ctx context.Context, conn Sender, orders, accounts, refunds []uuid.UUID) (Points, error) {
	known := newPoints()
	b := &pgx.Batch{}
	b.Queue(lockPointHolds, orders).Query(known.readHolds)
	b.Queue(openBalances, accounts)
	b.Queue(lockBalances, accounts).Query(known.readBalances)
	b.Queue(tiersOf, accounts).Query(known.readTiers)
	b.Queue(purchasesOf, orders).Query(func(rows pgx.Rows) error { return readIDs(rows, known.Confirmed) })
	if len(refunds) > 0 {
		b.Queue(returnedPointsOf, orders).Query(known.readReturned)
		b.Queue(takeBacksOf, refunds).Query(known.readTakeBacks)
	}
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return Points{}, fmt.Errorf("lock point holds: %w", err)
	}
	return known, nil
}

// Settled is what a settlement writes.
type Settled struct {
	At         time.Time
	States     map[uuid.UUID]string    // new ones, of holds that are there
	Tombstones map[uuid.UUID]uuid.UUID // orders that give up before they held anything, and their accounts
	Balance    map[uuid.UUID]int64     // changes, by account
	Held       map[uuid.UUID]int64
	Entries    InsertOrderEntriesParams
	Purchases  InsertPurchasesParams
	Undone     []uuid.UUID // refunds whose take-back is none any more
	Reviews    []uuid.UUID // accounts, once for each change of their purchases
}

// LandSettle writes a settlement in one round trip. It tells whether a tombstone could not be set because a hold arrived in the
// meantime: then all must be settled again.
func (q *Queries) LandSettle(ctx context.Context, conn Sender, w *Settled) (again bool, err error) {
	b := &pgx.Batch{}
	if len(w.States) > 0 {
		orders, states := make([]uuid.UUID, 0, len(w.States)), make([]string, 0, len(w.States))
		for order, state := range w.States {
			orders, states = append(orders, order), append(states, state)
		}
		b.Queue(setPointHoldStates, w.At, orders, states)
	}
	accounts := make([]uuid.UUID, 0, len(w.Balance))
	for account := range w.Balance {
		accounts = append(accounts, account)
	}
	for account := range w.Held {
		if _, there := w.Balance[account]; !there {
			accounts = append(accounts, account)
		}
	}
	if len(accounts) > 0 {
		balances, held := make([]int64, len(accounts)), make([]int64, len(accounts))
		for i, account := range accounts {
			balances[i], held[i] = w.Balance[account], w.Held[account]
		}
		b.Queue(moveBalances, accounts, balances, held)
	}
	if e := w.Entries; len(e.Ids) > 0 {
		b.Queue(insertOrderEntries, w.At, e.Ids, e.AccountIds, e.Kinds, e.Points, e.OrderIds, e.RefundIds)
	}
	if p := w.Purchases; len(p.OrderIds) > 0 {
		b.Queue(insertPurchases, w.At, p.OrderIds, p.AccountIds, p.Won, p.EarnPermille, p.ConfirmedAt)
	}
	if len(w.Undone) > 0 {
		b.Queue(undoTakeBacks, w.At, w.Undone)
	}
	if len(w.Reviews) > 0 {
		b.Queue(askReviews, w.At, w.Reviews)
	}
	set := map[uuid.UUID]bool{}
	if len(w.Tombstones) > 0 {
		orders := make([]uuid.UUID, 0, len(w.Tombstones))
		for order := range w.Tombstones {
			orders = append(orders, order)
		}
		slices.SortFunc(orders, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
		of := make([]uuid.UUID, len(orders))
		for i, order := range orders {
			of[i] = w.Tombstones[order]
		}
		b.Queue(insertPointTombstones, w.At, orders, of).Query(func(rows pgx.Rows) error { return readIDs(rows, set) })
	}
	if b.Len() == 0 {
		return false, nil
	}
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return false, fmt.Errorf("write settlement: %w", err)
	}
	return len(set) < len(w.Tombstones), nil
}

func (p Points) readBalances(rows pgx.Rows) error {
	var b Balance
	_, err := pgx.ForEachRow(rows, []any{&b.AccountID, &b.Balance, &b.Held}, func() error {
		p.Balances[b.AccountID] = b
		return nil
	})
	return err
}

func (p Points) readHolds(rows pgx.Rows) error {
	var h PointHold
	_, err := pgx.ForEachRow(rows, []any{&h.OrderID, &h.AccountID, &h.Points, &h.State}, func() error {
		p.Holds[h.OrderID] = h
		return nil
	})
	return err
}

func (p Points) readTiers(rows pgx.Rows) error {
	var account uuid.UUID
	var tier string
	_, err := pgx.ForEachRow(rows, []any{&account, &tier}, func() error {
		p.Tiers[account] = tier
		return nil
	})
	return err
}

func (p Points) readReturned(rows pgx.Rows) error {
	var r ReturnedPointsOfRow
	_, err := pgx.ForEachRow(rows, []any{&r.OrderID, &r.RefundID, &r.Points}, func() error {
		p.Returned[r.OrderID] += r.Points
		p.Refunded[r.RefundID] = true
		return nil
	})
	return err
}

func (p Points) readTakeBacks(rows pgx.Rows) error {
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[TakeBack])
	for _, t := range all {
		p.TakeBacks[t.RefundID] = t
	}
	return err
}

func readIDs(rows pgx.Rows, into map[uuid.UUID]bool) error {
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		into[id] = true
		return nil
	})
	return err
}
