package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// inbox is the SQL on a module's tables inbox, parked and parked_keys.
type inbox struct {
	insert, keys, hold, store string
}

func newInbox(module string) inbox {
	table := func(name string) string { return pgx.Identifier{module, name}.Sanitize() }
	return inbox{
		// In the order of the batch, so that two instances that have the same batch wait for each other and don't deadlock.
		insert: `
INSERT INTO ` + table("inbox") + ` (event_id)
SELECT event_id FROM unnest($1::uuid[]) WITH ORDINALITY AS events (event_id, n) ORDER BY n
ON CONFLICT DO NOTHING
RETURNING event_id`,
		keys: `
SELECT source, key FROM ` + table("parked_keys") + `
WHERE (source, key) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
ORDER BY source, key
FOR SHARE`,
		hold: `INSERT INTO ` + table("parked_keys") + ` (source, key) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		store: `
INSERT INTO ` + table("parked") + ` (event_id, source, type, key, aggregate_version, occurred_at, traceparent, data, reason, broken)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
	}
}

// line is what stays in order, and is parked, as one: the events of a key of a module.
type line struct {
	source string
	key    uuid.UUID
}

// take inserts the events' inbox rows and returns the events that had none.
func (i inbox) take(ctx context.Context, tx pgx.Tx, events []Envelope) ([]Envelope, error) {
	ids := make([]uuid.UUID, len(events))
	for n, e := range events {
		ids[n] = e.ID
	}
	rows, _ := tx.Query(ctx, i.insert, ids)
	inserted, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("insert inbox rows: %w", err)
	}
	left := make(map[uuid.UUID]bool, len(inserted))
	for _, id := range inserted {
		left[id] = true
	}
	fresh := make([]Envelope, 0, len(inserted))
	for _, e := range events {
		if left[e.ID] {
			delete(left, e.ID) // the same event twice in a batch is taken once
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// parkedKeys returns which of the events' keys are parked, and keeps a replay from ending that before tx does.
func (i inbox) parkedKeys(ctx context.Context, tx pgx.Tx, events []Envelope) (map[line]bool, error) {
	parked := map[line]bool{}
	sources, keys := make([]string, len(events)), make([]uuid.UUID, len(events))
	for n, e := range events {
		sources[n], keys[n] = e.Source, e.Key
	}
	rows, _ := tx.Query(ctx, i.keys, sources, keys)
	var l line
	if _, err := pgx.ForEachRow(rows, []any{&l.source, &l.key}, func() error {
		parked[l] = true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("look for parked keys: %w", err)
	}
	return parked, nil
}

// parkFirst parks the event and its key.
func (i inbox) parkFirst(ctx context.Context, tx pgx.Tx, e Envelope, reason string) error {
	if _, err := tx.Exec(ctx, i.hold, e.Source, e.Key); err != nil {
		return fmt.Errorf("park a key: %w", err)
	}
	return i.park(ctx, tx, e, reason)
}

// park keeps the event at the end of its key's line.
func (i inbox) park(ctx context.Context, tx pgx.Tx, e Envelope, reason string) error {
	if _, err := tx.Exec(ctx, i.store,
		e.ID, e.Source, e.Type, e.Key, e.AggregateVersion, e.OccurredAt, e.TraceParent, e.Data, Text(reason), e.Broken,
	); err != nil {
		return fmt.Errorf("park an event: %w", err)
	}
	return nil
}

// Text makes s fit for PostgreSQL and for JSON, which take neither NUL nor broken UTF-8.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
