package batch_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/batch"
)

// echo answers each input with itself and remembers the batches.
type echo struct {
	mu      sync.Mutex
	batches [][]int
	fail    func(try int, in []int) error
}

func (e *echo) flight(_ context.Context, in []int) ([]batch.Result[int], error) {
	e.mu.Lock()
	e.batches = append(e.batches, in)
	try := len(e.batches)
	e.mu.Unlock()
	if e.fail != nil {
		if err := e.fail(try, in); err != nil {
			return nil, err
		}
	}
	out := make([]batch.Result[int], len(in))
	for i, v := range in {
		out[i].Out = v
	}
	return out, nil
}

func state(code string) error { return &pgconn.PgError{Code: code, Message: "planted"} }

func TestGroup(t *testing.T) {
	t.Run("SharesAFlight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var flights atomic.Int64
			g := batch.New(batch.Config{Name: "t", Shards: 1}, func(_ context.Context, in []int) ([]batch.Result[int], error) {
				flights.Add(1)
				time.Sleep(time.Second) // virtual: the others arrive meanwhile
				return make([]batch.Result[int], len(in)), nil
			})
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					_, err := g.Do(t.Context(), 0, i)
					require.NoError(t, err)
				})
			}
			wg.Wait()
			require.LessOrEqual(t, flights.Load(), int64(2))
			g.Close()
		})
	})

	t.Run("KeepsTheOrderOfArrival", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{fail: func(int, []int) error { time.Sleep(time.Second); return nil }}
			g := batch.New(batch.Config{Name: "t", Shards: 1}, e.flight)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() { _, _ = g.Do(t.Context(), 0, i) })
				synctest.Wait()
			}
			wg.Wait()
			var all []int
			for _, b := range e.batches {
				all = append(all, b...)
			}
			require.IsIncreasing(t, all)
			g.Close()
		})
	})

	t.Run("APoisonedInputFailsAlone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for name, planted := range map[string]error{"sqlstate 23": state("23514"), "sqlstate 22": state("22003"), "own": errors.New("own")} {
				e := &echo{fail: func(try int, in []int) error {
					if try == 1 {
						time.Sleep(time.Second)
					}
					for _, v := range in {
						if v == 13 {
							return planted
						}
					}
					return nil
				}}
				g := batch.New(batch.Config{Name: "t", Shards: 1}, e.flight)
				var wg sync.WaitGroup
				var bad atomic.Int64
				for i := range 64 {
					wg.Go(func() {
						got, err := g.Do(t.Context(), 0, i)
						if i == 13 {
							require.ErrorIs(t, err, planted, name)
							bad.Add(1)
							return
						}
						require.NoError(t, err, name)
						require.Equal(t, i, got)
					})
				}
				wg.Wait()
				require.EqualValues(t, 1, bad.Load())
				g.Close()
			}
		})
	})

	t.Run("ADeadlockOrALostConnectionFliesAgain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, planted := range []error{state("40P01"), state("40001"), state("55P03"), state("57P01"), state("08006"), state("25P03")} {
				e := &echo{fail: func(try int, _ []int) error {
					if try <= 3 {
						return planted
					}
					return nil
				}}
				g := batch.New(batch.Config{Name: "t"}, e.flight)
				got, err := g.Do(t.Context(), 0, 7)
				require.NoError(t, err)
				require.Equal(t, 7, got)
				require.Len(t, e.batches, 4)
				g.Close()
			}
		})
	})

	t.Run("FourTimesInVainIsBusy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{fail: func(int, []int) error { return state("40P01") }}
			g := batch.New(batch.Config{Name: "t"}, e.flight)
			_, err := g.Do(t.Context(), 0, 7)
			require.ErrorIs(t, err, batch.ErrBusy)
			require.Len(t, e.batches, 4)
			g.Close()
		})
	})

	t.Run("AFullQueueIsBusy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{fail: func(int, []int) error { time.Sleep(time.Second); return nil }}
			g := batch.New(batch.Config{Name: "t", Shards: 1, MaxQueue: 3}, e.flight)
			var wg sync.WaitGroup
			var busy atomic.Int64
			for i := range 10 {
				wg.Go(func() {
					if _, err := g.Do(t.Context(), 0, i); errors.Is(err, batch.ErrBusy) {
						busy.Add(1)
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			require.EqualValues(t, 6, busy.Load(), "one flies, three wait")
			g.Close()
		})
	})

	t.Run("WhoGivesUpBeforeTakeOffIsLeftBehind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{fail: func(int, []int) error { time.Sleep(time.Second); return nil }}
			g := batch.New(batch.Config{Name: "t", Shards: 1}, e.flight)
			go func() { _, _ = g.Do(t.Context(), 0, 1) }()
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _, _ = g.Do(ctx, 0, 2) }()
			synctest.Wait()
			cancel()
			_, err := g.Do(t.Context(), 0, 3)
			require.NoError(t, err)
			g.Close()
			require.Equal(t, [][]int{{1}, {3}}, e.batches)
		})
	})

	t.Run("OneShardDoesNotWaitForAnother", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stuck := make(chan struct{})
			g := batch.New(batch.Config{Name: "t", Shards: 2}, func(_ context.Context, in []int) ([]batch.Result[int], error) {
				if in[0] == 0 {
					<-stuck
				}
				return make([]batch.Result[int], len(in)), nil
			})
			go func() { _, _ = g.Do(t.Context(), 0, 0) }()
			synctest.Wait()
			_, err := g.Do(t.Context(), 1, 1)
			require.NoError(t, err)
			close(stuck)
			g.Close()
		})
	})

	t.Run("APanicAndAWrongCountAreErrors", func(t *testing.T) {
		g := batch.New(batch.Config{Name: "t"}, func(_ context.Context, in []int) ([]batch.Result[int], error) {
			if in[0] == 1 {
				panic("planted")
			}
			return nil, nil
		})
		_, err := g.Do(t.Context(), 0, 1)
		require.ErrorContains(t, err, "planted")
		_, err = g.Do(t.Context(), 0, 2)
		require.ErrorContains(t, err, "0 results for 1 inputs")
		g.Close()
		_, err = g.Do(t.Context(), 0, 3)
		require.ErrorIs(t, err, batch.ErrBusy)
	})
}

func TestOnce(t *testing.T) {
	var flown []int
	flight := batch.Once(func(n int) int { return n % 10 }, func(_ context.Context, in []int) ([]batch.Result[int], error) {
		flown = in
		out := make([]batch.Result[int], len(in))
		for i, n := range in {
			out[i] = batch.Result[int]{Out: n, Err: map[bool]error{true: batch.ErrBusy}[n == 3]}
		}
		return out, nil
	})
	results, err := flight(t.Context(), []int{1, 12, 3, 11, 2, 13})
	require.NoError(t, err)
	require.Equal(t, []int{1, 12, 3}, flown)
	require.Equal(t, []batch.Result[int]{{Out: 1}, {Out: 12}, {Out: 3, Err: batch.ErrBusy}, {Out: 1}, {Out: 12}, {Out: 3, Err: batch.ErrBusy}}, results)

	_, err = batch.Once(func(n int) int { return n }, func(context.Context, []int) ([]batch.Result[int], error) {
		return nil, batch.ErrBusy
	})(t.Context(), []int{1, 1})
	require.ErrorIs(t, err, batch.ErrBusy)
}

func TestDrain(t *testing.T) {
	broken := errors.New("planted")
	for name, c := range map[string]struct {
		takes []any // what each take meets: so many rows, or an error
		want  error
	}{
		"UntilOneMeetsFewer":     {takes: []any{5, 5, 4}},
		"UntilNothingIsLeft":     {takes: []any{5, 0}},
		"AgainAfterAnEncounter":  {takes: []any{batch.ErrAgain, batch.ErrAgain, batch.ErrAgain, 5, batch.ErrAgain, batch.ErrAgain, 1}},
		"NotForEver":             {takes: []any{5, batch.ErrAgain, batch.ErrAgain, batch.ErrAgain, batch.ErrAgain}, want: batch.ErrAgain},
		"WhatIsBrokenStaysThere": {takes: []any{5, broken}, want: broken},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			err := batch.Drain(t.Context(), 5, func(_ context.Context, most int) (int, error) {
				require.Equal(t, 5, most)
				require.Less(t, n, len(c.takes), "it goes on")
				n++
				if err, failed := c.takes[n-1].(error); failed {
					return 0, err
				}
				return c.takes[n-1].(int), nil
			})
			require.ErrorIs(t, err, c.want)
			require.Len(t, c.takes, n)
		})
	}
}
