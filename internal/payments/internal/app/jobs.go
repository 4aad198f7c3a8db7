package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/jobs"
)

// Bounds of one run of a job.
const (
	maxAttempts = 64
	maxRefunds  = 64
	maxWebhooks = 128
	atOnce      = 8 // calls to the gateway
)

// Jobs are what payments does by the clock.
func Jobs(s *Service) []jobs.Job {
	return []jobs.Job{
		{Name: "payments.reconcile", Every: time.Second, Run: s.Reconcile},
		{Name: "payments.refunds", Every: time.Second, Run: s.SendRefunds},
		{Name: "payments.webhooks", Every: time.Second, Run: s.ProcessWebhooks},
	}
}

// Reconcile asks the gateway again about the attempts of which it is not known what came of them. After 14 days a person decides:
// the gateway forgets the key then, and the same confirm could take the money twice.
func (s *Service) Reconcile(ctx context.Context) error {
	now := s.clock()
	due, err := s.sql.DueAttempts(ctx, s.pool, db.DueAttemptsParams{Now: now, Oldest: now.Add(-personAfter), AtMost: maxAttempts})
	if err != nil {
		return fmt.Errorf("find attempts to reconcile: %w", err)
	}
	err = each(ctx, due, func(ctx context.Context, a db.DueAttemptsRow) error {
		failed := guarded(func() error { return s.reconcile(ctx, db.UnsettledAttemptsRow(a)) })
		if failed == nil || ctx.Err() != nil {
			return failed
		}
		// Otherwise those that fail would be the first of every run, and after enough of them the only ones.
		s.alerts.WithLabelValues("attempt_failed").Inc()
		writing, done := afterwards(ctx)
		defer done()
		err := s.sql.PostponeAttempt(writing, s.pool, db.PostponeAttemptParams{ID: a.ID, Code: codeFailed, NextAt: s.clock().Add(backoff(a.Tries))})
		return errors.Join(failed, err)
	})
	return errors.Join(err, s.measure(ctx, now))
}

// codeFailed is the last word of what we could not write down.
const codeFailed = "SHOP_FAILED"

// afterwards is for writing down what came of work whose own time is over.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// reconcile sends the same confirm with the same key and reads the payment back. An attempt that isn't the order's present one any
// more is only read: nobody wants its money.
func (s *Service) reconcile(ctx context.Context, a db.UnsettledAttemptsRow) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.GatewayLimit)
	defer cancel()
	wanted := a.PaymentState == string(payments.StateConfirming) && a.AttemptID != nil && *a.AttemptID == a.ID
	if wanted && a.State == attemptSent && s.clock().Sub(a.SentAt) < personAfter {
		return s.ask(ctx, byJob, db.Attempt{ID: a.ID, OrderID: a.OrderID, PaymentKey: a.PaymentKey, TossKey: a.TossKey}, a.OrderNumber, a.AmountWon)
	}
	return s.settle(ctx, byJob, a.OrderID, a.PaymentKey, s.read(ctx, byJob, a.PaymentKey, a.OrderNumber, a.AmountWon))
}

// measure shows what waits.
func (s *Service) measure(ctx context.Context, now time.Time) error {
	b, err := s.sql.Backlog(ctx, s.pool, db.BacklogParams{Now: now, Oldest: now.Add(-personAfter), Tries: maxWebhookTries})
	if err != nil {
		return fmt.Errorf("count what waits: %w", err)
	}
	s.backlog.WithLabelValues("unknown").Set(float64(b.Unknown))
	s.backlog.WithLabelValues("stuck").Set(float64(b.Stuck))
	s.backlog.WithLabelValues("refunds_due").Set(float64(b.RefundsDue))
	s.backlog.WithLabelValues("refunds_refused").Set(float64(b.RefundsRefused))
	s.backlog.WithLabelValues("webhooks").Set(float64(b.WebhooksWaiting))
	s.backlog.WithLabelValues("webhooks_stuck").Set(float64(b.WebhooksStuck))
	return nil
}

// SendRefunds has the gateway give back what is due.
func (s *Service) SendRefunds(ctx context.Context) error {
	due, err := s.sql.DueRefunds(ctx, s.pool, db.DueRefundsParams{Now: s.clock(), AtMost: maxRefunds})
	if err != nil {
		return fmt.Errorf("find refunds to send: %w", err)
	}
	return each(ctx, due, func(ctx context.Context, id uuid.UUID) error {
		ctx, cancel := context.WithTimeout(ctx, s.config.GatewayLimit)
		defer cancel()
		if err := s.sendRefund(ctx, id); err != nil {
			s.alerts.WithLabelValues("refund_failed").Inc()
			return err
		}
		return nil
	})
}

// each works on the items, a few at once, and joins what went wrong: one that fails does not hold up the others.
func each[T any](ctx context.Context, items []T, work func(context.Context, T) error) error {
	var (
		mu     sync.Mutex
		failed []error
		wg     sync.WaitGroup
	)
	slots := make(chan struct{}, atOnce)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := guarded(func() error { return work(ctx, item) }); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

// guarded makes an error of a panic: one row must not end the process, and then the next one that finds it.
func guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return work()
}
