package app

import (
	"context"
	"fmt"
	"math/bits"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	settleCommit    = failpoint.New("accounts.settle_points.commit") // all is written that the events have asked for
	settleCommitted = failpoint.New("accounts.settle_points.committed")
)

// What an order's event asks for.
const (
	actionUse     = "use"     // paid: what is held is spent
	actionRelease = "release" // given up: what is held, or was spent, goes back
	actionConfirm = "confirm" // final: it earns points, and counts as a purchase
	actionReturn  = "return"  // goods came back: so do the points that had paid for them
	actionUndo    = "undo"    // a refund was refused: what it had taken back is the account's again
)

// The kinds of entries.
const (
	entryEarn         = "earn"
	entryUse          = "use"
	entryReturn       = "return"
	entryGrant        = "grant"
	entryRevoke       = "revoke"
	entryTakeBack     = "take_back"
	entryUndoTakeBack = "undo_take_back"
)

const maxSettlement = 512 // orders in one transaction

// SettlePoints does what orders' events have asked for, many orders at once, until nothing is left to do. The handlers of events
// only write down what is to be done: the bus may handle many of them in one transaction, in whatever order they came, and holding
// all their locks until its end could make it and the shoppers wait for each other.
func (s *Service) SettlePoints(ctx context.Context) error {
	return batch.Drain(ctx, maxSettlement, s.settleSome)
}

func (s *Service) settleSome(ctx context.Context, most int) (n int, err error) {
	err = pgx.BeginFunc(ctx, s.flying, func(tx pgx.Tx) error {
		asked, err := s.sql.TakePointSettlements(ctx, tx, int32(most))
		if err != nil {
			return fmt.Errorf("take point settlements: %w", err)
		}
		if n = len(asked); n == 0 {
			return nil
		}
		orders, people := make([]uuid.UUID, n), make([]uuid.UUID, n)
		var refunds []uuid.UUID
		for i, a := range asked {
			orders[i], people[i] = a.OrderID, a.AccountID
			if a.RefundID != nil {
				refunds = append(refunds, *a.RefundID)
			}
		}
		known, err := s.sql.BoardSettle(ctx, tx, orders, people, refunds)
		if err != nil {
			return err
		}
		rules, err := s.rules(ctx, tx)
		if err != nil {
			return err
		}
		again, err := s.sql.LandSettle(ctx, tx, s.decide(known, rules, asked))
		if err != nil {
			return err
		}
		if again { // a hold arrived while it was released
			return batch.ErrAgain
		}
		settleCommit.Hit()
		return nil
	})
	if err == nil && n > 0 {
		settleCommitted.Hit()
	}
	return n, err
}

// decide goes through what was asked in order of arrival. Each step is a compare-and-set on the state, so that repeats and
// latecomers change nothing.
func (s *Service) decide(known db.Points, rules ladder, asked []db.TakePointSettlementsRow) *db.Settled {
	d := settlement{db.Settled{
		At: s.clock(), States: map[uuid.UUID]string{}, Tombstones: map[uuid.UUID]uuid.UUID{}, Balance: map[uuid.UUID]int64{}, Held: map[uuid.UUID]int64{},
	}}
	for _, a := range asked {
		hold, exists := known.Holds[a.OrderID]
		state := accounts.HoldState(hold.State)
		become := func(next accounts.HoldState) {
			hold.State = string(next)
			known.Holds[a.OrderID], d.States[a.OrderID] = hold, hold.State
		}
		switch {
		case a.Action == actionRelease && !exists:
			d.Tombstones[a.OrderID] = a.AccountID
		case a.Action == actionRelease && state == accounts.Held:
			become(accounts.Released)
			d.Held[hold.AccountID] -= hold.Points
		case a.Action == actionRelease && state == accounts.Used:
			become(accounts.Released)
			d.enter(hold.AccountID, entryReturn, hold.Points, a.OrderID, uuid.Nil)
		case a.Action == actionUse && exists && state == accounts.Held:
			become(accounts.Used)
			d.Held[hold.AccountID] -= hold.Points
			d.enter(hold.AccountID, entryUse, -hold.Points, a.OrderID, uuid.Nil)
		case a.Action == actionUse && state != accounts.Used:
			s.log.Warn("a paid order had given up its points", "order.id", a.OrderID)
		case a.Action == actionConfirm && !known.Confirmed[a.OrderID]:
			tier, open := known.Tiers[a.AccountID]
			if !open { // what is closed earns nothing
				continue
			}
			known.Confirmed[a.OrderID] = true
			rate := rules.of(accounts.Tier(tier)).EarnPermille
			if points := earned(a.Won, rate); points > 0 {
				d.enter(a.AccountID, entryEarn, points, a.OrderID, uuid.Nil)
			}
			p := &d.Purchases
			p.OrderIds, p.AccountIds, p.Won = append(p.OrderIds, a.OrderID), append(p.AccountIds, a.AccountID), append(p.Won, a.Won)
			p.EarnPermille, p.ConfirmedAt = append(p.EarnPermille, rate), append(p.ConfirmedAt, a.At)
			d.Reviews = append(d.Reviews, a.AccountID)
		case a.Action == actionReturn && !known.Refunded[*a.RefundID]:
			if state != accounts.Used || known.Returned[a.OrderID]+a.Won > hold.Points {
				s.log.Warn("a refund brings back points that did not pay for its order", "order.id", a.OrderID, "refund.id", a.RefundID)
				continue
			}
			known.Refunded[*a.RefundID] = true
			known.Returned[a.OrderID] += a.Won
			d.enter(hold.AccountID, entryReturn, a.Won, a.OrderID, *a.RefundID)
		case a.Action == actionUndo:
			back, taken := known.TakeBacks[*a.RefundID]
			if !taken || back.State != takeBackTaken {
				continue // it had taken nothing back, or gave it back before
			}
			back.State = takeBackUndone
			known.TakeBacks[back.RefundID] = back
			if back.Taken > 0 {
				d.enter(back.AccountID, entryUndoTakeBack, back.Taken, back.OrderID, back.RefundID)
			}
			d.Undone, d.Reviews = append(d.Undone, back.RefundID), append(d.Reviews, back.AccountID)
		}
	}
	return &d.Settled
}

// earned is a share of won in thousandths, rounded down.
func earned(won, permille int64) int64 {
	high, low := bits.Mul64(uint64(won), uint64(permille))
	points, _ := bits.Div64(high, low, 1000) // a share is at most the whole, so that the quotient fits
	return int64(points)
}

type settlement struct{ db.Settled }

// enter changes a balance by a line in the ledger. The refund is zero if the line is of none.
func (d *settlement) enter(account uuid.UUID, kind string, points int64, order, refund uuid.UUID) {
	d.Balance[account] += points
	e := &d.Entries
	e.Ids, e.AccountIds = append(e.Ids, uuid.Must(uuid.NewV7())), append(e.AccountIds, account)
	e.Kinds, e.Points = append(e.Kinds, kind), append(e.Points, points)
	e.OrderIds, e.RefundIds = append(e.OrderIds, order), append(e.RefundIds, refund)
}
