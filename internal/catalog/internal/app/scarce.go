package app

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	scarceBelow = 1000   // pieces: of what there is plenty, nothing is certain a moment later
	maxScarce   = 50_000 // pools that are remembered
)

// scarce remembers what this process last saw of pools that are running out, for a second. It saves the database from
// the crowd that comes after the last piece; at worst it sends somebody away a second too long.
type scarce struct {
	clock clock.Clock
	turns atomic.Uint64
	mu    sync.RWMutex
	seen  map[uuid.UUID]sighting
}

type sighting struct {
	left, lowAt int64
	turn        uint64
	until       time.Time
}

func newScarce(c clock.Clock) *scarce {
	return &scarce{clock: c, seen: map[uuid.UUID]sighting{}}
}

// look returns what is left of a pool, if that was seen within the last second.
func (s *scarce) look(pool uuid.UUID) (sighting, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seen, ok := s.seen[pool]
	return seen, ok && s.clock().Before(seen.until)
}

// turn numbers a sighting. Who takes it while the pools are locked has it in the order of the locks, whenever the sighting is noted.
func (s *scarce) turn() uint64 { return s.turns.Add(1) }

// note keeps what is left, unless somebody has noted what was left later. Stock that comes back in this process is noted too, so it is
// on sale at once.
func (s *scarce) note(pool uuid.UUID, left, lowAt int64, turn uint64) {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, known := s.seen[pool]
	if known && seen.turn > turn || !known && left >= scarceBelow {
		return
	}
	if !known && len(s.seen) >= maxScarce {
		for id, seen := range s.seen {
			if !now.Before(seen.until) {
				delete(s.seen, id)
			}
		}
		if len(s.seen) >= maxScarce {
			return
		}
	}
	s.seen[pool] = sighting{left: left, lowAt: lowAt, turn: turn, until: now.Add(freshness)}
}
