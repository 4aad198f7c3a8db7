package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/pg"
)

// CancelInput is what ends an order before it is shipped. Whoever asks, the money goes back to where it came from.
type CancelInput struct {
	AccountID uuid.UUID // whose order it must be; zero: anybody's, for a manager
	By        uuid.UUID // who asks
	OrderID   uuid.UUID
	Key       idempotency.Key
	Reason    string
}

// Cancelation is an order that was canceled, or is about to be.
type Cancelation struct {
	Order    db.Order
	Replayed bool
}

// Cancel ends an order. For one that is unpaid payments has the word; for one that is paid the cancelation is committed before the
// gateway is asked, which keeps everybody from shipping it.
func (s *Service) Cancel(ctx context.Context, in CancelInput) (Cancelation, error) {
	first, err := s.sql.OrderOfCancelRequest(ctx, s.pool, db.OrderOfCancelRequestParams{CancelBy: in.By, CancelKey: in.Key.Value})
	switch {
	case err == nil:
		if err := in.Key.Check(first.CancelHash); err != nil {
			return Cancelation{}, err
		}
		o, err := s.canceled(ctx, first)
		return Cancelation{Order: o, Replayed: true}, err
	case !errors.Is(err, pgx.ErrNoRows):
		return Cancelation{}, fmt.Errorf("look up the key: %w", err)
	}
	o, err := s.order(ctx, in.AccountID, in.OrderID)
	if err != nil {
		return Cancelation{}, err
	}
	if o.State == string(ordering.StateAwaitingPayment) {
		if o, err = s.cancelUnpaid(ctx, in, o); err != nil {
			return Cancelation{}, err
		}
	}
	switch ordering.State(o.State) {
	case ordering.StatePaid, ordering.StatePreparing:
		if o, err = s.cancelPaid(ctx, in, o); err != nil {
			return Cancelation{}, err
		}
	case ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
		return Cancelation{}, ordering.ErrAlreadyShipping
	}
	o, err = s.canceled(ctx, o)
	return Cancelation{Order: o}, err
}

// canceled brings a cancelation to its end, as far as that can be known now.
func (s *Service) canceled(ctx context.Context, o db.Order) (db.Order, error) {
	if o.State == string(ordering.StateCanceling) {
		var err error
		if o, err = s.giveMoneyBack(ctx, o); err != nil {
			return o, err
		}
	}
	switch ordering.State(o.State) {
	case ordering.StateCanceling, ordering.StateCanceled:
		return o, nil
	case ordering.StatePaid, ordering.StatePreparing, ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
		return o, ordering.ErrRefundRefused // it was canceling, and is not any more
	default:
		return o, ordering.ErrIllegalTransition.WithDetail("an order that is " + o.State + " cannot be canceled")
	}
}

// cancelUnpaid ends an order that payments will close. The answer may be an order that was paid in the meantime.
func (s *Service) cancelUnpaid(ctx context.Context, in CancelInput, o db.Order) (db.Order, error) {
	ended, err := s.end(ctx, o.ID, step{to: ordering.StateCanceled, by: in.actor(), note: in.Reason, set: in.columns()})
	if err != nil {
		return o, cancelFailure(err)
	}
	return ended, nil
}

// cancelPaid commits that the order is being canceled. One for which nothing was paid is canceled with that.
func (s *Service) cancelPaid(ctx context.Context, in CancelInput, o db.Order) (db.Order, error) {
	id := o.ID
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		if o, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		switch ordering.State(o.State) {
		case ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
			return ordering.ErrAlreadyShipping
		case ordering.StateCanceling, ordering.StateCanceled:
			return nil // somebody else has
		}
		if o, err = s.move(ctx, tx, o, step{to: ordering.StateCanceling, by: in.actor(), note: in.Reason, set: in.columns()}); err != nil {
			return err
		}
		if o.DueWon > 0 {
			return nil
		}
		o, err = s.refunded(ctx, tx, o)
		return err
	})
	return o, cancelFailure(err)
}

func (in CancelInput) actor() actor {
	if in.AccountID == uuid.Nil {
		return manager(in.By)
	}
	return shopper(in.By)
}

func (in CancelInput) columns() db.MoveOrderParams {
	return db.MoveOrderParams{CancelBy: &in.By, CancelKey: &in.Key.Value, CancelHash: in.Key.Hash, CancelReason: &in.Reason}
}

// cancelFailure knows a key that was given for another order at the same moment.
func cancelFailure(err error) error {
	if pg.Code(err) == "23505" {
		return idempotency.ErrReused
	}
	return err
}
