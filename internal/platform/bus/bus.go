package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/outbox"
)

// Envelope is an event on its way: the CloudEvents attributes and the payload.
type Envelope struct {
	ID               uuid.UUID
	Source           string // the module that published it
	Type             string // coupons.issued.v1
	Key              uuid.UUID
	AggregateVersion int64
	OccurredAt       time.Time
	TraceParent      string
	Data             []byte // JSON
	Broken           string // why the transport could not read it; such an event is parked
}

// Subscription is one module's interest in one type of event.
type Subscription struct {
	Module string // who hears
	Source string // who publishes
	Type   string
	Handle func(ctx context.Context, tx pgx.Tx, e Envelope) error
}

// On subscribes module to the events of type E. The handler's writes, through tx, and the record that the event was
// taken commit together, so the event takes effect once. A fault or a violated constraint parks the event, and so does a
// panic or an error of no known kind if it stays while other events are handled; an outage (see the package's comment) has
// the whole batch rolled back and tried again until it succeeds. So a handler has no effect but through tx, and one that
// needs something else answers fault.Unavailable while that is away.
func On[E outbox.Event](module string, handle func(ctx context.Context, tx pgx.Tx, e E) error) Subscription {
	var zero E
	source, err := outbox.SourceOf(zero.EventType())
	if err != nil {
		panic(err)
	}
	return Subscription{
		Module: module,
		Source: source,
		Type:   zero.EventType(),
		Handle: func(ctx context.Context, tx pgx.Tx, e Envelope) error {
			var event E
			if err := json.Unmarshal(e.Data, &event); err != nil {
				return undecodable{fmt.Errorf("decode %s: %w", e.Type, err)}
			}
			return handle(ctx, tx, event)
		},
	}
}

// undecodable is the failure of an event whose payload can't be read: it will never succeed.
type undecodable struct{ error }

func (u undecodable) Unwrap() error { return u.error }

type envelopeKey struct{}

// EnvelopeOf returns the envelope of the event that is being handled; outside of a handler, the zero one.
func EnvelopeOf(ctx context.Context) Envelope {
	e, _ := ctx.Value(envelopeKey{}).(Envelope)
	return e
}
