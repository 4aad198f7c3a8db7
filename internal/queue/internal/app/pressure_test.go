package app_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/memory"
)

// TestSteer goes the whole way: requests, what the instance tells of them, the helm, and what is in effect then.
func TestSteer(t *testing.T) {
	t.Parallel()

	s := serve(t)
	s.set(`{"mode":"auto","capacity":100,"target_ms":60000}`)
	ctx, stop := context.WithCancel(t.Context())
	var telling sync.WaitGroup
	telling.Go(func() { s.gate.Run(ctx) })
	defer telling.Wait()
	defer stop()

	held := &hold{come: make(chan struct{}), ends: make(chan struct{})}
	s.holds.Store(held)
	pass := s.Do("first", "POST", tickets, "").Is(200).Text("pass")
	require.NotEmpty(t, pass)
	var flying sync.WaitGroup
	answers := make([]int, app.LeastFlights)
	for i := range answers {
		flying.Go(func() { answers[i] = s.order("first", pass).Status })
	}
	for range answers {
		<-held.come
	}
	// As many are served as may be, and then who has a slot is told to come again.
	require.Equal(t, "queue.busy", s.order("first", pass).Text("code"))
	steered := func() (slots, flights int64) {
		s.clock.Advance(app.Freshness)
		require.NoError(t, s.doors.Steer(t.Context()))
		f := s.Do("manager", "GET", "/admin/rooms/main/figures", "").Is(200)
		slots, _ = f.Body["slots"].(json.Number).Int64()
		flights, _ = f.Body["flights"].(json.Number).Int64()
		return slots, flights
	}
	require.Eventually(t, func() bool { _, flights := steered(); return flights > app.LeastFlights }, time.Minute, 50*time.Millisecond)
	s.holds.Store(nil)
	close(held.ends)
	flying.Wait()
	for _, status := range answers {
		require.Equal(t, 204, status)
	}
	require.Equal(t, 204, s.order("first", pass).Status)
}

// works is a shop that has so many people working on requests, each of which takes so long.
type works struct {
	free chan struct{}
	each atomic.Int64 // nanoseconds
}

func newWorks(workers int, each time.Duration) *works {
	w := &works{free: make(chan struct{}, workers)}
	for range workers {
		w.free <- struct{}{}
	}
	w.each.Store(int64(each))
	return w
}

func (w *works) do() {
	<-w.free
	time.Sleep(time.Duration(w.each.Load()))
	w.free <- struct{}{}
}

// steered is a room that is steered, in front of works, and the requests that were answered well in each second.
type steered struct {
	works   *works
	gate    *app.Pressure
	line    *memory.Line
	helm    *app.Helm
	ceiling int64
	good    []int64
	over    atomic.Bool
	second  atomic.Int64 // of requests answered within target
	flights atomic.Int64
	slots   atomic.Int64
}

const steeredTarget = 200 * time.Millisecond

func (s *steered) rules() app.Rules {
	return app.Rules{Room: "main", Capacity: s.slots.Load(), Since: time.Now().Add(time.Hour), Shed: true}
}

// beat steers once a second, and calls.
func (s *steered) run(t *testing.T, seconds int) {
	for range seconds {
		for range 5 {
			_, err := s.line.Call(t.Context(), s.rules(), 10_000)
			require.NoError(t, err)
			time.Sleep(200 * time.Millisecond)
		}
		f, err := s.line.Figures(t.Context(), s.rules())
		require.NoError(t, err)
		s.helm.Steer(app.Reading{Load: s.gate.Read(steeredTarget), Taken: f.Active + f.Proceed, Called: f.Proceed}, s.ceiling)
		s.slots.Store(s.helm.Slots)
		s.flights.Store(s.helm.Flights)
		s.good = append(s.good, s.second.Swap(0))
	}
}

// order is a request of who holds a pass; false: it was turned away.
func (s *steered) order(who uuid.UUID) bool {
	end, ok := s.gate.Begin(who, s.flights.Load(), steeredTarget)
	if !ok {
		return false
	}
	begun := time.Now()
	s.works.do()
	end()
	if time.Since(begun) <= steeredTarget {
		s.second.Add(1)
	}
	return true
}

// shopper waits, orders so many times, with pauses, and goes.
func (s *steered) shopper(t *testing.T, orders int, pause time.Duration) {
	who := uuid.New()
	for !s.over.Load() {
		p, err := s.line.Enter(t.Context(), s.rules(), app.Arrival{Account: who})
		if err != nil {
			t.Error(err)
			return
		}
		if p.State != app.Active {
			time.Sleep(max(p.Pause, time.Second) + rand.N(max(p.Pause, time.Second)/5))
			continue
		}
		for until := p.Until; !s.over.Load() && time.Now().Before(until); {
			if time.Until(until) < app.PassLife/3 {
				if p, err = s.line.Renew(t.Context(), s.rules(), app.Arrival{Account: who, Pass: until}); err == nil {
					until = p.Until
				}
			}
			if !s.order(who) {
				time.Sleep(time.Second + rand.N(time.Second))
				continue
			}
			if orders--; orders == 0 {
				return
			}
			time.Sleep(pause)
		}
	}
}

func newSteered(workers int, each time.Duration) *steered {
	s := &steered{works: newWorks(workers, each), gate: app.NewPressure(), helm: app.NewHelm(app.LeastSlots, app.LeastFlights), line: memory.NewLine(time.Now), ceiling: 100_000}
	s.slots.Store(app.LeastSlots)
	s.flights.Store(app.LeastFlights)
	return s
}

func sum(of []int64) (n int64) {
	for _, x := range of {
		n += x
	}
	return n
}

// TestHelm has ten times as many people want in as there is work done for, those who stay and go on ordering and those who order once and
// go, and makes the work slower for a while. Time is the bubble's.
func TestHelm(t *testing.T) {
	t.Parallel()

	const capacity = 400 // a second: 4 workers, 10 ms each
	begin := func(s *steered, people, orders int, pause time.Duration, arrivals int) {
		for range people {
			go s.shopper(t, orders, pause)
		}
		if arrivals > 0 {
			go func() {
				for !s.over.Load() {
					for range arrivals {
						go s.shopper(t, orders, pause)
					}
					time.Sleep(time.Second)
				}
			}()
		}
	}
	end := func(t *testing.T, s *steered) {
		t.Cleanup(func() {
			s.over.Store(true)
			time.Sleep(2 * time.Minute) // everyone has gone
		})
	}

	t.Run("WhoGoesOnOrdering", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSteered(4, 10*time.Millisecond)
			end(t, s)
			begin(s, 10*capacity/5, 0, 50*time.Millisecond, 0) // each would order some fifteen times a second
			s.run(t, 120)
			done := float64(sum(s.good[60:])) / 60
			t.Logf("%.0f a second in time, of %d; flights %d, slots %d", done, capacity, s.helm.Flights, s.helm.Slots)
			require.Greater(t, done, 0.8*capacity)
		})
	})

	t.Run("WhoOrdersOnce", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const capacity = 50 // as all who have come wait at once
			s := newSteered(2, 40*time.Millisecond)
			end(t, s)
			begin(s, 0, 1, 0, 5*capacity)
			s.run(t, 150)
			done := float64(sum(s.good[90:])) / 60
			t.Logf("%.0f a second in time, of %d; flights %d, slots %d", done, capacity, s.helm.Flights, s.helm.Slots)
			require.Greater(t, done, 0.7*capacity)
		})
	})

	t.Run("TheWorkBecomesSlower", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSteered(4, 10*time.Millisecond)
			end(t, s)
			begin(s, 10*capacity/5, 0, 50*time.Millisecond, 0)
			s.run(t, 60)
			s.works.each.Store(int64(40 * time.Millisecond))
			s.run(t, 60)
			slower := float64(sum(s.good[80:120])) / 40
			s.works.each.Store(int64(10 * time.Millisecond))
			s.run(t, 60)
			again := float64(sum(s.good[150:180])) / 30
			t.Logf("%.0f a second in time of %d while it is slow, %.0f of %d afterwards", slower, capacity/4, again, capacity)
			require.Greater(t, slower, 0.8*capacity/4)
			require.Greater(t, again, 0.8*capacity)
		})
	})
}
