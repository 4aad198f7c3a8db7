package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"strconv"
	"sync/atomic"

	"github.com/sasapick/shop/bench/benchfx"
	"github.com/sasapick/shop/internal/ordering/orderingbench"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/telemetry"
)

var crowds = []int{64, 256}

// kind is what the callers order.
type kind struct {
	name, what string
	pick       func(w *world, dice *rand.Rand) good
}

var (
	hot    = kind{"hot", "one hot product", func(w *world, _ *rand.Rand) good { return w.goods[0] }}
	spread = kind{"spread", "10,000 products", func(w *world, dice *rand.Rand) good { return w.goods[dice.IntN(len(w.goods))] }}
)

// keys makes the idempotency keys of a whole run different.
var keys atomic.Int64

func nextKey() string { return "bench-" + strconv.FormatInt(keys.Add(1), 10) }

// measureOrders compares the shop with itself when each step of an order is a transaction of its own.
func measureOrders(ctx context.Context, w *world, r *report) error {
	alone, notes, err := w.search(ctx, hot, spread)
	if err != nil {
		return err
	}
	if err := w.ordersInProcess(ctx, r, alone, notes); err != nil {
		return err
	}
	return w.ordersOverHTTP(ctx, r, alone)
}

// open starts a shop in this process. Flights of one have shards and connections for so many at once; 0: the shop as it is.
func (w *world) open(ctx context.Context, flights int) (*benchfx.Shop, error) {
	conns, limits := int32(0), batch.Limits{}
	if flights > 0 {
		conns, limits = int32(flights)+spare, batch.Limits{Shards: flights, MaxBatch: 1}
	}
	c, err := shopConfig(w.url, w.folder, conns)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(w.folder+"/orders.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	log := telemetry.Logger(file, "json", c.LogLevel)
	slog.SetDefault(log)
	return benchfx.Open(ctx, c, log, benchfx.Options{Flights: limits})
}

// spare connections are for what is no flight.
const spare = 4

func (w *world) shut(ctx context.Context, shop *benchfx.Shop) {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = shop.Close(stopping)
}

// place is a caller that places one order after the other, each for the next person.
func (w *world) place(shop *benchfx.Shop, k kind, callers int) load {
	return load{callers: callers, server: []int{os.Getpid()}, postmaster: w.postmaster, caller: func(n int) (func(context.Context) error, func(), error) {
		dice := rand.New(rand.NewPCG(uint64(n), 2))
		next := n
		return func(ctx context.Context) error {
			buyer, g := w.people[next%len(w.people)], k.pick(w, dice)
			next += callers
			_, err := shop.Orders.Place(ctx, orderingbench.PlaceInput{
				AccountID: buyer.id, AddressID: buyer.address, ProductID: g.id, PriceWon: g.priceWon, DropID: g.drop, Key: nextKey(),
			})
			return err
		}, nil, nil
	}}
}

// best is how many flights of one at once are fastest, for each kind and number of callers.
type best map[string]int

func bestKey(k kind, callers int) string { return fmt.Sprint(k.name, callers) }

// search tries the baseline with more and more flights at once.
func (w *world) search(ctx context.Context, kinds ...kind) (best, []string, error) {
	room, err := w.room(ctx)
	if err != nil {
		return nil, nil, err
	}
	short := w.settings
	short.Run, short.Warm = w.settings.Run/2, w.settings.Warm/2
	found, rates := best{}, map[string]float64{}
	tried := map[string]string{}
	var notes []string
	for _, flights := range []int{4, 8, 16, 32, 64} {
		if need := poolsOfAnOrder*(flights+spare) + othersOfAShop; need > room {
			notes = append(notes, fmt.Sprintf("%d flights of one at once would need %d connections, and the server has %d to spare: not tried", flights, need, room))
			continue
		}
		shop, err := w.open(ctx, flights)
		if err != nil {
			return nil, nil, err
		}
		for _, k := range kinds {
			for _, callers := range crowds {
				s, err := w.place(shop, k, callers).measure(ctx, short)
				if err != nil {
					w.shut(ctx, shop)
					return nil, nil, fmt.Errorf("%d flights of one: %w", flights, err)
				}
				key := bestKey(k, callers)
				tried[key] += fmt.Sprintf(" %d: %.0f", flights, s.rate)
				if s.rate > rates[key] {
					found[key], rates[key] = flights, s.rate
				}
			}
		}
		w.shut(ctx, shop)
	}
	for _, k := range kinds {
		for _, callers := range crowds {
			key := bestKey(k, callers)
			notes = append(notes, fmt.Sprintf("baseline, %s, %d callers, orders a second by the number of flights of one at once:%s", k.name, callers, tried[key]))
		}
	}
	for _, note := range notes {
		fmt.Println("  " + note)
	}
	return found, notes, nil
}

// Flights of orders fill the pools of ordering and payments, and of catalog that for its flights. The other pools, catalog's own and
// those of the platform and the other modules among them, keep a connection or two each, whatever the flights.
const (
	poolsOfAnOrder = 3
	othersOfAShop  = 8
)

// room is how many connections the server has left, beside those of the shop that rests.
func (w *world) room(ctx context.Context) (n int, err error) {
	err = w.admin.QueryRow(ctx, `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') - 16`).Scan(&n)
	if err != nil {
		err = fmt.Errorf("count the connections: %w", err)
	}
	return n, err
}

// ordersInProcess calls the service as the HTTP layer does.
func (w *world) ordersInProcess(ctx context.Context, r *report, alone best, notes []string) error {
	shops := map[int]*benchfx.Shop{}
	defer func() {
		for _, shop := range shops {
			w.shut(ctx, shop)
		}
	}()
	for _, callers := range crowds {
		var things []thing
		for _, k := range []kind{hot, spread} {
			for _, flights := range []int{0, alone[bestKey(k, callers)]} {
				if shops[flights] == nil {
					shop, err := w.open(ctx, flights)
					if err != nil {
						return err
					}
					shops[flights] = shop
				}
				things = append(things, w.inProcess(shops[flights], k, callers, flights))
			}
		}
		fmt.Printf("orders, in process, %d callers ", callers)
		all, err := alternate(ctx, w.settings.Rounds, things)
		if err != nil {
			return err
		}
		t := table{
			id: fmt.Sprintf("orders-in-process-%d", callers), title: fmt.Sprintf("Orders in process, %d callers", callers), unit: "orders a second",
			series: all, notes: notes,
		}
		t.targets = []target{
			{"hot ≥ 0.9 × spread", all[0], all[2], 0.9},
			{"spread ≥ 3 × baseline", all[2], all[3], 3},
		}
		if callers == 256 {
			t.targets = append(t.targets, target{"hot ≥ 10 × baseline", all[0], all[1], 10})
		} else {
			t.targets = append(t.targets, target{"hot, beside the baseline", all[0], all[1], 0})
		}
		notes = nil
		r.add(t)
	}
	return nil
}

func (w *world) inProcess(shop *benchfx.Shop, k kind, callers, flights int) thing {
	name := describe(k, flights)
	return thing{name, func(ctx context.Context) (sample, error) {
		defer shop.Rest()
		stop := func() error { return nil }
		if w.settings.Profile != "" {
			var err error
			if stop, err = profileHere(w.settings.Profile, fmt.Sprintf("in process %s %d", name, callers)); err != nil {
				return sample{}, err
			}
		}
		s, err := w.place(shop, k, callers).measure(ctx, w.settings)
		if err != nil {
			return s, err
		}
		return s, stop()
	}}
}

func describe(k kind, flights int) string {
	if flights == 0 {
		return "the shop, " + k.what
	}
	return fmt.Sprintf("a transaction a step (%d at once), %s", flights, k.what)
}

// profileHere profiles this process until the returned function is called.
func profileHere(folder, name string) (stop func() error, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("keep a profile: %w", err)
	}
	f, err := os.Create(profilePath(folder, name))
	if err != nil {
		return nil, fmt.Errorf("keep a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("take a profile: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
