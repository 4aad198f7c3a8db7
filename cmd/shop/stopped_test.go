//go:build failpoints && linux

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stopAt is where one of three shops is stopped, which is the one that leads.
type stopAt struct {
	point string
	holds bool // locks, in a transaction
	twice bool // events are published again by the next leader
}

// TestStopped stops one of three shops for ten seconds, as a debugger, a machine that is moved or a full swap does: it holds its
// connections, its locks and its leases, and does not know it when it goes on.
//
// medusajs/medusa#1887, #6016, magento/magento2#25862 and rows 13, 14 and 30 of what others' shops did; the original's faults 17, 28 and 49:
// nobody led, so everybody did, and who was slower than his lock wrote over the next one.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]stopAt{
		"InTheMiddleOfAFlight": {point: "catalog.reserve.commit=stop@20", holds: true},
		"BeforeTheAnswers":     {point: "batch.flight.landed=stop@60"},
		"AsLeaderOfTheRelay":   {point: "bus.relay.published=stop@40", twice: true},
		"AsLeaderOfAJob":       {point: "catalog.settle.commit=stop@3", holds: true},
		"AsTheOneWhoHears":     {point: "ordering.captured.heard=stop@5", holds: true}, // in the transaction of the bus
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

func (s stopAt) run(t *testing.T) {
	f := newFleet(t, map[string]string{"SHOP_ORDER_TTL": "4s"}, map[string]string{"SHOP_FAILPOINT": s.point}, nil, nil)
	wares := f.newWares("stopped", 10_000, 10_000)
	c := &crowd{fleet: f, wares: wares, buyers: f.newBuyers(2000)}
	f.rest()
	sleeper := f.shops[0]

	// A crowd at the first shop, until it stops under them.
	var stopped atomic.Bool
	var feeding sync.WaitGroup
	for range 12 {
		feeding.Go(func() {
			for !stopped.Load() && c.errand(0) != nil {
			}
		})
	}
	sleeper.await("the first shop to stop", sleeper.isStopped)
	ten := time.NewTimer(10 * time.Second)
	defer ten.Stop()
	stopped.Store(true)
	open := f.transactions(0)
	t.Logf("it stopped with %d transactions open", len(open))
	if s.holds {
		require.NotEmpty(t, open)
	}
	led := f.leases(sleeper)
	require.NotEmpty(t, led)
	hung := c.open()

	// The others sell the same pieces. Who waits for a lock of the one that stopped gets it as soon as PostgreSQL ends that session,
	// and nobody is refused for it.
	others := make([]*errand, 60)
	together(len(others), func(i int) { others[i] = c.errand(1 + i%2) })
	for _, e := range others {
		require.Equal(t, http.StatusCreated, e.placed.Status, e.placed)
		if e.confirm != nil {
			require.Equal(t, http.StatusOK, e.paid.Status, e.paid)
		}
	}
	f.shops[1].await("PostgreSQL to end the transactions of the one that stopped", func() bool { return len(f.transactions(0)) == 0 })
	// Whoever waits for an answer of the one that stopped gets it at another shop.
	together(len(hung), func(i int) { hung[i].again(f, 1+i%2) })
	f.shops[1].await("others to lead", func() bool {
		return f.count(`SELECT count(*) FROM platform.leases WHERE name = ANY($1) AND holder LIKE '%/' || $2::bigint || '/%'`, led, sleeper.cmd.Process.Pid) == 0
	})
	f.rest(unpaid)
	<-ten.C
	require.True(t, sleeper.isStopped())
	ended := f.count(`SELECT count(*) FROM ordering.orders WHERE state = 'expired'`)
	require.GreaterOrEqual(t, ended, 30)

	require.NoError(t, sleeper.cmd.Process.Signal(syscall.SIGCONT))
	feeding.Wait()
	sleeper.await("the first shop to serve again", func() bool { return c.errand(0).placed.Status == http.StatusCreated })
	t.Logf("%d requests hung; they were answered %v", len(hung), statuses(hung))
	c.askEverywhere(0, 1, 2)
	f.rest(unpaid)
	require.Equal(t, len(c.all()), f.count(`SELECT count(*) FROM ordering.orders`), "one order for each key")
	for _, w := range wares {
		t.Logf("%+v", f.stockOf(w))
	}
	again := f.count(`SELECT count(*) - count(DISTINCT event_id) FROM platform.log`)
	t.Logf("%d events were published twice", again)
	if s.twice {
		require.Positive(t, again)
	}
	for _, door := range f.doors {
		require.Empty(t, door.complaints)
	}
}

// isStopped tells whether the process is halted by a signal.
func (p *process) isStopped() bool {
	require.False(p.t, p.ended(), "the shop ended: %s", p.log)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	require.NoError(p.t, err)
	return bytes.HasPrefix(b[bytes.LastIndexByte(b, ')'):], []byte(") T"))
}

// transactions are the sessions of a shop that have one open and wait for the shop to go on with it.
func (f *fleet) transactions(shop int) (pids []int) {
	f.t.Helper()
	require.NoError(f.t, f.db.QueryRow(f.t.Context(), `
		SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND state LIKE 'idle in transaction%'`, session(shop)).Scan(&pids))
	return pids
}
