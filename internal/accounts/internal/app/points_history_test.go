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

	"github.com/sasapick/shop/internal/accounts"
)

// A history is what many callers did to some purses at once, and what each was told. It is right if the operations can be put in
// one order, each between its call and its answer, in which a plain model gives the same answers.

const spenders = 12 // orders of a purse: few, so that callers meet

// op is an operation on a purse: each purse is checked apart from the others.
type op struct {
	purse, order int
	kind         string
	by           int64
}

// asks is what an order asks for, the same each time.
func (o op) asks() int64 { return 1 + int64(o.order%3) }

// said is an answer. One that is not known may be any: nobody knows then whether, or when, the operation took effect.
type said struct {
	what string
	has  points // of a look
}

const unknown = "unknown"

// purse is an account's points with the holds of orders.
type purse struct {
	has   points
	state [spenders]byte // 0, or the first letter of a hold's state
}

// apply does an operation as it should be done, and gives its answer.
func (p purse) apply(o op) (said, purse) {
	state, asks := &p.state[o.order], o.asks()
	switch o.kind {
	case "look":
		return said{has: p.has}, p
	case "grant":
		if p.has.balance+o.by < p.has.held {
			return said{what: accounts.ErrNotEnoughPoints.Code}, p
		}
		p.has.balance += o.by
	case "hold":
		switch *state {
		case 'h':
			return said{what: string(accounts.Held)}, p
		case 'u':
			return said{what: string(accounts.Used)}, p
		case 'r':
			return said{what: accounts.ErrPointsReleased.Code}, p
		}
		if p.has.balance-p.has.held < asks {
			return said{what: accounts.ErrNotEnoughPoints.Code}, p
		}
		p.has.held += asks
		*state = 'h'
		return said{what: string(accounts.Held)}, p
	case "use":
		switch *state {
		case 0:
			return said{what: accounts.ErrNoPointHold.Code}, p
		case 'h':
			p.has.balance -= asks
			p.has.held -= asks
			*state = 'u'
		}
	case "expire":
		switch *state {
		case 'h':
			p.has.held -= asks
		case 'u':
			p.has.balance += asks
		}
		*state = 'r'
	default:
		panic(o.kind)
	}
	return said{}, p
}

// checker accepts the histories of purses that began with so many points.
func checker(began int64) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			purses := map[int][]porcupine.Operation{}
			for _, o := range history {
				purses[o.Input.(op).purse] = append(purses[o.Input.(op).purse], o)
			}
			var parts [][]porcupine.Operation
			for _, p := range purses {
				parts = append(parts, p)
			}
			return parts
		},
		Init: func() any { return purse{has: points{balance: began}} },
		Step: func(state, input, output any) (bool, any) {
			right, after := state.(purse).apply(input.(op))
			told := output.(said)
			return told.what == unknown || told == right, after
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

// wallet is what a history is of.
type wallet interface {
	Hold(ctx context.Context, caller int, o op) (accounts.PointHold, error)
	Settle(ctx context.Context, caller int, o op) error // of an event of the order
	Grant(ctx context.Context, caller int, o op, key string) error
	Look(ctx context.Context, purse int) (points, error)
}

// refusals are the answers that are no outage.
var refusals = []error{accounts.ErrNotEnoughPoints, accounts.ErrPointsReleased, accounts.ErrNoPointHold}

// recorder writes down who did what, in the order in which it happened.
type recorder struct {
	wallet  wallet
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
		told = said{what: unknown}
		for _, refused := range refusals {
			if errors.Is(err, refused) {
				told = said{what: codeOf(refused)}
			}
		}
	}
	if told.what == unknown {
		done = math.MaxInt64
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if told.what == unknown {
		if o.kind == "look" {
			return
		}
		r.unknown++
	}
	if o.kind == "hold" && (told.what == string(accounts.Used) || told.what == accounts.ErrPointsReleased.Code) {
		// A flight whose connection was lost flies again, and then tells how the order stands: it may have been held in the meantime.
		r.history = append(r.history, porcupine.Operation{ClientId: caller, Input: o, Call: call, Output: said{what: unknown}, Return: done})
	}
	r.history = append(r.history, porcupine.Operation{ClientId: caller, Input: o, Call: call, Output: told, Return: done})
}

func (r *recorder) call(ctx context.Context, caller int, o op) (told said, err error) {
	switch o.kind {
	case "look":
		told.has, err = r.wallet.Look(ctx, o.purse)
	case "grant":
		key := uuid.NewString()
		for range 3 { // a repeat with the same key is the same operation
			if err = r.wallet.Grant(ctx, caller, o, key); err == nil || errors.Is(err, accounts.ErrNotEnoughPoints) {
				return told, err
			}
		}
	case "hold":
		var held accounts.PointHold
		held, err = r.wallet.Hold(ctx, caller, o)
		told.what = string(held.State)
	default:
		err = r.wallet.Settle(ctx, caller, o)
	}
	return told, err
}

// play lets callers do to each purse what a seed makes up, at the same time, and gives up on some answers.
func (r *recorder) play(ctx context.Context, seed uint64, purses, callers, each int) {
	var wg sync.WaitGroup
	for caller := range purses * callers {
		random := rand.New(rand.NewPCG(seed, uint64(caller)))
		wg.Go(func() {
			for range each {
				o := op{purse: caller / callers, order: random.IntN(spenders)}
				switch random.IntN(12) {
				case 0, 1, 2, 3, 4:
					o.kind = "hold"
				case 5, 6, 7:
					o.kind = "expire"
				case 8:
					o.kind = "use"
				case 9:
					o.kind, o.by = "grant", cmp.Or(random.Int64N(8)-4, 5)
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
	for p := range purses {
		r.do(ctx, 0, op{kind: "look", purse: p})
	}
}

// verdict says whether the history of purses that began with so many points is right.
func (r *recorder) verdict(began int64) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(checker(began), r.history, time.Minute)
}

// String lists the operations, a line each, by purse and in the order of their calls.
func (r *recorder) String() string {
	lines := slices.Clone(r.history)
	slices.SortFunc(lines, func(a, b porcupine.Operation) int {
		return cmp.Or(cmp.Compare(a.Input.(op).purse, b.Input.(op).purse), cmp.Compare(a.Call, b.Call))
	})
	var b strings.Builder
	for _, o := range lines {
		fmt.Fprintf(&b, "%d to %d, caller %d: %+v: %+v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
