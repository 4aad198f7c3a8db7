package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/jobs"
)

const (
	jobBatch   = 100 // a fifth of a flight
	jobWorkers = 3   // orders that a job has in its hands at once: it leaves the connections to shoppers
	jobRounds  = 10  // batches of one run
	jobFailed  = 20  // failures in a row that end a run: a part is away, and the next run asks again
	cartsBatch = 1_000
)

// How long an order waits that a job looked at and that is where it was: one that someone else has to move, and one whose work failed.
// The latter waits as long again as it has waited already, so that it is retried at once after a short outage, and one that can never
// succeed is soon in nobody's way.
const (
	putOff    = 15 * time.Second
	leastWait = time.Second
	mostWait  = time.Minute
)

// Jobs are what ordering does without being asked.
func Jobs(s *Service) []jobs.Job {
	return []jobs.Job{
		{Name: "ordering.recover", Every: time.Second, Run: s.Recover},
		{Name: "ordering.expire", Every: time.Second, Run: s.Expire},
		{Name: "ordering.cancel", Every: time.Second, Run: s.FinishCancelations},
		{Name: "ordering.refunds", Every: time.Second, Run: s.FinishRefunds},
		{Name: "ordering.quotas", Every: time.Second, Run: s.ReturnQuotas},
		{Name: "ordering.preorders", Every: time.Second, Run: s.FinishPreorders},
		{Name: "ordering.carts", Every: time.Hour, Run: s.RemoveExpiredCarts},
	}
}

// Recover takes orders whose placing was broken off forward, or back. A refusal is such an order's end, and no failure of the job.
func (s *Service) Recover(ctx context.Context) error {
	since := func(o db.Order) time.Time { return o.CreatedAt.Add(s.config.RecoverAfter) }
	return s.attend(ctx, ordering.StatePending, since, func(ctx context.Context, o db.Order) error {
		_, _, err := s.resume(ctx, o)
		if _, ok := refused(err); ok {
			return nil
		}
		return err
	})
}

// Expire ends orders that were not paid in time.
func (s *Service) Expire(ctx context.Context) error {
	since := func(o db.Order) time.Time { return *o.ExpiresAt }
	return s.attend(ctx, ordering.StateAwaitingPayment, since, func(ctx context.Context, o db.Order) error {
		_, err := s.end(ctx, o.ID, step{to: ordering.StateExpired, by: system}, expiring)
		if errors.Is(err, ordering.ErrPaymentInProgress) {
			return nil
		}
		return err
	})
}

// FinishCancelations asks again for refunds that were not settled when they were asked for.
func (s *Service) FinishCancelations(ctx context.Context) error {
	since := func(o db.Order) time.Time { return o.UpdatedAt.Add(s.config.RefundAfter) }
	return s.attend(ctx, ordering.StateCanceling, since, func(ctx context.Context, o db.Order) error {
		_, err := s.giveMoneyBack(ctx, o)
		return err
	})
}

// ReturnQuotas takes what dead orders had out of their shoppers' counters.
func (s *Service) ReturnQuotas(ctx context.Context) error {
	for range jobRounds {
		returns, err := s.sql.QuotaReturns(ctx, s.pool, jobBatch)
		if err != nil {
			return fmt.Errorf("find quotas to return: %w", err)
		}
		if len(returns) == 0 {
			return nil
		}
		var accounts, orders []uuid.UUID
		for _, r := range returns {
			accounts, orders = append(accounts, r.AccountID), append(orders, r.OrderID)
		}
		err = s.inTx(ctx, func(tx pgx.Tx) error {
			if err := s.sql.HoldShoppers(ctx, tx, accounts); err != nil {
				return fmt.Errorf("lock shoppers: %w", err)
			}
			if err := s.sql.TakeQuotaReturns(ctx, tx, orders); err != nil {
				return fmt.Errorf("return quotas: %w", err)
			}
			returnCommit.Hit()
			return nil
		})
		if err != nil {
			return err
		}
		returnCommitted.Hit()
		if len(returns) < jobBatch {
			return nil
		}
	}
	return nil
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
