package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/payments"
)

// Start is a confirm of a process that dies before it asks the gateway.
func (s *Service) Start(ctx context.Context, orderID uuid.UUID, in payments.ConfirmInput) error {
	_, started, err := s.start(ctx, uuid.Must(uuid.NewV7()), orderID, in)
	if err == nil && !started {
		err = fmt.Errorf("order %s was being confirmed already", orderID)
	}
	return err
}

// AskOnly is a confirm of a process that dies before it writes the answer.
func (s *Service) AskOnly(ctx context.Context, paymentKey string) Answer {
	a, err := s.sql.AttemptByPaymentKey(ctx, s.pool, paymentKey)
	if err != nil {
		return Answer{Outcome: OutcomeUnknown, Code: err.Error()}
	}
	p, err := s.sql.PaymentOf(ctx, s.pool, a.OrderID)
	if err != nil {
		return Answer{Outcome: OutcomeUnknown, Code: err.Error()}
	}
	return s.gateway.Confirm(ctx, ConfirmRequest{
		PaymentKey: paymentKey, OrderNumber: *p.PaymentsPayment.OrderNumber, AmountWon: p.PaymentsPayment.AmountWon, IdempotencyKey: a.TossKey,
	})
}

// RequestOnly is a refund of a process that dies before it sends it.
func (s *Service) RequestOnly(ctx context.Context, in payments.RefundInput) (uuid.UUID, error) {
	r, _, err := s.requestRefund(ctx, in)
	return r.ID, err
}
