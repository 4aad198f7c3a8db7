package pglog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/bus"
)

// Trim deletes events that are old and that every group has taken. An event that a group still has to take is kept, but
// not for ever: the group may be that of a module which hears nothing any more, and nobody can tell it from one that is
// held up.
//
// The age is compared with now() and not with clock_timestamp(), here and in the relay's housekeeping: what may change
// while a statement runs is no condition for an index, and each look would read the whole of it.
func (l *Log) Trim(ctx context.Context, topic string) error {
	_, err := l.trim(ctx, `
DELETE FROM platform.log
WHERE topic = $1 AND position IN (
    SELECT position FROM platform.log
    WHERE topic = $1 AND appended_at < now() - $2::interval
      AND position <= coalesce((SELECT min(position) FROM platform.cursors WHERE topic = $1), 9223372036854775807)
    ORDER BY appended_at LIMIT $3
)`, topic, bus.TopicRetention)
	lost, held := l.trim(ctx, `
DELETE FROM platform.log
WHERE topic = $1 AND position IN (
    SELECT position FROM platform.log
    WHERE topic = $1 AND appended_at < now() - $2::interval ORDER BY appended_at LIMIT $3
)`, topic, bus.HeldRetention)
	if lost > 0 {
		slog.ErrorContext(ctx, "deleted events that a group had not taken", "topic", topic, "events", lost, "age", bus.HeldRetention)
	}
	return errors.Join(err, held)
}

// trim runs the statement until it finds less than a step, and returns how many rows it has deleted.
func (l *Log) trim(ctx context.Context, statement, topic string, retention time.Duration) (deleted int64, err error) {
	for {
		tag, err := l.pool.Exec(ctx, statement, topic, retention, trimStep)
		if err != nil {
			return deleted, fmt.Errorf("trim %s: %w", topic, err)
		}
		deleted += tag.RowsAffected()
		if tag.RowsAffected() < trimStep {
			return deleted, nil
		}
	}
}

// waiting is the age in seconds of the first event behind a position.
const waiting = `coalesce(extract(epoch FROM clock_timestamp() - (
    SELECT appended_at FROM platform.log AS l WHERE l.topic = at.topic AND l.position > at.position ORDER BY l.position LIMIT 1
)), 0)::float8`

// Positions says how far the group is.
func (l *Log) Positions(ctx context.Context, group string, topics []string) ([]bus.Position, error) {
	rows, _ := l.pool.Query(ctx, `
SELECT '', at.topic, at.position, coalesce(log_heads.position, 0), `+waiting+`
FROM (
    SELECT wanted.topic, coalesce(cursors.position, 0) AS position FROM unnest($2::text[]) AS wanted (topic)
    LEFT JOIN platform.cursors ON cursors.topic = wanted.topic AND cursors.consumer = $1
) AS at
LEFT JOIN platform.log_heads USING (topic)
ORDER BY at.topic`, group, topics)
	all, err := pgx.CollectRows(rows, scanPosition)
	positions := make([]bus.Position, len(all))
	for i, a := range all {
		positions[i] = a.Position
	}
	return positions, err
}

// Abandoned returns the cursors that are behind and that none of the groups moves.
func (l *Log) Abandoned(ctx context.Context, groups map[string][]string) ([]bus.Abandoned, error) {
	var consumers, topics []string
	for group, reads := range groups {
		for _, topic := range reads {
			consumers, topics = append(consumers, group), append(topics, topic)
		}
	}
	rows, _ := l.pool.Query(ctx, `
SELECT at.consumer, at.topic, at.position, log_heads.position, `+waiting+`
FROM platform.cursors AS at JOIN platform.log_heads USING (topic)
WHERE at.position < log_heads.position AND (at.consumer, at.topic) NOT IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY at.consumer, at.topic`, consumers, topics)
	return pgx.CollectRows(rows, scanPosition)
}

func scanPosition(row pgx.CollectableRow) (a bus.Abandoned, err error) {
	var seconds float64
	err = row.Scan(&a.Group, &a.Topic, &a.Done, &a.End, &seconds)
	a.Age = time.Duration(max(seconds, 0) * float64(time.Second))
	return a, err
}
