package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	settleCommit    = failpoint.New("catalog.settle.commit") // all is written that the events have asked for
	settleCommitted = failpoint.New("catalog.settle.committed")
)

// What an order's event asks for.
const (
	actionUse     = "use"     // paid: what is held is sold
	actionRelease = "release" // given up: what is held, or was sold, goes back
	actionReturn  = "return"  // pieces of a product came back that can be sold again
)

const maxSettlement = 512 // orders in one transaction

// Settle does what orders' events have asked for, many orders at once, until nothing is left to do. The handlers of events
// only write down what is to be done: the bus may handle many of them in one transaction, in whatever order they came,
// and holding all their locks until its end could make it and the shoppers wait for each other.
func (s *Service) Settle(ctx context.Context) error {
	return batch.Drain(ctx, maxSettlement, s.settleSome)
}

func (s *Service) settleSome(ctx context.Context, most int) (n int, err error) {
	var decided decision
	err = pgx.BeginFunc(ctx, s.flying, func(tx pgx.Tx) error {
		asked, err := s.sql.TakeSettlements(ctx, tx, int32(most))
		if err != nil {
			return fmt.Errorf("take settlements: %w", err)
		}
		if n = len(asked); n == 0 {
			return nil
		}
		orders := make([]uuid.UUID, n)
		var returning []uuid.UUID
		for i, a := range asked {
			orders[i] = a.OrderID
			if a.Action == actionReturn {
				returning = append(returning, a.OrderID)
			}
		}
		known, err := s.sql.BoardSettle(ctx, tx, orders, returning)
		if err != nil {
			return err
		}
		decided = s.decide(known, asked)
		if !decided.Empty() {
			again, err := s.sql.LandSettle(ctx, tx, &decided.Settled)
			if err != nil {
				return err
			}
			if len(again) > 0 { // a reservation arrived while it was released
				return batch.ErrAgain
			}
		}
		settleCommit.Hit()
		return nil
	})
	if err != nil {
		return 0, err
	}
	if n > 0 {
		settleCommitted.Hit()
	}
	s.noteAll(decided.pools, decided.turn)
	return n, nil
}

// decision is what a settlement writes, and what the pools are after it.
type decision struct {
	db.Settled
	pools map[uuid.UUID]db.Pool
	turn  uint64 // of the sighting of the pools
}

// decide goes through what was asked in order of arrival. Each step is a compare-and-set on the state, so that repeats and
// latecomers change nothing.
func (s *Service) decide(known db.Holds, asked []db.TakeSettlementsRow) decision {
	d := decision{
		Settled: db.Settled{
			At: s.clock(), States: map[uuid.UUID]string{}, OnHand: map[uuid.UUID]int64{}, Reserved: map[uuid.UUID]int64{}, Returned: map[uuid.UUID]int64{},
		},
		pools: map[uuid.UUID]db.Pool{},
		turn:  s.scarce.turn(),
	}
	sold := map[uuid.UUID]int64{}
	dead := map[uuid.UUID]bool{}
	for _, a := range asked {
		state, exists := known.States[a.OrderID]
		switch {
		case !exists && a.Action == actionRelease:
			if !dead[a.OrderID] {
				dead[a.OrderID] = true
				d.Tombstones = append(d.Tombstones, a.OrderID)
			}
		case state == string(catalog.Held) && a.Action == actionUse:
			known.States[a.OrderID], d.States[a.OrderID] = string(catalog.Used), string(catalog.Used)
			for _, l := range known.Lines[a.OrderID] {
				d.move(l, "sell", -l.Quantity, -l.Quantity, uuid.Nil)
				sold[l.ProductID] += l.Quantity
			}
		case state == string(catalog.Held) && a.Action == actionRelease:
			known.States[a.OrderID], d.States[a.OrderID] = string(catalog.Released), string(catalog.Released)
			for _, l := range known.Lines[a.OrderID] {
				d.move(l, "", 0, -l.Quantity, uuid.Nil)
				d.passOn(l, known.Closed)
			}
		case state == string(catalog.Used) && a.Action == actionRelease:
			known.States[a.OrderID], d.States[a.OrderID] = string(catalog.Released), string(catalog.Released)
			for _, l := range known.Lines[a.OrderID] {
				d.move(l, "restock", l.Quantity, 0, uuid.Nil)
				d.passOn(l, known.Closed)
				sold[l.ProductID] -= l.Quantity
			}
		case state == string(catalog.Released) && a.Action == actionUse:
			s.log.Warn("a paid order had given up its stock", "order.id", a.OrderID)
		case a.Action == actionReturn:
			sold[*a.ProductID] -= s.takeIn(&d, known, a)
		}
	}
	marked := map[uuid.UUID]bool{}
	for id := range d.Reserved {
		before := known.Pools[id]
		after := before
		after.OnHand += d.OnHand[id]
		after.Reserved += d.Reserved[id]
		d.pools[id] = after
		changed := id == before.ProductID && availabilityOf(before.OnHand-before.Reserved, before.LowAt) != availabilityOf(after.OnHand-after.Reserved, after.LowAt)
		if p := before.ProductID; !marked[p] && (changed || sold[p] != 0) {
			marked[p] = true
			d.Marks.Add(p, sold[p])
		}
	}
	return d
}

// takeIn puts what came back with a refund back on hand, once, and returns how many pieces that are.
func (s *Service) takeIn(d *decision, known db.Holds, a db.TakeSettlementsRow) int64 {
	var line db.Line // none, if the order has not bought the product
	for _, l := range known.Lines[a.OrderID] {
		if l.ProductID == *a.ProductID && known.States[a.OrderID] == string(catalog.Used) {
			line = l
		}
	}
	for _, r := range known.Returns[a.OrderID] {
		switch {
		case r.PoolID != line.PoolID:
		case r.RefundID == *a.RefundID:
			return 0
		default:
			line.Quantity -= r.Quantity
		}
	}
	if line.Quantity < a.Quantity {
		s.log.Warn("a refund brings back what its order has not bought",
			"order.id", a.OrderID, "refund.id", a.RefundID, "product.id", a.ProductID)
		return 0
	}
	line.Quantity = a.Quantity
	known.Returns[a.OrderID] = append(known.Returns[a.OrderID], db.Return{RefundID: *a.RefundID, PoolID: line.PoolID, Quantity: a.Quantity})
	d.move(line, "return", a.Quantity, 0, *a.RefundID)
	d.passOn(line, known.Closed)
	return a.Quantity
}

// move changes a pool by what an order holds of it, or has bought; a change of what is on hand stands in the ledger.
func (d *decision) move(l db.Line, kind string, onHand, reserved int64, refund uuid.UUID) {
	d.OnHand[l.PoolID] += onHand
	d.Reserved[l.PoolID] += reserved
	if onHand != 0 {
		d.Movements.Add(l.PoolID, kind, onHand, l.OrderID, refund, uuid.Nil)
	}
}

// passOn moves what came back to a drop on to general stock, if the drop is closed. The drop's ledger tells both, so that what was sold
// of it stands there whatever becomes of it.
func (d *decision) passOn(l db.Line, closed map[uuid.UUID]bool) {
	if !closed[l.PoolID] {
		return
	}
	d.OnHand[l.PoolID] -= l.Quantity
	d.OnHand[l.ProductID] += l.Quantity
	d.Reserved[l.ProductID] += 0 // it is one of the pools that change
	d.Returned[l.PoolID] += l.Quantity
	d.Movements.Shift(l.ProductID, l.PoolID, -l.Quantity)
}

// noteAll remembers what is left of the pools.
func (s *Service) noteAll(pools map[uuid.UUID]db.Pool, turn uint64) {
	for id, p := range pools {
		s.scarce.note(id, p.OnHand-p.Reserved, p.LowAt, turn)
	}
}
