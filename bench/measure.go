package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sasapick/shop/internal/platform/clock"
)

// sample is one measurement.
type sample struct {
	rate           float64 // answers a second
	p50, p99, p999 time.Duration
	serverMicros   float64 // CPU of the processes that answer, for each answer
	postgresMicros float64 // CPU of PostgreSQL, for each answer
	failed         int
	failure        error // the first
	answered       int64 // all that were good, those before and after the counted while too
	asked          int64 // of those, the ones for which the shop asked its store
	peak           int64 // bytes that the process had at most
}

// load is what the callers of a measurement do: each calls its own function again and again, as soon as the last call is answered.
type load struct {
	callers    int
	server     []int // the processes that answer
	postmaster int   // of PostgreSQL; 0: it is elsewhere
	each       int   // answers that one call counts for; 0: 1
	caller     func(n int) (one func(ctx context.Context) error, end func(), err error)
}

// patience is how long a caller may take to come back when the time is up.
const patience = 15 * time.Second

// measure lets the callers run warm, and then counts for a while.
func (l load) measure(ctx context.Context, s settings) (sample, error) {
	type caller struct {
		one       func(ctx context.Context) error
		latencies []time.Duration
		answered  int64
		failed    int
		failure   error
	}
	callers := make([]caller, l.callers)
	for i := range callers {
		one, end, err := l.caller(i)
		if err != nil {
			return sample{}, err
		}
		if end != nil {
			defer end()
		}
		callers[i].one, callers[i].latencies = one, make([]time.Duration, 0, 1<<14)
	}

	const (
		warming = iota
		counting
		over
	)
	var phase atomic.Int32
	var wg sync.WaitGroup
	calling, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range callers {
		wg.Go(func() {
			c := &callers[i]
			for phase.Load() != over && calling.Err() == nil {
				start := time.Now()
				err := c.one(calling)
				took := time.Since(start)
				if err == nil {
					c.answered++
				}
				switch {
				case phase.Load() != counting:
				case err != nil:
					c.failed++
					c.failure = cmp.Or(c.failure, err)
				default:
					c.latencies = append(c.latencies, took)
				}
			}
		})
	}
	if err := clock.Sleep(ctx, s.Warm); err != nil {
		return sample{}, err
	}
	before := cpuOf(l.server, l.postmaster)
	phase.Store(counting)
	start := time.Now()
	err := clock.Sleep(ctx, s.Run)
	phase.Store(over)
	took := time.Since(start)
	after := cpuOf(l.server, l.postmaster)
	late := time.AfterFunc(patience, cancel)
	wg.Wait()
	late.Stop()
	if err != nil {
		return sample{}, err
	}

	var all []time.Duration
	var result sample
	for i := range callers {
		all = append(all, callers[i].latencies...)
		result.answered += callers[i].answered * int64(max(1, l.each))
		result.failed += callers[i].failed
		result.failure = cmp.Or(result.failure, callers[i].failure)
	}
	if len(all) == 0 {
		return sample{}, fmt.Errorf("nothing was answered: %w", cmp.Or(result.failure, errors.New("no caller came back in time")))
	}
	slices.Sort(all)
	each := max(1, l.each)
	result.rate = float64(len(all)*each) / took.Seconds()
	result.p50, result.p99, result.p999 = quantile(all, 0.5), quantile(all, 0.99), quantile(all, 0.999)
	answers := float64(len(all)*each + result.failed)
	result.serverMicros = float64(after.process-before.process) / float64(time.Microsecond) / answers
	result.postgresMicros = float64(after.postgres-before.postgres) / float64(time.Microsecond) / answers
	return result, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// thing is one of the things that are compared.
type thing struct {
	name    string
	measure func(ctx context.Context) (sample, error)
}

// series is what a thing showed in all rounds.
type series struct {
	name    string
	samples []sample
	course  []float64 // the rate in each second, where that is of interest
}

// alternate measures things by turns, so that each round sees all of them under the same sky.
func alternate(ctx context.Context, rounds int, things []thing) ([]*series, error) {
	all := make([]*series, len(things))
	for i, t := range things {
		all[i] = &series{name: t.name}
	}
	for range rounds {
		for i, t := range things {
			s, err := t.measure(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			all[i].samples = append(all[i].samples, s)
		}
		fmt.Print(".")
	}
	fmt.Println()
	return all, nil
}

// median is the middle one of a figure's values.
func median[T cmp.Ordered](values []T) T {
	values = slices.Clone(values)
	slices.Sort(values)
	return values[len(values)/2]
}

func figure[T cmp.Ordered](s *series, of func(sample) T) T {
	values := make([]T, len(s.samples))
	for i, one := range s.samples {
		values[i] = of(one)
	}
	return median(values)
}

func (s *series) rate() float64 { return figure(s, rateOf) }

// The figures of a sample that things are compared by.
func rateOf(x sample) float64   { return x.rate }
func p50Of(x sample) float64    { return x.p50.Seconds() }
func p99Of(x sample) float64    { return x.p99.Seconds() }
func memoryOf(x sample) float64 { return float64(x.peak) }

// ratio is the median of the rounds' own ratios, with the least and the largest of them.
func ratio(a, b *series, of func(sample) float64) (middle, least, most float64) {
	ratios := make([]float64, len(a.samples))
	for i := range a.samples {
		ratios[i] = of(a.samples[i]) / of(b.samples[i])
	}
	return median(ratios), slices.Min(ratios), slices.Max(ratios)
}
