package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	takeBackCommit    = failpoint.New("accounts.take_back_points.commit") // the purchase is less, and the ledger says what that took
	takeBackCommitted = failpoint.New("accounts.take_back_points.committed")
)

// The states of a take-back.
const (
	takeBackTaken  = "taken"
	takeBackUndone = "undone" // its refund was refused
)

// TakeBack implements [accounts.Points]. The lock of the balance keeps everything that it reads as it is: what is left of the purchase,
// and what the account can spend. A closed account owes nothing, and nothing is kept of that.
func (s *Service) TakeBack(ctx context.Context, in accounts.TakeBackInput) (taken accounts.TakenBack, err error) {
	if in.Won < 1 {
		return accounts.TakenBack{}, accounts.ErrBadTakeBack
	}
	fresh := false
	err = s.inTx(ctx, func(w *work) error {
		locked, err := s.sql.LockBalances(ctx, w.tx, []uuid.UUID{in.AccountID})
		if err != nil {
			return fmt.Errorf("lock balance: %w", err)
		}
		w.now = s.clock()
		before, err := s.sql.TakeBackOf(ctx, w.tx, in.RefundID)
		if err == nil {
			taken, err = takenBefore(before, in)
			return err
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look up take-back: %w", err)
		}
		taken = accounts.TakenBack{RefundID: in.RefundID}
		open, err := s.sql.TiersOf(ctx, w.tx, []uuid.UUID{in.AccountID})
		if err != nil || len(open) == 0 {
			return err
		}
		purchase, err := s.sql.PurchaseOf(ctx, w.tx, in.OrderID)
		if err != nil {
			return orElse(err, accounts.ErrNoPurchase, "read purchase")
		}
		if purchase.AccountID != in.AccountID || len(locked) == 0 {
			return accounts.ErrNoPurchase
		}
		left := purchase.Won - purchase.ReturnedWon
		if in.Won > left {
			return accounts.ErrTakeBackTooMuch
		}
		taken.Owed = earned(left, purchase.EarnPermille) - earned(left-in.Won, purchase.EarnPermille)
		taken.Taken = min(taken.Owed, locked[0].Balance-locked[0].Held)
		fresh = true
		err = s.takeBack(ctx, w, in, left, taken)
		takeBackCommit.Hit()
		return err
	})
	if err != nil {
		return accounts.TakenBack{}, err
	}
	if fresh {
		takeBackCommitted.Hit()
	}
	return taken, nil
}

func (s *Service) takeBack(ctx context.Context, w *work, in accounts.TakeBackInput, left int64, taken accounts.TakenBack) error {
	err := s.sql.InsertTakeBack(ctx, w.tx, db.InsertTakeBackParams{
		RefundID: in.RefundID, OrderID: in.OrderID, AccountID: in.AccountID, Won: in.Won, LeftWon: left,
		Owed: taken.Owed, Taken: taken.Taken, At: w.now,
	})
	if err != nil {
		return fmt.Errorf("insert take-back: %w", err)
	}
	people := []uuid.UUID{in.AccountID}
	if err := s.sql.AskReviews(ctx, w.tx, db.AskReviewsParams{AccountIds: people, At: w.now}); err != nil {
		return fmt.Errorf("ask for a review: %w", err)
	}
	if taken.Taken == 0 {
		return nil
	}
	move := db.MoveBalancesParams{AccountIds: people, Balances: []int64{-taken.Taken}, Held: []int64{0}}
	if err := s.sql.MoveBalances(ctx, w.tx, move); err != nil {
		return fmt.Errorf("move balance: %w", err)
	}
	err = s.sql.InsertOrderEntries(ctx, w.tx, db.InsertOrderEntriesParams{
		Ids: []uuid.UUID{uuid.Must(uuid.NewV7())}, AccountIds: people, Kinds: []string{entryTakeBack}, Points: []int64{-taken.Taken},
		OrderIds: []uuid.UUID{in.OrderID}, RefundIds: []uuid.UUID{in.RefundID}, At: w.now,
	})
	if err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	return nil
}

// takenBefore is the answer to a refund that has taken something back already.
func takenBefore(t db.TakeBack, in accounts.TakeBackInput) (accounts.TakenBack, error) {
	switch {
	case t.OrderID != in.OrderID || t.AccountID != in.AccountID || t.Won != in.Won:
		return accounts.TakenBack{}, accounts.ErrTakeBackDiffers
	case t.State == takeBackUndone:
		return accounts.TakenBack{}, accounts.ErrTakeBackUndone
	}
	return accounts.TakenBack{RefundID: t.RefundID, Owed: t.Owed, Taken: t.Taken}, nil
}
