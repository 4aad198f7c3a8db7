package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// pointBooks are what must hold of points and tiers.
func (s *Service) pointBooks() []books.Invariant {
	return []books.Invariant{
		{Module: "accounts", Name: "points.balance", Says: "an account's points are the sum of its entries", Check: s.checkBalances},
		{Module: "accounts", Name: "points.held", Says: "what is held of an account's points is the sum of what open orders hold, and no more than there is", Check: s.checkHeld},
		s.invariant("points.orders", "an order's points are spent once if it used what it held, go back once if it gave that up or its goods came back, and are earned once when it is confirmed",
			"its entries are not what its hold and its purchase ask for", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.OrdersOffEntries(ctx, tx, db.OrdersOffEntriesParams{ChangedFrom: timeOf(from), Since: from})
				return r.Looked, r.Wrong, err
			}),
		s.invariant("points.taken_back", "what a refund takes back is what its goods had earned, as far as the account had it, and stands in the ledger; what came back of a purchase is the sum of that",
			"its take-backs are not what its purchase and the ledger say", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.TakeBacksOff(ctx, tx, db.TakeBacksOffParams{ChangedFrom: timeOf(from), Since: from})
				return r.Looked, r.Wrong, err
			}),
		{Module: "accounts", Name: "points.settled", Says: "what the events of orders ask of points is done within a minute", Check: s.checkSettlements},
		s.invariant("tiers.sum", "an account is in the best tier that its purchases of twelve months reach",
			"its tier is not that of its purchases", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				now := s.clock()
				r, err := s.sql.TiersOff(ctx, tx, db.TiersOffParams{ChangedFrom: timeOf(from), Since: from, Now: now, WindowFrom: now.Add(-tierWindow)})
				return r.Looked, r.Wrong, err
			}),
	}
}

// buckets is what the queries divide accounts into.
const buckets = 64

// prints is the checkpoint of what is compared with the whole ledger: sums, up to an entry.
//
// A sum for each account would be the plain thing, but a million of them are no checkpoint. So each bucket of accounts has one sum, in
// which a balance counts a 64-bit multiple of its own. The balances, less what was entered since, must still give it. Where they do
// not, the bucket's accounts are compared with their whole ledgers one by one: so an entry that came late costs one slower look and is
// no mismatch.
type prints struct {
	Until string          `json:"until"`
	Sums  [buckets]string `json:"sums"` // "": 0
}

func (s *Service) checkBalances(ctx context.Context, from string) (found books.Finding, err error) {
	var before, after prints
	if from != "" {
		if err := json.Unmarshal([]byte(from), &before); err != nil {
			return found, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	since, through, err := books.Span(before.Until, time.Time{})
	if err != nil {
		return found, err
	}
	after.Until = through.String()
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := s.sql.PointPrints(ctx, tx, db.PointPrintsParams{Since: since, Through: through})
		if err != nil {
			return fmt.Errorf("sum up the ledger: %w", err)
		}
		var now prints
		for _, r := range rows {
			found.Looked += r.Looked
			now.Sums[r.Bucket], after.Sums[r.Bucket] = r.AtSince, r.AtThrough
		}
		var doubtful []int64
		for i := range buckets {
			if cmp.Or(now.Sums[i], "0") != cmp.Or(before.Sums[i], "0") {
				doubtful = append(doubtful, int64(i))
			}
		}
		if len(doubtful) == 0 {
			return nil
		}
		wrong, err := s.sql.PointsOffLedger(ctx, tx, db.PointsOffLedgerParams{Buckets: doubtful, RowLimit: books.MostWrong})
		if err != nil {
			return fmt.Errorf("compare balances with the ledger: %w", err)
		}
		for _, w := range wrong {
			found.Wrong = append(found.Wrong, books.Wrong(w.ID, "it has %d points, and the ledger says %d", w.Balance, w.Entered))
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	left, err := json.Marshal(after)
	found.Through = string(left)
	return found, err
}

func (s *Service) checkHeld(ctx context.Context, _ string) (found books.Finding, err error) {
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		open, err := s.sql.OpenPoints(ctx, tx)
		if err != nil {
			return fmt.Errorf("count balances and holds: %w", err)
		}
		found.Looked = open.Balances + open.Holds
		wrong, err := s.sql.HeldOffHolds(ctx, tx, books.MostWrong)
		if err != nil {
			return fmt.Errorf("compare balances with holds: %w", err)
		}
		for _, w := range wrong {
			found.Wrong = append(found.Wrong, books.Wrong(w.ID, "%d of its %d points are held, and orders hold %d", w.Held, w.Balance, w.Open))
		}
		return nil
	})
	return found, err
}

func (s *Service) checkSettlements(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.PointSettlementsWaiting(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count settlements of points: %w", err)
	}
	overdue, err := s.sql.PointSettlementsOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for overdue settlements of points: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.OrderID, "the order has asked to %s its points since %s", w.Action, w.AskedAt.Format(time.RFC3339)))
	}
	return found, nil
}
