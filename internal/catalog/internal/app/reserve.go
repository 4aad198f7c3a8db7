package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/fault"
)

// order is what an order asks for: each product once, sorted.
type order struct {
	id    uuid.UUID
	lines []line
}

type line struct {
	product  uuid.UUID
	quantity int64
	at       []int // where it stands in the request
}

// linesOf merges lines of the same product, so that they are checked together against what is left of it.
func linesOf(lines []catalog.Line) ([]line, error) {
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
			merged = append(merged, line{product: l.ProductID})
		}
		m := &merged[n]
		if m.quantity > math.MaxInt64-l.Quantity {
			return nil, catalog.ErrBadLines.WithFields(fault.Field{Pointer: pointer(i), Detail: "the quantity is too large"})
		}
		m.quantity += l.Quantity
		m.at = append(m.at, i)
	}
	slices.SortFunc(merged, func(a, b line) int { return bytes.Compare(a.product[:], b.product[:]) })
	return merged, nil
}

func pointer(i int) string { return "/items/" + strconv.Itoa(i) }

// outOfStock names the lines that cannot be had, with how much is left of each, roughly.
func outOfStock(short []line, left func(product uuid.UUID) catalog.Availability) error {
	var fields []fault.Field
	for _, l := range short {
		for _, i := range l.at {
			fields = append(fields, fault.Field{Pointer: pointer(i), Detail: fmt.Sprintf("%s: %s", l.product, left(l.product))})
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
	lines, err := linesOf(in.Lines)
	if err != nil {
		return catalog.Checked{}, err
	}
	var short []line
	left := map[uuid.UUID]catalog.Availability{}
	for _, l := range lines {
		if pool, known := s.scarce.look(l.product); known && pool.left < l.quantity {
			short = append(short, l)
			left[l.product] = availabilityOf(pool.left, pool.lowAt)
		}
	}
	if len(short) > 0 {
		return catalog.Checked{}, outOfStock(short, func(product uuid.UUID) catalog.Availability { return left[product] })
	}
	return catalog.Checked{}, nil
}

// Reserve implements [catalog.Stock]. Reservations of the same goods share transactions: see flyReserve.
func (s *Service) Reserve(ctx context.Context, in catalog.ReserveInput) (catalog.Reservation, error) {
	lines, err := linesOf(in.Lines)
	if err != nil {
		return catalog.Reservation{}, err
	}
	reservation, err := s.reserves.Do(ctx, shardOf(lines[0].product), order{id: in.OrderID, lines: lines})
	return reservation, busy(err)
}

// shardOf spreads ids: the tail of a UUIDv7 is random.
func shardOf(id uuid.UUID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

// busy says a full queue in the module's own words.
func busy(err error) error {
	if errors.Is(err, batch.ErrBusy) {
		return fmt.Errorf("%w: %w", catalog.ErrBusy.WithRetryAfter(time.Second), err)
	}
	return err
}

// flyReserve answers the orders of one flight, first come first served: one round trip locks their pools, a second one
// writes what was decided and commits. Orders that get nothing cost no write.
func (s *Service) flyReserve(ctx context.Context, orders []order) ([]batch.Result[catalog.Reservation], error) {
	results := make([]batch.Result[catalog.Reservation], len(orders))
	first := make(map[uuid.UUID]int, len(orders)) // an order that asks twice flies once
	products := map[uuid.UUID]bool{}
	for i, o := range orders {
		if _, twice := first[o.id]; !twice {
			first[o.id] = i
		}
		for _, l := range o.lines {
			products[l.product] = true
		}
	}

	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for reservations: %w", err)
	}
	defer giveBack(ctx, conn)
	known, err := s.sql.BoardReserve(ctx, conn.Conn(), slices.Collect(maps.Keys(first)), slices.Collect(maps.Keys(products)))
	if err != nil {
		return nil, err
	}

	left := make(map[uuid.UUID]int64, len(known.Pools))
	for id, p := range known.Pools {
		left[id] = p.OnHand - p.Reserved
	}
	w := db.ReserveParams{At: s.clock()}
	for i, o := range orders {
		if first[o.id] != i {
			continue
		}
		if state, ok := known.States[o.id]; ok {
			results[i] = standing(o.id, state)
			continue
		}
		short := slices.DeleteFunc(slices.Clone(o.lines), func(l line) bool { return left[l.product] >= l.quantity })
		if len(short) > 0 {
			results[i].Err = outOfStock(short, func(product uuid.UUID) catalog.Availability {
				return availabilityOf(left[product], known.Pools[product].LowAt)
			})
			continue
		}
		results[i] = standing(o.id, string(catalog.Held))
		w.OrderIds = append(w.OrderIds, o.id)
		for _, l := range o.lines {
			left[l.product] -= l.quantity
			w.LineOrderIds, w.PoolIds = append(w.LineOrderIds, o.id), append(w.PoolIds, l.product)
			w.ProductIds, w.Quantities = append(w.ProductIds, l.product), append(w.Quantities, l.quantity)
		}
	}
	if len(w.OrderIds) > 0 {
		var marks db.Marks
		for id, p := range known.Pools {
			if availabilityOf(p.OnHand-p.Reserved, p.LowAt) != availabilityOf(left[id], p.LowAt) {
				marks.Add(p.ProductID, 0)
			}
		}
		fresh, err := s.sql.LandReserve(ctx, conn.Conn(), w, marks)
		if err != nil {
			return nil, err
		}
		if err := s.recheck(ctx, conn, first, w.OrderIds, fresh, results); err != nil {
			return nil, err
		}
	}
	for id, p := range known.Pools {
		s.scarce.note(id, left[id], p.LowAt)
	}
	for i, o := range orders {
		results[i] = results[first[o.id]]
	}
	return results, nil
}

// recheck looks up the orders that turned out to be settled by somebody else between the two round trips.
func (s *Service) recheck(ctx context.Context, conn *pgxpool.Conn, first map[uuid.UUID]int, tried []uuid.UUID, fresh map[uuid.UUID]bool, results []batch.Result[catalog.Reservation]) error {
	if len(fresh) == len(tried) {
		return nil
	}
	late := slices.DeleteFunc(slices.Clone(tried), func(id uuid.UUID) bool { return fresh[id] })
	rows, err := s.sql.ReservationsOf(ctx, conn, late)
	if err != nil {
		return fmt.Errorf("look up reservations: %w", err)
	}
	for _, r := range rows {
		results[first[r.OrderID]] = standing(r.OrderID, r.State)
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

// giveBack returns a connection to the pool, out of any transaction.
func giveBack(ctx context.Context, conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // one that fails leaves a connection which the pool closes
	}
	conn.Release()
}
