package app

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
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

// connections returns a pool with a connection for each flight, but no more than the module's own pool has.
//
// Their statements look rows up by their keys, some by one and some by hundreds, and must never be planned anew for each number,
// nor, while a table is young, with a scan of it: it grows faster than its statistics. So they are planned once, with the indexes.
func connections(pool *pgxpool.Pool, flights batch.Config) (*pgxpool.Pool, error) {
	config := pool.Config()
	config.MaxConns = min(config.MaxConns, int32(flights.Shards+settleJobs))
	config.MinConns, config.MinIdleConns = 0, 0
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	own, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open connections for flights: %w", err)
	}
	return own, nil
}

// Hold implements [accounts.Points]. Holds at the same time share transactions: see flyHold.
func (s *Service) Hold(ctx context.Context, in accounts.HoldInput) (accounts.PointHold, error) {
	if in.Points < 1 {
		return accounts.PointHold{}, accounts.ErrBadPoints
	}
	hold, err := s.holding.Do(ctx, shardOf(in.AccountID), in)
	if errors.Is(err, batch.ErrBusy) {
		err = fmt.Errorf("%w: %w", accounts.ErrPointsBusy.WithRetryAfter(time.Second), err)
	}
	return hold, err
}

// shardOf spreads ids: the tail of a UUIDv7 is random.
func shardOf(id uuid.UUID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

// flyHold answers the orders of one flight, first come first served: one round trip locks their accounts' balances, a second one
// writes what was decided and commits. Orders that get nothing cost no write.
func (s *Service) flyHold(ctx context.Context, asked []accounts.HoldInput) ([]batch.Result[accounts.PointHold], error) {
	conn, err := s.flying.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for holds: %w", err)
	}
	defer giveBack(ctx, conn)

	first := make(map[uuid.UUID]int, len(asked)) // an order that asks twice flies once
	flight := make([]accounts.HoldInput, 0, len(asked))
	for _, in := range asked {
		if _, twice := first[in.OrderID]; !twice {
			first[in.OrderID] = len(flight)
			flight = append(flight, in)
		}
	}
	answers, err := s.hold(ctx, conn, flight)
	if err != nil {
		return nil, err
	}
	results := make([]batch.Result[accounts.PointHold], len(asked))
	for i, in := range asked {
		results[i] = answers[first[in.OrderID]]
	}
	return results, nil
}

// hold answers orders of which none is there twice.
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

// giveBack returns a connection to the pool, out of any transaction.
func giveBack(ctx context.Context, conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // one that fails leaves a connection which the pool closes
	}
	conn.Release()
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
