package memory_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/memory"
)

// day is people who come into a room, and what they are told of how long they will wait.
type day struct {
	dice  *rand.Rand
	clock *clock.Manual
	line  *memory.Line
	rules app.Rules
	now   int // seconds since it began

	due   map[int][]func() // what people do at a second
	told  []estimate
	calls []int // how many were called in a minute
}

// estimate is what somebody was told, and how long it was then.
type estimate struct{ told, was float64 }

// error is how far off it was, of how long it was.
func (e estimate) error() float64 { return math.Abs(e.told-e.was) / e.was }

func newDay(seed uint64, capacity int64) *day {
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return &day{
		dice: rand.New(rand.NewPCG(seed, 0)), clock: c, line: memory.NewLine(c.Now), due: map[int][]func(){},
		rules: app.Rules{Room: "main", Capacity: capacity, Since: c.Now().Add(time.Minute)},
	}
}

func (d *day) in(seconds float64, do func()) {
	at := d.now + max(1, int(seconds))
	d.due[at] = append(d.due[at], do)
}

// run lets seconds go by, in each of which people do what is due, and are called.
func (d *day) run(t *testing.T, seconds int) {
	for range seconds {
		for _, do := range d.due[d.now] {
			do()
		}
		delete(d.due, d.now)
		called, err := d.line.Call(t.Context(), d.rules, 1000)
		require.NoError(t, err)
		if d.now%60 == 0 {
			d.calls = append(d.calls, 0)
		}
		d.calls[len(d.calls)-1] += int(called.Called)
		d.now++
		d.clock.Advance(time.Second)
	}
}

// person waits, comes when called unless absent says otherwise, orders for a while and goes.
func (d *day) person(t *testing.T, absent float64) {
	who, first, after := uuid.New(), true, 0.0
	var told []estimate
	begun := 0
	var wait func()
	wait = func() {
		p, err := d.line.Look(t.Context(), d.rules, app.Arrival{Account: who})
		if err != nil {
			return
		}
		if p.State == app.Waiting {
			// What they are told when they come, and half of that later.
			if eta := float64(p.Ahead+1) / p.Pace; p.Pace > 0 && eta > 30 && (first || float64(d.now-begun) > after) && len(told) < 2 {
				told = append(told, estimate{eta, float64(d.now)})
				first, after = false, eta/2
			}
			d.in(p.Pause.Seconds()*(1+0.2*d.dice.Float64()), wait)
			return
		}
		for _, e := range told {
			d.told = append(d.told, estimate{e.told, float64(d.now) - e.was})
		}
		if d.dice.Float64() < absent {
			return
		}
		_, err = d.line.Enter(t.Context(), d.rules, app.Arrival{Account: who})
		require.NoError(t, err)
		for stay := d.dice.ExpFloat64() * 60; stay > 40; stay -= 40 {
			d.in(stay, func() { _, _ = d.line.Renew(t.Context(), d.rules, app.Arrival{Account: who}) })
		}
	}
	if p, err := d.line.Enter(t.Context(), d.rules, app.Arrival{Account: who}); err == nil && p.State == app.Waiting {
		begun = d.now
		d.in(p.Pause.Seconds(), wait)
	}
}

// TestEstimate measures how far off the estimates of a wait are, when people come at a changing pace, stay for as long as they like, and of
// whom a fifth do not come when they are called.
func TestEstimate(t *testing.T) {
	t.Parallel()

	for name, of := range map[string]struct {
		absent float64
		coming func(second int) float64 // people a second
	}{
		"EveryoneAtNoon": {0.2, func(second int) float64 { return 40 * math.Exp(-float64(second)/60) }},
		"AWave":          {0.2, func(second int) float64 { return 4 + 4*math.Sin(float64(second)/300) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			d := newDay(7, 200)
			for range 2400 {
				for n := of.coming(d.now); n > 0; n-- {
					if n >= 1 || d.dice.Float64() < n {
						d.person(t, of.absent)
					}
				}
				d.run(t, 1)
			}
			var off []float64
			for _, e := range d.told {
				off = append(off, e.error())
			}
			slices.Sort(off)
			require.Greater(t, len(off), 500)
			middle, most := off[len(off)/2], off[len(off)*9/10]
			t.Logf("%d estimates of waits over 30 s: off by %.0f %% in the median, %.0f %% at the 90th percentile", len(off), 100*middle, 100*most)
			require.Less(t, middle, 0.15)
			require.Less(t, most, 0.45)
		})
	}
}

// Four of five of those who are called do not come: the others are called as fast as ever, and nobody waits for who has gone.
// virtual-waiting-room-on-aws#154 (T32).
func TestTheRoomGoesOnWithoutThem(t *testing.T) {
	t.Parallel()

	calls := func(absent float64) float64 {
		d := newDay(7, 100)
		for range 2000 {
			d.person(t, absent)
		}
		d.run(t, 600)
		sum := 0
		for _, n := range d.calls[1:] {
			sum += n
		}
		return float64(sum) / float64(len(d.calls)-1)
	}
	all, few := calls(0), calls(0.8)
	t.Logf("called a minute: %.0f when everyone comes, %.0f when one of five does", all, few)
	require.GreaterOrEqual(t, few, all)
	require.GreaterOrEqual(t, few, 90.0)
}
