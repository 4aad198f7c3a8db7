package audit

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/web"
)

// Source is one module's log, and the pool that reads it.
type Source struct {
	Module string
	Pool   *pgxpool.Pool
}

// Filter narrows a list; what is zero doesn't.
type Filter struct {
	Subject      string
	ActionPrefix string
	ActorID      uuid.UUID
	Limit        int // 0: 20
}

// List returns one page of the records of all sources, latest first, from behind cursor on: the id of the last record of
// the page before, or the zero id for the first page. A source that cannot be read fails the whole list, since a log with
// a hole would look like one without.
func List(ctx context.Context, sources []Source, f Filter, cursor uuid.UUID) (web.Page[Record], error) {
	if f.Limit <= 0 {
		f.Limit = 20
	}
	found := make([][]Record, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range sources {
		group.Go(func() (err error) {
			if found[i], err = list(ctx, s, f, cursor); err != nil {
				return fmt.Errorf("list audit log of %s: %w", s.Module, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return web.Page[Record]{}, err
	}
	all := slices.Concat(found...)
	slices.SortFunc(all, func(x, y Record) int { return bytes.Compare(y.ID[:], x.ID[:]) })
	return web.PageOf(all, f.Limit, func(r Record) any { return r.ID }), nil
}

func list(ctx context.Context, s Source, f Filter, cursor uuid.UUID) ([]Record, error) {
	if cursor == uuid.Nil {
		cursor = uuid.Max
	}
	rows, err := s.Pool.Query(ctx, `
		SELECT id, $1::text, at, actor_id, actor_role, action, subject, before, after, request_id
		FROM `+table(s.Module)+`
		WHERE id < $2
		  AND ($3 = '' OR subject = $3)
		  AND ($4 = '' OR starts_with(action, $4))
		  AND ($5::uuid IS NULL OR actor_id = $5)
		ORDER BY id DESC
		LIMIT $6`,
		s.Module, cursor, f.Subject, f.ActionPrefix, optional(f.ActorID), f.Limit+1)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Record])
}

func optional(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
