// Package pglog is the bus of a shop with one database: each topic is a part of the table platform.log.
//
// Positions are dense per topic and given under the lock of the topic's head row, which is held until the commit, so a
// reader who sees a position sees all before it, and two relays that append at once append one after the other. A
// group's cursor moves in the transaction of its handlers, under a lock that other instances skip.
package pglog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var eventsAppended = failpoint.New("bus.pglog.appended") // the append has committed, the relay is not told

const (
	busyPoll = 50 * time.Millisecond
	idlePoll = 500 * time.Millisecond
	busyFor  = time.Second // after the last event
	trimStep = 5000
)

// Log is the transport.
type Log struct {
	pool *pgxpool.Pool

	mu       sync.Mutex
	appended map[string]chan struct{} // by topic; closed by the next append of this process
}

var _ bus.Transport = (*Log)(nil)

// New returns the log in the database behind pool, which has the schema platform.
func New(pool *pgxpool.Pool) *Log {
	return &Log{pool: pool, appended: map[string]chan struct{}{}}
}

// Require fails unless all the pools lead to the log's own database: a cursor can only move in the transaction of the
// handlers if it is in their database.
func (l *Log) Require(ctx context.Context, pools map[string]*pgxpool.Pool) error {
	want, err := identity(ctx, l.pool)
	if err != nil {
		return err
	}
	for module, pool := range pools {
		got, err := identity(ctx, pool)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s has a database of its own, which the bus in PostgreSQL cannot reach: use Kafka", module)
		}
	}
	return nil
}

// identity tells databases apart without any privilege.
func identity(ctx context.Context, pool *pgxpool.Pool) (id string, err error) {
	err = pool.QueryRow(ctx, `SELECT current_database() || ' since ' || pg_postmaster_start_time()`).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("ask for the database's identity: %w", err)
	}
	return id, nil
}

// Publish appends the events with one statement, all or none.
func (l *Log) Publish(ctx context.Context, topic string, events []bus.Envelope) []error {
	results := make([]error, len(events))
	if len(events) == 0 {
		return results
	}
	if err := l.append(ctx, topic, events); err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	eventsAppended.Hit()
	l.wake(topic)
	return results
}

func (l *Log) append(ctx context.Context, topic string, events []bus.Envelope) error {
	n := len(events)
	ids, types, keys, versions := make([]uuid.UUID, n), make([]string, n), make([]uuid.UUID, n), make([]int64, n)
	times, traces, data := make([]time.Time, n), make([]string, n), make([]string, n)
	for i, e := range events {
		ids[i], types[i], keys[i], versions[i] = e.ID, e.Type, e.Key, e.AggregateVersion
		times[i], traces[i], data[i] = e.OccurredAt, e.TraceParent, string(e.Data)
	}
	_, err := l.pool.Exec(ctx, `
WITH head AS (
    INSERT INTO platform.log_heads AS head (topic, position) VALUES ($1, $2::bigint)
    ON CONFLICT (topic) DO UPDATE SET position = head.position + excluded.position
    RETURNING position
)
INSERT INTO platform.log (topic, position, event_id, type, key, aggregate_version, occurred_at, traceparent, data)
SELECT $1, head.position - $2::bigint + n, event_id, type, key, aggregate_version, occurred_at, traceparent, data
FROM head, unnest($3::uuid[], $4::text[], $5::uuid[], $6::bigint[], $7::timestamptz[], $8::text[], $9::text[])
     WITH ORDINALITY AS events (event_id, type, key, aggregate_version, occurred_at, traceparent, data, n)`,
		topic, n, ids, types, keys, versions, times, traces, data)
	if err != nil {
		return fmt.Errorf("append to %s: %w", topic, err)
	}
	return nil
}

// wake tells this process's readers of the topic that it has grown.
func (l *Log) wake(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.appended[topic]; c != nil {
		close(c)
		delete(l.appended, topic)
	}
}

// grown returns a channel that the next append to the topic closes.
func (l *Log) grown(topic string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.appended[topic]
	if c == nil {
		c = make(chan struct{})
		l.appended[topic] = c
	}
	return c
}

// Consume reads each topic by itself, so that one that is held up doesn't hold up the others.
func (l *Log) Consume(ctx context.Context, g *bus.Group) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, topic := range g.Topics {
		all.Go(func() error { return l.follow(ctx, g, topic) })
	}
	return all.Wait()
}

// follow reads a topic until ctx ends or the database can't be read.
func (l *Log) follow(ctx context.Context, g *bus.Group, topic string) error {
	if _, err := g.Pool.Exec(ctx, `
INSERT INTO platform.cursors (consumer, topic, position) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`, g.Name, topic); err != nil {
		return fmt.Errorf("make a cursor: %w", err)
	}
	var lastEvent time.Time
	for {
		grown := l.grown(topic) // before the look: what is appended after the look wakes us
		n, err := l.step(ctx, g, topic)
		if err != nil {
			return err
		}
		if n > 0 {
			lastEvent = time.Now()
			continue
		}
		poll := idlePoll
		if time.Since(lastEvent) < busyFor {
			poll = busyPoll
		}
		timer := time.NewTimer(poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-grown:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// step handles one batch, if there is one and no other instance is at it.
func (l *Log) step(ctx context.Context, g *bus.Group, topic string) (int, error) {
	var behind bool
	err := g.Pool.QueryRow(ctx, `
SELECT EXISTS (
    SELECT FROM platform.cursors JOIN platform.log_heads USING (topic)
    WHERE consumer = $1 AND topic = $2 AND log_heads.position > cursors.position
)`, g.Name, topic).Scan(&behind)
	if err != nil {
		return 0, fmt.Errorf("look for new events: %w", err)
	}
	if !behind {
		return 0, nil
	}
	var last int64
	read := func(ctx context.Context, tx pgx.Tx) (events []bus.Envelope, err error) {
		last = 0
		var position int64
		err = tx.QueryRow(ctx, `
SELECT position FROM platform.cursors WHERE consumer = $1 AND topic = $2 FOR UPDATE SKIP LOCKED`, g.Name, topic).Scan(&position)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil // another instance is at it
		}
		if err != nil {
			return nil, fmt.Errorf("lock the cursor: %w", err)
		}
		events, last, err = between(ctx, tx, topic, position, math.MaxInt64)
		return events, err
	}
	done := func(ctx context.Context, tx pgx.Tx) error {
		if last == 0 {
			return nil
		}
		_, err := tx.Exec(ctx, `
UPDATE platform.cursors SET position = $3 WHERE consumer = $1 AND topic = $2`, g.Name, topic, last)
		return err
	}
	return g.Take(ctx, read, done)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// between reads a batch of the events after one position and up to another, and the position of the last.
func between(ctx context.Context, db querier, topic string, position, end int64) (events []bus.Envelope, last int64, err error) {
	rows, _ := db.Query(ctx, `
SELECT position, event_id, type, key, aggregate_version, occurred_at, traceparent, data FROM platform.log
WHERE topic = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4`, topic, position, end, bus.BatchSize)
	e := bus.Envelope{Source: bus.ModuleOf(topic)}
	_, err = pgx.ForEachRow(rows, []any{&last, &e.ID, &e.Type, &e.Key, &e.AggregateVersion, &e.OccurredAt, &e.TraceParent, &e.Data}, func() error {
		events = append(events, e)
		e.Data = nil // the next row must not be read into this one's bytes
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the log: %w", err)
	}
	return events, last, nil
}
