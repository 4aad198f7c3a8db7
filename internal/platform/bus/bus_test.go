package bus_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/bus/pglog"
	"github.com/sasapick/shop/internal/platform/fault"
)

func TestMain(m *testing.M) { bustest.Main(m) }

var adapter = bustest.Adapter{
	Open: func(_ testing.TB, pool *pgxpool.Pool) bus.Transport { return pglog.New(pool) },
}

type opened struct {
	Door    uuid.UUID `json:"door"`
	Version int64     `json:"version"`
}

func (opened) EventType() string         { return "doors.opened.v1" }
func (e opened) AggregateID() uuid.UUID  { return e.Door }
func (e opened) AggregateVersion() int64 { return e.Version }

type shapeless struct{ opened }

func (shapeless) EventType() string { return "opened" }

func TestOn(t *testing.T) {
	t.Parallel()

	var got opened
	s := bus.On("alarms", func(_ context.Context, _ pgx.Tx, e opened) error {
		got = e
		return nil
	})
	require.Equal(t, "alarms", s.Module)
	require.Equal(t, "doors", s.Source)
	require.Equal(t, "doors.opened.v1", s.Type)
	door := uuid.New()
	require.NoError(t, s.Handle(t.Context(), nil, bus.Envelope{Data: fmt.Appendf(nil, `{"door":%q,"version":3,"added_later":true}`, door)}))
	require.Equal(t, opened{Door: door, Version: 3}, got)
	require.Error(t, s.Handle(t.Context(), nil, bus.Envelope{Data: []byte(`{"version":"three"}`)}))
	require.Zero(t, bus.EnvelopeOf(t.Context()))
	require.Panics(t, func() {
		bus.On("alarms", func(context.Context, pgx.Tx, shapeless) error { return nil })
	})
}

func TestNewConsumers(t *testing.T) {
	t.Parallel()

	subscription := bus.On("alarms", func(context.Context, pgx.Tx, opened) error { return nil })
	config := bus.ConsumersConfig{
		Subscriptions: []bus.Subscription{subscription},
		Pool:          func(string) *pgxpool.Pool { return nil },
		Logger:        slog.New(slog.DiscardHandler),
	}
	_, err := bus.NewConsumers(config)
	require.ErrorContains(t, err, "which no contract lists")
	config.Known = []string{"doors.opened.v1", "opened"}
	_, err = bus.NewConsumers(config)
	require.ErrorContains(t, err, "not of the form")
	config.Known = config.Known[:1]
	consumers, err := bus.NewConsumers(config)
	require.NoError(t, err)
	require.Equal(t, []string{"alarms"}, consumers.Modules())
	require.NotNil(t, consumers.Parking("alarms"))
	require.Nil(t, consumers.Parking("doors"))
}

// A payload that can't be decoded into the event's type is parked. original 57: it named the class that was made of it, of any package.
func TestUndecodable(t *testing.T) {
	t.Parallel()

	w := bustest.NewWorld(t, adapter)
	typ := w.Type("happened")
	consumers, err := bus.NewConsumers(bus.ConsumersConfig{
		Subscriptions: []bus.Subscription{{
			Module: w.Hearer, Source: w.Source, Type: typ,
			Handle: bus.On(w.Hearer, func(context.Context, pgx.Tx, opened) error { return nil }).Handle,
		}},
		Known: []string{typ}, Pool: func(string) *pgxpool.Pool { return w.Pool }, Transport: w.Transport,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	events := []bus.Envelope{
		{ID: uuid.New(), Source: w.Source, Type: typ, Key: uuid.New(), AggregateVersion: 1, OccurredAt: time.Now(), Data: []byte(`{"version":"one"}`)},
		{ID: uuid.New(), Source: w.Source, Type: typ, Key: uuid.New(), AggregateVersion: 1, OccurredAt: time.Now(), Data: []byte(`{"version":1}`)},
	}
	for _, err := range w.Transport.Publish(t.Context(), bus.Topic(w.Source), events) {
		require.NoError(t, err)
	}
	w.Run(consumers.Run)
	w.Eventually(func() bool { return w.Parked() == 1 }, "a parked event")
	parked, err := consumers.Parking(w.Hearer).Get(t.Context(), events[0].ID)
	require.NoError(t, err)
	require.Contains(t, parked.Reason, "decode")
	require.JSONEq(t, `{"version":"one"}`, string(parked.Data))
}

func TestRelayMetrics(t *testing.T) {
	t.Parallel()

	w := bustest.NewWorld(t, adapter)
	registry := prometheus.NewRegistry()
	for range 7 {
		w.Publish(w.Next(uuid.New()))
	}
	rows, age, err := bus.Lag(t.Context(), w.Pool, w.Source)
	require.NoError(t, err)
	require.EqualValues(t, 7, rows)
	require.Positive(t, age)
	relay := bus.NewRelay(bus.RelayConfig{
		Modules: []string{w.Source}, Pool: func(string) *pgxpool.Pool { return w.Pool }, Transport: w.Transport, Holder: "a",
		Registerer: registry, Logger: slog.New(slog.DiscardHandler),
	})
	w.Run(relay.Run)
	w.Eventually(func() bool {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "shop_outbox_published_total" {
				return f.GetMetric()[0].GetCounter().GetValue() == 7
			}
		}
		return false
	}, "the count of published events")
	rows, _, err = bus.Lag(t.Context(), w.Pool, w.Source)
	require.NoError(t, err)
	require.Zero(t, rows)
}

// A replay waits for a consumer that is about to put an event behind the line, so that the line never ends before it.
func TestReplayWaitsForTheConsumer(t *testing.T) {
	t.Parallel()

	w := bustest.NewWorld(t, adapter)
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	parking := consumers.Parking(w.Hearer)
	parked, slow := uuid.New(), uuid.New()
	w.Refuse(func(bustest.Event) error { return fault.New(fault.Conflict, "test.refused", "refused") })
	w.Publish(w.Next(parked))
	w.Eventually(func() bool { return w.Parked() == 1 }, "a parked event")

	handling, goOn := make(chan struct{}), make(chan struct{})
	w.Refuse(func(e bustest.Event) error {
		if e.Key == slow {
			close(handling)
			<-goOn
		}
		return nil
	})
	w.Publish(w.Next(parked), w.Next(slow)) // one batch: the first goes behind, the second keeps the transaction open
	<-handling
	list, err := parking.List(t.Context(), 0, 1)
	require.NoError(t, err)
	replayed := make(chan bus.Replayed, 1)
	go func() {
		r, err := parking.Replay(context.Background(), list[0].ID, func(context.Context, pgx.Tx, bus.Parked, error) error { return nil })
		if err != nil {
			t.Error(err)
		}
		replayed <- r
	}()
	w.Eventually(func() bool {
		return w.Int(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	}, "the replay's waiting")
	close(goOn)
	require.Equal(t, bus.Replayed{Done: 2}, <-replayed)
	w.EventuallyHeard(2, parked)
	w.EventuallyHeard(1, slow)
}
