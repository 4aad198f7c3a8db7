//go:build failpoints

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/failpoint"
)

const (
	shoppers     = 200
	randomDeaths = 20
	fireWithin   = time.Minute
)

// full says that there is time: all points on both buses, and the leases of the dead lapse by themselves, as after random deaths.
var full = os.Getenv("SHOP_CRASH_FULL") == "1"

// TestFailpoints kills the shop at each of its failpoints in turn, and often at random, under a crowd, and looks each time whether
// all that it told is so. With the bus in the database every point must be reached. On Kafka those of the bus and of the money
// are, and with SHOP_CRASH_FULL=1 all. SHOP_CRASH_POINTS keeps it to those that begin with one of its words, and to those alone.
//
// medusajs/medusa#6016, #1887, saleor/saleor#10925, saleor/saleor PR#9504, magento/magento2#39417, #13952.
func TestFailpoints(t *testing.T) {
	seed := seedOf(t)
	names := failpoint.Names()
	require.NotEmpty(t, names)
	random := randomDeaths
	if only := os.Getenv("SHOP_CRASH_POINTS"); only != "" {
		names = slices.DeleteFunc(names, func(n string) bool {
			return !slices.ContainsFunc(strings.Split(only, ","), func(o string) bool { return strings.HasPrefix(n, o) })
		})
		random = 0
	}
	dice := rand.New(rand.NewPCG(seed, 0))
	dice.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })

	inside := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "bus.kafka.") })
	outside := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "bus.pglog.") || !full && !ofTheBus(n) })
	var plans []plan
	for _, share := range shares(inside, 4) {
		plans = append(plans, plan{logInside, share, 0})
	}
	plans = append(plans, plan{allEmbedded, nil, random * 3 / 5})
	for i, share := range shares(outside, 2) {
		g := onKafka
		if i == 0 && os.Getenv("SHOP_TEST_KAFKA_BROKERS") != "" {
			g = realKafka
		}
		plans = append(plans, plan{g, share, random / 5})
	}

	var mu sync.Mutex
	var table []string
	var worlds sync.WaitGroup // of more than t.Parallel would have at once: most of the time they wait
	for i, p := range plans {
		if len(p.points) == 0 && p.random == 0 {
			continue
		}
		worlds.Go(func() {
			t.Run(fmt.Sprintf("%s %d", p.grounds, i), func(t *testing.T) {
				w := newWorld(t, p.grounds, seed+uint64(i), shoppers)
				note := func(d death) {
					t.Log(d)
					mu.Lock()
					defer mu.Unlock()
					table = append(table, fmt.Sprintf("%s  %s", d, p.grounds))
				}
				if len(p.points) > 0 {
					w.killAtEach(p.points, note)
				}
				for range p.random {
					note(w.killAtRandom())
				}
				w.end()
			})
		})
	}
	worlds.Wait()
	slices.Sort(table)
	t.Logf("\n%s\n%s", deathHeader, strings.Join(table, "\n"))
}

// plan is what happens to one world.
type plan struct {
	grounds grounds
	points  []string
	random  int
}

// ofTheBus tells whether a point stands where it may matter who carries the events.
func ofTheBus(name string) bool {
	for _, prefix := range []string{"bus.", "payments.", "accounts.notify."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, ".heard")
}

// shares deals the points out.
func shares(names []string, n int) [][]string {
	dealt := make([][]string, n)
	for i, name := range names {
		dealt[i%n] = append(dealt[i%n], name)
	}
	return dealt
}

// killAtEach has the shop kill itself at each of the points, and fails if it never does at one. The shop that recovers from one death
// is armed with the next, so it may die in its recovery too; but not where the broker is a fake, which waits for long for a member that
// died while it joined.
func (w *world) killAtEach(names []string, note func(death)) {
	w.t.Helper()
	var next *death
	arm := func() {
		delete(w.p.env, armed)
		if next = nil; len(names) > 0 {
			next = &death{point: names[0], hits: 1 + w.dice.IntN(mostHits(names[0]))}
			w.p.env[armed] = fmt.Sprintf("%s=kill@%d", next.point, next.hits)
			names = names[1:]
		}
	}
	w.p.stop()
	for arm(); next != nil; {
		d := *next
		w.dieAt(d)
		if delete(w.p.env, armed); w.grounds != onKafka {
			arm()
		}
		if !full {
			w.lapse()
		}
		again := w.recover(&d)
		note(d)
		if again {
			next.told, next.found, next.recovery = d.told, d.found, d.recovery
			note(*next)
		}
		if again || w.grounds == onKafka {
			w.p.stop()
			arm()
		}
	}
}

// lapse ends the leases of the process that died: there is nobody who could still work under them.
func (w *world) lapse() {
	w.t.Helper()
	_, err := w.db.Exec(w.t.Context(), `UPDATE platform.leases SET until = now()`)
	require.NoError(w.t, err)
}

// often are the beginnings of the points that a crowd passes many times a second.
var often = []string{
	"batch.", "jobs.", "bus.relay.", "bus.group.handled", "bus.group.committed", "bus.pglog.", "bus.kafka.",
	"catalog.reserve.", "ordering.draft.", "ordering.reserve.", "ordering.open.", "ordering.finish.",
	"payments.open.", "payments.confirm.begun.", "payments.webhook.stored.",
}

// mostHits is on which hit of a point the shop dies at the latest. Where everything passes, the first are of no account: nobody else is
// under way yet. Where little does, the first is what there is.
func mostHits(name string) int {
	if slices.ContainsFunc(often, func(o string) bool { return strings.HasPrefix(name, o) }) {
		return 60
	}
	return 1
}

// dieAt lets the crowd in until the shop dies.
func (w *world) dieAt(d death) {
	w.t.Helper()
	crowds <- struct{}{}
	defer func() { <-crowds }()
	w.load.newcomers = strings.HasPrefix(d.point, "accounts.") || strings.HasPrefix(d.point, "coupons.welcome.")
	w.load.outages = strings.HasPrefix(d.point, "ordering.unclaim.")
	w.begin()
	deadline := time.NewTimer(fireWithin)
	defer deadline.Stop()
	select {
	case <-w.p.done:
		if !w.p.killed() {
			w.t.Errorf("%s@%d: the shop ended, but was not killed: %s", d.point, d.hits, w.p.log)
		}
	case <-deadline.C:
		w.t.Errorf("%s@%d, %s: never reached within %s", d.point, d.hits, w.grounds, fireWithin)
		w.p.kill()
	}
}
