package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/fault"
)

// Listed is an order in a list.
type Listed struct {
	Order db.Order
	Lines []db.Line
}

// Details is everything about an order.
type Details struct {
	Order    db.Order
	Lines    []db.Line
	Timeline []db.Moment
	Refunds  []Refunded
	Payment  *payments.Payment // nil: there is none, or payments does not answer
}

// ListInput asks for an account's orders, newest first.
type ListInput struct {
	AccountID uuid.UUID
	State     ordering.State // empty: every order that came to be one
	Before    uuid.UUID      // zero: from the newest on
	AtMost    int
}

// List returns an account's orders.
func (s *Service) List(ctx context.Context, in ListInput) ([]Listed, error) {
	orders, err := s.sql.OrdersOfAccount(ctx, s.pool, db.OrdersOfAccountParams{
		AccountID: in.AccountID, State: string(in.State), Before: orNil(in.Before), AtMost: int32(in.AtMost),
	})
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return s.withLines(ctx, orders)
}

// SearchInput is what a manager looks for; what is zero does not matter.
type SearchInput struct {
	Number    string
	AccountID uuid.UUID
	ProductID uuid.UUID
	State     ordering.State
	Before    uuid.UUID
	AtMost    int
}

// Search returns orders of all accounts, newest first.
func (s *Service) Search(ctx context.Context, in SearchInput) ([]Listed, error) {
	orders, err := s.sql.AdminOrders(ctx, s.pool, db.AdminOrdersParams{
		Number: in.Number, AccountID: orNil(in.AccountID), State: string(in.State), ProductID: orNil(in.ProductID),
		Before: orNil(in.Before), AtMost: int32(in.AtMost),
	})
	if err != nil {
		return nil, fmt.Errorf("search orders: %w", err)
	}
	return s.withLines(ctx, orders)
}

// withLines reads the lines of all orders at once.
func (s *Service) withLines(ctx context.Context, orders []db.Order) ([]Listed, error) {
	ids := make([]uuid.UUID, len(orders))
	at := make(map[uuid.UUID]int, len(orders))
	listed := make([]Listed, len(orders))
	for i, o := range orders {
		ids[i], at[o.ID], listed[i].Order = o.ID, i, o
	}
	lines, err := s.sql.LinesOfOrders(ctx, s.pool, ids)
	if err != nil {
		return nil, fmt.Errorf("read the lines of orders: %w", err)
	}
	for _, l := range lines {
		i := at[l.OrderID]
		listed[i].Lines = append(listed[i].Lines, l)
	}
	return listed, nil
}

// Order returns everything about an order of the account, or of anybody's when the account is zero. Its payment comes along while it
// can be paid, and always for a manager; if payments is away it is left out.
func (s *Service) Order(ctx context.Context, account, id uuid.UUID) (Details, error) {
	o, err := s.order(ctx, account, id)
	if err != nil {
		return Details{}, err
	}
	return s.details(ctx, o, account == uuid.Nil || o.State == string(ordering.StateAwaitingPayment))
}

func (s *Service) details(ctx context.Context, o db.Order, withPayment bool) (d Details, err error) {
	d.Order = o
	if d.Lines, err = s.sql.LinesOf(ctx, s.pool, o.ID); err != nil {
		return d, fmt.Errorf("read the order's lines: %w", err)
	}
	if d.Timeline, err = s.sql.TimelineOf(ctx, s.pool, o.ID); err != nil {
		return d, fmt.Errorf("read the order's timeline: %w", err)
	}
	if d.Refunds, err = s.refundsOf(ctx, o.ID); err != nil {
		return d, err
	}
	if !withPayment {
		return d, nil
	}
	ctx, cancel := s.call(ctx)
	defer cancel()
	switch p, err := s.payments.Payment(ctx, payments.PaymentInput{OrderID: o.ID, AccountID: o.AccountID}); {
	case err == nil:
		d.Payment = &p
	case !errors.Is(err, payments.ErrNoPayment):
		s.log.WarnContext(ctx, "an order is shown without its payment", "order", o.ID, "error", err)
	}
	return d, nil
}

// AddressInput sends a parcel elsewhere.
type AddressInput struct {
	AccountID uuid.UUID
	OrderID   uuid.UUID
	AddressID uuid.UUID
}

// maxSteps is how long an order's timeline may be for its owner to add a remark to it.
const maxSteps = 100

// ChangeAddress sends the parcel of an order to another of the account's addresses, as long as it has not left.
func (s *Service) ChangeAddress(ctx context.Context, in AddressInput) (Details, error) {
	o, err := s.order(ctx, in.AccountID, in.OrderID)
	if err != nil {
		return Details{}, err
	}
	asking, cancel := s.call(ctx)
	defer cancel()
	a, err := s.accounts.Address(asking, accounts.AddressInput{AccountID: in.AccountID, AddressID: in.AddressID})
	if errors.Is(err, accounts.ErrNoAddress) {
		return Details{}, accounts.ErrNoAddress.WithFields(fault.Field{Pointer: "/address_id", Detail: "is not one of your addresses"})
	}
	if err != nil {
		return Details{}, fmt.Errorf("read the address: %w", err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if o, err = s.lock(ctx, tx, in.OrderID); err != nil {
			return err
		}
		switch ordering.State(o.State) {
		case ordering.StateAwaitingPayment, ordering.StatePaid, ordering.StatePreparing:
		case ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
			return ordering.ErrAlreadyShipping
		default:
			return ordering.ErrIllegalTransition.WithDetail("the parcel of an order that is " + o.State + " goes nowhere")
		}
		switch {
		case o.Recipient == a.Recipient && o.Phone == a.Phone && o.Zipcode == a.Zipcode && o.Line1 == a.Line1 && o.Line2 == a.Line2:
			return nil
		case o.Step >= maxSteps:
			return ordering.ErrTooManyChanges
		}
		if o, err = s.remark(ctx, tx, o, shopper(in.AccountID), "the address was changed"); err != nil {
			return err
		}
		o, err = s.sql.SetAddress(ctx, tx, db.SetAddressParams{
			ID: o.ID, Recipient: a.Recipient, Phone: a.Phone, Zipcode: a.Zipcode, Line1: a.Line1, Line2: a.Line2,
		})
		if err != nil {
			return fmt.Errorf("set the address: %w", err)
		}
		return nil
	})
	if err != nil {
		return Details{}, err
	}
	return s.details(ctx, o, o.State == string(ordering.StateAwaitingPayment))
}

// Receive is the buyer's word that the parcel has come. Saying it again changes nothing.
func (s *Service) Receive(ctx context.Context, account, id uuid.UUID) (Details, error) {
	o, err := s.order(ctx, account, id)
	if err != nil {
		return Details{}, err
	}
	if o.State != string(ordering.StateConfirmed) {
		if o, err = s.advance(ctx, o.ID, step{to: ordering.StateConfirmed, by: shopper(account)}, managing{}); err != nil {
			return Details{}, err
		}
	}
	return s.details(ctx, o, false)
}

// Prepare says that an order is being packed.
func (s *Service) Prepare(ctx context.Context, by, id uuid.UUID) (Details, error) {
	return s.manage(ctx, id, step{to: ordering.StatePreparing, by: manager(by)}, preparing)
}

// Ship says that the parcel was handed to the carrier.
func (s *Service) Ship(ctx context.Context, by, id uuid.UUID, carrier, invoiceNumber string) (Details, error) {
	if err := s.released(ctx, id); err != nil {
		return Details{}, err
	}
	return s.manage(ctx, id, step{
		to: ordering.StateShipping, by: manager(by), note: carrier + " " + invoiceNumber,
		set: db.MoveOrderParams{Carrier: &carrier, InvoiceNumber: &invoiceNumber},
	}, shipping)
}

// released refuses to send what is not released yet.
func (s *Service) released(ctx context.Context, id uuid.UUID) error {
	o, err := s.order(ctx, uuid.Nil, id)
	if err != nil || o.DropID == nil {
		return err
	}
	p, err := s.preorder(ctx, *o.DropID)
	if err != nil {
		return err
	}
	if s.clock().Before(p.ReleasesAt) {
		return ordering.ErrNotReleased.WithDetail("it is released at " + p.ReleasesAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// Deliver says that the carrier brought the parcel.
func (s *Service) Deliver(ctx context.Context, by, id uuid.UUID) (Details, error) {
	return s.manage(ctx, id, step{to: ordering.StateDelivered, by: manager(by)}, delivering)
}

func (s *Service) manage(ctx context.Context, id uuid.UUID, st step, points managing) (Details, error) {
	o, err := s.advance(ctx, id, st, points)
	if err != nil {
		return Details{}, err
	}
	return s.details(ctx, o, true)
}

// advance takes an order through one transition for which nobody else has to be asked.
func (s *Service) advance(ctx context.Context, id uuid.UUID, st step, points managing) (o db.Order, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if o, err = s.lock(ctx, tx, id); err != nil {
			return err
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

func orNil(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
