package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
)

const (
	maxWatches = 64 // attempts of other instances that are looked at
	watchEvery = 250 * time.Millisecond
)

// repeats lets requests that were made before wait for the first one, whoever serves it. They wait on the call that is under way in this
// process, which costs nothing; for a call of another instance one of them looks at the database, for all of them.
type repeats struct {
	mu      sync.Mutex
	calls   map[uuid.UUID]chan struct{} // closed when the outcome is written, or could not be
	watches map[uuid.UUID]*watch
	waited  *prometheus.CounterVec
}

// watch is somebody who looks at an attempt until its outcome is known, or nobody waits for it any more.
type watch struct {
	settled chan struct{}
	waiters int
	stop    context.CancelFunc
}

func newRepeats() *repeats {
	return &repeats{
		calls: map[uuid.UUID]chan struct{}{}, watches: map[uuid.UUID]*watch{},
		waited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_payments_repeats_total",
			Help: "Repeated confirms by how they waited for the first: for a call in this process (call), by a look at the database for another instance's " +
				"(watch) or for one that others look at already (shared), or not at all, because too many are looked at (busy).",
		}, []string{"how"}),
	}
}

// begin says that the attempt is under way in this process; the function that it returns, that it no longer is.
func (r *repeats) begin(id uuid.UUID) (end func()) {
	done := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[id] = done
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.calls, id)
		close(done)
	})
}

// join returns what is closed once there may be news of the attempt, and a function for who waits no longer; nil: it can't be awaited. look
// is run, once for all who wait, until it returns or its context ends.
func (r *repeats) join(id uuid.UUID, look func(ctx context.Context)) (settled <-chan struct{}, leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if done, ok := r.calls[id]; ok {
		r.waited.WithLabelValues("call").Inc()
		return done, func() {}
	}
	w, ok := r.watches[id]
	switch {
	case ok:
		r.waited.WithLabelValues("shared").Inc()
	case len(r.watches) >= maxWatches:
		r.waited.WithLabelValues("busy").Inc()
		return nil, func() {}
	default:
		r.waited.WithLabelValues("watch").Inc()
		ctx, stop := context.WithCancel(context.Background())
		w = &watch{settled: make(chan struct{}), stop: stop}
		r.watches[id] = w
		go func() {
			defer close(w.settled)
			look(ctx)
		}()
	}
	w.waiters++
	return w.settled, func() {
		r.mu.Lock()
		w.waiters--
		last := w.waiters == 0
		if last {
			delete(r.watches, id)
			w.stop()
		}
		r.mu.Unlock()
		if last {
			<-w.settled // it has given its connection back
		}
	}
}

// repeated answers a request that was made before, when the first is done or has had its time.
func (s *Service) repeated(ctx context.Context, a db.Attempt) (payments.Payment, error) {
	if a.State == attemptSent {
		if err := s.await(ctx, a.ID); err != nil {
			return payments.Payment{}, err
		}
	}
	return s.outcome(ctx, a.ID, true)
}

func (s *Service) await(ctx context.Context, id uuid.UUID) error {
	settled, leave := s.repeats.join(id, func(ctx context.Context) {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			a, err := s.sql.Attempt(ctx, s.pool, id)
			if err == nil && a.State != attemptSent {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C: // an error too: the database may be back
			}
		}
	})
	defer leave()
	if settled == nil {
		return nil
	}
	limit := time.NewTimer(min(s.config.RepeatWithin, s.patience(ctx)))
	defer limit.Stop()
	select {
	case <-settled:
	case <-limit.C:
	case <-ctx.Done():
		return fmt.Errorf("wait for the first request: %w", context.Cause(ctx))
	}
	return nil
}
