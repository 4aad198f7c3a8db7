package app

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
)

var (
	reserveCommit    = failpoint.New("catalog.reserve.commit")    // the pools are locked, nothing is written
	reserveCommitted = failpoint.New("catalog.reserve.committed") // held, and no order was told
)

// order is what an order asks for: each product once, sorted.
type order struct {
	id    uuid.UUID
	drop  uuid.UUID // zero: it is of general stock
	lines []line
}

type line struct {
	product  uuid.UUID
	pool     uuid.UUID // the drop's, or else the product's
	quantity int64
	at       []int // where it stands in the request
}

// linesOf merges lines of the same product, so that they are checked together against what is left of it.
func linesOf(lines []catalog.Line, drop uuid.UUID) ([]line, error) {
	if len(lines) == 0 || len(lines) > maxProducts {
		return nil, catalog.ErrBadLines
	}
	merged := make([]line, 0, len(lines))
	of := make(map[uuid.UUID]int, len(lines))
	for i, l := range lines {
		if l.Quantity < 1 {
			return nil, catalog.ErrBadLines.WithFields(fault.Field{Pointer: pointer(i), Detail: "the quantity must be at least 1"})
		}
		n, ok := of[l.ProductID]
		if !ok {
			n = len(merged)
			of[l.ProductID] = n
			merged = append(merged, line{product: l.ProductID, pool: l.ProductID})
		}
		m := &merged[n]
		if m.quantity > math.MaxInt64-l.Quantity {
			return nil, catalog.ErrBadLines.WithFields(fault.Field{Pointer: pointer(i), Detail: "the quantity is too large"})
		}
		m.quantity += l.Quantity
		m.at = append(m.at, i)
	}
	if drop != uuid.Nil {
		if len(merged) != 1 {
			return nil, errNotOfDrop
		}
		merged[0].pool = drop
	}
	slices.SortFunc(merged, func(a, b line) int { return bytes.Compare(a.product[:], b.product[:]) })
	return merged, nil
}

var errNotOfDrop = catalog.ErrBadLines.WithDetail("an order of a drop is of the drop's product alone")

func pointer(i int) string { return "/items/" + strconv.Itoa(i) }

// outOfStock names the lines that cannot be had, with how much is left of each, roughly.
func outOfStock(short []line, left func(line) catalog.Availability) error {
	var fields []fault.Field
	for _, l := range short {
		for _, i := range l.at {
			fields = append(fields, fault.Field{Pointer: pointer(i), Detail: fmt.Sprintf("%s: %s", l.product, left(l))})
		}
	}
	slices.SortFunc(fields, func(a, b fault.Field) int {
		if len(a.Pointer) != len(b.Pointer) { // /items/2 before /items/10
			return len(a.Pointer) - len(b.Pointer)
		}
		return bytes.Compare([]byte(a.Pointer), []byte(b.Pointer))
	})
	return catalog.ErrOutOfStock.WithFields(fields...)
}

// Check implements [catalog.Stock].
func (s *Service) Check(_ context.Context, in catalog.CheckInput) (catalog.Checked, error) {
	lines, err := linesOf(in.Lines, in.DropID)
	if err != nil {
		return catalog.Checked{}, err
	}
	var short []line
	left := map[uuid.UUID]catalog.Availability{}
	for _, l := range lines {
		if pool, known := s.scarce.look(l.pool); known && pool.left < l.quantity {
			short = append(short, l)
			left[l.pool] = availabilityOf(pool.left, pool.lowAt)
		}
	}
	if len(short) > 0 {
		return catalog.Checked{}, outOfStock(short, func(l line) catalog.Availability { return left[l.pool] })
	}
	return catalog.Checked{}, nil
}

// Reserve implements [catalog.Stock]. Reservations of the same goods share transactions: see flyReserve.
func (s *Service) Reserve(ctx context.Context, in catalog.ReserveInput) (catalog.Reservation, error) {
	lines, err := linesOf(in.Lines, in.DropID)
	if err != nil {
		return catalog.Reservation{}, err
	}
	reservation, err := s.reserves.Do(ctx, batch.KeyOf(lines[0].pool), order{id: in.OrderID, drop: in.DropID, lines: lines})
	return reservation, busy(err)
}

func orderOf(o order) uuid.UUID { return o.id }

// flyReserve answers the orders of one flight, of which none is there twice, first come first served: one round trip locks their
// pools, a second one writes what was decided and commits. Orders that get nothing cost no write.
func (s *Service) flyReserve(ctx context.Context, orders []order) ([]batch.Result[catalog.Reservation], error) {
	conn, err := s.flying.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for reservations: %w", err)
	}
	defer pg.GiveBack(ctx, conn)
	return s.reserve(ctx, conn, orders)
}

func (s *Service) reserve(ctx context.Context, conn *pgxpool.Conn, orders []order) ([]batch.Result[catalog.Reservation], error) {
	known, err := s.boardReserve(ctx, conn, orders)
	if err != nil {
		return nil, err
	}
	turn := s.scarce.turn()
	left := make(map[uuid.UUID]int64, len(known.Pools))
	for id, p := range known.Pools {
		left[id] = p.OnHand - p.Reserved
	}
	results := make([]batch.Result[catalog.Reservation], len(orders))
	w := db.ReserveParams{At: s.clock()}
	var refused []int
	for i, o := range orders {
		if state, ok := known.States[o.id]; ok {
			results[i] = standing(o.id, state)
			continue
		}
		if results[i].Err = barred(known, o); results[i].Err != nil {
			continue
		}
		// The pool of a drop is nothing to an order that asks for it as if it were a product.
		missing := func(l line) bool { return left[l.pool] < l.quantity || known.Pools[l.pool].ProductID != l.product }
		if slices.ContainsFunc(o.lines, missing) {
			short := slices.DeleteFunc(slices.Clone(o.lines), func(l line) bool { return !missing(l) })
			results[i].Err = outOfStock(short, func(l line) catalog.Availability {
				if known.Pools[l.pool].ProductID != l.product {
					return catalog.SoldOut
				}
				return availabilityOf(left[l.pool], known.Pools[l.pool].LowAt)
			})
			refused = append(refused, i)
			continue
		}
		results[i] = standing(o.id, string(catalog.Held))
		w.OrderIds = append(w.OrderIds, o.id)
		for _, l := range o.lines {
			left[l.pool] -= l.quantity
			w.LineOrderIds, w.PoolIds = append(w.LineOrderIds, o.id), append(w.PoolIds, l.pool)
			w.ProductIds, w.Quantities = append(w.ProductIds, l.product), append(w.Quantities, l.quantity)
		}
	}
	if len(w.OrderIds) > 0 {
		var marks db.Marks
		for id, p := range known.Pools {
			if id == p.ProductID && availabilityOf(p.OnHand-p.Reserved, p.LowAt) != availabilityOf(left[id], p.LowAt) {
				marks.Add(p.ProductID, 0)
			}
		}
		reserveCommit.Hit()
		fresh, err := s.sql.LandReserve(ctx, conn.Conn(), w, marks)
		if err != nil {
			return nil, err
		}
		reserveCommitted.Hit()
		if fresh < len(w.OrderIds) {
			return results, s.overtaken(ctx, conn, orders, w.OrderIds, refused, results)
		}
	}
	for id, p := range known.Pools {
		s.scarce.note(id, left[id], p.LowAt, turn)
	}
	return results, nil
}

// barred says why an order cannot have of its drop, whatever is left of it.
func barred(known db.Boarded, o order) error {
	if o.drop == uuid.Nil {
		return nil
	}
	gate, exists := known.Drops[o.drop]
	pool, locked := known.Pools[o.drop] // one that was made after the lock is not there yet
	switch {
	case !exists || !locked:
		return catalog.ErrNoDrop
	case pool.ProductID != o.lines[0].product:
		return errNotOfDrop
	case gate.Closed:
		return catalog.ErrDropClosed
	case !gate.Open:
		return catalog.ErrDropNotOpen
	}
	return nil
}

func (s *Service) boardReserve(ctx context.Context, conn *pgxpool.Conn, orders []order) (db.Boarded, error) {
	ids := make([]uuid.UUID, len(orders))
	wanted := make(map[uuid.UUID]bool, len(orders))
	pools := make([]uuid.UUID, 0, len(orders))
	var drops []uuid.UUID
	for i, o := range orders {
		ids[i] = o.id
		if o.drop != uuid.Nil && !slices.Contains(drops, o.drop) {
			drops = append(drops, o.drop)
		}
		for _, l := range o.lines {
			if !wanted[l.pool] {
				wanted[l.pool] = true
				pools = append(pools, l.pool)
			}
		}
	}
	return s.sql.BoardReserve(ctx, conn.Conn(), ids, pools, drops)
}

// overtaken looks up the orders that were to be written, as some of them were settled by somebody else between the two round
// trips. Those who were refused because of what these would have taken are asked again.
func (s *Service) overtaken(ctx context.Context, conn *pgxpool.Conn, orders []order, written []uuid.UUID, refused []int, results []batch.Result[catalog.Reservation]) error {
	rows, err := s.sql.ReservationsOf(ctx, conn, written)
	if err != nil {
		return fmt.Errorf("look up reservations: %w", err)
	}
	states := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		states[r.OrderID] = r.State
	}
	for i, o := range orders {
		if state, ok := states[o.id]; ok {
			results[i] = standing(o.id, state)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	again := make([]order, len(refused)) // fewer than there were, so this ends
	for n, i := range refused {
		again[n] = orders[i]
	}
	answers, err := s.reserve(ctx, conn, again)
	if err != nil {
		return err
	}
	for n, i := range refused {
		results[i] = answers[n]
	}
	return nil
}

// standing is the answer to an order whose reservation is in this state.
func standing(id uuid.UUID, state string) batch.Result[catalog.Reservation] {
	if state == string(catalog.Released) {
		return batch.Result[catalog.Reservation]{Err: catalog.ErrReservationReleased}
	}
	return batch.Result[catalog.Reservation]{Out: catalog.Reservation{OrderID: id, State: catalog.HoldState(state)}}
}
