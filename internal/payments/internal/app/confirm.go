package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// Confirm implements payments.Service.
//
// That the gateway is about to be asked is committed before it is, so that whoever dies in between leaves an attempt which the
// reconciling job finishes under the same key.
func (s *Service) Confirm(ctx context.Context, in payments.ConfirmInput) (payments.Payment, error) {
	if err := storable(in); err != nil {
		return payments.Payment{}, err
	}
	a, err := s.sql.AttemptByIdempotencyKey(ctx, s.pool, db.AttemptByIdempotencyKeyParams{AccountID: in.AccountID, IdempotencyKey: in.IdempotencyKey})
	switch {
	case err == nil:
		if err := keyOf(in).Check(a.RequestHash); err != nil {
			return payments.Payment{}, err
		}
		return s.repeated(ctx, a)
	case !errors.Is(err, pgx.ErrNoRows):
		return payments.Payment{}, fmt.Errorf("look up idempotency key: %w", err)
	}
	p, err := s.sql.PaymentByNumber(ctx, s.pool, in.OrderNumber)
	if errors.Is(err, pgx.ErrNoRows) {
		return payments.Payment{}, payments.ErrNoPayment
	}
	if err != nil {
		return payments.Payment{}, fmt.Errorf("read payment: %w", err)
	}
	if p.AccountID == nil || *p.AccountID != in.AccountID {
		return payments.Payment{}, payments.ErrNoPayment
	}
	if p.AmountWon != in.AmountWon {
		return payments.Payment{}, payments.ErrAmountMismatch
	}
	if !s.begin() {
		return payments.Payment{}, payments.ErrBusy
	}
	id := uuid.Must(uuid.NewV7())
	end := s.repeats.begin(id) // before anybody can know of it
	a, started, err := s.start(ctx, id, p.OrderID, in)
	if err != nil || !started {
		end()
		<-s.calls
	}
	if err != nil {
		return payments.Payment{}, err
	}
	if !started {
		return s.repeated(ctx, a)
	}
	s.detached(ctx, func(ctx context.Context) {
		defer end()
		if err := guarded(func() error { return s.ask(ctx, byConfirm, a, in.OrderNumber, in.AmountWon) }); err != nil {
			s.log.ErrorContext(ctx, "the outcome of a payment could not be written; the gateway is asked again later", "order", p.OrderID, "error", err)
		}
	})
	out, err := s.outcome(ctx, a.ID, false)
	confirmAnswer.Hit()
	return out, err
}

func keyOf(in payments.ConfirmInput) idempotency.Key {
	return idempotency.Key{Value: in.IdempotencyKey, Hash: in.RequestHash}
}

// storable refuses what no gateway gave out, before it becomes a row.
func storable(in payments.ConfirmInput) error {
	if in.PaymentKey == "" || len(in.PaymentKey) > 200 || !orderNumbers.MatchString(in.OrderNumber) {
		return payments.ErrNoPayment
	}
	for _, c := range in.PaymentKey {
		if c <= ' ' || c > '~' {
			return payments.ErrNoPayment
		}
	}
	if in.IdempotencyKey == "" || len(in.RequestHash) == 0 {
		return errors.New("a confirm needs an idempotency key and the request's hash")
	}
	return nil
}

// start commits that the gateway is about to be asked. started is false when that was done before, by a request with the same
// idempotency key or for the same payment key, whose attempt is returned.
func (s *Service) start(ctx context.Context, id, orderID uuid.UUID, in payments.ConfirmInput) (a db.Attempt, started bool, err error) {
	err = s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		started = false
		p, err := s.sql.LockPayment(ctx, tx, orderID)
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		// Only now, with the lock held, is it certain who came first.
		if a, err = s.attemptOf(ctx, tx, p, in); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		now := s.clock()
		if err := payable(p, now); err != nil {
			return err
		}
		a, err = s.sql.InsertAttempt(ctx, tx, db.InsertAttemptParams{
			ID: id, OrderID: orderID, PaymentKey: in.PaymentKey, AccountID: &in.AccountID, IdempotencyKey: &in.IdempotencyKey,
			RequestHash: in.RequestHash, TossKey: tossKey(orderID, id), SentAt: now, NextAt: now.Add(s.config.GatewayLimit + backoff(0)),
		})
		if errors.Is(err, pgx.ErrNoRows) { // another order's confirm took the key a moment ago
			a, err = s.attemptOf(ctx, tx, p, in)
			return err
		}
		if err != nil {
			return fmt.Errorf("insert attempt: %w", err)
		}
		if err := one(s.sql.StartConfirming(ctx, tx, db.StartConfirmingParams{OrderID: orderID, AttemptID: &id, At: now})); err != nil {
			return fmt.Errorf("start confirming: %w", err)
		}
		if err := s.note(ctx, tx, p, now, kindConfirming, p.AmountWon, ""); err != nil {
			return err
		}
		started = true
		begunCommit.Hit()
		return nil
	})
	if err != nil {
		return db.Attempt{}, false, err
	}
	if started {
		begunCommitted.Hit()
	}
	return a, started, nil
}

// tossKey names an attempt to the gateway. It holds the attempt's id and not its number, which could come again after a restore: the
// gateway does not look at what is asked under a key that it knows.
func tossKey(orderID, attemptID uuid.UUID) string {
	return "confirm-" + orderID.String() + "-" + attemptID.String()
}

// attemptOf finds the attempt that a request stands for, or pgx.ErrNoRows.
func (s *Service) attemptOf(ctx context.Context, tx pgx.Tx, p db.Payment, in payments.ConfirmInput) (db.Attempt, error) {
	a, err := s.sql.AttemptByIdempotencyKey(ctx, tx, db.AttemptByIdempotencyKeyParams{AccountID: in.AccountID, IdempotencyKey: in.IdempotencyKey})
	if err == nil {
		return a, keyOf(in).Check(a.RequestHash)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return db.Attempt{}, fmt.Errorf("look up idempotency key: %w", err)
	}
	a, err = s.sql.AttemptByPaymentKey(ctx, tx, in.PaymentKey)
	switch {
	case err == nil && a.OrderID != p.OrderID:
		return db.Attempt{}, payments.ErrNoPayment.WithDetail("the payment key belongs to another order")
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return db.Attempt{}, fmt.Errorf("look up payment key: %w", err)
	}
	return a, err
}

// payable says whether another attempt may be made.
func payable(p db.Payment, now time.Time) error {
	switch p.State {
	case string(payments.StateOpen):
		if !now.Before(p.ExpiresAt) {
			return payments.ErrOrderClosed // nobody has ended it yet, but its time is over
		}
		return nil
	case string(payments.StateClosed):
		return payments.ErrOrderClosed
	case string(payments.StateCaptured):
		return payments.ErrAlreadyPaid
	}
	return payments.ErrInProgress
}

// ask sends the confirm, reads the payment back where the answer is not the last word, and settles. The same key makes it the same
// confirm however often it is sent.
func (s *Service) ask(ctx context.Context, via route, a db.Attempt, orderNumber string, amountWon int64) error {
	answer := s.gateway.Confirm(ctx, ConfirmRequest{PaymentKey: a.PaymentKey, OrderNumber: orderNumber, AmountWon: amountWon, IdempotencyKey: a.TossKey})
	via.called.Hit()
	answer = answer.about(a.PaymentKey, orderNumber, amountWon)
	if answer.Outcome == OutcomeVoid || answer.Outcome == OutcomeUnknown {
		read := s.read(ctx, via, a.PaymentKey, orderNumber, amountWon)
		switch {
		case answer.Outcome == OutcomeVoid:
			answer = believe(answer, read)
		case read.Outcome != OutcomeUnknown && read.Outcome != OutcomePending:
			answer = read
		}
	}
	return s.settle(ctx, via, a.OrderID, a.PaymentKey, answer)
}

// read reads a payment back, by its key where one is known, else by its order.
func (s *Service) read(ctx context.Context, via route, paymentKey, orderNumber string, amountWon int64) Answer {
	asked := s.clock()
	var answer Answer
	if paymentKey != "" {
		answer = s.gateway.Payment(ctx, paymentKey)
	} else {
		answer = s.gateway.PaymentByOrder(ctx, orderNumber)
	}
	via.read.Hit()
	answer = answer.about(paymentKey, orderNumber, amountWon)
	answer.asked = asked
	return answer
}

// believe decides on a confirm that was refused before any bank was asked: once the payment was read and is not paid, no money
// came.
func believe(refused, read Answer) Answer {
	switch read.Outcome {
	case OutcomePending:
		return Answer{Outcome: OutcomeDeclined, Code: refused.Code}
	case OutcomeUnknown:
		return Answer{Outcome: OutcomeUnknown, Code: refused.Code}
	}
	return read
}

// outcome is what an attempt has come to so far.
func (s *Service) outcome(ctx context.Context, attemptID uuid.UUID, replayed bool) (payments.Payment, error) {
	a, err := s.sql.Attempt(ctx, s.pool, attemptID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("read attempt: %w", err)
	}
	row, err := s.sql.PaymentOf(ctx, s.pool, a.OrderID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("read payment: %w", err)
	}
	p := s.view(row.PaymentsPayment, row.CustomerKey)
	p.Replayed = replayed
	switch a.State {
	case attemptDeclined:
		return payments.Payment{}, payments.ErrDeclined.WithDetail(a.Code)
	case attemptCaptured:
		if row.PaymentsPayment.AttemptID != nil && *row.PaymentsPayment.AttemptID == a.ID && p.State == payments.StateCaptured {
			return p, nil
		}
		if p.State == payments.StateCaptured {
			return payments.Payment{}, payments.ErrAlreadyPaid
		}
		return payments.Payment{}, payments.ErrOrderClosed
	}
	p.State = payments.StateConfirming
	return p, nil
}
