package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var crashSeed = flag.Uint64("crash-seed", 0, "of the random deaths of TestCrash; 0: another one each time")

// seedOf prints the seed of a test, so that it can be given again.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-crash-seed=%d", seed)
	return seed
}

// TestCrash kills the shop at random under a crowd, and looks whether all that it told is so.
//
// medusajs/medusa#6016, #1887, saleor/saleor#10925, magento/magento2#39417.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, g := range []grounds{allEmbedded, onKafka} {
		t.Run(string(g), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, g, seedOf(t), 50)
			table := deathHeader
			for range 2 {
				table += "\n" + w.killAtRandom().String()
			}
			w.end()
			t.Log("\n" + table)
		})
	}
}

// killAtRandom lets the crowd in, kills the shop somewhere in what it is told, and looks when it has recovered.
func (w *world) killAtRandom() death {
	w.t.Helper()
	d := death{point: "kill -9", hits: 1 + w.dice.IntN(10*len(w.load.shoppers))}
	crowds <- struct{}{}
	w.begin()
	select {
	case <-w.load.journal.after(d.hits):
	case <-w.p.done:
	}
	w.p.kill()
	<-crowds
	require.True(w.t, w.p.killed(), "the shop ended by itself: %s", w.p.log)
	w.recover(&d)
	return d
}

// crowds is how many crowds there may be at once: the others wait for leases to lapse.
var crowds = make(chan struct{}, 1)

// death is one death of the shop, and what was found after it.
type death struct {
	point    string
	hits     int // of the point, or answers that were told before
	told     int // orders, in the world's whole life
	found    int
	recovery time.Duration // from the restart until everything is at rest
}

func (d death) String() string {
	return fmt.Sprintf("%-44s %6d %6d %6d %8.1fs", d.point, d.hits, d.told, d.found, d.recovery.Seconds())
}

const deathHeader = "point                                          hits   told  found  recovery"

// begin opens the shop, which may die at once, and lets the crowd in.
func (w *world) begin() {
	w.t.Helper()
	if w.p.ended() {
		w.open()
	}
	w.load.start()
}

// open starts the shop, and waits until it is open or dead.
func (w *world) open() {
	w.t.Helper()
	w.started, w.before = time.Now(), w.p.log
	w.p.launch()
	w.p.await("the shop to open", func() bool { return w.p.ended() || w.p.ready() })
	if !w.p.ended() {
		w.connect()
	}
}

// recover opens the shop again, waits until everybody has an answer and the shop is at rest, and compares. It tells whether the shop
// died again meanwhile, at the point that it is armed with; it is not when it is opened once more.
func (w *world) recover(d *death) (again bool) {
	w.t.Helper()
	w.load.stopping.Store(true)
	w.open()
	reopen := func() {
		again = true
		require.True(w.t, w.p.killed() && w.p.env[armed] != "", "the shop ended by itself: %s", w.p.log)
		delete(w.p.env, armed)
		w.open()
	}
	answered := make(chan struct{})
	go func() { w.load.stop(); close(answered) }()
	select {
	case <-answered:
	case <-w.p.done:
		reopen()
		<-answered
	}
	w.compare(d, func() {
		if w.p.ended() {
			reopen()
		}
	})
	return again
}

// armed names the environment variable that says at which point the shop is to die.
const armed = "SHOP_FAILPOINT"

// end has the books audited as a whole, and closes the shop.
func (w *world) end() {
	w.t.Helper()
	delete(w.p.env, armed)
	out, code := w.p.run("audit", "--full")
	require.Zero(w.t, code, out)
	w.p.stop()
	require.True(w.t, w.p.cmd.ProcessState.Success(), "the shop did not stop as it should: %s", w.p.log)
}

// killed tells whether the process ended by SIGKILL.
func (p *process) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
