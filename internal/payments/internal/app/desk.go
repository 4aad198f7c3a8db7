package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/web"
)

// PaymentsQuery says which payments to list.
type PaymentsQuery struct {
	State string // a state, or unknown, or refund_due; empty: any
	Order string // an order's id or number; empty: any
	Page  web.PageQuery
}

// Payments lists payments, newest first.
func (s *Service) Payments(ctx context.Context, q PaymentsQuery) (web.Page[db.Payment], error) {
	before := first
	if err := web.DecodeCursor(q.Page.Cursor, &before); err != nil {
		return web.Page[db.Payment]{}, err
	}
	var found []db.Payment
	var err error
	limit := int32(q.Page.Limit) + 1
	switch {
	case q.Order != "":
		found, err = s.ofOrder(ctx, q.Order, q.State)
	case q.State == "":
		found, err = s.sql.ListPayments(ctx, s.pool, db.ListPaymentsParams{Before: before, AtMost: limit})
	case q.State == "unknown":
		found, err = s.sql.ListUnknownPayments(ctx, s.pool, db.ListUnknownPaymentsParams{Before: before, AtMost: limit})
	case q.State == "refund_due":
		found, err = s.sql.ListRefundDuePayments(ctx, s.pool, db.ListRefundDuePaymentsParams{Before: before, AtMost: limit})
	default:
		found, err = s.sql.ListPaymentsIn(ctx, s.pool, db.ListPaymentsInParams{State: q.State, Before: before, AtMost: limit})
	}
	if err != nil {
		return web.Page[db.Payment]{}, fmt.Errorf("list payments: %w", err)
	}
	return web.PageOf(found, q.Page.Limit, func(p db.Payment) any { return p.OrderID }), nil
}

// ofOrder finds the one payment of an order, by what a person types.
func (s *Service) ofOrder(ctx context.Context, order, state string) ([]db.Payment, error) {
	var p db.Payment
	var err error
	if id, parsed := uuid.Parse(order); parsed == nil {
		var row db.PaymentOfRow
		row, err = s.sql.PaymentOf(ctx, s.pool, id)
		p = row.PaymentsPayment
	} else {
		p, err = s.sql.PaymentByNumber(ctx, s.pool, order)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if state != "" && state != p.State && state != "unknown" && state != "refund_due" {
		return nil, nil
	}
	return []db.Payment{p}, nil
}

// Details is everything of one payment.
type Details struct {
	Payment   db.Payment
	Attempts  []db.Attempt
	Refunds   []db.Refund
	Transfers []db.Entry
	History   []db.History
}

// Details shows everything of one payment.
func (s *Service) Details(ctx context.Context, orderID uuid.UUID) (d Details, err error) {
	if d.Payment, err = s.opened(ctx, orderID); err != nil {
		return d, err
	}
	if d.Attempts, err = s.sql.AttemptsOf(ctx, s.pool, orderID); err != nil {
		return d, fmt.Errorf("read attempts: %w", err)
	}
	if d.Refunds, err = s.sql.RefundsOf(ctx, s.pool, orderID); err != nil {
		return d, fmt.Errorf("read refunds: %w", err)
	}
	if d.Transfers, err = s.sql.TransfersOf(ctx, s.pool, orderID); err != nil {
		return d, fmt.Errorf("read transfers: %w", err)
	}
	if d.History, err = s.sql.HistoryOf(ctx, s.pool, orderID); err != nil {
		return d, fmt.Errorf("read history: %w", err)
	}
	return d, nil
}

// opened reads a payment that is more than a tombstone.
func (s *Service) opened(ctx context.Context, orderID uuid.UUID) (db.Payment, error) {
	row, err := s.sql.PaymentOf(ctx, s.pool, orderID)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && row.PaymentsPayment.OrderNumber == nil {
		return db.Payment{}, payments.ErrNoPayment
	}
	if err != nil {
		return db.Payment{}, fmt.Errorf("read payment: %w", err)
	}
	return row.PaymentsPayment, nil
}

// ReadBack asks the gateway now about everything of an order that isn't settled, and about the order itself.
func (s *Service) ReadBack(ctx context.Context, orderID uuid.UUID) error {
	before, err := s.opened(ctx, orderID)
	if err != nil {
		return err
	}
	unsettled, err := s.sql.UnsettledAttempts(ctx, s.pool, orderID)
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	for _, a := range unsettled {
		if err := s.reconcile(ctx, a); err != nil {
			return err
		}
	}
	answer := s.read(ctx, byJob, "", *before.OrderNumber, before.AmountWon)
	if answer.PaymentKey != "" && answer.OrderNumber == *before.OrderNumber && answer.Outcome != OutcomeUnknown && answer.Outcome != OutcomePending {
		if err := s.settle(ctx, byJob, orderID, answer.PaymentKey, answer); err != nil {
			return err
		}
	}
	return s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		after, err := s.sql.LockPayment(ctx, tx, orderID)
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "payments.reconcile", Subject: orderID.String(), Before: moneyOf(before), After: moneyOf(after)})
	})
}

// moneyOf is what an audit entry tells of a payment.
func moneyOf(p db.Payment) map[string]any {
	return map[string]any{"state": p.State, "amount_won": p.AmountWon, "refunded_won": p.RefundedWon}
}

// RetryRefund asks once more for a refund of stray money that the gateway refused. That of an order, or of a part of it, is asked for
// again at the order: only ordering knows where its goods are.
func (s *Service) RetryRefund(ctx context.Context, orderID, refundID uuid.UUID) error {
	var again db.Refund
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		p, err := s.sql.LockPayment(ctx, tx, orderID)
		if errors.Is(err, pgx.ErrNoRows) {
			return payments.ErrNoPayment
		}
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		refused, err := s.sql.Refund(ctx, tx, refundID)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && refused.OrderID != orderID {
			return payments.ErrNoPayment.WithDetail("the payment has no such refund")
		}
		if err != nil {
			return fmt.Errorf("read refund: %w", err)
		}
		switch {
		case refused.State != string(payments.RefundStateRefused) || refused.Kind == refundDeposit:
			return payments.ErrNotRefundable.WithDetail("the refund was not refused")
		case refused.Kind != refundStray:
			return payments.ErrRefundOfOrder
		}
		if again, err = s.sql.StrayRefundOf(ctx, tx, refused.AttemptID); !errors.Is(err, pgx.ErrNoRows) {
			return err // it was asked for again already
		}
		again, err = s.insertRefund(ctx, tx, p, db.InsertRefundParams{
			ID: uuid.Must(uuid.NewV7()), AttemptID: refused.AttemptID, Kind: refundStray, AmountWon: refused.AmountWon, Reason: refused.Reason,
		})
		if err != nil {
			return err
		}
		return s.audit.Add(ctx, tx, audit.Entry{
			Action: "payments.retry_refund", Subject: orderID.String(),
			Before: map[string]any{"refund_id": refused.ID, "code": refused.Code}, After: map[string]any{"refund_id": again.ID, "amount_won": again.AmountWon},
		})
	})
	if err != nil {
		return err
	}
	if again.State == string(payments.RefundStateRequested) {
		s.sendSoon(ctx, again.ID)
	}
	return nil
}

// Ledger lists the transfers, newest first; the first page comes with the balances.
func (s *Service) Ledger(ctx context.Context, q web.PageQuery) (web.Page[db.Entry], []db.BalancesRow, error) {
	before := int64(newest)
	if err := web.DecodeCursor(q.Cursor, &before); err != nil {
		return web.Page[db.Entry]{}, nil, err
	}
	found, err := s.sql.ListTransfers(ctx, s.pool, db.ListTransfersParams{Before: before, AtMost: int32(q.Limit) + 1})
	if err != nil {
		return web.Page[db.Entry]{}, nil, fmt.Errorf("list transfers: %w", err)
	}
	var balances []db.BalancesRow
	if q.Cursor == "" {
		if balances, err = s.sql.Balances(ctx, s.pool); err != nil {
			return web.Page[db.Entry]{}, nil, fmt.Errorf("sum the ledger: %w", err)
		}
	}
	return web.PageOf(found, q.Limit, func(e db.Entry) any { return e.ID }), balances, nil
}
