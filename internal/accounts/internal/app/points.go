package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/pg"
)

var (
	holdCommit    = failpoint.New("accounts.hold_points.commit")    // the balances are locked, nothing is written
	holdCommitted = failpoint.New("accounts.hold_points.committed") // held, and no order was told
)

// Flights have connections of their own, and so has the job that settles: however many people sign in, orders get through. Two
// flights, so that a balance which somebody else holds for long stops half of the orders at most.
const (
	holdFlights = 2
	settleJobs  = 1
)

// maxHolds is how many holds one call may ask for.
const maxHolds = 1000

// Hold implements [accounts.Points]. Holds at the same time share transactions: see flyHold.
func (s *Service) Hold(ctx context.Context, in accounts.HoldInput) (accounts.PointHold, error) {
	if in.Points < 1 {
		return accounts.PointHold{}, accounts.ErrBadPoints
	}
	hold, err := s.holding.Do(ctx, batch.KeyOf(in.AccountID), in)
	if errors.Is(err, batch.ErrBusy) {
		err = fmt.Errorf("%w: %w", accounts.ErrPointsBusy.WithRetryAfter(time.Second), err)
	}
	return hold, err
}

func orderOf(in accounts.HoldInput) uuid.UUID { return in.OrderID }

// flyHold answers the orders of one flight, of which none is there twice, first come first served: one round trip locks their
// accounts' balances, a second one writes what was decided and commits. Orders that get nothing cost no write.
func (s *Service) flyHold(ctx context.Context, asked []accounts.HoldInput) ([]batch.Result[accounts.PointHold], error) {
	conn, err := s.flying.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for holds: %w", err)
	}
	defer pg.GiveBack(ctx, conn)
	return s.hold(ctx, conn, asked)
}

func (s *Service) hold(ctx context.Context, conn *pgxpool.Conn, asked []accounts.HoldInput) ([]batch.Result[accounts.PointHold], error) {
	orders, people := make([]uuid.UUID, len(asked)), make([]uuid.UUID, len(asked))
	for i, in := range asked {
		orders[i], people[i] = in.OrderID, in.AccountID
	}
	known, err := s.sql.BoardHold(ctx, conn.Conn(), orders, people)
	if err != nil {
		return nil, err
	}
	results := make([]batch.Result[accounts.PointHold], len(asked))
	w := db.HoldPointsParams{At: s.clock()}
	for i, in := range asked {
		if hold, ok := known.Holds[in.OrderID]; ok {
			results[i] = standing(hold)
			continue
		}
		balance := known.Balances[in.AccountID]
		switch _, open := known.Tiers[in.AccountID]; {
		case !open:
			results[i].Err = accounts.ErrNoAccount
			continue
		case balance.Balance-balance.Held < in.Points:
			results[i].Err = accounts.ErrNotEnoughPoints
			continue
		}
		balance.Held += in.Points
		known.Balances[in.AccountID] = balance
		results[i] = standing(db.PointHold{OrderID: in.OrderID, Points: in.Points, State: string(accounts.Held)})
		w.OrderIds, w.AccountIds, w.Points = append(w.OrderIds, in.OrderID), append(w.AccountIds, in.AccountID), append(w.Points, in.Points)
	}
	if len(w.OrderIds) == 0 {
		return results, nil
	}
	holdCommit.Hit()
	fresh, err := s.sql.LandHold(ctx, conn.Conn(), w)
	if err != nil {
		return nil, err
	}
	holdCommitted.Hit()
	if fresh < len(w.OrderIds) {
		// Some were put there under another account's lock. They are there now, so that each round has fewer of them.
		return s.hold(ctx, conn, asked)
	}
	return results, nil
}

// standing is the answer to an order whose hold is this one.
func standing(h db.PointHold) batch.Result[accounts.PointHold] {
	if h.State == string(accounts.Released) {
		return batch.Result[accounts.PointHold]{Err: accounts.ErrPointsReleased}
	}
	return batch.Result[accounts.PointHold]{Out: toHold(h.OrderID, h.State, h.Points)}
}

func toHold(order uuid.UUID, state string, points int64) accounts.PointHold {
	return accounts.PointHold{OrderID: order, State: accounts.HoldState(state), Points: points}
}

// Holds implements [accounts.Points].
func (s *Service) Holds(ctx context.Context, in accounts.HoldsInput) (accounts.PointHolds, error) {
	if len(in.OrderIDs) > maxHolds {
		return accounts.PointHolds{}, accounts.ErrTooManyHolds
	}
	rows, err := s.sql.PointHoldsOf(ctx, s.pool, in.OrderIDs)
	if err != nil {
		return accounts.PointHolds{}, fmt.Errorf("read point holds: %w", err)
	}
	holds := accounts.PointHolds{Items: make([]accounts.PointHold, len(rows))}
	for i, r := range rows {
		holds.Items[i] = toHold(r.OrderID, r.State, r.Points)
	}
	return holds, nil
}

// OpenHolds implements [accounts.Points].
func (s *Service) OpenHolds(ctx context.Context, in accounts.OpenHoldsInput) (accounts.PointHolds, error) {
	if in.Limit < 1 || in.Limit > maxHolds {
		return accounts.PointHolds{}, accounts.ErrTooManyHolds
	}
	rows, err := s.sql.OpenPointHolds(ctx, s.pool, db.OpenPointHoldsParams{After: in.After, RowLimit: int32(in.Limit)})
	if err != nil {
		return accounts.PointHolds{}, fmt.Errorf("read open point holds: %w", err)
	}
	holds := accounts.PointHolds{Items: make([]accounts.PointHold, len(rows))}
	for i, r := range rows {
		holds.Items[i] = toHold(r.OrderID, string(accounts.Held), r.Points)
	}
	return holds, nil
}
