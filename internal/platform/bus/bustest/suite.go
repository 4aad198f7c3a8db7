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
)

// Run runs the suite.
func Run(t *testing.T, adapter Adapter) {
	for name, test := range map[string]func(*testing.T, *World){
		"EachEventOnceInOrder":         eachEventOnceInOrder,
		"EnvelopeArrivesWhole":         envelopeArrivesWhole,
		"TwoRelaysTwoConsumers":        twoRelaysTwoConsumers,
		"DiesBeforeItsPositionIsKept":  diesBeforeItsPositionIsKept,
		"SentTwice":                    sentTwice,
		"ZombieRelayMarksNothing":      zombieRelayMarksNothing,
		"StalledRelayWakes":            stalledRelayWakes,
		"LateCommitIsNotSkipped":       lateCommitIsNotSkipped,
		"RolledBackGoesNowhere":        rolledBackGoesNowhere,
		"NothingOvertakesAFailedSend":  nothingOvertakesAFailedSend,
		"PoisonParksItsKeyOnly":        poisonParksItsKeyOnly,
		"EveryPoisonIsParked":          everyPoisonIsParked,
		"Drop":                         drop,
		"ReplayWhileMoreComes":         replayWhileMoreComes,
		"OutageParksNothing":           outageParksNothing,
		"FailureOfAllParksNothing":     failureOfAllParksNothing,
		"PanicParksNothing":            panicParksNothing,
		"PanicAloneIsParked":           panicAloneIsParked,
		"ErrorAloneIsParked":           errorAloneIsParked,
		"UnknownTypeIsParked":          unknownTypeIsParked,
		"RollingChangeOfTypes":         rollingChangeOfTypes,
		"KilledAnywhere":               killedAnywhere,
		"Lag":                          lag,
		"Tail":                         tail,
		"TailFollows":                  tailFollows,
		"WhatAHandlerPublishesGoesOut": whatAHandlerPublishesGoesOut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, NewWorld(t, adapter))
		})
	}
}

// medusa#4089, #11633, #14357: what is published is not delivered, or not processed. Every outbox row takes effect once.
func eachEventOnceInOrder(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	all := keys(20)
	for range 15 {
		var events []Event
		for _, key := range all {
			events = append(events, w.Next(key), w.Next(key))
		}
		w.Publish(events...)
	}

	w.EventuallyHeard(30, all...)
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "marks")
	w.AllHeardOnce()
	require.Zero(t, w.Parked())
	w.Eventually(func() bool {
		positions, err := consumers.Positions(t.Context(), w.Hearer)
		require.NoError(t, err)
		var done, end int64
		for _, p := range positions {
			done, end = done+p.Done, end+p.End
		}
		return done == 600 && end == 600
	}, "the group's positions")
}

func envelopeArrivesWhole(t *testing.T, w *World) {
	event := w.Next(uuid.New())
	w.Publish(event)
	w.Exec(`UPDATE ` + w.Source + `.outbox SET traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'`)
	var want bus.Envelope
	require.NoError(t, w.Pool.QueryRow(t.Context(), `
SELECT event_id, type, key, aggregate_version, occurred_at, traceparent, data FROM `+w.Source+`.outbox`).
		Scan(&want.ID, &want.Type, &want.Key, &want.AggregateVersion, &want.OccurredAt, &want.TraceParent, &want.Data))
	want.Source = w.Source

	got := make(chan bus.Envelope, 1)
	consumers, err := bus.NewConsumers(bus.ConsumersConfig{
		Subscriptions: []bus.Subscription{{Module: w.Hearer, Source: w.Source, Type: event.Type, Handle: func(_ context.Context, _ pgx.Tx, e bus.Envelope) error {
			got <- e
			return nil
		}}},
		Known: []string{event.Type}, Pool: w.pool, Transport: w.Transport, Logger: w.logger(),
	})
	require.NoError(t, err)
	w.Run(consumers.Run)
	w.Relay("a", w.Transport)

	e := <-got
	require.True(t, want.OccurredAt.Equal(e.OccurredAt))
	e.OccurredAt = want.OccurredAt
	require.Equal(t, want, e)
}

func twoRelaysTwoConsumers(t *testing.T, w *World) {
	for _, holder := range []string{"a", "b"} {
		instance := w.Instance()
		w.Relay(holder, instance)
		w.Consume(instance)
	}
	all := keys(24)
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() { // each key has one writer, as its row's lock sees to
			for range 40 {
				var events []Event
				for _, key := range all[6*i : 6*i+6] {
					events = append(events, w.Next(key))
				}
				w.Publish(events...)
			}
		})
	}
	writers.Wait()

	w.EventuallyHeard(40, all...)
	w.AllHeardOnce()
}

func diesBeforeItsPositionIsKept(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	_, stop := w.Consume(w.Transport)
	all := keys(5)
	for range 4 {
		for _, key := range all {
			w.Publish(w.Next(key))
		}
	}
	w.EventuallyHeard(4, all...)
	stop()
	w.adapter.Rewind(t, w.Pool, bus.Topic(w.Hearer), bus.Topic(w.Source))

	for _, key := range all {
		w.Publish(w.Next(key))
	}
	w.Consume(w.Instance())
	w.EventuallyHeard(5, all...)
	require.Equal(t, 25, w.Int(`SELECT count(*) FROM `+w.Hearer+`.heard`))
}

// unpublished reads what a relay would send.
func (w *World) unpublished() []bus.Envelope {
	rows, _ := w.Pool.Query(w.t.Context(), `
SELECT event_id, $1::text, type, key, aggregate_version, occurred_at, traceparent, data::text::bytea, '' FROM `+w.Source+`.outbox
WHERE published_at IS NULL ORDER BY id`, w.Source)
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[bus.Envelope])
	require.NoError(w.t, err)
	return events
}

func sentTwice(t *testing.T, w *World) {
	key := uuid.New()
	w.Publish(w.Next(key), w.Next(key), w.Next(key))
	events := w.unpublished()
	for range 2 { // a relay that dies before the marks, and a zombie that sends once more
		for _, err := range w.Instance().Publish(t.Context(), bus.Topic(w.Source), append(events, events...)) {
			require.NoError(t, err)
		}
	}
	w.Consume(w.Transport)
	w.Relay("a", w.Transport)
	w.Publish(w.Next(key))

	w.EventuallyHeard(4, key)
	require.Equal(t, 4, w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`))
}

// gate is a transport that holds back the answer to its first Publish.
type gate struct {
	bus.Transport
	first        atomic.Bool
	sent, answer chan struct{}
}

func newGate(t bus.Transport) *gate {
	return &gate{Transport: t, sent: make(chan struct{}), answer: make(chan struct{})}
}

func (g *gate) Publish(ctx context.Context, topic string, events []bus.Envelope) []error {
	results := g.Transport.Publish(ctx, topic, events)
	if g.first.CompareAndSwap(false, true) {
		close(g.sent)
		<-g.answer
	}
	return results
}

func zombieRelayMarksNothing(t *testing.T, w *World) {
	key := uuid.New()
	w.Publish(w.Next(key), w.Next(key))
	hung := newGate(w.Transport)
	stop := w.Relay("zombie", hung)
	<-hung.sent
	// The zombie has sent and hangs. Its lease runs out on the server and another takes it.
	w.Exec(`UPDATE platform.leases SET holder = 'other', epoch = epoch + 1, until = clock_timestamp() + interval '1 hour' WHERE name = $1`, "outbox."+w.Source)
	close(hung.answer)
	stop()
	require.Equal(t, 2, w.Unpublished(), "the old epoch's marks must be refused")

	w.Exec(`UPDATE platform.leases SET until = '-infinity'`)
	w.Relay("next", w.Instance())
	w.Consume(w.Transport)
	w.Publish(w.Next(key))
	w.EventuallyHeard(3, key)
	require.Equal(t, 3, w.Int(`SELECT count(*) FROM `+w.Hearer+`.heard`))
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "marks")
	require.Equal(t, 3, w.Int(`SELECT min(published_epoch) FROM `+w.Source+`.outbox`))
}

// stall is a transport whose first Publish does nothing until it is told to go on, and then goes on whatever has become of
// its lease, as a process that was stopped there may.
type stall struct {
	bus.Transport
	first             atomic.Bool
	begun, goOn, done chan struct{}
	publishedLately   atomic.Int32
}

func (s *stall) Publish(ctx context.Context, topic string, events []bus.Envelope) []error {
	if !s.first.CompareAndSwap(false, true) {
		return s.Transport.Publish(ctx, topic, events)
	}
	defer close(s.done)
	close(s.begun)
	<-s.goOn
	results := s.Transport.Publish(context.WithoutCancel(ctx), topic, events)
	for _, err := range results {
		if err == nil {
			s.publishedLately.Add(1)
		}
	}
	return results
}

// Two relays at once: the leader stalls with events in its hands, the second takes over and goes on, the first wakes and
// sends what it had. Nothing takes effect twice and nothing is overtaken.
func stalledRelayWakes(t *testing.T, w *World) {
	keys := keys(3)
	for _, key := range keys {
		w.Publish(w.Next(key), w.Next(key))
	}
	first := &stall{Transport: w.Transport, begun: make(chan struct{}), goOn: make(chan struct{}), done: make(chan struct{})}
	w.Relay("first", first)
	<-first.begun
	w.Exec(`UPDATE platform.leases SET holder = 'nobody', epoch = epoch + 1, until = '-infinity' WHERE name = $1`, "outbox."+w.Source)
	w.Relay("second", w.Instance())
	w.Consume(w.Transport)
	for _, key := range keys {
		w.Publish(w.Next(key))
	}
	w.EventuallyHeard(3, keys...)
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "the second relay's marks")

	close(first.goOn)
	<-first.done
	require.EqualValues(t, 6, first.publishedLately.Load(), "the first relay's events went out again")
	for _, key := range keys {
		w.Publish(w.Next(key))
	}
	w.EventuallyHeard(4, keys...)
	require.Equal(t, 12, w.Int(`SELECT count(*) FROM `+w.Hearer+`.heard`))
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "marks")
	require.Equal(t, 12, w.Int(`SELECT count(*) FROM `+w.Source+`.outbox WHERE published_epoch > 1`), "the first relay marked nothing")
}

// original, fault 40: what is sent before the commit is heard though there was none.
func rolledBackGoesNowhere(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	rolledBack, kept := uuid.New(), uuid.New()
	failed := errors.New("the payment's row cannot be written")
	require.ErrorIs(t, w.Outbox.InTx(t.Context(), w.Pool, func(tx pgx.Tx) error {
		if err := w.Add(tx, Event{Type: w.Type("happened"), Key: rolledBack, Version: 1}); err != nil {
			return err
		}
		return failed
	}), failed)
	w.Publish(w.Next(kept))
	w.EventuallyHeard(1, kept)
	require.Equal(t, 1, w.Int(`SELECT count(*) FROM `+w.Hearer+`.inbox`))
	require.Empty(t, w.Heard(rolledBack))
}

// original, fault 40, the other way about: an event is not sent before its transaction commits, and is never lost after it
// has, although by then higher ids are published and taken.
func lateCommitIsNotSkipped(t *testing.T, w *World) {
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	late, soon := uuid.New(), uuid.New()
	tx, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // committed below
	require.NoError(t, w.Add(tx, w.Next(late)))           // has the lower id
	w.Publish(w.Next(soon))
	w.EventuallyHeard(1, soon)
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "the mark of the higher id")
	require.Empty(t, w.Heard(late))

	require.NoError(t, tx.Commit(t.Context()))
	w.EventuallyHeard(1, late)
	require.Equal(t, 1, w.Int(`SELECT count(*) FROM `+w.Source+`.outbox late JOIN `+w.Source+`.outbox soon ON late.id < soon.id AND late.key = $1 AND soon.key = $2`, late, soon))
}

// flaky is a transport that refuses the events of one key for some rounds.
type flaky struct {
	bus.Transport
	key    uuid.UUID
	rounds atomic.Int32
}

func (f *flaky) Publish(ctx context.Context, topic string, events []bus.Envelope) []error {
	if f.rounds.Add(-1) < 0 {
		return f.Transport.Publish(ctx, topic, events)
	}
	var others []bus.Envelope
	var places []int
	results := make([]error, len(events))
	for i, e := range events {
		if e.Key == f.key {
			results[i] = &bus.Refusal{Err: errors.New("no leader")}
		} else {
			others, places = append(others, e), append(places, i)
		}
	}
	for i, err := range f.Transport.Publish(ctx, topic, others) {
		results[places[i]] = err
	}
	return results
}

func nothingOvertakesAFailedSend(t *testing.T, w *World) {
	bad, good := uuid.New(), uuid.New()
	transport := &flaky{Transport: w.Transport, key: bad}
	transport.rounds.Store(3)
	w.Consume(w.Transport)
	w.Publish(w.Next(bad), w.Next(good))
	w.Relay("a", transport)
	w.EventuallyHeard(1, good) // goes out past the one that is refused
	for range 5 {
		w.Publish(w.Next(bad), w.Next(good))
	}
	w.EventuallyHeard(6, bad, good)
}

func whatAHandlerPublishesGoesOut(t *testing.T, w *World) {
	// The source hears its own first event and publishes the second in the same transaction.
	key := uuid.New()
	answered, err := bus.NewConsumers(bus.ConsumersConfig{
		Subscriptions: []bus.Subscription{{Module: w.Source, Source: w.Source, Type: w.Type("happened"), Handle: func(_ context.Context, tx pgx.Tx, e bus.Envelope) error {
			if e.AggregateVersion > 1 {
				return nil
			}
			return w.Add(tx, w.Next(key))
		}}},
		Known: []string{w.Type("happened")}, Pool: w.pool, Transport: w.Transport, Logger: w.logger(),
	})
	require.NoError(t, err)
	w.Run(answered.Run)
	w.Relay("a", w.Transport)
	w.Consume(w.Instance())
	w.Publish(w.Next(key))
	w.EventuallyHeard(2, key)
}
