// Package clock gives the time as a dependency, so that tests can set it.
package clock

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Clock returns the present time in UTC, to the millisecond: what the API shows is what is stored.
type Clock func() time.Time

// System is the machine's clock.
func System() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Sleep waits for d; if ctx ends before, it returns why.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// About returns d give or take half of it, by chance: those who failed together do not come back together.
func About(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// Manual is a clock that stands still until it is moved. Its Now method is a Clock.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual returns a clock that stands at t.
func NewManual(t time.Time) *Manual {
	return &Manual{now: t.UTC().Truncate(time.Millisecond)}
}

// Now is a Clock.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance moves the clock forward by d.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}
