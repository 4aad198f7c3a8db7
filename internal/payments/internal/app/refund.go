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
	if err != nil {
		return payments.Payment{}, err
	}
	if r, err = s.sql.Refund(ctx, s.pool, r.ID); err != nil {
		return payments.Payment{}, fmt.Errorf("read refund: %w", err)
	}
	p.Refund, p.Replayed = refundOf(r), replayed
	refundAnswer.Hit()
	return p, nil
}

func (s *Service) requestRefund(ctx context.Context, in payments.RefundInput) (r db.Refund, replayed bool, err error) {
	if in.RefundID == uuid.Nil && in.AmountWon != 0 {
		return r, false, errors.New("a refund of a part needs an id")
	}
	err = s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		replayed = false
		p, err := s.sql.LockPayment(ctx, tx, in.OrderID)
		if errors.Is(err, pgx.ErrNoRows) {
			return payments.ErrNoPayment
		}
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		if r, err = s.requested(ctx, tx, in); !errors.Is(err, pgx.ErrNoRows) {
			replayed = err == nil
			return err
		}
		ask := db.InsertRefundParams{ID: uuid.Must(uuid.NewV7()), Kind: refundOrder, AmountWon: p.AmountWon - p.RefundedWon, Reason: in.Reason}
		if in.RefundID != uuid.Nil {
			ask.ID, ask.Kind, ask.AmountWon = in.RefundID, refundPart, in.AmountWon
		}
		if err := s.refundable(ctx, tx, p, ask.AmountWon); err != nil {
			return err
		}
		ask.AttemptID = *p.AttemptID
		r, err = s.insertRefund(ctx, tx, p, ask)
		if errors.Is(err, pgx.ErrNoRows) { // another order's refund took the id a moment ago
			return payments.ErrRefundReused
		}
		if err != nil {
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

// requested finds the refund that a request stands for, or pgx.ErrNoRows.
func (s *Service) requested(ctx context.Context, tx pgx.Tx, in payments.RefundInput) (r db.Refund, err error) {
	if in.RefundID != uuid.Nil {
		r, err = s.sql.Refund(ctx, tx, in.RefundID)
	} else {
		r, err = s.sql.WholeRefundOf(ctx, tx, in.OrderID)
	}
	switch {
	case err != nil:
		return r, fmt.Errorf("read refund: %w", err)
	case in.RefundID != uuid.Nil && (r.Kind != refundPart || r.OrderID != in.OrderID || r.AmountWon != in.AmountWon):
		return r, payments.ErrRefundReused
	case in.RefundID == uuid.Nil && r.State == string(payments.RefundStateRefused) && r.ID == in.Retry:
		return r, pgx.ErrNoRows // to be asked for once more
	}
	return r, nil
}

// refundable says whether so much can be given back. Nothing can while a refund is under way: what the gateway has left of the payment
// tells of one at a time whether it is done.
func (s *Service) refundable(ctx context.Context, tx pgx.Tx, p db.Payment, won int64) error {
	if p.State != string(payments.StateCaptured) || won < 1 || won > p.AmountWon-p.RefundedWon {
		return payments.ErrNotRefundable
	}
	_, err := s.sql.OpenRefundOf(ctx, tx, *p.AttemptID)
	switch {
	case err == nil:
		return payments.ErrNotRefundable.WithDetail("another refund is under way")
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("read the refund under way: %w", err)
	}
	return nil
}

// insertRefund asks for money to be given back; ask says of which attempt, how much and why. The caller holds the payment's lock.
func (s *Service) insertRefund(ctx context.Context, tx pgx.Tx, p db.Payment, ask db.InsertRefundParams) (db.Refund, error) {
	ask.OrderID, ask.Reason, ask.At = p.OrderID, reasonOf(ask.Reason), s.clock()
	r, err := s.sql.InsertRefund(ctx, tx, ask)
	if err != nil {
		return r, fmt.Errorf("insert refund: %w", err)
	}
	return r, s.note(ctx, tx, p, ask.At, kindRefundRequested, r.AmountWon, r.Reason)
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
		cancel := CancelRequest{PaymentKey: r.PaymentKey, Reason: r.Reason, IdempotencyKey: r.ID.String()}
		if r.Kind == refundPart {
			cancel.AmountWon = r.AmountWon
		}
		answer = s.gateway.Cancel(ctx, cancel)
		byRefund.called.Hit()
		if answer = answer.about(r.PaymentKey, r.OrderNumber, r.PaidWon); answer.gaveBack(r.ReturnedWon + r.AmountWon) {
			return s.settle(ctx, byRefund, r.OrderID, r.PaymentKey, answer)
		}
		if answer.Outcome == OutcomeCanceling {
			r.CancelKey = answer.CancelKey // whatever is read next
		}
	}
	read := s.read(ctx, byRefund, r.PaymentKey, r.OrderNumber, r.PaidWon)
	switch read.Outcome {
	case OutcomeCanceling:
		return s.postponeRefund(ctx, r, read.Code, read.CancelKey)
	case OutcomeMismatch:
		s.log.ErrorContext(ctx, "Toss says something else of a payment that is to be refunded; a person has to decide", "order", r.OrderID, "refund", r.ID, "code", read.Code)
		s.alerts.WithLabelValues("disputed").Inc()
		return s.postponeRefund(ctx, r, read.Code, r.CancelKey)
	case OutcomeUnknown:
		return s.postponeRefund(ctx, r, cmp.Or(answer.Code, read.Code), r.CancelKey)
	case OutcomePaid, OutcomePartial, OutcomeCanceled, OutcomeDeclined:
		// Money went back, or somebody paid into the account in the last moment, or nobody can any more. What a person has to decide is asked
		// about again.
		if read.BackWon != r.ReturnedWon || r.Kind == refundDeposit {
			return errors.Join(s.settle(ctx, byRefund, r.OrderID, r.PaymentKey, read), s.postponeRefund(ctx, r, codeBalance, r.CancelKey))
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
		if r.Kind == refundOrder || r.Kind == refundPart {
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
