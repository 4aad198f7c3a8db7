package bus_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/fault"
)

// limited is a transport that takes one batch at a time, of two partitions: one that is held up, and one that is not.
type limited struct {
	bus.Transport
	held, free bus.Envelope
}

func (l limited) Consume(ctx context.Context, g *bus.Group) error {
	g.Limit(1)
	take := func(e bus.Envelope) (err error) {
		_, err = g.Take(ctx, func(context.Context, pgx.Tx) ([]bus.Envelope, error) { return []bus.Envelope{e}, nil }, nil)
		return err
	}
	held := make(chan error, 1)
	go func() { held <- take(l.held) }()
	for range 3 {
		if err := take(l.free); err != nil {
			return err
		}
	}
	return <-held
}

// A batch that waits for the end of an outage takes no other's place.
func TestLimit(t *testing.T) {
	t.Parallel()

	w := bustest.NewWorld(t, adapter)
	event := func() bus.Envelope {
		key := uuid.New()
		return bus.Envelope{
			ID: uuid.New(), Source: w.Source, Type: w.Type("happened"), Key: key, AggregateVersion: 1,
			Data: []byte(`{"key":"` + key.String() + `"}`),
		}
	}
	transport := limited{Transport: w.Transport, held: event(), free: event()}
	w.Refuse(func(e bustest.Event) error {
		if e.Key == transport.held.Key {
			return fault.New(fault.Unavailable, "test.down", "a part is down")
		}
		return nil
	})
	w.Consume(transport)
	w.EventuallyHeard(1, transport.free.Key)
	require.Empty(t, w.Heard(transport.held.Key))
	w.Refuse(nil)
	w.EventuallyHeard(1, transport.held.Key)
}
