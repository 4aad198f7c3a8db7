package outbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type opened struct {
	Type    string    `json:"-"`
	Door    uuid.UUID `json:"door"`
	Version int64     `json:"version"`
	Note    string    `json:"note"`
}

func (e opened) EventType() string       { return e.Type }
func (e opened) AggregateID() uuid.UUID  { return e.Door }
func (e opened) AggregateVersion() int64 { return e.Version }

func event(door uuid.UUID, version int64) opened {
	return opened{Type: "doors.opened.v1", Door: door, Version: version, Note: "a \x00 and a 'quote'"}
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.FixedZone("KST", 9*3600))

func setup(t *testing.T) (*pgxpool.Pool, *outbox.Outbox) {
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "doors"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `CREATE SCHEMA doors; CREATE TABLE doors.outbox (LIKE platform.outbox_template INCLUDING ALL)`)
	require.NoError(t, err)
	return pool, outbox.New("doors", clock.NewManual(noon).Now)
}

func count(t *testing.T, pool *pgxpool.Pool) (n int) {
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM doors.outbox`).Scan(&n))
	return n
}

func TestAdd(t *testing.T) {
	t.Parallel()

	t.Run("KeepsEverythingInOrder", func(t *testing.T) {
		t.Parallel()

		pool, box := setup(t)
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
		}))
		door := uuid.New()
		events := make([]outbox.Event, 300)
		for i := range events {
			events[i] = event(door, int64(i)+1)
		}
		require.NoError(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return box.Add(ctx, tx, events...) }))

		rows, _ := pool.Query(t.Context(), `SELECT event_id, type, key, aggregate_version, occurred_at, traceparent, data::text FROM doors.outbox ORDER BY id`)
		n := int64(0)
		var id, key uuid.UUID
		var typ, parent, data string
		var version int64
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{&id, &typ, &key, &version, &at, &parent, &data}, func() error {
			n++
			require.EqualValues(t, 7, id.Version())
			require.Equal(t, "doors.opened.v1", typ)
			require.Equal(t, door, key)
			require.Equal(t, n, version)
			require.True(t, noon.Truncate(time.Millisecond).Equal(at))
			require.Equal(t, "00-01000000000000000000000000000000-0200000000000000-01", parent)
			require.JSONEq(t, fmt.Sprintf(`{"door":%q,"version":%d,"note":"a \u0000 and a 'quote'"}`, door, n), data)
			return nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 300, n)
	})

	t.Run("RefusesWhatTheBusWouldNotTake", func(t *testing.T) {
		t.Parallel()

		pool, box := setup(t)
		foreign, shapeless, huge := event(uuid.New(), 1), event(uuid.New(), 1), event(uuid.New(), 1)
		foreign.Type, shapeless.Type, huge.Note = "windows.opened.v1", "opened", strings.Repeat("x", 300<<10)
		for _, e := range []opened{foreign, shapeless, huge} {
			require.Error(t, box.InTx(t.Context(), pool, func(tx pgx.Tx) error { return box.Add(t.Context(), tx, e) }))
			batch := &pgx.Batch{}
			require.Error(t, box.Queue(batch, t.Context(), e))
			require.Zero(t, batch.Len())
		}
		require.Zero(t, count(t, pool))
	})

	t.Run("RefusesAVersionTwice", func(t *testing.T) {
		t.Parallel()

		pool, box := setup(t)
		door := uuid.New()
		err := box.InTx(t.Context(), pool, func(tx pgx.Tx) error { return box.Add(t.Context(), tx, event(door, 1), event(door, 1)) })
		require.Equal(t, "23505", pg.Code(err))
	})
}

func TestQueue(t *testing.T) {
	t.Parallel()

	pool, box := setup(t)
	batch := &pgx.Batch{}
	require.NoError(t, box.Queue(batch, t.Context(), event(uuid.New(), 1), event(uuid.New(), 1)))
	require.NoError(t, box.Queue(batch, t.Context()))
	require.Equal(t, 1, batch.Len())
	require.NoError(t, pool.SendBatch(t.Context(), batch).Close())
	require.Equal(t, 2, count(t, pool))
}
