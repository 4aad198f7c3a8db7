package pglog_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/bus/pglog"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) {
	bustest.Child(func(pool *pgxpool.Pool) bus.Transport { return pglog.New(pool) })
	bustest.Main(m)
}

var adapter = bustest.Adapter{
	Open: func(_ testing.TB, pool *pgxpool.Pool) bus.Transport { return pglog.New(pool) },
	Rewind: func(t testing.TB, pool *pgxpool.Pool, group, topic string) {
		tag, err := pool.Exec(t.Context(), `UPDATE platform.cursors SET position = 0 WHERE consumer = $1 AND topic = $2`, group, topic)
		require.NoError(t, err)
		require.EqualValues(t, 1, tag.RowsAffected())
	},
	Points: []string{"bus.pglog.appended"},
}

func TestConformance(t *testing.T) {
	t.Parallel()

	bustest.Run(t, adapter)
}

func open(t *testing.T) *pgxpool.Pool {
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "pglog"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func events(n int) []bus.Envelope {
	all := make([]bus.Envelope, n)
	for i := range all {
		all[i] = bus.Envelope{ID: uuid.New(), Source: "doors", Type: "doors.opened.v1", Key: uuid.New(), AggregateVersion: 1, OccurredAt: time.Now(), Data: []byte(`{}`)}
	}
	return all
}

func TestPublish(t *testing.T) {
	t.Parallel()

	t.Run("PositionsAreDense", func(t *testing.T) {
		t.Parallel()

		pool := open(t)
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				log := pglog.New(pool)
				for range 25 {
					batch := events(n + 1)
					if n == 3 { // this one always fails, half done
						batch[1].Type = "\x00"
					}
					for _, err := range log.Publish(t.Context(), "shop.doors", batch) {
						if (err != nil) != (n == 3) {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		var rows, last, head int
		require.NoError(t, pool.QueryRow(t.Context(), `
SELECT count(*), max(position), (SELECT position FROM platform.log_heads WHERE topic = 'shop.doors') FROM platform.log`).Scan(&rows, &last, &head))
		require.Equal(t, 25*(36-4), rows)
		require.Equal(t, rows, last)
		require.Equal(t, rows, head)
	})

	t.Run("KeepsTheOrderOfABatch", func(t *testing.T) {
		t.Parallel()

		pool := open(t)
		batch := events(500)
		for _, err := range pglog.New(pool).Publish(t.Context(), "shop.doors", batch) {
			require.NoError(t, err)
		}
		rows, _ := pool.Query(t.Context(), `SELECT event_id FROM platform.log ORDER BY position`)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		require.NoError(t, err)
		for i, e := range batch {
			require.Equal(t, e.ID, ids[i])
		}
	})
}

func TestTrim(t *testing.T) {
	t.Parallel()

	pool := open(t)
	log := pglog.New(pool)
	for _, topic := range []string{"shop.doors", "shop.windows"} {
		for _, err := range log.Publish(t.Context(), topic, events(10)) {
			require.NoError(t, err)
		}
	}
	_, err := pool.Exec(t.Context(), `
UPDATE platform.log SET appended_at = now() - interval '3 days 1 minute' WHERE position <= 6;
INSERT INTO platform.cursors VALUES ('shop.alarms', 'shop.doors', 9), ('shop.heating', 'shop.doors', 4)`)
	require.NoError(t, err)
	trim := func() {
		require.NoError(t, log.Trim(t.Context(), "shop.doors"))
		require.NoError(t, log.Trim(t.Context(), "shop.windows"))
	}
	first := func(topic string) (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT min(position) FROM platform.log WHERE topic = $1`, topic).Scan(&n))
		return n
	}
	trim()
	require.Equal(t, 5, first("shop.doors"), "what a group still has to take is kept")
	require.Equal(t, 7, first("shop.windows"))

	// The shop has no module heating any more, and alarms hears no doors: their cursors are told of, and hold the log no
	// longer than a month.
	abandoned, err := log.Abandoned(t.Context(), map[string][]string{"shop.alarms": {"shop.doors", "shop.windows"}})
	require.NoError(t, err)
	require.Len(t, abandoned, 1)
	require.Greater(t, abandoned[0].Age, bus.TopicRetention)
	abandoned[0].Age = 0
	require.Equal(t, bus.Abandoned{Group: "shop.heating", Position: bus.Position{Topic: "shop.doors", Done: 4, End: 10}}, abandoned[0])
	abandoned, err = log.Abandoned(t.Context(), map[string][]string{"shop.alarms": {"shop.windows"}, "shop.heating": {"shop.windows"}})
	require.NoError(t, err)
	require.Len(t, abandoned, 2)
	_, err = pool.Exec(t.Context(), `UPDATE platform.log SET appended_at = now() - interval '30 days 1 minute' WHERE topic = 'shop.doors' AND position = 5`)
	require.NoError(t, err)
	trim()
	require.Equal(t, 6, first("shop.doors"), "not for ever")
}

func TestRequire(t *testing.T) {
	t.Parallel()

	pool, other := open(t), open(t)
	same, err := pgxpool.New(t.Context(), pool.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(same.Close)
	log := pglog.New(pool)
	require.NoError(t, log.Require(t.Context(), map[string]*pgxpool.Pool{"doors": same}))
	require.ErrorContains(t, log.Require(t.Context(), map[string]*pgxpool.Pool{"doors": same, "windows": other}), "windows has a database of its own")
}
