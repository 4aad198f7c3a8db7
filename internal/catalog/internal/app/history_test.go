package app_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/fault"
)

// A history is what many callers did to some goods at once, and what each was told. It is right if the operations can be put in
// one order, each between its call and its answer, in which a plain model gives the same answers.

const (
	sizes   = 2     // products of a group; orders take of one or of both, and of no other group
	theDrop = sizes // the pool of the group's drop, which is of its first product
	apart   = 3     // pieces that it has in the beginning
	orders  = 12    // of a group: few, so that callers meet
)

// pools are a group's: those of its products, and that of its drop.
type pools = [sizes + 1]stock

// op is an operation on a group: whole groups are checked apart from each other.
type op struct {
	group, order, product int
	kind                  string
	drop                  bool // the order is of the drop
	lines                 [sizes]int64
	by                    int64 // what is moved, or what the drop is to have
}

// said is an answer. One that is not known may be any: nobody knows then whether, or when, the operation took effect.
type said struct {
	what  string
	stock pools // of a look
}

const unknown = "unknown"

// model is a group of pools with the holds of orders.
type model struct {
	stock    pools
	quantity int64 // of the drop
	closed   bool
	state    [orders]byte // 0, or the first letter of a hold's state
	holds    [orders][sizes + 1]int64
}

// apply does an operation as it should be done, and gives its answer.
func (m model) apply(o op) (said, model) {
	hold := &m.holds[o.order]
	switch o.kind {
	case "look":
		return said{stock: m.stock}, m
	case "move":
		after := m.stock[o.product].onHand + o.by
		if after < m.stock[o.product].reserved {
			return said{what: catalog.ErrStockBelowReserved.Code}, m
		}
		m.stock[o.product].onHand = after
		return said{}, m
	case "reserve":
		switch m.state[o.order] {
		case 'h':
			return said{what: string(catalog.Held)}, m
		case 'u':
			return said{what: string(catalog.Used)}, m
		case 'r':
			return said{what: catalog.ErrReservationReleased.Code}, m
		}
		if o.drop && m.closed {
			return said{what: catalog.ErrDropClosed.Code}, m
		}
		wants := o.wants()
		for i, q := range wants {
			if m.stock[i].onHand-m.stock[i].reserved < q {
				return said{what: catalog.ErrOutOfStock.Code}, m
			}
		}
		for i, q := range wants {
			m.stock[i].reserved += q
		}
		*hold, m.state[o.order] = wants, 'h'
		return said{what: string(catalog.Held)}, m
	case "set":
		more := o.by - m.quantity
		switch general, drop := &m.stock[0], &m.stock[theDrop]; {
		case m.closed:
			return said{what: catalog.ErrDropClosed.Code}, m
		case more > general.onHand-general.reserved:
			return said{what: catalog.ErrOutOfStock.Code}, m
		case -more > drop.onHand-drop.reserved:
			return said{what: catalog.ErrDropBelowTaken.Code}, m
		default:
			m.shift(more)
			m.quantity = o.by
			return said{}, m
		}
	case "close":
		if !m.closed {
			m.closed = true
			m.shift(m.stock[theDrop].reserved - m.stock[theDrop].onHand)
		}
		return said{}, m
	case "use":
		switch m.state[o.order] {
		case 0:
			return said{what: catalog.ErrNoReservation.Code}, m
		case 'h':
			for i, q := range hold {
				m.stock[i].onHand -= q
				m.stock[i].reserved -= q
			}
			m.state[o.order] = 'u'
		}
		return said{}, m
	case "expire":
		for i, q := range hold {
			switch m.state[o.order] {
			case 'h':
				m.stock[i].reserved -= q
			case 'u':
				m.stock[i].onHand += q
			}
		}
		if m.closed && (m.state[o.order] == 'h' || m.state[o.order] == 'u') {
			m.shift(-hold[theDrop])
		}
		m.state[o.order] = 'r'
		return said{}, m
	}
	panic(o.kind)
}

// wants is what an order takes, by pool.
func (o op) wants() (wants [sizes + 1]int64) {
	copy(wants[:], o.lines[:])
	if o.drop {
		wants[0], wants[theDrop] = 0, o.lines[0]
	}
	return wants
}

// shift moves pieces from general stock into the drop, or back.
func (m *model) shift(into int64) {
	m.stock[0].onHand -= into
	m.stock[theDrop].onHand += into
}

// begun is a group of goods of which there are so many pieces each, and a drop.
func begun(began int64) model {
	m := model{quantity: apart}
	for i := range m.stock {
		m.stock[i].onHand = began
	}
	m.stock[theDrop].onHand = apart
	return m
}

// checker accepts the histories of goods that began with so many pieces.
func checker(began int64) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			groups := map[int][]porcupine.Operation{}
			for _, o := range history {
				groups[o.Input.(op).group] = append(groups[o.Input.(op).group], o)
			}
			var parts [][]porcupine.Operation
			for _, g := range groups {
				parts = append(parts, g)
			}
			return parts
		},
		Init: func() any { return begun(began) },
		Step: func(state, input, output any) (bool, any) {
			right, after := state.(model).apply(input.(op))
			told := output.(said)
			return told.what == unknown || told == right, after
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

// goods is what a history is of.
type goods interface {
	Reserve(ctx context.Context, caller int, o op) (catalog.Reservation, error)
	Settle(ctx context.Context, caller, group, order int, event string) error // of an event of the order
	Move(ctx context.Context, caller, group, product int, by int64, key string) error
	SetDrop(ctx context.Context, caller, group int, quantity int64) error
	CloseDrop(ctx context.Context, caller, group int) error
	Look(ctx context.Context, group int) (pools, error)
}

// refusals are the answers that say that nothing was done.
var refusals = []*fault.Error{
	catalog.ErrOutOfStock, catalog.ErrReservationReleased, catalog.ErrStockBelowReserved, catalog.ErrNoReservation,
	catalog.ErrDropClosed, catalog.ErrDropBelowTaken,
}

// recorder writes down who did what, in the order in which it happened.
type recorder struct {
	goods   goods
	clock   atomic.Int64
	mu      sync.Mutex
	history []porcupine.Operation
	unknown int
}

// do carries an operation out, and writes down what was said.
func (r *recorder) do(ctx context.Context, caller int, o op) {
	call := r.clock.Add(1)
	told, err := r.call(ctx, caller, o)
	done := r.clock.Add(1)
	if err != nil {
		if i := slices.IndexFunc(refusals, func(f *fault.Error) bool { return errors.Is(err, f) }); i >= 0 {
			told.what = refusals[i].Code
		} else {
			told, done = said{what: unknown}, math.MaxInt64
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if told.what == unknown {
		if o.kind == "look" {
			return
		}
		r.unknown++
	}
	if o.kind == "reserve" && (told.what == string(catalog.Used) || told.what == catalog.ErrReservationReleased.Code) {
		// A flight whose connection was lost flies again, and then tells how the order stands: it may have been held in the meantime.
		r.history = append(r.history, porcupine.Operation{ClientId: caller, Input: o, Call: call, Output: said{what: unknown}, Return: done})
	}
	r.history = append(r.history, porcupine.Operation{ClientId: caller, Input: o, Call: call, Output: told, Return: done})
}

func (r *recorder) call(ctx context.Context, caller int, o op) (told said, err error) {
	var reservation catalog.Reservation
	switch o.kind {
	case "look":
		told.stock, err = r.goods.Look(ctx, o.group)
	case "move":
		key := uuid.NewString()
		for range 3 { // a repeat with the same key is the same operation
			if err = r.goods.Move(ctx, caller, o.group, o.product, o.by, key); err == nil || errors.Is(err, catalog.ErrStockBelowReserved) {
				return told, err
			}
		}
	case "reserve":
		reservation, err = r.goods.Reserve(ctx, caller, o)
		told.what = string(reservation.State)
	case "set":
		err = r.goods.SetDrop(ctx, caller, o.group, o.by)
	case "close":
		err = r.goods.CloseDrop(ctx, caller, o.group)
	case "use":
		err = r.goods.Settle(ctx, caller, o.group, o.order, paid)
	case "expire":
		err = r.goods.Settle(ctx, caller, o.group, o.order, expired)
	}
	return told, err
}

// play lets callers do to each group what a seed makes up, at the same time, and gives up on some answers.
func (r *recorder) play(ctx context.Context, seed uint64, groups, callers, each int) {
	var wg sync.WaitGroup
	for caller := range groups * callers {
		random := rand.New(rand.NewPCG(seed, uint64(caller)))
		wg.Go(func() {
			for range each {
				o := op{group: caller / callers, order: random.IntN(orders), product: random.IntN(sizes)}
				// What an order asks for is the same each time.
				wants := rand.New(rand.NewPCG(seed, uint64(1000*(o.group+1)+o.order)))
				o.lines[wants.IntN(sizes)] = 1 + wants.Int64N(3)
				o.lines[wants.IntN(sizes)] = 1 + wants.Int64N(3)
				if o.drop = wants.IntN(3) == 0; o.drop {
					o.lines = [sizes]int64{1 + wants.Int64N(2)}
				}
				switch n := random.IntN(48); {
				case n < 20:
					o.kind = "reserve"
				case n < 31:
					o.kind = "expire"
				case n < 35:
					o.kind = "use"
				case n < 38:
					o.kind, o.by = "move", random.Int64N(8)-4
					if o.by == 0 {
						o.by = 5
					}
				case n < 41:
					o.kind, o.by = "set", 1+random.Int64N(6)
				case n < 42:
					o.kind = "close"
				default:
					o.kind = "look"
				}
				patience, giveUp := context.WithCancel(ctx)
				if random.IntN(12) == 0 {
					stop := time.AfterFunc(time.Duration(random.Int64N(int64(4*time.Millisecond))), giveUp)
					r.do(patience, caller, o)
					stop.Stop()
				} else {
					r.do(patience, caller, o)
				}
				giveUp()
			}
		})
	}
	wg.Wait()
	for group := range groups {
		r.do(ctx, 0, op{kind: "look", group: group})
	}
}

// verdict says whether the history of goods that began with so many pieces is right.
func (r *recorder) verdict(began int64) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(checker(began), r.history, time.Minute)
}

// String lists the operations, a line each, by group and in the order of their calls.
func (r *recorder) String() string {
	lines := slices.Clone(r.history)
	slices.SortFunc(lines, func(a, b porcupine.Operation) int {
		return cmp.Or(cmp.Compare(a.Input.(op).group, b.Input.(op).group), cmp.Compare(a.Call, b.Call))
	})
	var b strings.Builder
	for _, o := range lines {
		fmt.Fprintf(&b, "%d to %d, caller %d: %+v: %+v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
