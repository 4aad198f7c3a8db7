package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/books"
)

const (
	latePublished = time.Minute
	lateHeard     = time.Minute
	lateParked    = 24 * time.Hour
	versionsChunk = 500_000 // ids
	heardChunk    = 5000
	share         = 0.5 // of its time, after which a look breaks off
)

// Books are the invariants of the modules' events: what the audit asks of each outbox, each parking place, and, for those of
// the subscriptions whose modules are among them, each inbox.
func Books(modules []string, pool func(module string) *pgxpool.Pool, subscriptions ...Subscription) []books.Invariant {
	var all []books.Invariant
	for _, m := range modules {
		b := bookkeeper{module: m, pool: pool(m), poolOf: pool, types: map[string][]string{}}
		all = append(
			all,
			books.Invariant{Module: m, Name: "events.versions", Says: "the events of each aggregate are numbered without a gap", Check: b.versions},
			books.Invariant{Module: m, Name: "events.published", Says: "no event waits for longer than a minute to be published", Check: b.published},
			books.Invariant{Module: m, Name: "events.parked", Says: "no event has been parked for longer than a day", Check: b.parked},
		)
		for _, s := range subscriptions {
			if s.Module == m && slices.Contains(modules, s.Source) {
				b.types[s.Source] = append(b.types[s.Source], s.Type)
			}
		}
		if len(b.types) > 0 {
			all = append(all, books.Invariant{
				Module: m, Name: "events.heard", Says: "every event that it subscribes to has been handled or parked within a minute of its publication",
				Check: b.heard, Settles: true,
			})
		}
	}
	return all
}

// bookkeeper checks one module's events.
type bookkeeper struct {
	module string
	pool   *pgxpool.Pool
	poolOf func(module string) *pgxpool.Pool
	types  map[string][]string // that it hears, by who publishes them
}

func (b bookkeeper) table(module, name string) string { return pgx.Identifier{module, name}.Sanitize() }

// versions looks for events whose predecessor is not there. The oldest ones have been deleted, so a missing predecessor
// counts only if an earlier version is still there that is not about to go, or if the aggregate itself, whose id tells the
// time, is younger than anything that was deleted.
//
// The checkpoint is the id of the last event that is too old to have company with a lower id still to commit.
func (b bookkeeper) versions(ctx context.Context, from string) (f books.Finding, err error) {
	after := int64(0)
	if from != "" {
		if after, err = strconv.ParseInt(from, 10, 64); err != nil {
			return f, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	over := books.Spent(ctx, share)
	err = books.Snapshot(ctx, b.pool, func(tx pgx.Tx) error {
		var first, last int64
		if err := tx.QueryRow(ctx, `SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM `+b.table(b.module, "outbox")).Scan(&first, &last); err != nil {
			return fmt.Errorf("look for the last event of %s: %w", b.module, err)
		}
		after = max(after, first-1) // older ones have been deleted
		f.Through = strconv.FormatInt(after, 10)
		for ; after < last && !f.Short; after += versionsChunk {
			if err := b.versionsAfter(ctx, tx, after, &f); err != nil {
				return err
			}
			f.Short = after+versionsChunk < last && over()
		}
		return nil
	})
	return f, err
}

// versionsAfter looks at a chunk of the outbox.
func (b bookkeeper) versionsAfter(ctx context.Context, tx pgx.Tx, after int64, f *books.Finding) error {
	outbox := b.table(b.module, "outbox")
	var looked int64
	var through *int64
	if err := tx.QueryRow(ctx, `
SELECT count(*), max(id) FILTER (WHERE occurred_at < now() - $3::interval)
FROM `+outbox+` WHERE id > $1 AND id <= $2`, after, after+versionsChunk, books.Late).Scan(&looked, &through); err != nil {
		return fmt.Errorf("count the events of %s: %w", b.module, err)
	}
	f.Looked += looked
	if through != nil {
		f.Through = strconv.FormatInt(*through, 10)
	}
	kept := OutboxRetention - time.Hour
	rows, _ := tx.Query(ctx, `
WITH gaps AS MATERIALIZED (
    SELECT id, key, aggregate_version AS version FROM `+outbox+` AS next
    WHERE id > $1 AND id <= $2 AND aggregate_version > 1 AND NOT EXISTS (
        SELECT FROM `+outbox+` AS previous WHERE previous.key = next.key AND previous.aggregate_version = next.aggregate_version - 1
    )
)
SELECT key, version, coalesce(earlier, 0) FROM gaps, LATERAL (
    SELECT max(aggregate_version) AS earlier FROM `+outbox+` AS e
    WHERE e.key = gaps.key AND e.aggregate_version < version AND (published_at IS NULL OR published_at > now() - $3::interval)
) AS kept
WHERE earlier IS NOT NULL OR key BETWEEN $4 AND $5 AND substr(key::text, 15, 1) = '7'
ORDER BY id LIMIT $6`, after, after+versionsChunk, kept, books.FirstID(time.Now().Add(-kept)), books.FirstID(time.Now().Add(time.Hour)), books.MostWrong-len(f.Wrong))
	var key uuid.UUID
	var version, earlier int64
	_, err := pgx.ForEachRow(rows, []any{&key, &version, &earlier}, func() error {
		detail := fmt.Sprintf("version %d follows version %d", version, earlier)
		if earlier == 0 {
			detail = fmt.Sprintf("its first event has version %d", version)
		}
		f.Wrong = append(f.Wrong, books.Wrong(key, "%s", detail))
		return nil
	})
	return err
}

// published has no checkpoint: an index leads to what is unpublished.
func (b bookkeeper) published(ctx context.Context, _ string) (f books.Finding, err error) {
	err = books.Snapshot(ctx, b.pool, func(tx pgx.Tx) error {
		outbox := b.table(b.module, "outbox")
		if err := tx.QueryRow(ctx, `
SELECT count(*) FROM (SELECT FROM `+outbox+` WHERE published_at IS NULL ORDER BY id LIMIT 100000) AS unpublished`).Scan(&f.Looked); err != nil {
			return fmt.Errorf("count the unpublished events of %s: %w", b.module, err)
		}
		rows, _ := tx.Query(ctx, `
SELECT event_id, type, extract(epoch FROM now() - occurred_at)::float8 FROM `+outbox+`
WHERE published_at IS NULL AND occurred_at < now() - $1::interval ORDER BY id LIMIT $2`, latePublished, books.MostWrong)
		return b.late(rows, &f, "%s has not been published for %s")
	})
	return f, err
}

func (b bookkeeper) parked(ctx context.Context, _ string) (f books.Finding, err error) {
	err = books.Snapshot(ctx, b.pool, func(tx pgx.Tx) error {
		parked := b.table(b.module, "parked")
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+parked).Scan(&f.Looked); err != nil {
			return fmt.Errorf("count the parked events of %s: %w", b.module, err)
		}
		rows, _ := tx.Query(ctx, `
SELECT event_id, type || ' (' || left(reason, 200) || ')', extract(epoch FROM now() - parked_at)::float8 FROM `+parked+`
WHERE parked_at < now() - $1::interval ORDER BY id LIMIT $2`, lateParked, books.MostWrong)
		return b.late(rows, &f, "%s has been parked for %s")
	})
	return f, err
}

// late tells of events, each a row of id, name and seconds.
func (b bookkeeper) late(rows pgx.Rows, f *books.Finding, format string) error {
	var id uuid.UUID
	var name string
	var seconds float64
	_, err := pgx.ForEachRow(rows, []any{&id, &name, &seconds}, func() error {
		f.Wrong = append(f.Wrong, books.Wrong(id, format, name, time.Duration(seconds*float64(time.Second)).Round(time.Second)))
		return nil
	})
	return err
}

// heard compares what was published since the checkpoint, of what is kept, with the inbox. What is parked is in the
// inbox too. The two may be in different databases, so they are read one after the other: first what was published.
func (b bookkeeper) heard(ctx context.Context, from string) (f books.Finding, err error) {
	var since *time.Time
	if from != "" {
		at, err := time.Parse(time.RFC3339Nano, from)
		if err != nil {
			return f, fmt.Errorf("read the checkpoint: %w", err)
		}
		since = &at
	}
	var through time.Time
	over := books.Spent(ctx, share)
	for source, types := range b.types {
		at, err := b.heardFrom(ctx, source, types, since, over, &f)
		if err != nil {
			return f, err
		}
		if through.IsZero() || at.Before(through) {
			through = at
		}
	}
	f.Through = through.UTC().Format(time.RFC3339Nano)
	return f, nil
}

var errEnough = errors.New("this look breaks off")

// heardFrom compares the events of one module, and returns the time from which the next look must go on.
func (b bookkeeper) heardFrom(ctx context.Context, source string, types []string, since *time.Time, over func() bool, f *books.Finding) (through time.Time, err error) {
	pool := b.poolOf(source)
	if err := pool.QueryRow(ctx, `SELECT now() - $1::interval`, books.Late).Scan(&through); err != nil {
		return through, fmt.Errorf("ask for the time: %w", err)
	}
	rows, _ := pool.Query(ctx, `
SELECT event_id, type, published_at FROM `+b.table(source, "outbox")+`
WHERE published_at >= coalesce($1::timestamptz, '-infinity') AND published_at < now() - $2::interval AND type = ANY($3)
ORDER BY published_at`, since, lateHeard, types)
	var ids []uuid.UUID
	names := map[uuid.UUID]string{}
	compare := func() error {
		f.Looked += int64(len(ids))
		missing, err := b.missing(ctx, ids)
		for _, id := range missing {
			if len(f.Wrong) < books.MostWrong {
				f.Wrong = append(f.Wrong, books.Wrong(id, "%s was published more than a minute ago and is neither handled nor parked", names[id]))
			}
		}
		ids = ids[:0]
		clear(names)
		return err
	}
	var id uuid.UUID
	var name string
	var published time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &published}, func() error {
		ids, names[id] = append(ids, id), name
		if len(ids) < heardChunk {
			return nil
		}
		if err := compare(); err != nil {
			return err
		}
		if over() {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		f.Short = true
		if published.Before(through) {
			through = published
		}
	case err != nil:
		return through, fmt.Errorf("compare the events of %s: %w", source, err)
	}
	return through, compare()
}

// missing returns those of the events that are not in the inbox.
func (b bookkeeper) missing(ctx context.Context, ids []uuid.UUID) ([]uuid.UUID, error) {
	rows, _ := b.pool.Query(ctx, `
SELECT id FROM unnest($1::uuid[]) AS published (id)
WHERE NOT EXISTS (SELECT FROM `+b.table(b.module, "inbox")+` WHERE event_id = id) LIMIT $2`, ids, books.MostWrong)
	missing, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("look into the inbox of %s: %w", b.module, err)
	}
	return missing, nil
}
