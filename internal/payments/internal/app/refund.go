package app

import (
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
	return p, err
}

func (s *Service) requestRefund(ctx context.Context, in payments.RefundInput) (r db.Refund, replayed bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
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
		r, err = s.insertRefund(ctx, tx, p, *p.AttemptID, refundOrder, p.AmountWon-p.RefundedWon, in.Reason)
		return err
	})
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

// sendRefund claims a refund that is due and has the gateway give the money back. A refusal is believed only after the payment was
// read: the money may be back already.
func (s *Service) sendRefund(ctx context.Context, id uuid.UUID) error {
	now := s.clock()
	r, err := s.sql.ClaimRefund(ctx, s.pool, db.ClaimRefundParams{ID: id, Now: now, NextAt: now.Add(s.config.GatewayLimit + backoff(0))})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // done, or somebody else is at it
	}
	if err != nil {
		return fmt.Errorf("claim refund: %w", err)
	}
	answer := s.gateway.Cancel(ctx, CancelRequest{PaymentKey: r.PaymentKey, Reason: r.Reason, IdempotencyKey: r.ID.String()})
	if answer.Outcome == OutcomeCanceled {
		return s.settle(ctx, r.OrderID, r.PaymentKey, answer)
	}
	read := s.gateway.Payment(ctx, r.PaymentKey)
	switch {
	case read.Outcome == OutcomeCanceled:
		return s.settle(ctx, r.OrderID, r.PaymentKey, read)
	case answer.Outcome == OutcomeRefused && read.Outcome != OutcomeUnknown:
		if r.Kind == refundDeposit && read.Outcome == OutcomePaid { // somebody paid into the account in the last moment
			return s.settle(ctx, r.OrderID, r.PaymentKey, read)
		}
		return s.refuseRefund(ctx, r.OrderID, r.ID, answer.Code)
	}
	now = s.clock()
	err = s.sql.PostponeRefund(ctx, s.pool, db.PostponeRefundParams{ID: id, Code: answer.Code, NextAt: now.Add(backoff(r.Tries))})
	if err != nil {
		return fmt.Errorf("postpone refund: %w", err)
	}
	return nil
}

// refuseRefund notes that the gateway will not give the money back.
func (s *Service) refuseRefund(ctx context.Context, orderID, id uuid.UUID, code string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
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
		s.log.ErrorContext(ctx, "Toss will not give money back; a person has to decide", "order", orderID, "refund", id, "code", code)
		if err := s.note(ctx, tx, p, now, kindRefundRefused, r.AmountWon, code); err != nil {
			return err
		}
		if r.Kind != refundOrder {
			return nil
		}
		version, err := s.sql.RaiseVersion(ctx, tx, db.RaiseVersionParams{OrderID: orderID, At: now})
		if err != nil {
			return fmt.Errorf("raise version: %w", err)
		}
		return s.outbox.Add(ctx, tx, payments.RefundRefused{OrderID: orderID, Version: version, RefundID: id, Code: code, At: now})
	})
}
