package bus_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/fault"
)

// ledger is the books of a world after a random load, a quarter of an hour later.
type ledger struct {
	*bustest.World
	t    *testing.T
	all  map[string]books.Invariant
	keys []uuid.UUID
}

func newLedger(t *testing.T) *ledger {
	w := bustest.NewWorld(t, adapter)
	w.Relay("a", w.Transport)
	_, stop := w.Consume(w.Transport)
	l := &ledger{World: w, t: t, all: map[string]books.Invariant{}}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		key, err := uuid.NewV7()
		require.NoError(t, err)
		l.keys = append(l.keys, key)
	}
	w.Refuse(func(e bustest.Event) error {
		if e.Key == l.keys[0] {
			return fault.New(fault.Conflict, "test.refused", "refused")
		}
		return nil
	})
	n := 0
	for range 40 {
		var events []bustest.Event
		for range 1 + random.IntN(6) {
			events = append(events, w.Next(l.keys[random.IntN(len(l.keys))]))
		}
		n += len(events)
		w.Publish(events...)
	}
	w.Eventually(func() bool { return w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`) == n && w.Unpublished() == 0 }, "%d events", n)
	stop()
	l.later("15 minutes")
	for _, i := range bus.Books([]string{w.Source, w.Hearer}, func(string) *pgxpool.Pool { return w.Pool },
		bus.Subscription{Module: w.Hearer, Source: w.Source, Type: w.Type("happened")},
		bus.Subscription{Module: w.Hearer, Source: "elsewhere", Type: "elsewhere.happened.v1"}) {
		require.NotContains(t, l.all, i.ID())
		l.all[i.ID()] = i
	}
	require.Len(t, l.all, 7)
	return l
}

// later lets time pass for what has happened.
func (l *ledger) later(interval string) {
	l.Exec(`UPDATE `+l.Source+`.outbox SET occurred_at = occurred_at - $1::interval, published_at = published_at - $1::interval`, interval)
	l.Exec(`UPDATE `+l.Hearer+`.parked SET parked_at = parked_at - $1::interval`, interval)
}

// wrong is the subjects that an invariant names, from the checkpoint, of which it returns the next.
func (l *ledger) wrong(module, name, from string) (subjects []string, through string, looked int64) {
	l.t.Helper()
	i, ok := l.all[module+"."+name]
	require.True(l.t, ok)
	f, err := i.Check(l.t.Context(), from)
	require.NoError(l.t, err)
	for _, m := range f.Wrong {
		require.NotEmpty(l.t, m.Detail)
		subjects = append(subjects, m.Subject)
	}
	return subjects, f.Through, f.Looked
}

func TestBooks(t *testing.T) {
	t.Parallel()

	t.Run("AreSound", func(t *testing.T) {
		t.Parallel()

		l := newLedger(t)
		for id, i := range l.all {
			f, err := i.Check(t.Context(), "")
			require.NoError(t, err)
			require.Empty(t, f.Wrong, id)
			again, err := i.Check(t.Context(), f.Through)
			require.NoError(t, err)
			require.Empty(t, again.Wrong, id)
			if f.Through != "" && id != l.Hearer+".events.versions" { // which publishes nothing
				require.Positive(t, f.Looked, id)
				require.Zero(t, again.Looked, id)
			}
		}
	})

	t.Run("Versions", func(t *testing.T) {
		t.Parallel()

		l := newLedger(t)
		_, sound, _ := l.wrong(l.Source, "events.versions", "")
		key, young, old := l.keys[1], uuid.Must(uuid.NewV7()), uuid.New()
		l.Next(key)
		l.Publish(l.Next(key)) // one is left out
		l.Publish(bustest.Event{Type: l.Type("happened"), Key: young, Version: 2})
		l.Publish(bustest.Event{Type: l.Type("happened"), Key: old, Version: 7}) // its first six have been deleted
		for _, from := range []string{"", sound} {
			subjects, through, _ := l.wrong(l.Source, "events.versions", from)
			require.Equal(t, []string{key.String(), young.String()}, subjects)
			require.Equal(t, sound, through, "what is so young is looked at again")
		}

		// A predecessor that is being deleted with the others is not missed.
		l.Exec(`DELETE FROM `+l.Source+`.outbox WHERE key = ANY($1)`, []uuid.UUID{key, young, old})
		l.Publish(bustest.Event{Type: l.Type("happened"), Key: old, Version: 1}, bustest.Event{Type: l.Type("happened"), Key: old, Version: 3})
		subjects, _, _ := l.wrong(l.Source, "events.versions", "")
		require.Equal(t, []string{old.String()}, subjects)
		l.Exec(`UPDATE `+l.Source+`.outbox SET published_at = now() - interval '3 days' WHERE key = $1 AND aggregate_version = 1`, old)
		subjects, _, _ = l.wrong(l.Source, "events.versions", "")
		require.Empty(t, subjects)
	})

	t.Run("Published", func(t *testing.T) {
		t.Parallel()

		l := newLedger(t)
		l.Exec(`UPDATE platform.leases SET holder = 'nobody', epoch = epoch + 1, until = 'infinity'`) // no relay marks anything now
		var stuck string
		require.NoError(t, l.Pool.QueryRow(t.Context(), `
UPDATE `+l.Source+`.outbox SET published_at = NULL WHERE id = 3 RETURNING event_id::text`).Scan(&stuck))
		l.Exec(`UPDATE platform.leases SET holder = 'nobody', epoch = epoch + 1, until = 'infinity'`) // the relay is held up
		l.Exec(`UPDATE ` + l.Source + `.outbox SET published_at = NULL WHERE id = 3`)
		l.Publish(l.Next(l.keys[1])) // not for long
		subjects, _, looked := l.wrong(l.Source, "events.published", "")
		require.Equal(t, []string{stuck}, subjects)
		require.EqualValues(t, 2, looked)
	})

	t.Run("Parked", func(t *testing.T) {
		t.Parallel()

		l := newLedger(t)
		require.Positive(t, l.Parked())
		var oldest string
		require.NoError(t, l.Pool.QueryRow(t.Context(), `
UPDATE `+l.Hearer+`.parked SET parked_at = now() - interval '1 day 1 minute'
WHERE id = (SELECT min(id) FROM `+l.Hearer+`.parked) RETURNING event_id::text`).Scan(&oldest))
		subjects, _, _ := l.wrong(l.Hearer, "events.parked", "")
		require.Equal(t, []string{oldest}, subjects)
	})

	t.Run("Heard", func(t *testing.T) {
		t.Parallel()

		l := newLedger(t)
		_, sound, _ := l.wrong(l.Hearer, "events.heard", "")
		l.Publish(l.Next(l.keys[1]), l.Next(l.keys[2]), bustest.Event{Type: l.Type("ignored"), Key: uuid.New(), Version: 1})
		l.Eventually(func() bool { return l.Unpublished() == 0 }, "the events' publication")
		subjects, _, _ := l.wrong(l.Hearer, "events.heard", "")
		require.Empty(t, subjects, "there is a minute's time")
		var lost string
		require.NoError(t, l.Pool.QueryRow(t.Context(), `
UPDATE `+l.Source+`.outbox SET published_at = now() - interval '2 minutes'
WHERE key = $1 AND published_at > now() - interval '1 minute' RETURNING event_id::text`, l.keys[2]).Scan(&lost))
		for _, from := range []string{"", sound} {
			subjects, _, _ := l.wrong(l.Hearer, "events.heard", from)
			require.Equal(t, []string{lost}, subjects)
		}

		var forgotten string
		require.NoError(t, l.Pool.QueryRow(t.Context(), `
DELETE FROM `+l.Hearer+`.inbox WHERE event_id = (SELECT event_id FROM `+l.Source+`.outbox WHERE id = 5) RETURNING event_id::text`).Scan(&forgotten))
		subjects, _, _ = l.wrong(l.Hearer, "events.heard", "")
		require.ElementsMatch(t, []string{lost, forgotten}, subjects)
		subjects, _, _ = l.wrong(l.Hearer, "events.heard", sound)
		require.Equal(t, []string{lost}, subjects, "what lies behind the checkpoint was sound")
	})
}
