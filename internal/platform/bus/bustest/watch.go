package bustest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
)

// lag: a position that is behind says how old the first event is that it has not taken.
func lag(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	consumers, stop := w.Consume(w.Transport)
	key := uuid.New()
	w.Publish(w.Next(key))
	w.EventuallyHeard(1, key)
	sum := func() (left int64, age time.Duration) {
		positions, err := consumers.Positions(t.Context(), w.Hearer)
		require.NoError(t, err)
		for _, p := range positions {
			left, age = left+p.End-p.Done, max(age, p.Age)
		}
		return left, age
	}
	w.Eventually(func() bool { left, age := sum(); return left == 0 && age == 0 }, "the group's position")
	stop()
	w.Publish(w.Next(key), w.Next(key))
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "the events' publication")
	left, age := sum()
	require.EqualValues(t, 2, left)
	require.Positive(t, age)
	require.Less(t, age, time.Minute)
}

var errEnough = errors.New("enough")

// collect reads what a tail hands over, by key.
func (w *World) collect(ctx context.Context, tail bus.Tail, each func(n int) error) (map[uuid.UUID][]int64, error) {
	heard, n := map[uuid.UUID][]int64{}, 0
	tail.Topics = []string{bus.Topic(w.Source), bus.Topic("none" + w.Source)}
	err := w.Instance().Tail(ctx, tail, func(e bus.Envelope) error {
		require.Empty(w.t, e.Broken)
		require.Equal(w.t, w.Source, e.Source)
		heard[e.Key] = append(heard[e.Key], e.AggregateVersion)
		n++
		return each(n)
	})
	return heard, err
}

func tail(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	all := keys(6)
	for range 60 {
		for _, key := range all {
			w.Publish(w.Next(key))
		}
	}
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "the events' publication")
	groups := func() int {
		return w.Int(`SELECT count(*) FROM platform.cursors`) + w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`)
	}
	before := groups()
	on := func(int) error { return nil }

	heard, err := w.collect(t.Context(), bus.Tail{Since: time.Now().Add(-time.Hour)}, on)
	require.NoError(t, err)
	require.Len(t, heard, len(all))
	for _, key := range all {
		require.Len(t, heard[key], 60)
		for i, version := range heard[key] {
			require.EqualValues(t, i+1, version)
		}
	}
	require.Equal(t, before, groups(), "it changes nothing")

	heard, err = w.collect(t.Context(), bus.Tail{Since: time.Now().Add(time.Hour)}, on)
	require.NoError(t, err)
	require.Empty(t, heard)
	_, err = w.collect(t.Context(), bus.Tail{Since: time.Now().Add(-time.Hour)}, func(int) error { return errEnough })
	require.ErrorIs(t, err, errEnough)

	w.Consume(w.Transport) // and a group takes all of them, as if nobody had watched
	w.EventuallyHeard(60, all...)
}

func tailFollows(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	key := uuid.New()
	w.Publish(w.Next(key))
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "the event's publication")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard, err := w.collect(ctx, bus.Tail{Since: time.Now().Add(-time.Hour), Follow: true}, func(n int) error {
		if n == 20 {
			cancel()
		} else {
			w.Publish(w.Next(key)) // answers each event with the next
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, heard[key], 20)
	for i, version := range heard[key] {
		require.EqualValues(t, i+1, version)
	}
}
