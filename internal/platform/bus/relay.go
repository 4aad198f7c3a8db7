package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/leases"
	"github.com/sasapick/shop/internal/platform/outbox"
)

var (
	eventsPublished = failpoint.New("bus.relay.published") // acknowledged by the transport, not marked
	eventsMarked    = failpoint.New("bus.relay.marked")    // marked
)

const (
	relayBatch     = 1000
	relayLargest   = 16 * relayBatch // while some partition refuses
	busyPoll       = 50 * time.Millisecond
	idlePoll       = 500 * time.Millisecond
	busyFor        = time.Second // after the last event
	observeEvery   = 5 * time.Second
	housekeepEvery = time.Minute
)

// RelayConfig says whose outboxes a relay empties, and into what.
type RelayConfig struct {
	Modules    []string
	Pool       func(module string) *pgxpool.Pool // the module's own database, which holds its outbox and its lease
	Transport  Transport
	Holder     string                // this instance, see leases.Holder
	Registerer prometheus.Registerer // nil: nobody asks
	Logger     *slog.Logger
}

// Relay publishes what the modules have committed to their outboxes. Every instance runs one; for each module, the one
// that holds the lease works.
type Relay struct {
	modules []*moduleRelay
}

// NewRelay returns a relay of the modules' outboxes.
func NewRelay(c RelayConfig) *Relay {
	metrics := newRelayMetrics(c.Registerer)
	r := &Relay{}
	for _, module := range c.Modules {
		r.modules = append(r.modules, newModuleRelay(c, module, metrics))
	}
	return r
}

// Run blocks until ctx ends, and returns nil then. A transport or a database that is away delays the events, nothing
// else.
func (r *Relay) Run(ctx context.Context) error {
	var all errgroup.Group
	for _, m := range r.modules {
		all.Go(func() error { return m.leases.Hold(ctx, m.lease, m.lead) })
	}
	if err := all.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// moduleRelay empties the outbox of one module.
type moduleRelay struct {
	module    string
	topic     string
	lease     string
	pool      *pgxpool.Pool
	leases    *leases.Leases
	transport Transport
	metrics   *relayMetrics
	log       *slog.Logger

	read, mark                   string
	housekeeping                 []string
	observeEvery, housekeepEvery time.Duration
}

func newModuleRelay(c RelayConfig, module string, metrics *relayMetrics) *moduleRelay {
	pool := c.Pool(module)
	table := pgx.Identifier{module, "outbox"}.Sanitize()
	return &moduleRelay{
		module: module, topic: Topic(module), lease: "outbox." + module,
		pool: pool, leases: leases.New(pool, c.Holder), transport: c.Transport, metrics: metrics, log: c.Logger,
		read: `
SELECT id, event_id, type, key, aggregate_version, occurred_at, traceparent, data FROM ` + table + `
WHERE published_at IS NULL ORDER BY id LIMIT $1`,
		mark: `
UPDATE ` + table + ` SET published_at = clock_timestamp(), published_epoch = $2
WHERE id = ANY($1) AND published_at IS NULL`,
		housekeeping: housekeeping(module), observeEvery: observeEvery, housekeepEvery: housekeepEvery,
	}
}

// lead publishes until the lease is lost or given up. What measures and what deletes runs beside it, under the same lease,
// so that a slow question or delete delays no event.
func (m *moduleRelay) lead(ctx context.Context, epoch int64) error {
	defer m.metrics.forget(m.module)
	woken, stop := outbox.Wakes(m.module)
	defer stop()

	beside, end := context.WithCancel(ctx)
	var besides sync.WaitGroup
	besides.Go(func() { repeat(beside, m.observeEvery, m.observe) })
	besides.Go(func() { repeat(beside, m.housekeepEvery, m.housekeep) })
	defer besides.Wait()
	defer end()

	var lastEvent time.Time
	batch, wait := relayBatch, firstWait
	for ctx.Err() == nil {
		read, published, err := m.round(ctx, epoch, batch)
		m.metrics.published.WithLabelValues(m.module).Add(float64(published))
		if errors.Is(err, leases.ErrLost) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			m.metrics.failures.WithLabelValues(m.module).Inc()
			m.log.WarnContext(ctx, "cannot publish events; trying again", "module", m.module, "read", read, "published", published, "wait", wait, "error", err)
			_ = clock.Sleep(ctx, clock.About(wait))
			wait = min(2*wait, longestWait)
			batch = widened(batch, err)
			continue
		}
		wait = firstWait
		if read > 0 {
			lastEvent = time.Now()
		}
		poll := idlePoll
		switch {
		case read == batch: // there is more
			poll = 0
		case time.Since(lastEvent) < busyFor:
			poll = busyPoll
		}
		batch = relayBatch
		timer := time.NewTimer(poll)
		select {
		case <-ctx.Done():
		case <-woken:
		case <-timer.C:
		}
		timer.Stop()
	}
	return ctx.Err()
}

// widened is how many events the next round reads after err: more, if a partition refuses what it is given, because its
// events must not hide those of the other partitions; otherwise no more than before, so that a database which fails is not
// asked for ever more.
func widened(batch int, err error) int {
	if errors.As(err, new(*Refusal)) {
		return min(2*batch, relayLargest)
	}
	return batch
}

// repeat does the work again and again until ctx ends.
func repeat(ctx context.Context, every time.Duration, work func(context.Context)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			work(ctx)
		}
	}
}

// round publishes one batch of what is unpublished, by state and not by a cursor: a transaction that commits late, with
// lower ids, is found too. What fails is read again by the next round, before anything later of its key.
func (m *moduleRelay) round(ctx context.Context, epoch int64, limit int) (read, published int, err error) {
	ids, events, err := m.unpublished(ctx, limit)
	if err != nil || len(events) == 0 {
		return 0, 0, err
	}
	acked := ids[:0]
	for i, failed := range m.transport.Publish(ctx, m.topic, events) {
		if failed == nil {
			acked = append(acked, ids[i])
		} else if err == nil {
			err = fmt.Errorf("publish to %s: %w", m.topic, failed)
		}
	}
	if len(acked) > 0 {
		eventsPublished.Hit()
		if err := m.markPublished(ctx, acked, epoch); err != nil {
			return len(events), 0, fmt.Errorf("mark events as published: %w", err)
		}
		eventsMarked.Hit()
	}
	return len(events), len(acked), err
}

func (m *moduleRelay) unpublished(ctx context.Context, limit int) (ids []int64, events []Envelope, err error) {
	rows, _ := m.pool.Query(ctx, m.read, limit)
	var id int64
	e := Envelope{Source: m.module}
	_, err = pgx.ForEachRow(rows, []any{&id, &e.ID, &e.Type, &e.Key, &e.AggregateVersion, &e.OccurredAt, &e.TraceParent, &e.Data}, func() error {
		ids, events = append(ids, id), append(events, e)
		e.Data = nil // the next row must not be read into this one's bytes
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the outbox of %s: %w", m.module, err)
	}
	return ids, events, nil
}

// markPublished fails with leases.ErrLost if the epoch is over.
func (m *moduleRelay) markPublished(ctx context.Context, ids []int64, epoch int64) error {
	return pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		if err := leases.Check(ctx, tx, m.lease, epoch); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, m.mark, ids, epoch)
		return err
	})
}

// observe measures the lag.
func (m *moduleRelay) observe(ctx context.Context) {
	rows, age, err := Lag(ctx, m.pool, m.module)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		m.log.WarnContext(ctx, "cannot measure the lag of an outbox", "module", m.module, "error", err)
		return
	}
	m.metrics.lagRows.WithLabelValues(m.module).Set(float64(rows))
	m.metrics.lagSeconds.WithLabelValues(m.module).Set(age.Seconds())
}

// Lag counts a module's events that are not yet published, up to a bound that keeps the question cheap, and says how old
// the oldest is.
func Lag(ctx context.Context, pool *pgxpool.Pool, module string) (rows int64, age time.Duration, err error) {
	var seconds float64
	err = pool.QueryRow(ctx, `
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at)), 0)::float8
FROM (
    SELECT occurred_at FROM `+pgx.Identifier{module, "outbox"}.Sanitize()+` WHERE published_at IS NULL ORDER BY id LIMIT 100000
) AS unpublished`).Scan(&rows, &seconds)
	if err != nil {
		return 0, 0, fmt.Errorf("measure the outbox of %s: %w", module, err)
	}
	return rows, time.Duration(max(seconds, 0) * float64(time.Second)), nil
}
