// Package bustest is the conformance suite that runs on each transport of the bus.
package bustest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// Adapter is a transport under test.
type Adapter struct {
	// Open returns the transport as one more instance of the shop has it. It is closed when the test ends.
	Open func(t testing.TB, pool *pgxpool.Pool) bus.Transport
	// Rewind forgets how far the group is, as if it had died before it could keep that.
	Rewind func(t testing.TB, pool *pgxpool.Pool, group, topic string)
	// Env tells another process of the test, see [Child], where the transport is; nil: it can be found without.
	Env []string
	// Points are the transport's own failpoints.
	Points []string
}

// World is a fresh database with two modules: one publishes, the other hears and writes down what it heard.
type World struct {
	t       testing.TB
	adapter Adapter

	Pool      *pgxpool.Pool
	Source    string // the module that publishes
	Hearer    string // the module that hears
	Transport bus.Transport
	Outbox    *outbox.Outbox

	mu       sync.Mutex
	refuse   func(e Event) error // what the handler answers before it writes
	versions map[uuid.UUID]int64
}

// Event is what the source publishes.
type Event struct {
	Type    string    `json:"type"`
	Key     uuid.UUID `json:"key"`
	Version int64     `json:"version"`
}

func (e Event) EventType() string       { return e.Type }
func (e Event) AggregateID() uuid.UUID  { return e.Key }
func (e Event) AggregateVersion() int64 { return e.Version }

// NewWorld makes a world. Its modules have names of their own, because a real broker is shared.
func NewWorld(t testing.TB, adapter Adapter) *World {
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "bustest", MaxConns: 40})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	suffix := uuid.NewString()[:8]
	w := &World{
		t: t, adapter: adapter, Pool: pool, Source: "src" + suffix, Hearer: "dst" + suffix, versions: map[uuid.UUID]int64{},
	}
	for _, module := range []string{w.Source, w.Hearer} {
		w.Exec(`CREATE SCHEMA ` + module)
		for table, template := range map[string]string{
			"outbox": "outbox", "inbox": "inbox", "parked": "parked", "parked_keys": "parked_keys", "audit_log": "audit",
		} {
			w.Exec(fmt.Sprintf(`CREATE TABLE %s.%s (LIKE platform.%s_template INCLUDING ALL)`, module, table, template))
		}
	}
	w.Exec(`CREATE TABLE ` + w.Hearer + `.heard (
		n bigint GENERATED ALWAYS AS IDENTITY, event_id uuid, key uuid, version bigint CHECK (version <> 666),
		once uuid UNIQUE DEFERRABLE INITIALLY DEFERRED
	)`)
	w.Transport = adapter.Open(t, pool)
	w.Outbox = outbox.New(w.Source, clock.System)
	return w
}

// Exec runs SQL.
func (w *World) Exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.Pool.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// Int asks for one number.
func (w *World) Int(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.Pool.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// Type names a type of the source's events; "happened" and "ignored" are known, and the first is heard.
func (w *World) Type(fact string) string { return w.Source + "." + fact + ".v1" }

// Next returns the next event of the key.
func (w *World) Next(key uuid.UUID) Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions[key]++
	return Event{Type: w.Type("happened"), Key: key, Version: w.versions[key]}
}

// Publish commits events in one transaction.
func (w *World) Publish(events ...Event) {
	w.t.Helper()
	require.NoError(w.t, w.Outbox.InTx(w.t.Context(), w.Pool, func(tx pgx.Tx) error { return w.Add(tx, events...) }))
}

// Add adds events in a transaction.
func (w *World) Add(tx pgx.Tx, events ...Event) error {
	all := make([]outbox.Event, len(events))
	for i, e := range events {
		all[i] = e
	}
	return w.Outbox.Add(w.t.Context(), tx, all...)
}

// Refuse sets what the handler answers before it writes anything; nil: it refuses nothing.
func (w *World) Refuse(f func(e Event) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = f
}

func (w *World) refused(e Event) error {
	w.mu.Lock()
	f := w.refuse
	w.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(e)
}

// Relay starts a relay on a transport, as one instance of the shop, until stop or the end of the test.
func (w *World) Relay(holder string, transport bus.Transport) (stop func()) {
	return w.Run(bus.NewRelay(bus.RelayConfig{
		Modules: []string{w.Source}, Pool: w.pool, Transport: transport, Holder: holder, Logger: w.logger(),
	}).Run)
}

// Consumers returns the hearer's group on a transport, not started.
func (w *World) Consumers(transport bus.Transport) *bus.Consumers {
	return w.consumers(transport, []string{w.Type("happened"), w.Type("ignored")}, w.Type("happened"))
}

// Newer is the group of the next release, which knows one more type, "invented", and hears it.
func (w *World) Newer(transport bus.Transport) *bus.Consumers {
	return w.consumers(transport, []string{w.Type("happened"), w.Type("ignored"), w.Type("invented")}, w.Type("happened"), w.Type("invented"))
}

func (w *World) consumers(transport bus.Transport, known []string, heard ...string) *bus.Consumers {
	w.t.Helper()
	consumers, err := w.group(transport, w.logger(), known, heard...)
	require.NoError(w.t, err)
	return consumers
}

func (w *World) group(transport bus.Transport, log *slog.Logger, known []string, heard ...string) (*bus.Consumers, error) {
	var subscriptions []bus.Subscription
	for _, typ := range heard {
		subscriptions = append(subscriptions, bus.Subscription{Module: w.Hearer, Source: w.Source, Type: typ, Handle: w.hear})
	}
	return bus.NewConsumers(bus.ConsumersConfig{Subscriptions: subscriptions, Known: known, Pool: w.pool, Transport: transport, Logger: log})
}

// Consume starts the hearer's group, as one instance of the shop, until stop or the end of the test.
func (w *World) Consume(transport bus.Transport) (consumers *bus.Consumers, stop func()) {
	w.t.Helper()
	consumers = w.Consumers(transport)
	return consumers, w.Run(consumers.Run)
}

// Instance opens the transport for one more instance.
func (w *World) Instance() bus.Transport { return w.adapter.Open(w.t, w.Pool) }

func (w *World) pool(string) *pgxpool.Pool { return w.Pool }

// Run runs f until stop or the end of the test, and fails the test if f fails.
func (w *World) Run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// hear is the handler: it writes down what it heard. Version 666 violates a constraint at once, 667 a deferred one.
func (w *World) hear(ctx context.Context, tx pgx.Tx, envelope bus.Envelope) error {
	var e Event
	if err := json.Unmarshal(envelope.Data, &e); err != nil {
		return errors.New("the payload is not what was published")
	}
	once := envelope.ID
	if e.Version == 667 {
		once = uuid.Nil
		if _, err := tx.Exec(ctx, `INSERT INTO `+w.Hearer+`.heard (once) VALUES ($1)`, once); err != nil {
			return err
		}
	}
	// Written before it is refused, so that a test sees whether that is undone.
	if _, err := tx.Exec(ctx, `INSERT INTO `+w.Hearer+`.heard (event_id, key, version, once) VALUES ($1, $2, $3, $4)`,
		bus.EnvelopeOf(ctx).ID, envelope.Key, envelope.AggregateVersion, once); err != nil {
		return err
	}
	return w.refused(e)
}

// Heard returns the versions of the key's events in the order in which they took effect.
func (w *World) Heard(key uuid.UUID) []int64 {
	w.t.Helper()
	rows, _ := w.Pool.Query(w.t.Context(), `SELECT version FROM `+w.Hearer+`.heard WHERE key = $1 ORDER BY n`, key)
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(w.t, err)
	return versions
}

// Parked counts what is parked.
func (w *World) Parked() int { return w.Int(`SELECT count(*) FROM ` + w.Hearer + `.parked`) }

// Unpublished counts what the relay still has to bring.
func (w *World) Unpublished() int {
	return w.Int(`SELECT count(*) FROM ` + w.Source + `.outbox WHERE published_at IS NULL`)
}

// EventuallyHeard waits until exactly the versions 1 to n of each key have taken effect, once and in order.
func (w *World) EventuallyHeard(n int64, keys ...uuid.UUID) {
	w.t.Helper()
	want := make([]int64, n)
	for i := range want {
		want[i] = int64(i) + 1
	}
	for _, key := range keys {
		w.Eventually(func() bool { return int64(len(w.Heard(key))) >= n }, "%d events", n)
		require.Equal(w.t, want, w.Heard(key))
	}
}

// AllHeardOnce requires that the outbox's events and those that took effect are the same, each once.
func (w *World) AllHeardOnce() {
	w.t.Helper()
	rows := w.Int(`SELECT count(*) FROM ` + w.Source + `.outbox`)
	require.Positive(w.t, rows)
	require.Equal(w.t, rows, w.Int(`SELECT count(*) FROM `+w.Hearer+`.heard`))
	require.Equal(w.t, rows, w.Int(`SELECT count(DISTINCT event_id) FROM `+w.Hearer+`.heard JOIN `+w.Source+`.outbox USING (event_id)`))
}

// Eventually polls until the condition holds.
func (w *World) Eventually(condition func() bool, format string, args ...any) {
	w.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			w.t.Fatalf("did not come: "+format, args...)
		}
		<-poll.C
	}
}

// logger shows what the bus logs if the test fails.
func (w *World) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(output{w.t.Output()}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// output never fails, so that what is logged at the very end is no trouble.
type output struct{ io.Writer }

func (o output) Write(p []byte) (int, error) { _, _ = o.Writer.Write(p); return len(p), nil }

// keys makes n keys.
func keys(n int) []uuid.UUID {
	all := make([]uuid.UUID, n)
	for i := range all {
		all[i] = uuid.New()
	}
	return slices.Clip(all)
}
