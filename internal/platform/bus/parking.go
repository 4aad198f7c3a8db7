package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/outbox"
)

var (
	replayHandled   = failpoint.New("bus.replay.handled")   // a parked event was handled again, nothing is committed
	replayCommitted = failpoint.New("bus.replay.committed") // it is parked no longer, or parked with a new reason; nobody is told
	dropCommitted   = failpoint.New("bus.drop.committed")   // it is forgotten; nobody is told
)

// ErrNotParked means that the module has no such event parked.
var ErrNotParked = fault.New(fault.NotFound, "bus.not_parked", "no such event is parked")

// Parked is an event that could not succeed, or waits behind one.
type Parked struct {
	Envelope

	Position int64 // grows; the order of replay within a key
	Reason   string
	ParkedAt time.Time
}

// Record is called in the transaction that changes a parked event, to write it down. replayed is the error that the
// event failed with again, or nil.
type Record func(ctx context.Context, tx pgx.Tx, p Parked, failed error) error

// Parking is where a module keeps the events that could not succeed.
type Parking struct {
	group                                         *Group
	list, one, first, hold, remove, explain, free string
	count                                         string
}

func newParking(g *Group) *Parking {
	parked := pgx.Identifier{g.module, "parked"}.Sanitize()
	keys := pgx.Identifier{g.module, "parked_keys"}.Sanitize()
	columns := `SELECT id, event_id, source, type, key, aggregate_version, occurred_at, traceparent, data, broken, reason, parked_at FROM ` + parked
	return &Parking{
		group:   g,
		list:    columns + ` WHERE id > $1 ORDER BY id LIMIT $2`,
		one:     columns + ` WHERE event_id = $1`,
		first:   columns + ` WHERE source = $1 AND key = $2 ORDER BY id LIMIT 1`,
		hold:    `SELECT FROM ` + keys + ` WHERE source = $1 AND key = $2 FOR UPDATE`,
		remove:  `DELETE FROM ` + parked + ` WHERE id = $1`,
		explain: `UPDATE ` + parked + ` SET reason = $2 WHERE id = $1`,
		free: `DELETE FROM ` + keys + ` WHERE source = $1 AND key = $2
AND NOT EXISTS (SELECT FROM ` + parked + ` WHERE source = $1 AND key = $2)`,
		count: `SELECT count(*) FROM ` + parked,
	}
}

// Count returns how many events are parked.
func (p *Parking) Count(ctx context.Context) (n int64, err error) {
	err = p.group.Pool.QueryRow(ctx, p.count).Scan(&n)
	return n, err
}

// List returns parked events in the order in which they were parked, those after the position.
func (p *Parking) List(ctx context.Context, after int64, limit int) ([]Parked, error) {
	rows, _ := p.group.Pool.Query(ctx, p.list, after, limit)
	return pgx.CollectRows(rows, scanParked)
}

// Get returns one parked event, or [ErrNotParked].
func (p *Parking) Get(ctx context.Context, event uuid.UUID) (Parked, error) {
	return p.get(ctx, p.group.Pool, event)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (p *Parking) get(ctx context.Context, db querier, event uuid.UUID) (Parked, error) {
	rows, _ := db.Query(ctx, p.one, event)
	parked, err := pgx.CollectExactlyOneRow(rows, scanParked)
	if errors.Is(err, pgx.ErrNoRows) {
		return Parked{}, ErrNotParked
	}
	return parked, err
}

// Replayed is how far a replay came.
type Replayed struct {
	Done   int    // events that succeeded and are parked no longer
	Failed string // why the next one failed again; empty if the line is empty now
}

// Replay handles the whole line of the event's key in order, whichever of its events is named, and stops at the first
// that fails again. Each event is a transaction of its own, so a long line that is cut short is taken up by the next
// call. Only when the line is empty does the key take new events directly again; until then they queue up behind.
func (p *Parking) Replay(ctx context.Context, event uuid.UUID, record Record) (Replayed, error) {
	named, err := p.Get(ctx, event)
	if err != nil {
		return Replayed{}, err
	}
	var r Replayed
	for {
		var left bool
		var failed error
		err := pgx.BeginFunc(ctx, p.group.Pool, func(tx pgx.Tx) (err error) {
			left, failed, err = p.replayFirst(ctx, tx, named.Source, named.Key, record)
			return err
		})
		if err != nil {
			return r, err
		}
		replayCommitted.Hit()
		switch {
		case failed != nil:
			r.Failed = failed.Error()
			return r, nil
		case !left:
			return r, nil
		}
		r.Done++
		outbox.Wake(p.group.module)
	}
}

// replayFirst handles the first event of the key's line. It returns false if there was none, and what the event failed
// with; err is for what is not the event's fault.
func (p *Parking) replayFirst(ctx context.Context, tx pgx.Tx, source string, key uuid.UUID, record Record) (left bool, failed, err error) {
	// The consumer holds this row FOR SHARE while it parks behind, so the line can't grow between its end and the delete.
	if _, err := tx.Exec(ctx, p.hold, source, key); err != nil {
		return false, nil, fmt.Errorf("lock a parked key: %w", err)
	}
	rows, _ := tx.Query(ctx, p.first, source, key)
	first, err := pgx.CollectExactlyOneRow(rows, scanParked)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err := tx.Exec(ctx, p.free, source, key)
		return false, nil, err
	}
	if err != nil {
		return false, nil, fmt.Errorf("read a parked event: %w", err)
	}
	if _, err := tx.Exec(ctx, `SET CONSTRAINTS ALL IMMEDIATE`); err != nil {
		return false, nil, err
	}
	failed, err = p.group.inSavepoint(ctx, tx, true, first.Envelope)
	switch {
	case err != nil:
		return false, nil, fmt.Errorf("replay %s: %w", first.ID, err)
	case failed == nil:
		_, err = tx.Exec(ctx, p.remove, first.Position)
	case ctx.Err() == nil && !outage(failed):
		_, err = tx.Exec(ctx, p.explain, first.Position, Text(failed.Error()))
	default:
		return false, nil, fmt.Errorf("replay %s: %w", first.ID, failed)
	}
	if err != nil {
		return false, nil, fmt.Errorf("keep what became of a parked event: %w", err)
	}
	if err := record(ctx, tx, first, failed); err != nil {
		return false, nil, err
	}
	replayHandled.Hit()
	return true, failed, nil
}

// Drop forgets one parked event: the module will never see it. The later ones of its key stay parked until they are
// replayed.
func (p *Parking) Drop(ctx context.Context, event uuid.UUID, record Record) error {
	err := pgx.BeginFunc(ctx, p.group.Pool, func(tx pgx.Tx) error {
		named, err := p.get(ctx, tx, event)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, p.hold, named.Source, named.Key); err != nil {
			return fmt.Errorf("lock a parked key: %w", err)
		}
		tag, err := tx.Exec(ctx, p.remove, named.Position)
		if err != nil {
			return fmt.Errorf("drop a parked event: %w", err)
		}
		if tag.RowsAffected() == 0 { // replayed while we waited for the lock
			return ErrNotParked
		}
		if _, err := tx.Exec(ctx, p.free, named.Source, named.Key); err != nil {
			return fmt.Errorf("free a parked key: %w", err)
		}
		return record(ctx, tx, named, nil)
	})
	if err == nil {
		dropCommitted.Hit()
	}
	return err
}

func scanParked(row pgx.CollectableRow) (p Parked, err error) {
	err = row.Scan(&p.Position, &p.ID, &p.Source, &p.Type, &p.Key, &p.AggregateVersion, &p.OccurredAt, &p.TraceParent, &p.Data,
		&p.Broken, &p.Reason, &p.ParkedAt)
	return p, err
}
