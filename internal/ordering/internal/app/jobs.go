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
	"github.com/sasapick/shop/internal/platform/jobs"
)

const (
	jobBatch   = 100 // a fifth of a flight
	jobWorkers = 3   // orders that a job has in its hands at once: it leaves the connections to shoppers
	jobRounds  = 10  // batches of one run
	putOff     = 15 * time.Second
	cartsBatch = 1_000
)

// Jobs are what ordering does without being asked.
func Jobs(s *Service) []jobs.Job {
	return []jobs.Job{
		{Name: "ordering.recover", Every: 5 * time.Second, Run: s.Recover},
		{Name: "ordering.expire", Every: time.Second, Run: s.Expire},
		{Name: "ordering.cancel", Every: 5 * time.Second, Run: s.FinishCancelations},
		{Name: "ordering.carts", Every: time.Hour, Run: s.RemoveExpiredCarts},
	}
}

// Recover takes orders whose placing was broken off forward, or back. A refusal is such an order's end, and no failure of the job.
func (s *Service) Recover(ctx context.Context) error {
	return s.attend(ctx, ordering.StatePending, func(ctx context.Context, o db.Order) error {
		_, _, err := s.resume(ctx, o)
		if _, ok := refused(err); ok {
			return nil
		}
		return err
	})
}

// Expire ends orders that were not paid in time.
func (s *Service) Expire(ctx context.Context) error {
	return s.attend(ctx, ordering.StateAwaitingPayment, func(ctx context.Context, o db.Order) error {
		_, err := s.end(ctx, o.ID, step{to: ordering.StateExpired, by: system})
		if errors.Is(err, ordering.ErrPaymentInProgress) {
			return nil
		}
		return err
	})
}

// FinishCancelations asks again for refunds that were not settled when they were asked for.
func (s *Service) FinishCancelations(ctx context.Context) error {
	return s.attend(ctx, ordering.StateCanceling, func(ctx context.Context, o db.Order) error {
		_, err := s.giveMoneyBack(ctx, o)
		return err
	})
}

// RemoveExpiredCarts removes carts that nobody touched for CartTTL.
func (s *Service) RemoveExpiredCarts(ctx context.Context) error {
	for range jobRounds {
		n, err := s.carts.RemoveExpired(ctx, cartsBatch)
		if err != nil {
			return fmt.Errorf("remove expired carts: %w", err)
		}
		if n < cartsBatch {
			break
		}
	}
	return nil
}

// attend does the work for the orders in the state whose time has come, batch by batch. An order that stays in its state is put off,
// so that those that cannot be helped now do not keep the job from the others.
func (s *Service) attend(ctx context.Context, state ordering.State, work func(ctx context.Context, o db.Order) error) error {
	var failed []error
	for range jobRounds {
		orders, err := s.sql.OrdersToAttend(ctx, s.pool, db.OrdersToAttendParams{State: string(state), Now: new(s.clock()), AtMost: jobBatch})
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("find orders that are %s: %w", state, err))...)
		}
		failed = append(failed, s.attendTo(ctx, orders, work)...)
		if len(orders) < jobBatch || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

func (s *Service) attendTo(ctx context.Context, orders []db.Order, work func(ctx context.Context, o db.Order) error) (failed []error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(jobWorkers)
	for _, o := range orders {
		group.Go(func() error {
			err := work(ctx, o)
			later := db.PutOffParams{ID: o.ID, State: o.State, AttendAt: s.clock().Add(putOff)}
			if e := s.sql.PutOff(ctx, s.pool, later); err == nil && e != nil {
				err = fmt.Errorf("put off: %w", e)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Errorf("order %s: %w", o.ID, err))
			}
			return nil
		})
	}
	_ = group.Wait() // the workers keep their errors
	return failed
}
