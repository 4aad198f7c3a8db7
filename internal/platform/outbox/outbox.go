// Package outbox keeps a module's events in the transaction that makes them true.
//
// An event is published if and only if its transaction commits, in the order of its aggregate: the caller locks the
// aggregate's row first, raises its version by one for each event, and adds the events before it commits. The relay
// (package bus) reads the table and brings the events to the bus; whoever commits calls [Outbox.Wake] so that it does
// so at once. [Outbox.InTx] does both.
package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/propagation"

	"github.com/sasapick/shop/internal/platform/clock"
)

// maxData is the most that one event may carry, far below what Kafka takes in one message: an event that the bus
// refuses would hold up its partition for ever.
const maxData = 256 << 10

// Outbox writes the events of one module into its table <module>.outbox.
type Outbox struct {
	module string
	clock  clock.Clock
	insert string
}

// New returns the module's outbox. The module's name is its schema.
func New(module string, c clock.Clock) *Outbox {
	return &Outbox{module: module, clock: c, insert: `
INSERT INTO ` + pgx.Identifier{module, "outbox"}.Sanitize() + ` (event_id, type, key, aggregate_version, occurred_at, traceparent, data)
SELECT event_id, type, key, aggregate_version, $6, $7, data::json
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[])
     WITH ORDINALITY AS events (event_id, type, key, aggregate_version, data, n)
ORDER BY n`}
}

// Add inserts the events, in their order, with one statement. They exist only if tx commits. The caller holds the lock
// of each event's aggregate, or has just inserted it.
func (o *Outbox) Add(ctx context.Context, tx pgx.Tx, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	args, err := o.rows(ctx, events)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, o.insert, args...); err != nil {
		return fmt.Errorf("add to the outbox of %s: %w", o.module, err)
	}
	return nil
}

// Queue adds the same insert to a batch, for flights that write in one round trip. An error means that nothing was
// queued. The caller calls [Outbox.Wake] after the commit.
func (o *Outbox) Queue(b *pgx.Batch, ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	args, err := o.rows(ctx, events)
	if err != nil {
		return err
	}
	b.Queue(o.insert, args...)
	return nil
}

// Encode makes an event's id and its JSON, for a flight that inserts the event with a statement of its own.
func Encode(e Event) (id uuid.UUID, data []byte, err error) {
	if id, err = uuid.NewV7(); err != nil {
		return id, nil, fmt.Errorf("make an event id: %w", err)
	}
	if data, err = json.Marshal(e); err != nil {
		return id, nil, fmt.Errorf("encode %s: %w", e.EventType(), err)
	}
	if len(data) > maxData {
		return id, nil, fmt.Errorf("%s has %d bytes, more than %d", e.EventType(), len(data), maxData)
	}
	return id, data, nil
}

// Wake tells the relay that events have been committed. Without it they go out with the relay's next poll.
func (o *Outbox) Wake() { Wake(o.module) }

// rows makes the arguments of the insert: a column each.
func (o *Outbox) rows(ctx context.Context, events []Event) ([]any, error) {
	ids := make([]uuid.UUID, len(events))
	types := make([]string, len(events))
	keys := make([]uuid.UUID, len(events))
	versions := make([]int64, len(events))
	data := make([]string, len(events))
	for i, e := range events {
		source, err := SourceOf(e.EventType())
		if err != nil {
			return nil, err
		}
		if source != o.module {
			return nil, fmt.Errorf("%s cannot publish %s", o.module, e.EventType())
		}
		id, payload, err := Encode(e)
		if err != nil {
			return nil, err
		}
		ids[i], types[i], keys[i], versions[i], data[i] = id, e.EventType(), e.AggregateID(), e.AggregateVersion(), string(payload)
	}
	return []any{ids, types, keys, versions, data, o.clock().UTC().Truncate(time.Millisecond), traceparent(ctx)}, nil
}

// traceparent is the W3C header of ctx's span, or empty.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}
