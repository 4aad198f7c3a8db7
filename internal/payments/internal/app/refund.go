package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
)

// Refund implements payments.Service. The refund is a row before the gateway is asked, and the row's id is the key under which it is:
// whoever dies in between leaves a refund that the job finishes.
func (s *Service) Refund(ctx context.Context, in payments.RefundInput) (payments.Payment, error) {
	r, replayed, err := s.requestRefund(ctx, in)
	if err != nil {
		return payments.Payment{}, err
	}
	if r.State == string(payments.RefundStateRequested) {
		s.sendSoon(ctx, r.ID)
	}
	row, err := s.sql.PaymentOf(ctx, s.pool, in.OrderID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("read payment: %w", err)
	}
	p, err := s.whole(ctx, row)
	p.Replayed = replayed
	refundAnswer.Hit()
	return p, err
}

func (s *Service) requestRefund(ctx context.Context, in payments.RefundInput) (r db.Refund, replayed bool, err error) {
	err = s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		replayed = false
		p, err := s.sql.LockPayment(ctx, tx, in.OrderID)
		if errors.Is(err, pgx.ErrNoRows) {
			return payments.ErrNoPayment
		}
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		r, err = s.sql.LatestRefund(ctx, tx, in.OrderID)
		if err == nil && (r.State != string(payments.RefundStateRefused) || r.ID != in.Retry) {
			replayed = true
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read refund: %w", err)
		}
		if p.State != string(payments.StateCaptured) || p.RefundedWon >= p.AmountWon {
			return payments.ErrNotRefundable
		}
		if r, err = s.insertRefund(ctx, tx, p, *p.AttemptID, refundOrder, p.AmountWon-p.RefundedWon, in.Reason); err != nil {
			return err
		}
		refundCommit.Hit()
		return nil
	})
	if err == nil && !replayed {
		refundCommitted.Hit()
	}
	return r, replayed, err
}

// insertRefund asks for money to be given back. The caller holds the payment's lock.
func (s *Service) insertRefund(ctx context.Context, tx pgx.Tx, p db.Payment, attempt uuid.UUID, kind string, won int64, reason string) (db.Refund, error) {
	now := s.clock()
	r, err := s.sql.InsertRefund(ctx, tx, db.InsertRefundParams{
		ID: uuid.Must(uuid.NewV7()), OrderID: p.OrderID, AttemptID: attempt, Kind: kind, AmountWon: won, Reason: reasonOf(reason), At: now,
	})
	if err != nil {
		return r, fmt.Errorf("insert refund: %w", err)
	}
	return r, s.note(ctx, tx, p, now, kindRefundRequested, won, r.Reason)
}

// reasonOf makes a reason that the gateway takes: not empty, at most 200 characters.
func reasonOf(reason string) string {
	reason = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(reason, "\x00", ""), ""))
	if reason == "" {
		return "주문 취소"
	}
	if r := []rune(reason); len(r) > 200 {
		return string(r[:200])
	}
	return reason
}

// sendSoon sends a refund now if there is a slot for it; the job sends what could not be.
func (s *Service) sendSoon(ctx context.Context, id uuid.UUID) {
	if !s.begin() {
		return
	}
	s.detached(ctx, func(ctx context.Context) {
		if err := s.sendRefund(ctx, id); err != nil {
			s.log.ErrorContext(ctx, "a refund could not be sent; it is sent again later", "refund", id, "error", err)
		}
	})
}

// maxWithdrawals is how often an account is tried to be withdrawn, in about two hours, before a person does it.
const maxWithdrawals = 20

// sendRefund claims a refund that is due and has the gateway give the money back. After 14 days it is only read: the gateway forgets the
// key then.
func (s *Service) sendRefund(ctx context.Context, id uuid.UUID) error {
	now := s.clock()
	sentCommit.Hit()
	r, err := s.sql.ClaimRefund(ctx, s.pool, db.ClaimRefundParams{ID: id, Now: now, NextAt: now.Add(s.config.GatewayLimit + backoff(0))})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // done, or somebody else is at it
	}
	if err != nil {
		return fmt.Errorf("claim refund: %w", err)
	}
	sentCommitted.Hit()
	if err = guarded(func() error { return s.giveBack(ctx, r) }); err != nil {
		return errors.Join(err, s.postponeRefund(ctx, r, codeFailed, r.CancelKey))
	}
	return nil
}

// giveBack asks, and reads the payment unless the answer is a plain yes. A refusal is believed only then: the money may be back already.
func (s *Service) giveBack(ctx context.Context, r db.ClaimRefundRow) error {
	answer := Answer{Outcome: OutcomeUnknown, Code: r.Code}
	old := s.clock().Sub(r.RequestedAt) >= personAfter
	if !old {
		answer = s.gateway.Cancel(ctx, CancelRequest{PaymentKey: r.PaymentKey, Reason: r.Reason, IdempotencyKey: r.ID.String()})
		byRefund.called.Hit()
		if answer = answer.about(r.PaymentKey, r.OrderNumber, r.PaidWon); answer.Outcome == OutcomeCanceled {
			return s.settle(ctx, byRefund, r.OrderID, r.PaymentKey, answer)
		}
	}
	read := s.read(ctx, byRefund, r.PaymentKey, r.OrderNumber, r.PaidWon)
	switch read.Outcome {
	case OutcomeCanceled:
		return s.settle(ctx, byRefund, r.OrderID, r.PaymentKey, read)
	case OutcomeCanceling:
		return s.postponeRefund(ctx, r, read.Code, read.CancelKey)
	case OutcomeMismatch:
		s.log.ErrorContext(ctx, "Toss says something else of a payment that is to be refunded; a person has to decide", "order", r.OrderID, "refund", r.ID, "code", read.Code)
		s.alerts.WithLabelValues("disputed").Inc()
		return s.postponeRefund(ctx, r, read.Code, r.CancelKey)
	case OutcomeUnknown:
		return s.postponeRefund(ctx, r, cmp.Or(answer.Code, read.Code), r.CancelKey)
	case OutcomePaid, OutcomeDeclined: // somebody paid into the account in the last moment, or nobody can any more
		if r.Kind == refundDeposit {
			return s.settle(ctx, byRefund, r.OrderID, r.PaymentKey, read)
		}
	}
	switch { // the money is where it was
	case answer.Outcome == OutcomeRefused:
		return s.refuseRefund(ctx, r.OrderID, r.ID, answer.Code)
	case read.CancelAborted && r.CancelKey != "" && read.CancelKey == r.CancelKey:
		return s.refuseRefund(ctx, r.OrderID, r.ID, "CANCEL_ABORTED")
	case old, r.Kind == refundDeposit && r.Tries >= maxWithdrawals:
		return s.refuseRefund(ctx, r.OrderID, r.ID, "SHOP_GIVEN_UP")
	}
	return s.postponeRefund(ctx, r, answer.Code, r.CancelKey)
}

// postponeRefund has the gateway asked again later.
func (s *Service) postponeRefund(ctx context.Context, r db.ClaimRefundRow, code, cancelKey string) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	byRefund.commit.Hit()
	err := s.sql.PostponeRefund(ctx, s.pool, db.PostponeRefundParams{ID: r.ID, Code: code, CancelKey: cancelKey, NextAt: s.clock().Add(backoff(r.Tries))})
	if err != nil {
		return fmt.Errorf("postpone refund: %w", err)
	}
	byRefund.committed.Hit()
	return nil
}

// refuseRefund notes that the gateway will not give the money back. A withdrawal moves none: its attempt goes to a person.
func (s *Service) refuseRefund(ctx context.Context, orderID, id uuid.UUID, code string) error {
	refused := false
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		refused = false
		p, err := s.sql.LockPayment(ctx, tx, orderID)
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		now := s.clock()
		r, err := s.sql.FinishRefund(ctx, tx, db.FinishRefundParams{ID: id, State: string(payments.RefundStateRefused), Code: code, DoneAt: &now})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("refuse refund: %w", err)
		}
		refused = true
		if r.Kind != refundDeposit {
			if err := s.note(ctx, tx, p, now, kindRefundRefused, r.AmountWon, code); err != nil {
				return err
			}
		}
		if r.Kind == refundOrder {
			version, err := s.sql.RaiseVersion(ctx, tx, db.RaiseVersionParams{OrderID: orderID, At: now})
			if err != nil {
				return fmt.Errorf("raise version: %w", err)
			}
			if err := s.outbox.Add(ctx, tx, payments.RefundRefused{OrderID: orderID, Version: version, RefundID: id, Code: code, At: now}); err != nil {
				return err
			}
		}
		byRefund.commit.Hit()
		return nil
	})
	if err != nil {
		return err
	}
	byRefund.committed.Hit()
	if refused {
		s.log.ErrorContext(ctx, "Toss will not give money back; a person has to decide", "order", orderID, "refund", id, "code", code)
		s.alerts.WithLabelValues("refund_refused").Inc()
	}
	return nil
}
