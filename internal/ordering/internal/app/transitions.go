package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// transition is one way in which an order may go from a state to another.
type transition struct {
	from, to ordering.State
	asked    bool // a person may ask for it; the others follow from what other modules say
	why      string
	event    func(c ordering.Change, o db.Order) outbox.Event // nil: nobody else has to know
}

// transitions are all there are: what is not in this table does not happen, whoever asks.
var transitions = []transition{
	{ordering.StatePending, ordering.StateAwaitingPayment, false, "everything is held", placed},
	{ordering.StatePending, ordering.StatePaid, false, "nothing is to be paid, or the money came before the placing was finished", paid},
	{ordering.StatePending, ordering.StateRejected, false, "a part refused", rejected},

	{ordering.StateAwaitingPayment, ordering.StatePaid, false, "the money is in", paid},
	{ordering.StateAwaitingPayment, ordering.StateExpired, false, "not paid in time, and payments has closed it", expired},
	{ordering.StateAwaitingPayment, ordering.StateCanceled, true, "canceled unpaid, and payments has closed it", canceled},

	{ordering.StatePaid, ordering.StatePreparing, true, "a manager began to pack it", nil},
	{ordering.StatePaid, ordering.StateShipping, true, "handed to the carrier", shipped},
	{ordering.StatePreparing, ordering.StateShipping, true, "handed to the carrier", shipped},
	{ordering.StateShipping, ordering.StateDelivered, true, "the carrier brought it", delivered},
	{ordering.StateShipping, ordering.StateConfirmed, true, "the buyer has it", confirmed},
	{ordering.StateDelivered, ordering.StateConfirmed, true, "the buyer has it", confirmed},

	{ordering.StatePaid, ordering.StateCanceling, true, "canceled; the money is to go back", nil},
	{ordering.StatePreparing, ordering.StateCanceling, true, "canceled; the money is to go back", nil},
	{ordering.StateCanceling, ordering.StateCanceled, false, "the money went back, or there was none", canceled},
	{ordering.StateCanceling, ordering.StatePaid, false, "the refund was refused", nil},
	{ordering.StateCanceling, ordering.StatePreparing, false, "the refund was refused", nil},

	// A refund tells of itself, also when it leaves the order where it is.
	{ordering.StateShipping, ordering.StateRefunded, false, "all of it came back", nil},
	{ordering.StateDelivered, ordering.StateRefunded, false, "all of it came back", nil},
	{ordering.StateConfirmed, ordering.StateRefunded, false, "all of it came back", nil},
}

func placed(c ordering.Change, _ db.Order) outbox.Event    { return ordering.Placed{Change: c} }
func paid(c ordering.Change, _ db.Order) outbox.Event      { return ordering.Paid{Change: c} }
func rejected(c ordering.Change, _ db.Order) outbox.Event  { return ordering.Rejected{Change: c} }
func expired(c ordering.Change, _ db.Order) outbox.Event   { return ordering.Expired{Change: c} }
func canceled(c ordering.Change, _ db.Order) outbox.Event  { return ordering.Canceled{Change: c} }
func delivered(c ordering.Change, _ db.Order) outbox.Event { return ordering.Delivered{Change: c} }
func confirmed(c ordering.Change, _ db.Order) outbox.Event { return ordering.Confirmed{Change: c} }

func shipped(c ordering.Change, o db.Order) outbox.Event {
	return ordering.Shipped{Change: c, Carrier: text(o.Carrier), InvoiceNumber: text(o.InvoiceNumber)}
}

// transitionOf finds the way in the table, for somebody who may go it.
func transitionOf(from, to ordering.State, by actor) (transition, error) {
	for _, t := range transitions {
		if t.from == from && t.to == to && (t.asked || by.kind == systemKind) {
			return t, nil
		}
	}
	return transition{}, ordering.ErrIllegalTransition.WithDetail(fmt.Sprintf("an order that is %s cannot become %s", from, to))
}

// dead tells whether an order in the state holds nothing any more and never will.
func dead(s ordering.State) bool {
	switch s {
	case ordering.StateRejected, ordering.StateExpired, ordering.StateCanceled, ordering.StateRefunded:
		return true
	default:
		return false
	}
}

// actor is who changes an order.
type actor struct {
	kind string
	id   *uuid.UUID
}

const (
	shopperKind = "shopper"
	managerKind = "manager"
	systemKind  = "system"
)

var system = actor{kind: systemKind}

func shopper(id uuid.UUID) actor { return actor{kind: shopperKind, id: &id} }
func manager(id uuid.UUID) actor { return actor{kind: managerKind, id: &id} }

// step is one change of an order's state, with what is written along with it.
type step struct {
	to      ordering.State
	by      actor
	note    string
	set     db.MoveOrderParams // only the columns that come with this change
	request *CancelInput       // who asked, and under which key: kept with the change
}

// move takes an order, whose row the caller has locked in tx, through a transition of the table: state, timeline, quotas and
// event, or nothing.
func (s *Service) move(ctx context.Context, tx pgx.Tx, o db.Order, st step) (db.Order, error) {
	t, err := transitionOf(ordering.State(o.State), st.to, st.by)
	if err != nil {
		return o, err
	}
	if st.to == ordering.StateConfirmed { // what an order earns, and what is taken back of it, depends on which was first
		if err := s.noOpenRefund(ctx, tx, o.ID); err != nil {
			return o, err
		}
	}
	at := s.clock()
	arg := st.set
	arg.ID, arg.FromState, arg.Step, arg.ToState, arg.At = o.ID, o.State, o.Step, string(st.to), at
	if t.event != nil {
		arg.Published = 1
	}
	if st.to == ordering.StateCanceling {
		arg.FormerState = &o.State
		arg.AttendAt = new(at.Add(s.config.RefundAfter))
	}
	moved, err := s.sql.MoveOrder(ctx, tx, arg)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, fmt.Errorf("move order %s from %s to %s: its row was not locked", o.ID, o.State, st.to)
	}
	if err != nil {
		return o, fmt.Errorf("move order from %s to %s: %w", o.State, st.to, err)
	}
	if err := s.write(ctx, tx, moved, o.State, st.by, st.note); err != nil {
		return o, err
	}
	if st.request != nil {
		if err := s.bind(ctx, tx, *st.request, moved); err != nil {
			return o, err
		}
	}
	if st.by.kind == managerKind {
		if err := s.keep(ctx, tx, o, moved); err != nil {
			return o, err
		}
	}
	if dead(st.to) {
		if err := s.giveBack(ctx, tx, moved); err != nil {
			return o, err
		}
	}
	if t.event == nil {
		return moved, nil
	}
	lines, err := s.sql.LinesOf(ctx, tx, o.ID)
	if err != nil {
		return o, fmt.Errorf("read the order's lines: %w", err)
	}
	if err := s.outbox.Add(ctx, tx, t.event(changeOf(moved, lines), moved)); err != nil {
		return o, err
	}
	return moved, nil
}

// keep writes a manager's change into the audit log, with the change itself.
func (s *Service) keep(ctx context.Context, tx pgx.Tx, before, after db.Order) error {
	return s.audit.Add(ctx, tx, audit.Entry{
		Action: auditActions[ordering.State(after.State)], Subject: before.ID.String(), Before: auditOf(before), After: auditOf(after),
	})
}

// auditActions names what a manager does by the state that it leads to.
var auditActions = map[ordering.State]string{
	ordering.StatePreparing: "orders.prepare",
	ordering.StateShipping:  "orders.ship",
	ordering.StateDelivered: "orders.deliver",
	ordering.StateCanceling: "orders.cancel",
	ordering.StateCanceled:  "orders.cancel",
}

// audited is what the audit log keeps of an order.
type audited struct {
	State         string `json:"state"`
	Carrier       string `json:"carrier,omitempty"`
	InvoiceNumber string `json:"invoice_number,omitempty"`
	CancelReason  string `json:"cancel_reason,omitempty"`
}

func auditOf(o db.Order) audited {
	return audited{State: o.State, Carrier: text(o.Carrier), InvoiceNumber: text(o.InvoiceNumber), CancelReason: text(o.CancelReason)}
}

// remark writes a line into the timeline of an order that stays as it is. The caller has locked its row.
func (s *Service) remark(ctx context.Context, tx pgx.Tx, o db.Order, by actor, note string) (db.Order, error) {
	o, err := s.sql.TakeStep(ctx, tx, db.TakeStepParams{ID: o.ID, Step: o.Step, At: s.clock()})
	if err != nil {
		return o, fmt.Errorf("take a step in the timeline: %w", err)
	}
	return o, s.write(ctx, tx, o, o.State, by, note)
}

func (s *Service) write(ctx context.Context, tx pgx.Tx, o db.Order, from string, by actor, note string) error {
	err := s.sql.InsertTimeline(ctx, tx, db.InsertTimelineParams{
		OrderID: o.ID, Step: o.Step, At: o.UpdatedAt, FromState: from, ToState: o.State, ActorKind: by.kind, ActorID: by.id, Note: note,
	})
	if err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}

// giveBack notes that what the order, now dead, had is bought no more. It takes no lock: the bus holds the orders of many events at
// once, in the order in which these came, and must wait for nobody who waits for one of them.
func (s *Service) giveBack(ctx context.Context, tx pgx.Tx, o db.Order) error {
	if err := s.sql.ReturnQuota(ctx, tx, db.ReturnQuotaParams{OrderID: o.ID, AccountID: o.AccountID}); err != nil {
		return fmt.Errorf("give back quotas: %w", err)
	}
	return nil
}

// lock reads an order and keeps everybody else from changing it until tx ends.
func (s *Service) lock(ctx context.Context, tx pgx.Tx, id uuid.UUID) (db.Order, error) {
	o, err := s.sql.LockOrder(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, ordering.ErrNoOrder
	}
	if err != nil {
		return o, fmt.Errorf("lock order: %w", err)
	}
	return o, nil
}

// changeOf is what an event tells of the order.
func changeOf(o db.Order, lines []db.Line) ordering.Change {
	c := ordering.Change{
		OrderID:     o.ID,
		Version:     o.Version,
		Number:      o.Number,
		AccountID:   o.AccountID,
		State:       ordering.State(o.State),
		Kind:        ordering.Kind(o.Kind),
		ItemsWon:    o.ItemsWon,
		DiscountWon: o.DiscountWon,
		PointsWon:   o.PointsWon,
		ShippingWon: o.ShippingWon,
		TotalWon:    o.TotalWon,
		DueWon:      o.DueWon,
		RefundedWon: o.RefundedWon,
		ReturnedWon: o.ReturnedWon,
		Lines:       make([]ordering.Line, len(lines)),
		At:          o.UpdatedAt.UTC(),
	}
	for i, l := range lines {
		c.Lines[i] = ordering.Line{ProductID: l.ProductID, Name: l.Name, Quantity: l.Quantity, UnitPriceWon: l.UnitPriceWon, DiscountWon: l.DiscountWon}
	}
	return c
}

// refusalOf reads why an order was rejected.
func refusalOf(o db.Order) error {
	var f fault.Error
	if err := json.Unmarshal(o.Refusal, &f); err != nil {
		return fmt.Errorf("read the refusal of order %s: %w", o.ID, err)
	}
	return &f
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}
