package bustest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/fault"
)

var errRefused = fault.New(fault.Conflict, "bustest.refused", "the handler refuses this event")

func poisonParksItsKeyOnly(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	parking := consumers.Parking(w.Hearer)
	bad, good := uuid.New(), uuid.New()
	w.Refuse(func(e Event) error {
		if e.Key == bad && e.Version == 2 {
			return errRefused
		}
		return nil
	})
	for range 4 {
		w.Publish(w.Next(bad), w.Next(good))
	}
	w.EventuallyHeard(4, good)
	w.Eventually(func() bool { return w.Parked() == 3 }, "parked events")
	require.Equal(t, []int64{1}, w.Heard(bad))

	parked, err := parking.List(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, parked, 3)
	for i, p := range parked {
		require.Equal(t, int64(i)+2, p.AggregateVersion)
		require.Equal(t, bad, p.Key)
		require.Equal(t, w.Source, p.Source)
	}
	require.Contains(t, parked[0].Reason, "bustest.refused")
	require.Contains(t, parked[1].Reason, "behind")
	rest, err := parking.List(t.Context(), parked[0].Position, 1)
	require.NoError(t, err)
	require.Equal(t, parked[1:2], rest)

	var recorded []int64
	record := func(_ context.Context, _ pgx.Tx, p bus.Parked, _ error) error {
		recorded = append(recorded, p.AggregateVersion)
		return nil
	}
	replayed, err := parking.Replay(t.Context(), parked[2].ID, record) // any of the line stands for the line
	require.NoError(t, err)
	require.Zero(t, replayed.Done)
	require.Contains(t, replayed.Failed, "bustest.refused")
	require.Equal(t, 3, w.Parked())

	w.Refuse(nil)
	replayed, err = parking.Replay(t.Context(), parked[0].ID, record)
	require.NoError(t, err)
	require.Equal(t, bus.Replayed{Done: 3}, replayed)
	require.Equal(t, []int64{2, 2, 3, 4}, recorded)
	w.Publish(w.Next(bad))
	w.EventuallyHeard(5, bad)
	require.Zero(t, w.Parked())
	require.Zero(t, w.Int(`SELECT count(*) FROM `+w.Hearer+`.parked_keys`))
	_, err = parking.Replay(t.Context(), parked[0].ID, record)
	require.ErrorIs(t, err, bus.ErrNotParked)
}

func everyPoisonIsParked(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	good := uuid.New()
	now := Event{Type: w.Type("happened"), Key: uuid.New(), Version: 666}
	deferred := Event{Type: w.Type("happened"), Key: uuid.New(), Version: 667}
	w.Publish(w.Next(good), now, deferred, w.Next(good))

	w.EventuallyHeard(2, good)
	w.Eventually(func() bool { return w.Parked() == 2 }, "parked events")
	require.Empty(t, w.Heard(now.Key))
	require.Empty(t, w.Heard(deferred.Key))
	require.Equal(t, 2, w.Int(`SELECT count(*) FROM `+w.Hearer+`.heard`), "what a parked event wrote is undone")
	require.Equal(t, 2, w.Int(`SELECT count(*) FROM `+w.Hearer+`.parked WHERE reason ~ '23514|23505'`))
}

func drop(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	parking := consumers.Parking(w.Hearer)
	key := uuid.New()
	w.Refuse(func(e Event) error {
		if e.Version == 1 {
			return errRefused
		}
		return nil
	})
	w.Publish(w.Next(key), w.Next(key))
	w.Eventually(func() bool { return w.Parked() == 2 }, "parked events")
	parked, err := parking.List(t.Context(), 0, 10)
	require.NoError(t, err)

	recorded := 0
	record := func(context.Context, pgx.Tx, bus.Parked, error) error { recorded++; return nil }
	require.NoError(t, parking.Drop(t.Context(), parked[0].ID, record))
	require.ErrorIs(t, parking.Drop(t.Context(), parked[0].ID, record), bus.ErrNotParked)
	require.Equal(t, 1, recorded)
	w.Publish(w.Next(key)) // still behind the second
	w.Eventually(func() bool { return w.Parked() == 2 }, "an event behind")
	replayed, err := parking.Replay(t.Context(), parked[1].ID, record)
	require.NoError(t, err)
	require.Equal(t, bus.Replayed{Done: 2}, replayed)
	require.Equal(t, []int64{2, 3}, w.Heard(key))
	count, err := parking.Count(t.Context())
	require.NoError(t, err)
	require.Zero(t, count)
}

func replayWhileMoreComes(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	parking := consumers.Parking(w.Hearer)
	key := uuid.New()
	w.Refuse(func(e Event) error {
		if e.Version%25 == 1 {
			return errRefused
		}
		return nil
	})
	w.Publish(w.Next(key))
	w.Eventually(func() bool { return w.Parked() == 1 }, "a parked event")
	var writer sync.WaitGroup
	writer.Go(func() {
		for range 99 {
			w.Publish(w.Next(key))
		}
		w.Refuse(nil)
	})
	record := func(context.Context, pgx.Tx, bus.Parked, error) error { return nil }
	w.Eventually(func() bool {
		parked, err := parking.List(t.Context(), 0, 1)
		require.NoError(t, err)
		if len(parked) > 0 {
			if _, err := parking.Replay(t.Context(), parked[0].ID, record); !errors.Is(err, bus.ErrNotParked) {
				require.NoError(t, err)
			}
		}
		return len(w.Heard(key)) >= 100
	}, "100 events")
	writer.Wait()
	w.EventuallyHeard(100, key)
	require.Zero(t, w.Parked())
}

func outageParksNothing(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	var outages atomic.Int32
	w.Refuse(func(e Event) error {
		if e.Version != 3 {
			return nil
		}
		switch outages.Add(1) {
		case 1:
			return errors.New("dial tcp: connection refused")
		case 2:
			return context.DeadlineExceeded
		case 3, 4, 5:
			return fault.New(fault.Unavailable, "bustest.down", "a part is down")
		default:
			return nil
		}
	})
	all := keys(1)
	for range 5 {
		w.Publish(w.Next(all[0]))
	}
	w.EventuallyHeard(5, all...)
	require.EqualValues(t, 6, outages.Load())
	require.Zero(t, w.Parked())
}

func panicParksNothing(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	var once sync.Once
	w.Refuse(func(Event) error {
		once.Do(func() { panic("a bug") })
		return nil
	})
	key := uuid.New()
	w.Publish(w.Next(key), w.Next(key))
	w.EventuallyHeard(2, key)
	require.Zero(t, w.Parked())
}

func unknownTypeIsParked(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	_, stop := w.Consume(w.Transport)
	key, other := uuid.New(), uuid.New()
	w.Publish(
		Event{Type: w.Type("ignored"), Key: other, Version: 1}, // known, and not for us
		w.Next(key),
		Event{Type: w.Type("invented"), Key: key, Version: 2}, // from a newer release
		Event{Type: w.Type("happened"), Key: key, Version: 3},
	)
	w.Eventually(func() bool { return w.Parked() == 2 }, "parked events")
	require.Equal(t, []int64{1}, w.Heard(key))
	require.Equal(t, 1, w.Int(`SELECT count(*) FROM `+w.Hearer+`.parked WHERE reason ~ 'unknown' AND type = $1`, w.Type("invented")))
	require.Zero(t, w.Int(`SELECT count(*) FROM `+w.Hearer+`.parked WHERE key = $1`, other))
	stop()

	parking := w.Newer(w.Transport).Parking(w.Hearer)
	parked, err := parking.List(t.Context(), 0, 1)
	require.NoError(t, err)
	_, err = parking.Replay(t.Context(), parked[0].ID, func(context.Context, pgx.Tx, bus.Parked, error) error { return nil })
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3}, w.Heard(key))
}
