// Package switches holds what an operator can turn for the whole shop, on every instance within a second.
package switches

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// ReadOnly makes every change by a shopper a 503, while reads and admins go on.
const ReadOnly = "read_only"

// names are the switches that there are; one that nobody turned is off.
var names = []string{ReadOnly}

// ErrNoSwitch: the name is none of the switches.
var ErrNoSwitch = fault.New(fault.NotFound, "switches.no_switch", "there is no such switch")

// Switch is one of them, and who turned it last.
type Switch struct {
	Name      string     `json:"name" example:"read_only" doc:"Which switch."`
	Enabled   bool       `json:"enabled" example:"false" doc:"Whether it is on."`
	Reason    string     `json:"reason" example:"restoring a backup" doc:"Why it was turned."`
	UpdatedAt *time.Time `json:"updated_at,omitempty" doc:"When it was turned; absent if never."`
}

// Store reads and turns switches. Reading costs no round trip.
type Store struct {
	pool     *pgxpool.Pool
	log      *slog.Logger
	audit    *audit.Log
	clock    clock.Clock
	readOnly atomic.Bool
}

// New returns a store on the platform's database.
func New(pool *pgxpool.Pool, log *slog.Logger, c clock.Clock) *Store {
	return &Store{pool: pool, log: log, audit: audit.New("platform", c), clock: c}
}

// ReadOnly says whether the shop only reads, as of a second ago at most.
func (s *Store) ReadOnly() bool { return s.readOnly.Load() }

// Run keeps the store fresh until ctx ends. While the database is away, what was last known holds.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "read the switches", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Refresh reads the switches once.
func (s *Store) Refresh(ctx context.Context) error {
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.Name == ReadOnly {
			s.readOnly.Store(w.Enabled)
		}
	}
	return nil
}

func (s *Store) list(ctx context.Context) ([]Switch, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT n.name, coalesce(s.enabled, false), coalesce(s.reason, ''), s.updated_at
		FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place)
		LEFT JOIN platform.switches s USING (name)
		ORDER BY n.place`, names)
	if err != nil {
		return nil, fmt.Errorf("list the switches: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Switch])
	if err != nil {
		return nil, fmt.Errorf("list the switches: %w", err)
	}
	return all, nil
}

// turn sets a switch and tells the audit log.
func (s *Store) turn(ctx context.Context, name string, in turn) (after Switch, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// The lock keeps two admins' audit rows in the order of their changes.
		if _, err := tx.Exec(ctx, `LOCK TABLE platform.switches IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return fmt.Errorf("lock the switches: %w", err)
		}
		before := Switch{Name: name}
		err := tx.QueryRow(ctx, `SELECT enabled, reason, updated_at FROM platform.switches WHERE name = $1`, name).
			Scan(&before.Enabled, &before.Reason, &before.UpdatedAt)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read the switch: %w", err)
		}
		now := s.clock()
		after = Switch{Name: name, Enabled: in.Enabled, Reason: in.Reason, UpdatedAt: &now}
		_, err = tx.Exec(ctx, `
			INSERT INTO platform.switches (name, enabled, reason, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, reason = excluded.reason,
				updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
			name, in.Enabled, in.Reason, now, auth.Must(ctx).AccountID)
		if err != nil {
			return fmt.Errorf("turn the switch: %w", err)
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "switches.turn", Subject: name, Before: before, After: after})
	})
	if err != nil {
		return Switch{}, err
	}
	return after, s.Refresh(ctx)
}

type turn struct {
	Enabled bool   `json:"enabled" example:"true" doc:"Whether it is to be on."`
	Reason  string `json:"reason" minLength:"1" maxLength:"200" example:"restoring a backup" doc:"Why; it stands in the audit log."`
}

type listOutput struct {
	Body struct {
		Items []Switch `json:"items"`
	}
}

type turnInput struct {
	Name string `path:"name" maxLength:"64" example:"read_only" doc:"Which switch."`
	Body turn
}

type turnOutput struct{ Body Switch }

// Routes adds the admin's operations.
func (s *Store) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-switches", Method: "GET", Path: "/admin/switches", Tag: "platform", Role: auth.Manager,
		Summary: "Every switch of the shop, and how it stands",
	}, func(ctx context.Context, _ *struct{}) (*listOutput, error) {
		all, err := s.list(ctx)
		if err != nil {
			return nil, err
		}
		out := &listOutput{}
		out.Body.Items = all
		return out, nil
	})
	web.Register(api, web.Operation{
		ID: "turn-switch", Method: "PUT", Path: "/admin/switches/{name}", Tag: "platform", Role: auth.Admin,
		Summary: "Turn a switch on or off, on every instance within a second", Problems: []*fault.Error{ErrNoSwitch},
	}, func(ctx context.Context, in *turnInput) (*turnOutput, error) {
		if in.Name != ReadOnly {
			return nil, ErrNoSwitch
		}
		after, err := s.turn(ctx, in.Name, in.Body)
		if err != nil {
			return nil, err
		}
		return &turnOutput{Body: after}, nil
	})
}
