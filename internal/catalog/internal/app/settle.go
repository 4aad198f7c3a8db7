package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	settleCommit    = failpoint.New("catalog.settle.commit") // all is written that the events have asked for
	settleCommitted = failpoint.New("catalog.settle.committed")
)

// settlement is what becomes of an order's hold.
type settlement struct {
	order  uuid.UUID
	action string
}

const (
	actionUse     = "use"     // paid: what is held is sold
	actionRelease = "release" // given up: what is held, or was sold, goes back
)

const (
	settleRounds  = 4   // in which a settlement meets a reservation that arrives at the same moment
	maxSettlement = 512 // orders in one transaction
)

// Settle does what orders' events have asked for, many orders at once, until nothing is left to do. The handlers of events
// only write down what is to be done: the bus may handle many of them in one transaction, in whatever order they came,
// and holding all their locks until its end could make it and the shoppers wait for each other.
func (s *Service) Settle(ctx context.Context) error {
	for {
		n, err := s.settleSome(ctx)
		if err != nil || n < maxSettlement {
			return err
		}
	}
}

var errSettleAgain = errors.New("a reservation arrived while it was released")

func (s *Service) settleSome(ctx context.Context) (n int, err error) {
	for range settleRounds {
		if n, err = s.trySettleSome(ctx); !errors.Is(err, errSettleAgain) {
			return n, err
		}
	}
	return 0, err
}

func (s *Service) trySettleSome(ctx context.Context) (n int, err error) {
	var decided decision
	err = pgx.BeginFunc(ctx, s.flying, func(tx pgx.Tx) error {
		rows, err := s.sql.TakeSettlements(ctx, tx, maxSettlement)
		if err != nil {
			return fmt.Errorf("take settlements: %w", err)
		}
		if n = len(rows); n == 0 {
			return nil
		}
		asked := make([]settlement, n)
		for i, r := range rows {
			asked[i] = settlement{r.OrderID, r.Action}
		}
		known, err := s.sql.BoardSettle(ctx, tx, ordersOf(asked))
		if err != nil {
			return err
		}
		decided = s.decide(known, asked)
		if !decided.Empty() {
			again, err := s.sql.LandSettle(ctx, tx, &decided.Settled)
			if err != nil {
				return err
			}
			if len(again) > 0 {
				return errSettleAgain
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
func (s *Service) decide(known db.Holds, asked []settlement) decision {
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
		state, exists := known.States[a.order]
		switch {
		case !exists && a.action == actionRelease:
			if !dead[a.order] {
				dead[a.order] = true
				d.Tombstones = append(d.Tombstones, a.order)
			}
		case state == string(catalog.Held) && a.action == actionUse:
			known.States[a.order], d.States[a.order] = string(catalog.Used), string(catalog.Used)
			for _, l := range known.Lines[a.order] {
				d.move(l, "sell", -l.Quantity, -l.Quantity)
				sold[l.ProductID] += l.Quantity
			}
		case state == string(catalog.Held) && a.action == actionRelease:
			known.States[a.order], d.States[a.order] = string(catalog.Released), string(catalog.Released)
			for _, l := range known.Lines[a.order] {
				d.move(l, "", 0, -l.Quantity)
				d.passOn(l, known.Closed)
			}
		case state == string(catalog.Used) && a.action == actionRelease:
			known.States[a.order], d.States[a.order] = string(catalog.Released), string(catalog.Released)
			for _, l := range known.Lines[a.order] {
				d.move(l, "restock", l.Quantity, 0)
				d.passOn(l, known.Closed)
				sold[l.ProductID] -= l.Quantity
			}
		case state == string(catalog.Released) && a.action == actionUse:
			s.log.Warn("a paid order had given up its stock", "order.id", a.order)
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

// move changes a pool by what an order holds of it; a change of what is on hand stands in the ledger.
func (d *decision) move(l db.Line, kind string, onHand, reserved int64) {
	d.OnHand[l.PoolID] += onHand
	d.Reserved[l.PoolID] += reserved
	if onHand != 0 {
		d.Movements.Add(l.PoolID, kind, onHand, l.OrderID, uuid.Nil)
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

func ordersOf(asked []settlement) []uuid.UUID {
	ids := make([]uuid.UUID, len(asked))
	for i, a := range asked {
		ids[i] = a.order
	}
	return ids
}
