package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
)

// attending is one run of a job over the orders whose time has come.
type attending struct {
	*Service
	since func(o db.Order) time.Time // when the order should have been attended to
	work  func(ctx context.Context, o db.Order) error

	mu     sync.Mutex
	failed []error
	row    int // failures since something went well
}

// attend does the work for the orders in the state whose time has come, the longest waiting first. An order that stays in its state is
// put off, so that those that cannot be helped now do not keep the job from the others.
func (s *Service) attend(ctx context.Context, state ordering.State, since func(o db.Order) time.Time, work func(ctx context.Context, o db.Order) error) error {
	a := &attending{Service: s, since: since, work: work}
	for range jobRounds {
		orders, err := s.sql.OrdersToAttend(ctx, s.pool, db.OrdersToAttendParams{State: string(state), Now: new(s.clock()), AtMost: jobBatch})
		if err != nil {
			a.failed = append(a.failed, fmt.Errorf("find orders that are %s: %w", state, err))
			break
		}
		var group errgroup.Group
		group.SetLimit(jobWorkers)
		for _, o := range orders {
			group.Go(func() error { a.to(ctx, o); return nil })
		}
		_ = group.Wait() // failures are kept
		if len(orders) < jobBatch || a.over() || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(a.failed...)
}

// to does the work for one order.
func (a *attending) to(ctx context.Context, o db.Order) {
	if a.over() {
		return
	}
	err := a.work(ctx, o)
	now := a.clock()
	next := now.Add(putOff)
	if err != nil {
		next = now.Add(min(max(now.Sub(a.since(o)), leastWait), mostWait))
	}
	if e := a.sql.PutOff(ctx, a.pool, db.PutOffParams{ID: o.ID, State: o.State, AttendAt: next}); e != nil {
		err = errors.Join(err, fmt.Errorf("put off: %w", e))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.row = 0
		return
	}
	a.row++
	a.failed = append(a.failed, fmt.Errorf("order %s: %w", o.ID, err))
}

func (a *attending) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.row >= jobFailed
}
