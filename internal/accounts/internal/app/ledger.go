package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/pg"
)

var (
	grantCommit    = failpoint.New("accounts.grant_points.commit") // the balance has moved and the ledger says so
	grantCommitted = failpoint.New("accounts.grant_points.committed")
)

const uniqueViolation = "23505"

// GrantInput gives an account points, or takes some away with a negative number.
type GrantInput struct {
	AccountID uuid.UUID
	Points    int64
	Reason    string
	Key       idempotency.Key
}

// Grant changes an account's balance by a line in the ledger. A repeat with the same key returns the first line; replayed says so.
func (s *Service) Grant(ctx context.Context, in GrantInput) (entry db.AccountsPointEntry, replayed bool, err error) {
	if in.Points == 0 {
		return entry, false, invalid("/points", "must not be 0")
	}
	line, ok := normalLine(in.Reason, 1, maxReasonRunes)
	if !ok {
		return entry, false, invalid("/reason", "must have 1 to 500 characters, in one line")
	}
	in.Reason = line
	actor := auth.Must(ctx).AccountID
	if entry, replayed, err = s.grantedBefore(ctx, s.pool, actor, in.Key); replayed || err != nil {
		return entry, replayed, err
	}
	err = s.inTx(ctx, func(w *work) error {
		if _, err := s.sql.AccountOf(ctx, w.tx, in.AccountID); err != nil {
			return orElse(err, accounts.ErrNoAccount, "read account")
		}
		if err := s.sql.OpenBalances(ctx, w.tx, []uuid.UUID{in.AccountID}); err != nil {
			return fmt.Errorf("open balance: %w", err)
		}
		locked, err := s.sql.LockBalances(ctx, w.tx, []uuid.UUID{in.AccountID})
		if err != nil {
			return fmt.Errorf("lock balance: %w", err)
		}
		if len(locked) == 0 { // closed at this moment
			return accounts.ErrNoAccount
		}
		if entry, replayed, err = s.grantedBefore(ctx, w.tx, actor, in.Key); replayed || err != nil {
			return err // the first request with the key had the lock
		}
		entry, err = s.grant(ctx, w, actor, locked[0], in)
		grantCommit.Hit()
		return err
	})
	if pg.Code(err) == uniqueViolation { // the same key for another account, at the same moment
		entry, replayed, err = s.grantedBefore(ctx, s.pool, actor, in.Key)
	}
	if err == nil && !replayed {
		grantCommitted.Hit()
	}
	return entry, replayed, err
}

func (s *Service) grant(ctx context.Context, w *work, actor uuid.UUID, before db.Balance, in GrantInput) (entry db.AccountsPointEntry, err error) {
	kind := entryGrant
	if in.Points < 0 {
		kind = entryRevoke
	}
	after := before.Balance + in.Points
	if after < before.Held {
		return entry, accounts.ErrNotEnoughPoints
	}
	move := db.MoveBalancesParams{AccountIds: []uuid.UUID{in.AccountID}, Balances: []int64{in.Points}, Held: []int64{0}}
	if err := s.sql.MoveBalances(ctx, w.tx, move); err != nil {
		return entry, fmt.Errorf("move balance: %w", err)
	}
	entry, err = s.sql.InsertGrant(ctx, w.tx, db.InsertGrantParams{
		ID: uuid.Must(uuid.NewV7()), AccountID: in.AccountID, Kind: kind, Points: in.Points, Reason: in.Reason,
		ActorID: &actor, IdempotencyKey: &in.Key.Value, IdempotencyHash: in.Key.Hash, At: w.now,
	})
	if err != nil {
		return entry, fmt.Errorf("write to the ledger: %w", err)
	}
	type balance struct {
		Balance int64  `json:"balance"`
		Points  int64  `json:"points,omitempty"`
		Reason  string `json:"reason,omitempty"`
	}
	return entry, s.audit.Add(ctx, w.tx, audit.Entry{
		Action: "points." + kind, Subject: in.AccountID.String(),
		Before: balance{Balance: before.Balance}, After: balance{after, in.Points, in.Reason},
	})
}

// grantedBefore finds the line that the key made already.
func (s *Service) grantedBefore(ctx context.Context, conn db.DBTX, actor uuid.UUID, key idempotency.Key) (entry db.AccountsPointEntry, found bool, err error) {
	entry, err = s.sql.GrantByKey(ctx, conn, db.GrantByKeyParams{ActorID: &actor, IdempotencyKey: &key.Value})
	if errors.Is(err, pgx.ErrNoRows) {
		return entry, false, nil
	}
	if err != nil {
		return entry, false, fmt.Errorf("look up idempotency key: %w", err)
	}
	if err := key.Check(entry.IdempotencyHash); err != nil {
		return db.AccountsPointEntry{}, false, err
	}
	return entry, true, nil
}

// Ledger is what an account has, and a part of how that came about.
type Ledger struct {
	Balance int64
	Held    int64
	Entries []db.AccountsPointEntry // the latest first
}

// LedgerOf returns an account's balance and at most limit of its entries, from before one on. One instant is read.
func (s *Service) LedgerOf(ctx context.Context, account uuid.UUID, before *uuid.UUID, limit int) (l Ledger, err error) {
	from := uuid.Max
	if before != nil {
		from = *before
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := s.sql.AccountOf(ctx, tx, account); err != nil {
			return orElse(err, accounts.ErrNoAccount, "read account")
		}
		balance, err := s.sql.BalanceOf(ctx, tx, account)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) { // who never had any has no row
			return fmt.Errorf("read balance: %w", err)
		}
		l.Balance, l.Held = balance.Balance, balance.Held
		if l.Entries, err = s.sql.EntriesPage(ctx, tx, db.EntriesPageParams{AccountID: account, Before: from, RowLimit: int32(limit)}); err != nil {
			return fmt.Errorf("list entries: %w", err)
		}
		return nil
	})
	return l, err
}

// MyLedger is the ledger of who asks.
func (s *Service) MyLedger(ctx context.Context, before *uuid.UUID, limit int) (Ledger, error) {
	l, err := s.LedgerOf(ctx, auth.Must(ctx).AccountID, before, limit)
	if errors.Is(err, accounts.ErrNoAccount) { // closed a moment ago, on another instance
		return Ledger{}, auth.ErrBadToken
	}
	return l, err
}

// withPoints completes an account that was read without its balance.
func (s *Service) withPoints(ctx context.Context, a accounts.Account) (accounts.Account, error) {
	balance, err := s.sql.BalanceOf(ctx, s.pool, a.ID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return accounts.Account{}, fmt.Errorf("read balance: %w", err)
	}
	a.Points = balance.Balance - balance.Held
	return a, nil
}

// PointEntry is a line of the ledger.
type PointEntry struct {
	ID       uuid.UUID  `json:"id"`
	Kind     string     `json:"kind" enum:"earn,use,return,grant,revoke,take_back,undo_take_back" doc:"Why the points came or went; take_back: what an order had earned by goods that came back."`
	Points   int64      `json:"points" example:"390" doc:"How many came, or went if negative."`
	OrderID  *uuid.UUID `json:"order_id,omitempty" doc:"The order that earned them, was paid with them, or gave them back."`
	RefundID *uuid.UUID `json:"refund_id,omitempty" doc:"The refund of the order that brought them back, or took them back."`
	Reason   string     `json:"reason,omitempty" example:"a late parcel" doc:"What an admin had to say."`
	At       time.Time  `json:"at"`
}

func toEntry(e db.AccountsPointEntry) PointEntry {
	return PointEntry{ID: e.ID, Kind: e.Kind, Points: e.Points, OrderID: e.OrderID, RefundID: e.RefundID, Reason: e.Reason, At: e.At.UTC()}
}
