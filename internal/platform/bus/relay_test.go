package bus

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/leases"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// half is a transport that acknowledges every second event.
type half struct{ Transport }

func (half) Publish(_ context.Context, _ string, events []Envelope) []error {
	results := make([]error, len(events))
	for i := range results {
		if i%2 == 1 {
			results[i] = &Refusal{Partition: 1, Err: errors.New("no leader")}
		}
	}
	return results
}

func TestRound(t *testing.T) {
	t.Parallel()

	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "doors"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `
CREATE SCHEMA doors;
CREATE TABLE doors.outbox (LIKE platform.outbox_template INCLUDING ALL);
INSERT INTO doors.outbox (event_id, type, key, aggregate_version, occurred_at, data)
SELECT gen_random_uuid(), 'doors.opened.v1', gen_random_uuid(), 1, now(), '{}' FROM generate_series(1, 10);
INSERT INTO platform.leases VALUES ('outbox.doors', 'other', 5, '-infinity')`)
	require.NoError(t, err)
	relay := newModuleRelay(RelayConfig{
		Pool: func(string) *pgxpool.Pool { return pool }, Transport: half{}, Logger: slog.New(slog.DiscardHandler),
	}, "doors", newRelayMetrics(nil))
	left := func() (ids []int64) {
		ids, _, err := relay.unpublished(t.Context(), 100)
		require.NoError(t, err)
		return ids
	}

	_, published, err := relay.round(t.Context(), 4, 100)
	require.ErrorIs(t, err, leases.ErrLost)
	require.Zero(t, published)
	require.Len(t, left(), 10, "an old epoch marks nothing")

	read, published, err := relay.round(t.Context(), 5, 8)
	require.ErrorContains(t, err, "no leader")
	require.Equal(t, 8, read)
	require.Equal(t, 4, published)
	require.Equal(t, []int64{2, 4, 6, 8, 9, 10}, left(), "what failed is first again")
	require.Equal(t, 2*relayBatch, widened(relayBatch, err), "a partition that refuses must not hide the others")
	require.Equal(t, relayLargest, widened(relayLargest, err))

	pool.Close()
	_, _, err = relay.round(t.Context(), 5, 8)
	require.Error(t, err)
	require.Equal(t, relayBatch, widened(relayBatch, err), "a database that fails is not asked for more")
}

// slowToTrim is a transport whose Trim takes as long as the test wants.
type slowToTrim struct {
	Transport
	begun, goOn chan struct{}
	published   chan int
}

func (s slowToTrim) Trim(context.Context, string) error {
	s.begun <- struct{}{}
	<-s.goOn
	return nil
}

func (s slowToTrim) Publish(_ context.Context, _ string, events []Envelope) []error {
	s.published <- len(events)
	return make([]error, len(events))
}

// A delete that takes its time delays no event, and ends with the lease.
func TestHousekeepingIsBeside(t *testing.T) {
	t.Parallel()

	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "doors"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `
CREATE SCHEMA doors;
CREATE TABLE doors.outbox (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE doors.inbox (LIKE platform.inbox_template INCLUDING ALL)`)
	require.NoError(t, err)
	transport := slowToTrim{begun: make(chan struct{}), goOn: make(chan struct{}), published: make(chan int)}
	relay := newModuleRelay(RelayConfig{
		Pool: func(string) *pgxpool.Pool { return pool }, Transport: transport, Holder: "a", Logger: slog.New(slog.DiscardHandler),
	}, "doors", newRelayMetrics(nil))
	relay.housekeepEvery = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- relay.leases.Hold(ctx, relay.lease, relay.lead) }()

	<-transport.begun // and it does not end
	_, err = pool.Exec(t.Context(), `
INSERT INTO doors.outbox (event_id, type, key, aggregate_version, occurred_at, data)
SELECT gen_random_uuid(), 'doors.opened.v1', gen_random_uuid(), 1, now(), '{}' FROM generate_series(1, 3)`)
	require.NoError(t, err)
	select {
	case n := <-transport.published:
		require.Equal(t, 3, n)
	case <-time.After(20 * time.Second):
		t.Error("the events wait for the delete")
	}
	cancel()
	select {
	case <-done:
		t.Fatal("the lease was given up under the delete")
	default:
	}
	close(transport.goOn)
	require.ErrorIs(t, <-done, context.Canceled)
}
