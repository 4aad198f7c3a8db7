package bustest

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
)

// During a rolling change one instance knows a new type of event and another does not. Events of it that are published
// before, during and after are not lost and not skipped: each is handled by the one or parked by the other, and replayed.
func rollingChangeOfTypes(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	all := keys(12)
	round := func() {
		for i, key := range all {
			old, invented := w.Next(key), w.Next(key)
			if i%3 != 0 { // some keys have none
				invented.Type = w.Type("invented")
			}
			w.Publish(old, invented)
		}
	}
	_, stopOld := w.Consume(w.Transport)
	round()
	w.Eventually(func() bool { return w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`) == 24 }, "the old instance's taking them")
	require.Equal(t, 8, w.Parked(), "the new type of each of eight keys")

	newer := w.Newer(w.Instance())
	w.Run(newer.Run)
	round()
	w.Eventually(func() bool { return w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`) == 48 }, "both instances' taking them")
	stopOld()
	round()
	w.Eventually(func() bool { return w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`) == 72 }, "the new instance's taking them")
	require.Positive(t, w.Parked())

	parking := newer.Parking(w.Hearer)
	for w.Parked() > 0 {
		parked, err := parking.List(t.Context(), 0, 1)
		require.NoError(t, err)
		replayed, err := parking.Replay(t.Context(), parked[0].ID, func(context.Context, pgx.Tx, bus.Parked, error) error { return nil })
		if !errors.Is(err, bus.ErrNotParked) {
			require.NoError(t, err)
		}
		require.Empty(t, replayed.Failed)
	}
	w.EventuallyHeard(6, all...)
	w.AllHeardOnce()
}
