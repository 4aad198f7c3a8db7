// Package audit keeps what admins change: who, when, what, before and after.
//
// Each module has its own log, in its own schema, because the entry must commit together with the change. List and the
// operation GET /admin/audit-log read them as one.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/web"
)

// System is the actor's role when nobody asked: a job, or the command line. The actor's id is then zero.
const System = "system"

// Entry is one change. Before and After are whatever describes it, and encode as JSON; nil where there is none.
type Entry struct {
	Action  string // things.verb: products.update
	Subject string // the id of what was changed
	Before  any
	After   any
}

// Log writes to one module's audit log.
type Log struct {
	clock  clock.Clock
	insert string
}

// New returns the log of the module whose schema has that name.
func New(module string, c clock.Clock) *Log {
	return &Log{
		clock: c,
		insert: `INSERT INTO ` + table(module) + ` (id, at, actor_id, actor_role, action, subject, before, after, request_id)
			SELECT id, $1, $2, $3, action, subject, before::jsonb, after::jsonb, $4
			FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[]) AS entries (id, action, subject, before, after)`,
	}
}

func table(module string) string { return pgx.Identifier{module, "audit_log"}.Sanitize() }

// Add writes the entries in tx, with one statement, so that they are kept exactly when the changes are. Who asks is taken from ctx.
func (l *Log) Add(ctx context.Context, tx pgx.Tx, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(entries))
	actions, subjects := make([]string, len(entries)), make([]string, len(entries))
	before, after := make([]*string, len(entries)), make([]*string, len(entries))
	for i, e := range entries {
		var err error
		if before[i], err = encode(e.Before); err != nil {
			return fmt.Errorf("encode what %s changes: %w", e.Action, err)
		}
		if after[i], err = encode(e.After); err != nil {
			return fmt.Errorf("encode what %s makes: %w", e.Action, err)
		}
		if ids[i], err = uuid.NewV7(); err != nil {
			return fmt.Errorf("make audit id: %w", err)
		}
		actions[i], subjects[i] = e.Action, e.Subject
	}
	actor, role := uuid.Nil, System
	if p, ok := auth.From(ctx); ok {
		actor, role = p.AccountID, string(p.Role)
	}
	_, err := tx.Exec(ctx, l.insert, l.clock(), actor, role, web.RequestID(ctx), ids, actions, subjects, before, after)
	if err != nil {
		return fmt.Errorf("write to audit log: %w", err)
	}
	return nil
}

// encode returns nil, which is NULL, for nil.
func encode(v any) (*string, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	text := string(b)
	return &text, err
}

// Record is an entry as it was written.
type Record struct {
	ID        uuid.UUID       `json:"id" format:"uuid" doc:"UUIDv7: its order is the order in time."`
	Module    string          `json:"module" example:"catalog" doc:"Whose change it was."`
	At        time.Time       `json:"at"`
	ActorID   uuid.UUID       `json:"actor_id" format:"uuid" doc:"The account; zero for the system."`
	ActorRole string          `json:"actor_role" example:"manager"`
	Action    string          `json:"action" example:"products.update"`
	Subject   string          `json:"subject" example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d" doc:"The id of what was changed."`
	Before    json.RawMessage `json:"before,omitempty" doc:"What it was."`
	After     json.RawMessage `json:"after,omitempty" doc:"What it became."`
	RequestID string          `json:"request_id,omitempty" doc:"The X-Request-Id of the change."`
}
