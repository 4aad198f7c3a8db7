package redis

import (
	"slices"
	"time"
)

// Away is as if the line had answered last so much longer ago.
func Away(l *Line, long time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rooms {
		r.answered.Add(-int64(long))
	}
}

// Differ gives a line other scripts, as another version of the shop has.
func Differ(l *Line) {
	l.steps = slices.Clone(l.steps)
	for i := range l.steps {
		l.steps[i] += "\n-- of another version"
	}
}
