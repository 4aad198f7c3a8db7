package pglog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/bus"
)

const tailPoll = 250 * time.Millisecond

// Tail reads the log in rounds, each up to the heads that it finds at its beginning.
func (l *Log) Tail(ctx context.Context, t bus.Tail, each func(bus.Envelope) error) error {
	done := map[string]int64{}
	for _, topic := range t.Topics {
		position, err := l.positionAt(ctx, topic, t.Since)
		if err != nil {
			return err
		}
		done[topic] = position
	}
	tick := time.NewTicker(tailPoll)
	defer tick.Stop()
	for {
		ends, err := l.heads(ctx, t.Topics)
		if err != nil {
			return err
		}
		var streams []bus.Stream
		for topic, end := range ends {
			if end > done[topic] {
				streams = append(streams, l.stream(topic, done[topic], end))
				done[topic] = end
			}
		}
		if err := bus.Merge(ctx, streams, each); err != nil {
			return err
		}
		if !t.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// positionAt is the position before the first event that was appended at the time or later.
func (l *Log) positionAt(ctx context.Context, topic string, since time.Time) (position int64, err error) {
	err = l.pool.QueryRow(ctx, `
SELECT coalesce(
    (SELECT position - 1 FROM platform.log WHERE topic = $1 AND appended_at >= $2 ORDER BY appended_at, position LIMIT 1),
    (SELECT position FROM platform.log_heads WHERE topic = $1),
    0)`, topic, since).Scan(&position)
	if err != nil {
		return 0, fmt.Errorf("look for the place in %s: %w", topic, err)
	}
	return position, nil
}

func (l *Log) heads(ctx context.Context, topics []string) (map[string]int64, error) {
	heads := map[string]int64{}
	rows, _ := l.pool.Query(ctx, `SELECT topic, position FROM platform.log_heads WHERE topic = ANY($1)`, topics)
	var topic string
	var position int64
	if _, err := pgx.ForEachRow(rows, []any{&topic, &position}, func() error { heads[topic] = position; return nil }); err != nil {
		return nil, fmt.Errorf("ask for the ends of the topics: %w", err)
	}
	return heads, nil
}

// stream reads a topic from one position to another, a page at a time.
func (l *Log) stream(topic string, position, end int64) bus.Stream {
	var page []bus.Envelope
	return func(ctx context.Context) (bus.Envelope, bool, error) {
		if len(page) == 0 && position < end {
			var err error
			if page, position, err = between(ctx, l.pool, topic, position, end); err != nil {
				return bus.Envelope{}, false, err
			}
		}
		if len(page) == 0 {
			return bus.Envelope{}, false, nil
		}
		e := page[0]
		page = page[1:]
		return e, true, nil
	}
}
