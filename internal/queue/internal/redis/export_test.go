package redis

import "time"

// Away is as if the line had answered last so much longer ago.
func Away(l *Line, long time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rooms {
		r.answered.Add(-int64(long))
	}
}
