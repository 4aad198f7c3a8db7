package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// CancelInput is what ends an order before it is shipped. Whoever asks, the money goes back to where it came from.
type CancelInput struct {
	AccountID uuid.UUID // whose order it must be; zero: anybody's, for a manager
	By        uuid.UUID // who asks
	OrderID   uuid.UUID
	Key       idempotency.Key
	Reason    string

	system bool // the shop itself asks, on behalf of By
}

// Cancelation is an order that was canceled, or is about to be.
type Cancelation struct {
	Order    db.Order
	Replayed bool
}

// maxCancels is how often somebody may ask, with other keys, that the same order be canceled.
const maxCancels = 20

// Cancel ends an order. For one that is unpaid payments has the word; for one that is paid the cancelation is committed before the
// gateway is asked, which keeps everybody from shipping it. A key that was taken up is answered with what came of it, also when the
// order has been canceled again since.
func (s *Service) Cancel(ctx context.Context, in CancelInput) (Cancelation, error) {
	first, err := s.sql.CancelRequestOf(ctx, s.pool, db.CancelRequestOfParams{AskedBy: in.By, Key: in.Key.Value})
	switch {
	case err == nil:
		return s.cancelAgain(ctx, in, first)
	case !errors.Is(err, pgx.ErrNoRows):
		return Cancelation{}, fmt.Errorf("look up the key: %w", err)
	}
	c, err := s.cancelFirst(ctx, in)
	if !errors.Is(err, errTakenUp) {
		return c, err
	}
	if first, err = s.sql.CancelRequestOf(ctx, s.pool, db.CancelRequestOfParams{AskedBy: in.By, Key: in.Key.Value}); err != nil {
		return Cancelation{}, fmt.Errorf("look up the key: %w", err)
	}
	return s.cancelAgain(ctx, in, first)
}

func (s *Service) cancelFirst(ctx context.Context, in CancelInput) (Cancelation, error) {
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
	case ordering.StatePaid, ordering.StatePreparing, ordering.StateCanceling:
		if o, err = s.cancelPaid(ctx, in, o); err != nil {
			return Cancelation{}, err
		}
	case ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
		return Cancelation{}, ordering.ErrAlreadyShipping
	}
	o, err = s.canceled(ctx, o)
	return Cancelation{Order: o}, err
}

func (s *Service) cancelAgain(ctx context.Context, in CancelInput, first db.CancelRequestOfRow) (Cancelation, error) {
	if err := in.Key.Check(first.Hash); err != nil {
		return Cancelation{}, err
	}
	if first.Refused {
		return Cancelation{Replayed: true}, ordering.ErrRefundRefused
	}
	o, err := s.order(ctx, in.AccountID, first.OrderID)
	if err != nil {
		return Cancelation{}, err
	}
	o, err = s.canceled(ctx, o)
	return Cancelation{Order: o, Replayed: true}, err
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
	return s.end(ctx, o.ID, in.step(ordering.StateCanceled), canceling)
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
		case ordering.StateCanceled:
			return nil // somebody else has, and that is final
		case ordering.StateCanceling:
			return s.bind(ctx, tx, in, o) // somebody else has, and it is not over
		}
		if o, err = s.move(ctx, tx, o, in.step(ordering.StateCanceling)); err != nil {
			return err
		}
		if o.DueWon == 0 {
			if o, err = s.refunded(ctx, tx, o); err != nil {
				return err
			}
		}
		cancelCommit.Hit()
		return nil
	})
	if err == nil {
		cancelCommitted.Hit()
	}
	return o, err
}

// errTakenUp says that the same request was taken up while this one was under way.
var errTakenUp = errors.New("the request was taken up before")

// bind keeps the key under which a cancelation of the order, as it stands now, was asked for. A key that is bound already is either
// given to another request, or this one is a repeat: then nothing of the transaction may stay.
func (s *Service) bind(ctx context.Context, tx pgx.Tx, in CancelInput, o db.Order) error {
	n, err := s.sql.InsertCancelRequest(ctx, tx, db.InsertCancelRequestParams{
		AskedBy: in.By, Key: in.Key.Value, Hash: in.Key.Hash, OrderID: o.ID, Step: o.Step, AtMost: maxCancels,
	})
	if err != nil {
		return fmt.Errorf("keep a request: %w", err)
	}
	if n > 0 {
		return nil
	}
	first, err := s.sql.CancelRequestOf(ctx, tx, db.CancelRequestOfParams{AskedBy: in.By, Key: in.Key.Value})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ordering.ErrTooManyChanges
	case err != nil:
		return fmt.Errorf("look up the key: %w", err)
	}
	return cmp.Or(in.Key.Check(first.Hash), errTakenUp)
}

func (in CancelInput) actor() actor {
	switch {
	case in.system:
		return system
	case in.AccountID == uuid.Nil:
		return manager(in.By)
	default:
		return shopper(in.By)
	}
}

func (in CancelInput) step(to ordering.State) step {
	return step{to: to, by: in.actor(), note: in.Reason, set: db.MoveOrderParams{CancelReason: &in.Reason}, request: &in}
}
