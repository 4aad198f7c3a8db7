package bus

import (
	"context"
	"errors"
	"log/slog"
	"testing"

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
			results[i] = errors.New("no leader")
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
}
