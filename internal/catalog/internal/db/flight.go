package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/pg"
)

// Sender is a connection or a transaction.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Pool is a pool under lock.
type Pool = LockPoolsRow

// Line is what an order holds of one pool.
type Line = CatalogReservationLine

// Return is what came back of an order's pool with a refund.
type Return = ReturnsOfRow

// Boarded is what a flight of new reservations knows.
type Boarded struct {
	Pools  map[uuid.UUID]Pool
	Drops  map[uuid.UUID]DropGatesRow
	States map[uuid.UUID]string // of the orders that are known already
}

// BoardReserve begins a transaction and locks the pools, in one round trip. The orders are looked up after that: an order
// has the same pools each time it is asked for, so whoever reserved it before has let go of them by then. So are the drops among the
// pools, if there are any: they are as they are, and open by the clock, now that nobody else can have their pools.
func (q *Queries) BoardReserve(ctx context.Context, conn Sender, orders, pools, drops []uuid.UUID) (Boarded, error) {
	known := Boarded{Pools: make(map[uuid.UUID]Pool, len(pools)), Drops: map[uuid.UUID]DropGatesRow{}, States: map[uuid.UUID]string{}}
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue(lockPools, pools).Query(func(rows pgx.Rows) error { return readPools(rows, known.Pools) })
	if len(drops) > 0 {
		b.Queue(dropGates, drops).Query(func(rows pgx.Rows) error {
			gates, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DropGatesRow])
			for _, g := range gates {
				known.Drops[g.ID] = g
			}
			return err
		})
	}
	b.Queue(reservationsOf, orders).Query(func(rows pgx.Rows) error { return readStates(rows, known.States) })
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return Boarded{}, fmt.Errorf("lock pools: %w", err)
	}
	return known, nil
}

// Marks are the products whose document changes, with the pieces that were sold of each.
type Marks struct {
	ProductIDs []uuid.UUID
	Sold       []int64
}

// Add marks a product.
func (m *Marks) Add(product uuid.UUID, sold int64) {
	m.ProductIDs, m.Sold = append(m.ProductIDs, product), append(m.Sold, sold)
}

func (m *Marks) queue(b *pgx.Batch) {
	if len(m.ProductIDs) > 0 {
		b.Queue(markProducts, m.ProductIDs, m.Sold)
	}
}

// LandReserve writes the reservations and commits, in one round trip. It returns how many orders took something: not those that
// somebody else has put there in the meantime.
func (q *Queries) LandReserve(ctx context.Context, conn Sender, w ReserveParams, marks Marks) (fresh int, err error) {
	b := &pgx.Batch{}
	b.Queue(reserve, w.At, w.OrderIds, w.LineOrderIds, w.PoolIds, w.ProductIds, w.Quantities).QueryRow(func(row pgx.Row) error {
		return row.Scan(&fresh)
	})
	marks.queue(b)
	pg.QueueCommit(b)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return 0, fmt.Errorf("write reservations: %w", err)
	}
	return fresh, nil
}

// Holds is what orders hold, under lock.
type Holds struct {
	States map[uuid.UUID]string // of the orders that have a reservation
	Pools  map[uuid.UUID]Pool
	Closed map[uuid.UUID]bool   // drops, of those of the orders
	Lines  map[uuid.UUID][]Line // by order

	Returns map[uuid.UUID][]Return // by order, of those that were asked for
}

// BoardSettle locks the orders' reservations and their pools, in one round trip, and reads what came back of some orders before.
func (q *Queries) BoardSettle(ctx context.Context, conn Sender, orders, returning []uuid.UUID) (Holds, error) {
	known := Holds{
		States: map[uuid.UUID]string{}, Pools: map[uuid.UUID]Pool{}, Closed: map[uuid.UUID]bool{}, Lines: map[uuid.UUID][]Line{}, Returns: map[uuid.UUID][]Return{},
	}
	b := &pgx.Batch{}
	b.Queue(lockReservations, orders).Query(func(rows pgx.Rows) error { return readStates(rows, known.States) })
	b.Queue(lockPoolsOfOrders, orders).Query(func(rows pgx.Rows) error { return readPools(rows, known.Pools) })
	b.Queue(closedDropsOfOrders, orders).Query(func(rows pgx.Rows) error { return readIDs(rows, known.Closed) })
	b.Queue(linesOfOrders, orders).Query(func(rows pgx.Rows) error {
		lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Line])
		for _, l := range lines {
			known.Lines[l.OrderID] = append(known.Lines[l.OrderID], l)
		}
		return err
	})
	if len(returning) > 0 {
		b.Queue(returnsOf, returning).Query(func(rows pgx.Rows) error {
			returns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Return])
			for _, r := range returns {
				known.Returns[r.OrderID] = append(known.Returns[r.OrderID], r)
			}
			return err
		})
	}
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return Holds{}, fmt.Errorf("lock reservations: %w", err)
	}
	return known, nil
}

// Settled is what a settlement writes.
type Settled struct {
	At         time.Time
	States     map[uuid.UUID]string // new ones, of reservations that are there
	Tombstones []uuid.UUID          // orders that give up before they held anything
	OnHand     map[uuid.UUID]int64  // changes, by pool
	Reserved   map[uuid.UUID]int64
	Movements  InsertMovementsParams
	Returned   map[uuid.UUID]int64 // what closed drops gave back to general stock
	Marks      Marks
}

// Empty tells that there is nothing to write.
func (w *Settled) Empty() bool {
	return len(w.States) == 0 && len(w.Tombstones) == 0 && len(w.Movements.Ids) == 0
}

// LandSettle writes a settlement in one round trip. It returns the orders whose tombstone could
// not be set because a reservation arrived in the meantime: those must be settled again.
func (q *Queries) LandSettle(ctx context.Context, conn Sender, w *Settled) ([]uuid.UUID, error) {
	b := &pgx.Batch{}
	if len(w.States) > 0 {
		orders, states := make([]uuid.UUID, 0, len(w.States)), make([]string, 0, len(w.States))
		for order, state := range w.States {
			orders, states = append(orders, order), append(states, state)
		}
		b.Queue(setReservationStates, w.At, orders, states)
	}
	if len(w.Reserved) > 0 {
		var pools []uuid.UUID
		var onHand, reserved []int64
		for pool, by := range w.Reserved {
			pools, onHand, reserved = append(pools, pool), append(onHand, w.OnHand[pool]), append(reserved, by)
		}
		b.Queue(movePools, pools, onHand, reserved)
	}
	if m := w.Movements; len(m.Ids) > 0 {
		b.Queue(insertMovements, w.At, m.Ids, m.PoolIds, m.Kinds, m.Quantities, m.OrderIds, m.RefundIds, m.DropIds)
	}
	if len(w.Returned) > 0 {
		var drops []uuid.UUID
		var quantities []int64
		for drop, quantity := range w.Returned {
			drops, quantities = append(drops, drop), append(quantities, quantity)
		}
		b.Queue(returnOfDrops, drops, quantities)
	}
	w.Marks.queue(b)
	set := map[uuid.UUID]bool{}
	if len(w.Tombstones) > 0 {
		b.Queue(insertTombstones, w.At, w.Tombstones).Query(func(rows pgx.Rows) error { return readIDs(rows, set) })
	}
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("write settlement: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(w.Tombstones), func(order uuid.UUID) bool { return set[order] }), nil
}

func readPools(rows pgx.Rows, into map[uuid.UUID]Pool) error {
	var p Pool
	_, err := pgx.ForEachRow(rows, []any{&p.ID, &p.ProductID, &p.OnHand, &p.Reserved, &p.LowAt}, func() error {
		into[p.ID] = p
		return nil
	})
	return err
}

func readStates(rows pgx.Rows, into map[uuid.UUID]string) error {
	var order uuid.UUID
	var state string
	_, err := pgx.ForEachRow(rows, []any{&order, &state}, func() error {
		into[order] = state
		return nil
	})
	return err
}

func readIDs(rows pgx.Rows, into map[uuid.UUID]bool) error {
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		into[id] = true
		return nil
	})
	return err
}

// Add writes a line of an order, and perhaps a refund of it, or of a drop; an id that is not there is zero.
func (m *InsertMovementsParams) Add(pool uuid.UUID, kind string, quantity int64, order, refund, drop uuid.UUID) {
	m.Ids, m.PoolIds = append(m.Ids, uuid.Must(uuid.NewV7())), append(m.PoolIds, pool)
	m.Kinds, m.Quantities = append(m.Kinds, kind), append(m.Quantities, quantity)
	m.OrderIds, m.RefundIds, m.DropIds = append(m.OrderIds, order), append(m.RefundIds, refund), append(m.DropIds, drop)
}

// Shift writes what goes from general stock into a drop, or comes back if it is negative: a line in each of the two pools.
func (m *InsertMovementsParams) Shift(product, drop uuid.UUID, into int64) {
	kind := "set_aside"
	if into < 0 {
		kind = "set_back"
	}
	m.Add(product, kind, -into, uuid.Nil, uuid.Nil, drop)
	m.Add(drop, kind, into, uuid.Nil, uuid.Nil, drop)
}
