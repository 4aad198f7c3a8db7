package bustest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
)

func panicAloneIsParked(t *testing.T, w *World) {
	aloneIsParked(t, w, "panicked: index out of range", func() error { panic("index out of range") })
}

func errorAloneIsParked(t *testing.T, w *World) {
	aloneIsParked(t, w, "no such shape", func() error { return errors.New("no such shape") })
}

// An event that fails again and again for no known reason, while others are handled, goes with its key and holds up nobody.
func aloneIsParked(t *testing.T, w *World, reason string, fail func() error) {
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	parking := consumers.Parking(w.Hearer)
	bad := uuid.New()
	w.Refuse(func(e Event) error {
		if e.Key == bad && e.Version == 2 {
			return fail()
		}
		return nil
	})
	good := keys(8) // on every partition
	w.Publish(w.Next(bad), w.Next(bad), w.Next(bad))
	for range 3 {
		for _, key := range good {
			w.Publish(w.Next(key))
		}
	}
	w.Eventually(func() bool { return w.Parked() == 2 }, "parked events")
	w.EventuallyHeard(3, good...)
	require.Equal(t, []int64{1}, w.Heard(bad))
	parked, err := parking.List(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Contains(t, parked[0].Reason, "while others were handled")
	require.Contains(t, parked[0].Reason, reason)
	require.Contains(t, parked[1].Reason, "behind")

	record := func(context.Context, pgx.Tx, bus.Parked, error) error { return nil }
	replayed, err := parking.Replay(t.Context(), parked[0].ID, record)
	require.NoError(t, err, "a replay that fails again is an answer")
	require.Contains(t, replayed.Failed, reason)
	w.Refuse(nil)
	replayed, err = parking.Replay(t.Context(), parked[0].ID, record)
	require.NoError(t, err)
	require.Equal(t, bus.Replayed{Done: 2}, replayed)
	w.Publish(w.Next(bad))
	w.EventuallyHeard(4, bad)
}

// If everything fails, no event is at fault: all wait, for longer than one by itself would have been borne with.
func failureOfAllParksNothing(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	key := uuid.New()
	var failed atomic.Int32
	w.Refuse(func(Event) error {
		if failed.Add(1) > 8 {
			return nil
		}
		return errors.New("the handler's own configuration is missing")
	})
	w.Publish(w.Next(key))
	w.EventuallyHeard(1, key)
	require.EqualValues(t, 9, failed.Load())
	require.Zero(t, w.Parked())
}
