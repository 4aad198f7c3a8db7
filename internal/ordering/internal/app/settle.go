package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
)

// Confirmation is what the shopper learns of a payment.
type Confirmation struct {
	OrderID    uuid.UUID
	State      ordering.State
	Method     string
	ApprovedAt *time.Time
	ReceiptURL string
	Settled    bool // false: the gateway has not answered yet
	Replayed   bool
}

// Confirm has payments take the authorised money, and makes the order paid before it answers: the event that says the same comes
// later and finds it done.
func (s *Service) Confirm(ctx context.Context, in payments.ConfirmInput) (Confirmation, error) {
	p, err := s.payments.Confirm(ctx, in)
	confirmCalled.Hit()
	if err != nil {
		return Confirmation{}, err
	}
	c := Confirmation{OrderID: p.OrderID, Method: p.Method, ApprovedAt: utc(p.ApprovedAt), ReceiptURL: p.ReceiptURL, Replayed: p.Replayed}
	switch p.State {
	case payments.StateCaptured:
		c.Settled = true
		o, err := s.settle(ctx, p.OrderID)
		if err != nil {
			return Confirmation{}, err
		}
		c.State = ordering.State(o.State)
		if c.State == ordering.StateRejected || c.State == ordering.StateExpired {
			return Confirmation{}, payments.ErrOrderClosed
		}
		return c, nil
	case payments.StateConfirming:
		if err := s.extend(ctx, p); err != nil {
			return Confirmation{}, err
		}
		o, err := s.order(ctx, uuid.Nil, p.OrderID)
		if err != nil {
			return Confirmation{}, err
		}
		c.State = ordering.State(o.State)
		return c, nil
	case payments.StateClosed:
		return Confirmation{}, payments.ErrOrderClosed
	default:
		return Confirmation{}, fmt.Errorf("payments confirmed order %s and says it is %s", p.OrderID, p.State)
	}
}

// extend lets an order whose buyer was given a bank account wait for the deposit.
func (s *Service) extend(ctx context.Context, p payments.Payment) error {
	if p.DepositDueAt == nil {
		return nil
	}
	if err := s.sql.ExtendOrder(ctx, s.pool, db.ExtendOrderParams{ID: p.OrderID, ExpiresAt: p.DepositDueAt.UTC()}); err != nil {
		return fmt.Errorf("wait for a deposit: %w", err)
	}
	return nil
}

// settle makes an order paid whose money is in.
func (s *Service) settle(ctx context.Context, id uuid.UUID) (o db.Order, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if o, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		o, err = s.captured(ctx, tx, o)
		settleCommit.Hit()
		return err
	})
	if err == nil {
		settleCommitted.Hit()
	}
	return o, err
}

// captured makes a locked order paid, if it still waits for that. An order that has ended stays ended: payments gives the money back.
func (s *Service) captured(ctx context.Context, tx pgx.Tx, o db.Order) (db.Order, error) {
	switch ordering.State(o.State) {
	case ordering.StatePending, ordering.StateAwaitingPayment:
		return s.move(ctx, tx, o, step{to: ordering.StatePaid, by: system})
	default:
		return o, nil
	}
}

// onCaptured hears that the money for an order is in.
func (s *Service) onCaptured(ctx context.Context, tx pgx.Tx, e payments.Captured) error {
	defer capturedHeard.Hit()
	o, err := s.lock(ctx, tx, e.OrderID)
	if err != nil {
		return err
	}
	if state := ordering.State(o.State); state == ordering.StateRejected || state == ordering.StateExpired {
		s.log.WarnContext(ctx, "money came for an order that had ended; payments gives it back", "order", o.ID, "state", o.State, "amount_won", e.AmountWon)
		_, err = s.remark(ctx, tx, o, system, fmt.Sprintf("%d won came after the order had ended; they go back", e.AmountWon))
		return err
	}
	_, err = s.captured(ctx, tx, o)
	return err
}

// onRefunded hears that the money went back.
func (s *Service) onRefunded(ctx context.Context, tx pgx.Tx, e payments.Refunded) error {
	defer refundedHeard.Hit()
	o, err := s.lock(ctx, tx, e.OrderID)
	if err != nil {
		return err
	}
	if known, err := s.hearRefund(ctx, tx, o, e.RefundID, refundDone, ""); known || err != nil {
		return err
	}
	switch state := ordering.State(o.State); {
	case state == ordering.StateCanceling:
		_, err = s.refunded(ctx, tx, o)
		return err
	case dead(state):
		return nil // it was told before, or the money had come too late
	case state == ordering.StatePaid || state == ordering.StatePreparing:
		// Nobody here asked for it: it was given back at the gateway's own desk. What is not paid any more must not be shipped.
		const note = "the money was given back outside the shop"
		if o, err = s.move(ctx, tx, o, step{to: ordering.StateCanceling, by: system, note: note}); err != nil {
			return err
		}
		_, err = s.refunded(ctx, tx, o)
		return err
	default:
		s.log.ErrorContext(ctx, "money went back for an order that was not canceled", "order", o.ID, "state", o.State, "amount_won", e.AmountWon)
		_, err = s.remark(ctx, tx, o, system, fmt.Sprintf("alert: %d won went back, though the order was not canceled", e.AmountWon))
		return err
	}
}

// onRefundRefused hears that the gateway will not give the money back. A refusal that the cancelation itself was told already is not
// taken for that of a later one.
func (s *Service) onRefundRefused(ctx context.Context, tx pgx.Tx, e payments.RefundRefused) error {
	defer refusalHeard.Hit()
	o, err := s.lock(ctx, tx, e.OrderID)
	if err != nil {
		return err
	}
	if known, err := s.hearRefund(ctx, tx, o, e.RefundID, refundRefused, e.Code); known || err != nil {
		return err
	}
	if o.State != string(ordering.StateCanceling) || slices.Contains(o.RefusedRefundIds, e.RefundID) {
		return nil
	}
	_, err = s.refundRefused(ctx, tx, o, e.RefundID, e.Code)
	return err
}

func (s *Service) refunded(ctx context.Context, tx pgx.Tx, o db.Order) (db.Order, error) {
	return s.move(ctx, tx, o, step{to: ordering.StateCanceled, by: system})
}

// refundRefused puts a locked order that is canceling back to where it was, and tells those who read its timeline.
func (s *Service) refundRefused(ctx context.Context, tx pgx.Tx, o db.Order, refund uuid.UUID, code string) (db.Order, error) {
	s.log.ErrorContext(ctx, "a refund was refused; a person has to decide", "order", o.ID, "code", code)
	return s.move(ctx, tx, o, step{
		to: ordering.State(text(o.FormerState)), by: system,
		note: "alert: the refund was refused (" + code + "); a person has to decide",
		set:  db.MoveOrderParams{RefusedRefundID: &refund},
	})
}

// end asks payments to close an unpaid order and, on its word, ends the order. An order that turns out to be paid becomes so. The
// answer is the order as it is then; while the gateway is being asked that is ErrPaymentInProgress.
func (s *Service) end(ctx context.Context, id uuid.UUID, st step, points ending) (o db.Order, err error) {
	closing, cancel := s.call(ctx)
	p, err := s.payments.Close(closing, payments.CloseInput{OrderID: id})
	cancel()
	points.called.Hit()
	if err != nil {
		return o, fmt.Errorf("close the payment: %w", err)
	}
	switch p.State {
	case payments.StateClosed:
	case payments.StateCaptured:
		return s.settle(ctx, id)
	default:
		if err := s.extend(ctx, p); err != nil {
			return o, err
		}
		return o, ordering.ErrPaymentInProgress
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if o, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		if o.State != string(ordering.StateAwaitingPayment) {
			return nil // somebody else has ended it
		}
		o, err = s.move(ctx, tx, o, st)
		points.commit.Hit()
		return err
	})
	if err == nil {
		points.committed.Hit()
	}
	return o, err
}

// giveMoneyBack asks payments for the refund of an order that is canceling, and ends that as far as the answer goes. An outage is no
// error: the cancelation is committed, and a job asks again.
func (s *Service) giveMoneyBack(ctx context.Context, o db.Order) (db.Order, error) {
	in := payments.RefundInput{OrderID: o.ID, Reason: text(o.CancelReason)}
	if n := len(o.RefusedRefundIds); n > 0 { // it was canceled again after a refusal
		in.Retry = o.RefusedRefundIds[n-1]
	}
	asking, cancel := s.call(ctx)
	p, err := s.payments.Refund(asking, in)
	cancel()
	refundCalled.Hit()
	if err != nil || p.Refund == nil {
		if err == nil {
			err = errors.New("payments names no refund")
		}
		s.log.WarnContext(ctx, "a refund could not be asked for just now", "order", o.ID, "error", err)
		return o, nil
	}
	settled := p.Refund.State == payments.RefundStateDone || p.Refund.State == payments.RefundStateRefused
	if !settled {
		return o, nil
	}
	id := o.ID
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if o, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		switch {
		case o.State != string(ordering.StateCanceling): // the event was faster
		case p.Refund.State == payments.RefundStateDone:
			o, err = s.refunded(ctx, tx, o)
		default:
			o, err = s.refundRefused(ctx, tx, o, p.Refund.ID, p.Refund.Code)
		}
		refundCommit.Hit()
		return err
	})
	if err == nil {
		refundCommitted.Hit()
	}
	return o, err
}
