// Package batch is group commit: concurrent requests for the same thing share one transaction.
//
// While one flight of a shard is in the air, arrivals queue; when it lands, all of them (up to a limit) board the next. There
// is no timer: at low load a request goes at once, at high load the batches grow by themselves, so a hot row costs a lock and
// an fsync per flight instead of per request. Inputs must be idempotent: after a lost connection the same batch flies again.
package batch

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
)

// ErrBusy: the queue is full, or the flights cannot get through.
var ErrBusy = fault.New(fault.Unavailable, "busy", "too many requests at once; try again in a moment").WithRetryAfter(time.Second)

var errClosed = ErrBusy.WithDetail("the shop is shutting down")

var sizes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "shop_batch_size",
	Help:    "Inputs that shared one flight.",
	Buckets: prometheus.ExponentialBuckets(1, 2, 10),
}, []string{"group"})

var durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "shop_batch_flight_seconds",
	Help:    "Time from take-off to commit.",
	Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
}, []string{"group"})

var (
	boarded = failpoint.New("batch.flight.boarded") // inputs are taken, nothing has been sent
	landed  = failpoint.New("batch.flight.landed")  // the flight has committed, nobody was answered
)

// Collectors are the metrics of every group in this process.
func Collectors() []prometheus.Collector { return []prometheus.Collector{sizes, durations} }

// Config bounds a group. A zero field takes the default.
type Config struct {
	Name     string
	Shards   int           // flights that may be in the air at once; 8
	MaxBatch int           // inputs of one flight; 512
	MaxQueue int           // inputs that may wait, per shard; 8192
	Deadline time.Duration // of a flight with its repeats, whatever its callers' are; 10 s
}

// Limits replace a group's own where they are not zero. The shop leaves them alone; bench/ measures with them what a transaction for
// each request costs: flights of one.
type Limits struct{ Shards, MaxBatch int }

// Within is the config within these limits.
func (c Config) Within(l Limits) Config {
	c.Shards, c.MaxBatch = cmp.Or(l.Shards, c.Shards), cmp.Or(l.MaxBatch, c.MaxBatch)
	return c
}

// Result is the outcome of one input of a flight.
type Result[Out any] struct {
	Out Out
	Err error
}

// Group runs flights. Its methods may be called from any goroutine.
type Group[In, Out any] struct {
	config Config
	flight func(ctx context.Context, in []In) ([]Result[Out], error)
	shards []shard[In, Out]
	next   atomic.Uint64 // the shard of the next input, where inputs fly alone
	air    sync.WaitGroup
}

type shard[In, Out any] struct {
	mu     sync.Mutex
	queue  []*call[In, Out]
	flying bool
	closed bool
}

type call[In, Out any] struct {
	ctx  context.Context
	in   In
	done chan Result[Out]
}

// New returns a group that runs flight. The function answers each input, in order; its error says that the whole batch
// failed and that nothing of it was committed, or that it is not known whether it was.
func New[In, Out any](config Config, flight func(ctx context.Context, in []In) ([]Result[Out], error)) *Group[In, Out] {
	config.Shards = cmp.Or(config.Shards, 8)
	config.MaxBatch = cmp.Or(config.MaxBatch, 512)
	config.MaxQueue = cmp.Or(config.MaxQueue, 8192)
	config.Deadline = cmp.Or(config.Deadline, 10*time.Second)
	return &Group[In, Out]{config: config, flight: flight, shards: make([]shard[In, Out], config.Shards)}
}

// Do boards the next flight of the key's shard and returns the input's own outcome. A caller that gives up before take-off is
// left behind; after it, the input takes effect all the same and only the answer is lost. A full queue is ErrBusy.
func (g *Group[In, Out]) Do(ctx context.Context, key uint64, in In) (Out, error) {
	var none Out
	if g.config.MaxBatch == 1 { // nothing is shared, so that the key says nothing
		key = g.next.Add(1)
	}
	s := &g.shards[key%uint64(len(g.shards))]
	c := &call[In, Out]{ctx: ctx, in: in, done: make(chan Result[Out], 1)}

	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return none, errClosed
	case len(s.queue) >= g.config.MaxQueue:
		s.mu.Unlock()
		return none, ErrBusy
	}
	s.queue = append(s.queue, c)
	if !s.flying {
		s.flying = true
		g.air.Go(func() { g.fly(s) })
	}
	s.mu.Unlock()

	select {
	case r := <-c.done:
		return r.Out, r.Err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// KeyOf is an id as a key of Do: the tail of a UUIDv7 is random, so that ids spread over the shards, and each stays in its own.
func KeyOf(id uuid.UUID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

// Close refuses new inputs and waits until those that wait have landed.
func (g *Group[In, Out]) Close() {
	for i := range g.shards {
		g.shards[i].mu.Lock()
		g.shards[i].closed = true
		g.shards[i].mu.Unlock()
	}
	g.air.Wait()
}

// fly lands one flight after the other until nobody waits.
func (g *Group[In, Out]) fly(s *shard[In, Out]) {
	for {
		s.mu.Lock()
		n := min(len(s.queue), g.config.MaxBatch)
		boarding := make([]*call[In, Out], 0, n)
		for _, c := range s.queue[:n] {
			if c.ctx.Err() == nil {
				boarding = append(boarding, c)
			}
		}
		s.queue = append(s.queue[:0], s.queue[n:]...)
		clear(s.queue[len(s.queue):cap(s.queue)])
		if n == 0 {
			s.flying = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()

		if len(boarding) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), g.config.Deadline)
		start := time.Now()
		g.run(ctx, boarding)
		cancel()
		sizes.WithLabelValues(g.config.Name).Observe(float64(len(boarding)))
		durations.WithLabelValues(g.config.Name).Observe(time.Since(start).Seconds())
	}
}

// attempts is how often a batch flies when nothing in it is to blame for the failure.
const attempts = 4

// run flies the calls and answers each of them.
func (g *Group[In, Out]) run(ctx context.Context, calls []*call[In, Out]) {
	in := make([]In, len(calls))
	for i, c := range calls {
		in[i] = c.in
	}
	var results []Result[Out]
	var err error
	for attempt := range attempts {
		results, err = g.try(ctx, in)
		if err == nil {
			for i, c := range calls {
				c.done <- results[i]
			}
			return
		}
		if class(err) != again || !pause(ctx, attempt) {
			break
		}
	}
	switch {
	case class(err) == again, ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded): // or the flight has no time left
		// The cause stays in the chain, for the log; the client is told to come back.
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	case class(err) == halve && len(calls) > 1:
		g.run(ctx, calls[:len(calls)/2])
		g.run(ctx, calls[len(calls)/2:])
		return
	}
	for _, c := range calls {
		c.done <- Result[Out]{Err: err}
	}
}

// try calls the flight function; what it does wrong is an error of the batch.
func (g *Group[In, Out]) try(ctx context.Context, in []In) (results []Result[Out], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("flight of %s: panic: %v", g.config.Name, p)
		}
	}()
	boarded.Hit()
	results, err = g.flight(ctx, in)
	if err == nil {
		landed.Hit()
	}
	if err == nil && len(results) != len(in) {
		return nil, fmt.Errorf("flight of %s: %d results for %d inputs", g.config.Name, len(results), len(in))
	}
	return results, err
}

type failure int

const (
	halve failure = iota // one input is to blame: find it, so that its neighbours do not suffer
	again                // nobody's fault: the same batch once more
	fail                 // for everyone
)

// class tells what to do about a failed flight.
func class(err error) failure {
	code := pg.Code(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fail
	case code == "40001", code == "40P01", code == "55P03": // serialization failure, deadlock, lock timeout
		return again
	case code == "" && pg.IsUnavailable(err), len(code) == 5 && (code[:2] == "08" || code[:3] == "57P" || code == "25P03"):
		return again // the connection was lost: the outcome is unknown, and stored inputs answer from their rows
	case code == "", code[:2] == "22", code[:2] == "23":
		return halve
	}
	return fail
}

// pause waits a little longer each time, with jitter, and says whether there is time left.
func pause(ctx context.Context, attempt int) bool {
	base := 5 * time.Millisecond << (2 * attempt) // 5, 20, 80 ms
	return clock.Sleep(ctx, clock.About(base)) == nil
}
