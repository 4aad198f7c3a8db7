package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// draft is an order that is to be inserted.
type draft struct {
	order  db.Order
	lines  []db.Line
	limits []int // per line: pieces a customer may have; 0: no limit
}

// counts is what a line of the draft counts against: how many a customer has of the product, or of the drop.
func (d draft) counts(l db.Line) db.Bought {
	if d.order.DropID != nil {
		return db.Bought{AccountID: d.order.AccountID, ProductID: *d.order.DropID}
	}
	return db.Bought{AccountID: d.order.AccountID, ProductID: l.ProductID}
}

func (d draft) request() db.Request {
	return db.Request{AccountID: d.order.AccountID, Operation: d.order.Operation, Key: d.order.IdempotencyKey}
}

// flyRequests finds the order of each request, or none, with one statement for all who ask at once.
func (s *Service) flyRequests(ctx context.Context, requests []db.Request) ([]batch.Result[uuid.UUID], error) {
	orders, err := db.OrdersOfRequests(ctx, s.flying, requests)
	if err != nil {
		return nil, fmt.Errorf("find the orders of requests: %w", err)
	}
	results := make([]batch.Result[uuid.UUID], len(requests))
	for i, r := range requests {
		results[i].Out = orders[r]
	}
	return results, nil
}

// flyDrafts inserts the orders of many requests in one transaction, and answers with the id of each request's order: that of an
// earlier one where there is one. Unpaid orders and quotas are counted while the shoppers are locked, and with what neighbours on
// the same flight take, so no limit is passed however many requests race.
func (s *Service) flyDrafts(ctx context.Context, drafts []draft) ([]batch.Result[uuid.UUID], error) {
	var accounts []uuid.UUID
	var requests []db.Request
	var bought, drops []db.Bought
	known := map[uuid.UUID]bool{}
	wanted := map[db.Bought]bool{}
	for _, d := range drafts {
		if !known[d.order.AccountID] {
			known[d.order.AccountID] = true
			accounts = append(accounts, d.order.AccountID)
		}
		requests = append(requests, d.request())
		for _, l := range d.lines {
			if b := d.counts(l); !wanted[b] {
				wanted[b] = true
				bought = append(bought, b)
				if d.order.DropID != nil {
					drops = append(drops, b)
				}
			}
		}
	}
	look, seen := db.LookAtShoppers(accounts, requests, bought, drops)
	results := make([]batch.Result[uuid.UUID], len(drafts))
	err := db.Flight(ctx, s.flying, look, func() (*pgx.Batch, error) {
		var orders []db.Order
		var lines []db.Line
		var moments []db.Moment
		raised := map[db.Bought]int64{}
		for i, d := range drafts {
			if id, ok := seen.Orders[d.request()]; ok {
				results[i].Out = id
				continue
			}
			if err := s.admit(d, seen); err != nil {
				results[i].Err = err
				continue
			}
			results[i].Out = d.order.ID
			seen.Orders[d.request()] = d.order.ID
			seen.Unpaid[d.order.AccountID]++
			for _, l := range d.lines {
				b := d.counts(l)
				seen.Bought[b] += l.Quantity
				raised[b] += l.Quantity
			}
			orders = append(orders, d.order)
			lines = append(lines, d.lines...)
			moments = append(moments, db.Moment{
				OrderID: d.order.ID, Step: 1, At: d.order.CreatedAt, ToState: d.order.State,
				ActorKind: shopperKind, ActorID: &d.order.AccountID,
			})
		}
		b := &pgx.Batch{}
		if len(orders) == 0 {
			return b, nil
		}
		quotas := make([]db.Quota, 0, len(raised))
		for k, n := range raised {
			quotas = append(quotas, db.Quota{Bought: k, Quantity: n})
		}
		db.QueueOrders(b, orders, lines)
		db.QueueMoments(b, moments)
		db.QueueQuotas(b, quotas)
		draftCommit.Hit()
		return b, nil
	})
	if err != nil {
		return nil, fmt.Errorf("insert orders: %w", err)
	}
	draftCommitted.Hit()
	return results, nil
}

// maxLapsed is how many orders of a drop an account may let expire before it is out of that drop.
const maxLapsed = 2

// admit applies the limits of a shopper to a draft.
func (s *Service) admit(d draft, seen *db.Seen) error {
	var over []fault.Field
	for i, l := range d.lines {
		limit := d.limits[i]
		if d.order.DropID != nil && seen.Lapsed[d.counts(l)] >= maxLapsed {
			return ordering.ErrPreorderForfeited
		}
		if limit > 0 && seen.Bought[d.counts(l)]+l.Quantity > int64(limit) {
			over = append(over, limitField(i, limit))
		}
	}
	switch {
	case over != nil && d.order.DropID != nil:
		return preorderLimit(d.limits[0])
	case over != nil:
		return ordering.ErrLimitPerCustomer.WithFields(over...)
	}
	if seen.Unpaid[d.order.AccountID] >= s.config.MaxUnpaid {
		return ordering.ErrTooManyUnpaid
	}
	return nil
}

// finish ends the placing of an order: it awaits its payment, or is paid when there is nothing to pay.
type finish struct {
	order     db.Order
	lines     []db.Line
	to        ordering.State
	expiresAt *time.Time
}

// finished is the order as it stands then. moved is false where somebody else had ended it.
type finished struct {
	order db.Order
	moved bool
}

func (s *Service) flyFinishes(ctx context.Context, in []finish) ([]batch.Result[finished], error) {
	at := s.clock()
	ids, states, expiries := make([]uuid.UUID, 0, len(in)), make([]string, 0, len(in)), make([]*time.Time, 0, len(in))
	first := make(map[uuid.UUID]int, len(in))
	for i, f := range in {
		if _, ok := first[f.order.ID]; ok {
			continue // two who finish the same order: one of them does
		}
		first[f.order.ID] = i
		ids, states, expiries = append(ids, f.order.ID), append(states, string(f.to)), append(expiries, f.expiresAt)
	}
	results := make([]batch.Result[finished], len(in))
	var moments []db.Moment
	var events []outbox.Event
	var broken error
	look := &pgx.Batch{}
	db.QueuePlaced(look, at, ids, states, expiries, func(p db.Placed) {
		i := first[p.ID]
		f := in[i]
		t, err := transitionOf(ordering.StatePending, f.to, system)
		if err != nil {
			broken = err
			return
		}
		o := f.order
		o.State, o.Unpaid, o.Version, o.Step, o.UpdatedAt = string(f.to), f.to == ordering.StateAwaitingPayment, p.Version, p.Step, at
		o.ExpiresAt, o.AttendAt, o.ClaimedBy, o.ClaimedAt = f.expiresAt, f.expiresAt, nil, nil
		results[i].Out = finished{order: o, moved: true}
		moments = append(moments, db.Moment{OrderID: p.ID, Step: p.Step, At: at, FromState: string(t.from), ToState: string(t.to), ActorKind: system.kind})
		events = append(events, t.event(changeOf(o, f.lines), o))
	})
	err := db.Flight(ctx, s.flying, look, func() (*pgx.Batch, error) {
		b := &pgx.Batch{}
		if broken != nil || len(moments) == 0 {
			return b, broken
		}
		db.QueueMoments(b, moments)
		if err := s.outbox.Queue(b, ctx, events...); err != nil {
			return nil, err
		}
		finishCommit.Hit()
		return b, nil
	})
	if err != nil {
		return nil, fmt.Errorf("finish the placing of orders: %w", err)
	}
	finishCommitted.Hit()
	s.outbox.Wake()
	return results, nil
}
