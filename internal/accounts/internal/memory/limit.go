// Package memory counts tries in this process: what the shop does without Redis.
package memory

import (
	"context"
	"sync"
	"time"

	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/platform/clock"
)

// maxKeys bounds the memory that is given to counting: some 10 MB. Beyond it, some key is forgotten, so a crowd of
// addresses can loosen the limits but never fill the memory.
const maxKeys = 1 << 16

// Limit is an app.Limit. For each key it keeps one instant: when the tries that were made will all have come back (the
// generic cell rate algorithm).
type Limit struct {
	clock clock.Clock
	most  int

	mu   sync.Mutex
	full map[string]time.Time
}

var _ app.Limit = (*Limit)(nil)

// NewLimit returns a limit that nobody has tried yet.
func NewLimit(c clock.Clock) *Limit {
	return &Limit{clock: c, most: maxKeys, full: map[string]time.Time{}}
}

// Take counts a try.
func (l *Limit) Take(_ context.Context, key string, r app.Rate) (time.Duration, error) {
	share := r.Per / time.Duration(r.Tries)
	l.mu.Lock()
	defer l.mu.Unlock()

	now := l.clock()
	full, known := l.full[key]
	if full.Before(now) {
		full = now
	}
	full = full.Add(share)
	if wait := full.Sub(now) - r.Per; wait > 0 {
		return wait, nil
	}
	if !known && len(l.full) >= l.most {
		l.shrink(now)
	}
	l.full[key] = full
	return 0, nil
}

// shrink makes room for one key. It looks at a few only, so that no request pays for all of them; the map's order is one
// that nobody can foretell.
func (l *Limit) shrink(now time.Time) {
	const look = 16
	looked, victim := 0, ""
	for key, full := range l.full {
		if !full.After(now) {
			delete(l.full, key)
		}
		victim = key
		if looked++; looked == look {
			break
		}
	}
	if len(l.full) >= l.most {
		delete(l.full, victim)
	}
}
