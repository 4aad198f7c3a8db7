package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/pg"
)

// plenty is more coupons than can be claimed while something is measured.
const plenty = 1 << 40

// way is one way of giving an account its coupon of a campaign.
type way struct {
	name  string
	give  func(ctx context.Context, campaign uuid.UUID) error // to an account that nobody has seen; returns when it is promised
	each  int                                                 // coupons that one call gives; 0: 1
	alone bool                                                // one caller is all that it takes
	rest  func()                                              // nil, or lets go of what the others may need
	drain func(ctx context.Context) (behind int, err error)   // nil, or waits until what is promised is written

	tallies []tally
	behind  []int
}

// measureClaims compares the shop with other ways of giving coupons first come first served.
func measureClaims(ctx context.Context, w *world, r *report) error {
	pools, notes, err := w.searchPools(ctx)
	if err != nil {
		return err
	}
	killed, err := w.killAll(ctx, pools[doomed])
	if err != nil {
		return err
	}
	if err := w.claimsInProcess(ctx, r, pools, append(notes, killed...)); err != nil {
		return err
	}
	if err := w.claimsOverHTTP(ctx, r, pools); err != nil {
		return err
	}
	if err := w.claimsGone(ctx, r); err != nil {
		return err
	}
	return w.claimsOfSeveral(ctx, r)
}

// openPool connects to the world's database, with so many connections for who measures with them.
func (w *world) openPool(ctx context.Context, conns int) (*pgxpool.Pool, error) {
	return pg.Open(ctx, pg.Config{URL: w.url, Name: "bench", MaxConns: int32(conns), AcquireTimeout: patience})
}

// onDatabase lets f use one connection to the world's database.
func (w *world) onDatabase(ctx context.Context, f func(*pgxpool.Conn) error) error {
	pool, err := w.openPool(ctx, 1)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.AcquireFunc(ctx, f)
}

// campaign makes a campaign that is open to anybody.
func (w *world) campaign(ctx context.Context, quantity int64) (id uuid.UUID, err error) {
	err = w.onDatabase(ctx, func(conn *pgxpool.Conn) error {
		id, err = makeCampaign(ctx, conn, quantity)
		return err
	})
	return id, err
}

func makeCampaign(ctx context.Context, conn *pgxpool.Conn, quantity int64) (uuid.UUID, error) {
	id := uuid.Must(uuid.NewV7())
	_, err := conn.Exec(ctx, `
WITH made AS (
    INSERT INTO coupons.campaigns (id, version, name, description, kind, min_tier, discount_won, discount_percent, discount_cap_won, minimum_won,
        applies_to, applies_ids, applies_tags, usable_until, created_at, updated_at)
    VALUES ($1, 1, 'Measured', '', 'event', '', 1000, 0, 0, 0, 'all', '{}', '{}', now() + interval '30 days', now(), now())
    RETURNING id
)
INSERT INTO coupons.counters (campaign_id, quantity, starts_at, ends_at)
SELECT id, $2, now() - interval '1 day', now() + interval '1 day' FROM made`, id, quantity)
	if err != nil {
		return id, fmt.Errorf("make a campaign: %w", err)
	}
	return id, nil
}

// forgetClaims empties the tables that claims fill, so that each measurement begins with the same.
func (w *world) forgetClaims(ctx context.Context) error {
	if err := w.forget(ctx); err != nil {
		return err
	}
	return w.onDatabase(ctx, func(conn *pgxpool.Conn) error {
		if _, err := conn.Exec(ctx, `TRUNCATE coupons.coupons`); err != nil {
			return fmt.Errorf("empty the coupons: %w", err)
		}
		return nil
	})
}

// tally compares what callers were told of a campaign with what the database has of it.
type tally struct {
	promised int64 // coupons that somebody was told he has
	rows     int64
	accounts int64 // that have any
	counted  int64 // by the campaign's counter
}

func (t tally) lost() int64      { return max(0, t.promised-t.rows) }
func (t tally) doubled() int64   { return t.rows - t.accounts }
func (t tally) miscounted() bool { return t.counted != t.rows }

func (w *world) tally(ctx context.Context, campaign uuid.UUID, promised int64) (t tally, err error) {
	err = w.onDatabase(ctx, func(conn *pgxpool.Conn) error {
		t, err = readTally(ctx, conn, campaign, promised)
		return err
	})
	return t, err
}

func readTally(ctx context.Context, conn *pgxpool.Conn, campaign uuid.UUID, promised int64) (tally, error) {
	t := tally{promised: promised}
	err := conn.QueryRow(ctx, `SELECT count(*), count(DISTINCT account_id), (SELECT taken FROM coupons.counters WHERE campaign_id = $1)
		FROM coupons.coupons WHERE campaign_id = $1`, campaign).Scan(&t.rows, &t.accounts, &t.counted)
	if err != nil {
		return t, fmt.Errorf("count the coupons: %w", err)
	}
	return t, nil
}

// searchPools tries the single statement with more and more connections: how many are fastest, for each number of callers.
func (w *world) searchPools(ctx context.Context) (map[int]int, []string, error) {
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
		x, end, err := w.byStatement(ctx, conns)
		if err != nil {
			return nil, nil, err
		}
		for _, callers := range crowds {
			s, err := w.claim(x, callers, short).measure(ctx)
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
		notes = append(notes, fmt.Sprintf("the single statement, %d callers, claims a second by the size of its pool:%s", callers, tried[callers]))
	}
	for _, note := range notes {
		fmt.Println("  " + note)
	}
	return found, notes, nil
}

// claimsInProcess calls the service as the HTTP layer does, and the other ways in the same process.
func (w *world) claimsInProcess(ctx context.Context, r *report, pools map[int]int, notes []string) error {
	ours, end, err := w.byShop(ctx)
	if err != nil {
		return err
	}
	defer end()
	limit, end, err := w.inBulk(ctx)
	if err != nil {
		return err
	}
	defer end()
	lock, end, missing, err := w.byLock(ctx)
	if err != nil {
		return err
	}
	defer end()
	if missing != "" {
		notes = append(notes, missing)
	}
	script, end, missing, err := w.writtenBehind(ctx)
	if err != nil {
		return err
	}
	defer end()
	if missing != "" {
		notes = append(notes, missing)
	}
	for _, callers := range crowds {
		single, end, err := w.byStatement(ctx, pools[callers])
		if err != nil {
			return err
		}
		defer end()
		ways := []*way{ours, single, limit}
		least := []float64{0, 15, 0.5}
		if lock != nil {
			ways, least = append(ways, lock), append(least, 50)
		}
		if script != nil {
			ways, least = append(ways, script), append(least, 0)
		}
		var things []thing
		for _, x := range ways {
			x.tallies, x.behind = nil, nil
			things = append(things, w.claim(x, callers, w.settings))
		}
		fmt.Printf("claims, in process, %d callers ", callers)
		all, err := alternate(ctx, w.settings.Rounds, things)
		if err != nil {
			return err
		}
		t := table{
			id: fmt.Sprintf("claims-in-process-%d", callers), title: fmt.Sprintf("Claims of one coupon, in process, %d callers", callers),
			unit: "claims a second", series: all, notes: notes,
		}
		for i, x := range ways[1:] {
			bar := least[i+1]
			if callers != 256 {
				bar = 0
			}
			t.targets = append(t.targets, aim("the shop", x.name, all[0], all[i+1], bar))
		}
		for _, x := range ways {
			t.notes = append(t.notes, x.outcome())
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

// claim measures a way in this process, on a campaign and in tables that are new.
func (w *world) claim(x *way, callers int, s settings) thing {
	if x.alone {
		callers = 1
	}
	return thing{x.name, func(ctx context.Context) (sample, error) {
		if x.rest != nil {
			defer x.rest()
		}
		if err := w.forgetClaims(ctx); err != nil {
			return sample{}, err
		}
		campaign, err := w.campaign(ctx, plenty)
		if err != nil {
			return sample{}, err
		}
		var promised atomic.Int64
		l := load{callers: callers, server: []int{os.Getpid()}, postmaster: w.postmaster, each: x.each, caller: func(int) (func(context.Context) error, func(), error) {
			return func(ctx context.Context) error {
				err := x.give(ctx, campaign)
				if err == nil {
					promised.Add(int64(max(1, x.each)))
				}
				return err
			}, nil, nil
		}}
		stop := func() error { return nil }
		if s.Profile != "" {
			if stop, err = profileHere(s.Profile, fmt.Sprintf("claims %s %d", x.name, callers)); err != nil {
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
		t, err := w.tally(ctx, campaign, promised.Load())
		x.tallies = append(x.tallies, t)
		return found, err
	}}
}

// outcome says what became of all that was promised in the rounds.
func (x *way) outcome() string {
	says := outcome(x.name, x.tallies)
	if len(x.behind) > 0 {
		says += fmt.Sprintf("; when the time was up, %d that had been promised were not written yet", median(x.behind))
	}
	return says
}

func outcome(name string, tallies []tally) string {
	var promised, lost, doubled int64
	wrong := 0
	for _, t := range tallies {
		promised, lost, doubled = promised+t.promised, lost+t.lost(), doubled+t.doubled()
		if t.miscounted() {
			wrong++
		}
	}
	says := fmt.Sprintf("%s: of %d claims, lost %d, doubled %d", name, promised, lost, doubled)
	if wrong > 0 {
		says += fmt.Sprintf("; in %d of %d campaigns the counter is not the number of its coupons", wrong, len(tallies))
	}
	return says
}
