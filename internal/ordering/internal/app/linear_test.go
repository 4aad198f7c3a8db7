package app_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// asked is a request under a key, with one of two bodies.
type asked struct {
	key  string
	body int64
}

// told is its answer: an order, a refusal, that the key is another request's, or nothing that one could build on.
type told struct {
	order   uuid.UUID
	refused string
	reused  bool
}

// binding is what a key is, as far as its answers tell: free, bound to a body with an outcome that nobody was told yet, or with one.
type binding struct {
	bound   bool
	body    int64
	order   uuid.UUID
	refused string
}

// keysAreKept is what all answers of all instances together must look like: as if each request had been served at one instant, one
// after the other, with the same order, or the same refusal, for the same key.
var keysAreKept = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		at := map[string]int{}
		for _, o := range history {
			key := o.Input.(asked).key
			if _, ok := at[key]; !ok {
				at[key] = len(parts)
				parts = append(parts, nil)
			}
			parts[at[key]] = append(parts[at[key]], o)
		}
		return parts
	},
	Init: func() []any { return []any{binding{}} },
	Step: func(state, input, output any) []any {
		b, in, out := state.(binding), input.(asked), output.(told)
		settled := binding{bound: true, body: in.body, order: out.order, refused: out.refused}
		switch {
		case out == told{} && !b.bound:
			return []any{b, settled}
		case out == told{}:
			return []any{b}
		case out.reused:
			if b.bound && b.body != in.body {
				return []any{b}
			}
		case !b.bound && out.refused != "": // the order was refused, or never came to be one
			return []any{b, settled}
		case !b.bound, b == settled:
			return []any{settled}
		case b == binding{bound: true, body: in.body}:
			return []any{settled}
		}
		return nil
	},
}

// Requests under a few keys run against three instances at once, while parts fail, stock comes and goes and silent orders are taken over.
func TestKeysAreKept(t *testing.T) {
	t.Parallel()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s, account := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid, p.Config.TakeOver = 1000, 50*time.Millisecond }), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 3)
	instances := []*app.Service{s.Service, s.instance(t), s.instance(t)}
	for i, point := range []string{"reserve.before", "reserve.after", "open.before", "open.after"} {
		dice := rand.New(rand.NewPCG(seed, uint64(i)))
		var mu sync.Mutex
		fail := func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if dice.IntN(6) == 0 {
				return errors.New("connection reset by peer")
			}
			return ctx.Err()
		}
		if i < 2 {
			s.catalog.always(point, fail)
		} else {
			s.payments.always(point, fail)
		}
	}

	const clients, requests = 12, 25
	begin := time.Now()
	histories := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(100+c)))
			for range requests {
				if dice.IntN(10) == 0 {
					s.catalog.restock(shirt, 1)
				}
				ask := asked{key: fmt.Sprint("k", dice.IntN(8)), body: 1 + dice.Int64N(8)/7}
				in := s.input(account, ask.key, shirt)
				in.Items[0].Quantity = ask.body
				in.Key = idempotency.Of(ask.key, "/v1/orders", in.Items)
				op := porcupine.Operation{ClientId: c, Input: ask, Call: int64(time.Since(begin))}
				p, err := instances[dice.IntN(len(instances))].Place(t.Context(), in)
				op.Output, op.Return = toldBy(p, err), int64(time.Since(begin))
				if op.Output == (told{}) {
					op.Return = math.MaxInt64 // who was told nothing may have been served much later
				}
				histories[c] = append(histories[c], op)
			}
		})
	}
	wg.Wait()
	var history []porcupine.Operation
	orders := map[uuid.UUID]bool{}
	for _, h := range histories {
		history = append(history, h...)
		for _, op := range h {
			orders[op.Output.(told).order] = true
		}
	}
	require.Greater(t, len(orders), 1, "nothing was ordered")
	model := keysAreKept.ToModel()
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(model, history, time.Minute))

	// And the checker sees a second order of a key.
	last := history[len(history)-1]
	for _, op := range history {
		if op.Output.(told).order != uuid.Nil {
			last = op
		}
	}
	last.Call, last.Return = math.MaxInt64-1, math.MaxInt64
	last.Output = told{order: uuid.New()}
	require.Equal(t, porcupine.Illegal, porcupine.CheckOperationsTimeout(model, append(history, last), time.Minute))
}

func toldBy(p app.Placement, err error) told {
	f, definite := refusedBy(err)
	switch {
	case err == nil:
		return told{order: p.Order.ID}
	case errors.Is(err, idempotency.ErrReused):
		return told{reused: true}
	case definite && !errors.Is(err, idempotency.ErrInProgress):
		return told{refused: f.Code}
	default:
		return told{}
	}
}
