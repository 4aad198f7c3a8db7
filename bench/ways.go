package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// way is one way of giving what a giveaway has.
type way struct {
	name  string
	give  func(ctx context.Context, of uuid.UUID) error     // to an account that nobody has seen; returns when it is promised
	each  int                                               // how many one call gives; 0: 1
	alone bool                                              // one caller is all that it takes
	rest  func()                                            // nil, or lets go of what the others may need
	drain func(ctx context.Context) (behind int, err error) // nil, or waits until what is promised is written

	tallies []tally
	behind  []int
}

// byShop is the shop's own way.
func (w *world) byShop(ctx context.Context, g giveaway) (*way, func(), error) {
	shop, err := w.open(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	give, err := g.atShop(ctx, w, shop)
	if err != nil {
		w.shut(ctx, shop)
		return nil, nil, err
	}
	return &way{
		name: "the shop", rest: shop.Rest,
		give: func(ctx context.Context, of uuid.UUID) error { return give(ctx, grantOf(of, uuid.New())) },
	}, func() { w.shut(ctx, shop) }, nil
}

// byStatement is the way of a transaction for each, of one statement, with a pool of its own: as good as it gets without sharing.
func (w *world) byStatement(ctx context.Context, g giveaway, conns int) (*way, func(), error) {
	pool, err := w.openPool(ctx, conns)
	if err != nil {
		return nil, nil, err
	}
	return &way{
		name: fmt.Sprintf("a statement a %s (pool of %d)", g.words().one, conns), rest: pool.Reset,
		give: func(ctx context.Context, of uuid.UUID) error {
			return g.byStatement(ctx, pool, grantOf(of, uuid.New()))
		},
	}, pool.Close, nil
}

// bulk is how many are inserted at once where nobody waits for his own.
const bulk = 1000

// inBulk is the limit: the rows of a thousand in each transaction, on one connection, for nobody in particular.
func (w *world) inBulk(ctx context.Context, g giveaway) (*way, func(), error) {
	pool, err := w.openPool(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	return &way{
		name: fmt.Sprintf("bulk inserts of %d, one connection", bulk), each: bulk, alone: true, rest: pool.Reset,
		give: func(ctx context.Context, of uuid.UUID) error {
			grants := make([]grant, bulk)
			for i := range grants {
				grants[i] = grantOf(of, uuid.New())
			}
			return insertMany(ctx, pool, g, grants)
		},
	}, pool.Close, nil
}

// insertMany writes all rows of the grants in one transaction and one round trip.
func insertMany(ctx context.Context, pool *pgxpool.Pool, g giveaway, grants []grant) error {
	var b pgx.Batch
	if err := g.queue(ctx, &b, grants); err != nil {
		return err
	}
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("insert many: %w", err)
	}
	return nil
}

// searchPools tries the single statement with more and more connections: how many are fastest, for each number of callers.
func (w *world) searchPools(ctx context.Context, g giveaway) (map[int]int, []string, error) {
	room, err := w.room(ctx)
	if err != nil {
		return nil, nil, err
	}
	short := w.settings
	short.Run, short.Warm, short.Profile = w.settings.Run/2, w.settings.Warm/2, ""
	found, rates, tried := map[int]int{}, map[int]float64{}, map[int]string{}
	var notes []string
	for _, conns := range []int{4, 8, 16, 32} {
		if conns > room {
			notes = append(notes, fmt.Sprintf("a pool of %d for the single statement is more than the server has to spare (%d): not tried", conns, room))
			continue
		}
		x, end, err := w.byStatement(ctx, g, conns)
		if err != nil {
			return nil, nil, err
		}
		for _, callers := range crowds {
			s, err := w.given(g, x, callers, short).measure(ctx)
			if err != nil {
				end()
				return nil, nil, fmt.Errorf("a pool of %d: %w", conns, err)
			}
			tried[callers] += fmt.Sprintf(" %d: %.0f", conns, s.rate)
			if s.rate > rates[callers] {
				found[callers], rates[callers] = conns, s.rate
			}
		}
		end()
	}
	for _, callers := range crowds {
		if found[callers] == 0 {
			return nil, nil, fmt.Errorf("the server has %d connections to spare: too few for the single statement", room)
		}
		notes = append(notes, fmt.Sprintf("the single statement, %d callers, %ss a second by the size of its pool:%s", callers, g.words().one, tried[callers]))
	}
	for _, note := range notes {
		fmt.Println("  " + note)
	}
	return found, notes, nil
}

// bars are what the shop is to be, at least, beside the other ways when they are crowded; 0: it is only shown.
type bars struct{ statement, bulk, lock float64 }

// givenInProcess compares the ways in this process, after it has killed one in which some of them were going on. It returns the best pools
// for the single statement, for each number of callers.
func (w *world) givenInProcess(ctx context.Context, r *report, g giveaway, least bars) (pools map[int]int, err error) {
	pools, notes, err := w.searchPools(ctx, g)
	if err != nil {
		return nil, err
	}
	killed, err := w.killAll(ctx, g, pools[doomed])
	if err != nil {
		return nil, err
	}
	return pools, w.inTurns(ctx, r, g, pools, least, append(notes, killed...))
}

// inTurns calls the shop's service as the HTTP layer does, and the other ways in the same process.
func (w *world) inTurns(ctx context.Context, r *report, g giveaway, pools map[int]int, least bars, notes []string) error {
	ours, end, err := w.byShop(ctx, g)
	if err != nil {
		return err
	}
	defer end()
	limit, end, err := w.inBulk(ctx, g)
	if err != nil {
		return err
	}
	defer end()
	lock, end, missing, err := w.byLock(ctx, g)
	if err != nil {
		return err
	}
	defer end()
	if missing != "" {
		notes = append(notes, missing)
	}
	script, end, missing, err := w.writtenBehind(ctx, g)
	if err != nil {
		return err
	}
	defer end()
	if missing != "" {
		notes = append(notes, missing)
	}
	words := g.words()
	for _, callers := range crowds {
		single, end, err := w.byStatement(ctx, g, pools[callers])
		if err != nil {
			return err
		}
		defer end()
		ways := []*way{ours, single, limit}
		bar := []float64{0, least.statement, least.bulk}
		if lock != nil {
			ways, bar = append(ways, lock), append(bar, least.lock)
		}
		if script != nil {
			ways, bar = append(ways, script), append(bar, 0)
		}
		var things []thing
		for _, x := range ways {
			x.tallies, x.behind = nil, nil
			things = append(things, w.given(g, x, callers, w.settings))
		}
		fmt.Printf("%s, in process, %d callers ", words.id, callers)
		all, err := alternate(ctx, w.settings.Rounds, things)
		if err != nil {
			return err
		}
		t := table{
			id: fmt.Sprintf("%s-in-process-%d", words.id, callers), title: fmt.Sprintf("%s, in process, %d callers", words.title, callers),
			unit: words.one + "s a second", series: all, notes: notes,
		}
		for i, x := range ways[1:] {
			if callers != 256 {
				bar[i+1] = 0
			}
			t.targets = append(t.targets, aim("the shop", x.name, all[0], all[i+1], bar[i+1]))
		}
		for _, x := range ways {
			t.notes = append(t.notes, x.outcome(words))
		}
		notes = nil
		r.add(t)
	}
	return nil
}

// aim is a target, or what is shown beside when it has no least.
func aim(of, over string, a, b *series, least float64) target {
	if least == 0 {
		return target{of + ", beside " + over, a, b, 0}
	}
	return target{fmt.Sprintf("%s ≥ %g × %s", of, least, over), a, b, least}
}

// given measures a way in this process, of a giveaway and in tables that are new.
func (w *world) given(g giveaway, x *way, callers int, s settings) thing {
	if x.alone {
		callers = 1
	}
	return thing{x.name, func(ctx context.Context) (sample, error) {
		if x.rest != nil {
			defer x.rest()
		}
		if err := w.clear(ctx, g); err != nil {
			return sample{}, err
		}
		of, err := w.announce(ctx, g, plenty)
		if err != nil {
			return sample{}, err
		}
		l := load{callers: callers, server: []int{os.Getpid()}, postmaster: w.postmaster, each: x.each, caller: func(int) (func(context.Context) error, func(), error) {
			return func(ctx context.Context) error { return x.give(ctx, of) }, nil, nil
		}}
		stop := func() error { return nil }
		if s.Profile != "" {
			if stop, err = profileHere(s.Profile, fmt.Sprintf("%s %s %d", g.words().id, x.name, callers)); err != nil {
				return sample{}, err
			}
		}
		found, err := l.measure(ctx, s)
		if stopped := stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return found, err
		}
		if x.drain != nil {
			behind, err := x.drain(ctx)
			if err != nil {
				return found, err
			}
			x.behind = append(x.behind, behind)
		}
		t, err := w.tally(ctx, g, of, found.answered)
		x.tallies = append(x.tallies, t)
		return found, err
	}}
}

// outcome says what became of all that was promised in the rounds.
func (x *way) outcome(words words) string {
	says := outcome(x.name, words, x.tallies...)
	if len(x.behind) > 0 {
		says += fmt.Sprintf("; when the time was up, %d that had been promised were not written yet", median(x.behind))
	}
	return says
}
