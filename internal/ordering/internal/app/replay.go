package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// replayPoll is how often a repeated request looks whether the first is done.
const replayPoll = 50 * time.Millisecond

// replay answers a repeated request from its order, and finishes that where nobody else is about to.
func (s *Service) replay(ctx context.Context, in PlaceInput, first uuid.UUID) (Placement, error) {
	o, err := s.order(ctx, in.AccountID, first)
	if err != nil {
		return Placement{}, err
	}
	if err := in.Key.Check(o.RequestHash); err != nil {
		return Placement{}, err
	}
	for waited := time.Duration(0); o.State == string(ordering.StatePending); waited += replayPoll {
		p, claimed, err := s.resume(ctx, o)
		if claimed {
			p.Replayed = true
			return p, err
		}
		if err != nil {
			return Placement{}, err
		}
		if waited >= s.config.ReplayWait {
			return Placement{}, idempotency.ErrInProgress
		}
		if err := s.wait(ctx, replayPoll); err != nil {
			return Placement{}, err
		}
		if o, err = s.order(ctx, uuid.Nil, o.ID); err != nil {
			return Placement{}, err
		}
	}
	p, err := s.answer(ctx, o)
	p.Replayed = true
	return p, err
}

// resume drives a pending order on, unless somebody who was heard of lately is driving it.
func (s *Service) resume(ctx context.Context, o db.Order) (p Placement, claimed bool, err error) {
	claimant := uuid.New()
	n, err := s.sql.ClaimOrder(ctx, s.pool, db.ClaimOrderParams{ID: o.ID, Claimant: claimant, SilentS: s.config.TakeOver.Seconds()})
	if err != nil {
		return Placement{}, false, fmt.Errorf("claim a pending order: %w", err)
	}
	if n == 0 {
		return Placement{}, false, nil
	}
	claimCommitted.Hit()
	lines, err := s.sql.LinesOf(ctx, s.pool, o.ID)
	if err != nil {
		s.unclaim(ctx, o.ID, claimant)
		return Placement{}, true, fmt.Errorf("read the order's lines: %w", err)
	}
	p, err = s.drive(ctx, o, lines, claimant, true)
	return p, true, err
}

// unclaim is a courtesy: without it the claim ends by its silence.
func (s *Service) unclaim(ctx context.Context, id, claimant uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.sql.UnclaimOrder(ctx, s.pool, db.UnclaimOrderParams{ID: id, Claimant: claimant}); err != nil {
		s.log.WarnContext(ctx, "a pending order stays claimed until its claim is silent for long enough", "order", id, "error", err)
		return
	}
	unclaimCommitted.Hit()
}

// answer is what a request is told once its order is no longer pending: the order, or the refusal that ended it.
func (s *Service) answer(ctx context.Context, o db.Order) (Placement, error) {
	p := Placement{Order: o}
	if o.State == string(ordering.StateRejected) {
		return p, refusalOf(o)
	}
	var err error
	if p.Lines, err = s.sql.LinesOf(ctx, s.pool, o.ID); err != nil {
		return Placement{}, fmt.Errorf("read the order's lines: %w", err)
	}
	if o.State == string(ordering.StateAwaitingPayment) {
		ctx, cancel := s.call(ctx)
		defer cancel()
		payment, err := s.payments.Payment(ctx, payments.PaymentInput{OrderID: o.ID, AccountID: o.AccountID})
		if err != nil {
			return Placement{}, s.outage(ctx, "read the payment", err)
		}
		p.Payment = &payment
	}
	return p, nil
}
