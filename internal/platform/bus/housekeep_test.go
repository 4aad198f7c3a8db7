package bus

import (
	"context"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestHousekeep(t *testing.T) {
	t.Parallel()

	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "doors"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `
CREATE SCHEMA doors;
CREATE TABLE doors.outbox (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE doors.inbox (LIKE platform.inbox_template INCLUDING ALL);
INSERT INTO doors.outbox (event_id, type, key, aggregate_version, occurred_at, data, published_at)
SELECT gen_random_uuid(), 'doors.opened.v1', gen_random_uuid(), 1, now() - interval '9 days', '{}',
       CASE WHEN n <= 6000 THEN now() - interval '3 days 1 minute' WHEN n <= 6010 THEN now() - interval '2 days 23 hours' END
FROM generate_series(1, 6020) AS n;
INSERT INTO doors.inbox (event_id, received_at)
SELECT gen_random_uuid(), CASE WHEN n <= 6000 THEN now() - interval '4 days 1 minute' ELSE now() - interval '3 days 23 hours' END
FROM generate_series(1, 6010) AS n`)
	require.NoError(t, err)

	relay := newModuleRelay(RelayConfig{
		Pool: func(string) *pgxpool.Pool { return pool }, Transport: untrimmed{}, Logger: slog.New(slog.DiscardHandler),
	}, "doors", newRelayMetrics(nil))
	relay.housekeep(t.Context())

	var published, unpublished, inbox int
	require.NoError(t, pool.QueryRow(t.Context(), `
SELECT (SELECT count(*) FROM doors.outbox WHERE published_at IS NOT NULL), (SELECT count(*) FROM doors.outbox WHERE published_at IS NULL),
       (SELECT count(*) FROM doors.inbox)`).Scan(&published, &unpublished, &inbox))
	require.Equal(t, 10, published)
	require.Equal(t, 10, unpublished, "what is unpublished stays, however old")
	require.Equal(t, 10, inbox)
}

// untrimmed is a transport that has nothing to trim.
type untrimmed struct{ Transport }

func (untrimmed) Trim(context.Context, string) error { return nil }
