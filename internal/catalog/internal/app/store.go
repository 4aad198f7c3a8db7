package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sony/gobreaker/v2"

	"github.com/sasapick/shop/internal/catalog/internal/db"
)

// Truth is the products themselves, as a [Store].
type Truth struct {
	pool *pgxpool.Pool
	sql  *db.Queries
}

// NewTruth returns the products of the module's schema.
func NewTruth(pool *pgxpool.Pool) *Truth { return &Truth{pool: pool, sql: db.New()} }

// Standings implements [Store].
func (t *Truth) Standings(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Standing, error) {
	rows, err := t.sql.StandingsOf(ctx, t.pool, ids)
	if err != nil {
		return nil, err
	}
	standings := make(map[uuid.UUID]Standing, len(rows))
	for _, r := range rows {
		standings[r.ID] = standingOf(r)
	}
	return standings, nil
}

func standingOf(r db.StandingsOfRow) Standing {
	if r.State != StatePublished {
		return Standing{Version: r.DocVersion}
	}
	return Standing{Version: r.DocVersion, Visible: true, Availability: availabilityOf(r.Available, r.LowAt)}
}

// Documents implements [Store].
func (t *Truth) Documents(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Document, error) {
	rows, err := t.sql.DocumentsOf(ctx, t.pool, ids)
	if err != nil {
		return nil, err
	}
	documents := make(map[uuid.UUID]Document, len(rows))
	for _, r := range rows {
		documents[r.ID] = documentOf(db.ChangesSinceRow(r))
	}
	return documents, nil
}

const (
	nearFor    = 300 * time.Millisecond // that the near store may take: shoppers are waiting, and the truth is there
	nearFails  = 5                      // in a row, until it is left alone
	nearPauses = time.Second            // until it is tried again
)

// sources are where details come from: the near store while it answers in time, and the truth for what that has not got as far as it must.
type sources struct {
	near    Store // nil: there is only the truth
	truth   *Truth
	breaker *gobreaker.CircuitBreaker[struct{}]
}

func newSources(near Store, pool *pgxpool.Pool, log *slog.Logger) *sources {
	return &sources{near: near, truth: NewTruth(pool), breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "details", Timeout: nearPauses,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= nearFails },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			if from == gobreaker.StateClosed || to == gobreaker.StateClosed {
				log.Warn("details have changed their source", "truth", to == gobreaker.StateOpen)
			}
		},
	})}
}

// standings returns the standing of each product, of the version that is asked for or a later one.
func (s *sources) standings(ctx context.Context, least map[uuid.UUID]int64) (map[uuid.UUID]Standing, error) {
	return freshest(ctx, s, least, Store.Standings, func(standing Standing) int64 { return standing.Version })
}

// documents returns the documents, of the version that is asked for or a later one.
func (s *sources) documents(ctx context.Context, least map[uuid.UUID]int64) (map[uuid.UUID]Document, error) {
	return freshest(ctx, s, least, Store.Documents, func(d Document) int64 { return d.Version })
}

func freshest[T any](
	ctx context.Context, s *sources, least map[uuid.UUID]int64,
	read func(Store, context.Context, []uuid.UUID) (map[uuid.UUID]T, error), version func(T) int64,
) (map[uuid.UUID]T, error) {
	behind := slices.Collect(maps.Keys(least))
	if s.near == nil {
		return read(s.truth, ctx, behind)
	}
	found := map[uuid.UUID]T{}
	_, err := s.breaker.Execute(func() (none struct{}, err error) {
		ctx, cancel := context.WithTimeout(ctx, nearFor)
		defer cancel()
		near, err := read(s.near, ctx, behind)
		if err == nil {
			found, behind = near, slices.DeleteFunc(behind, func(id uuid.UUID) bool { return version(near[id]) >= least[id] }) // 0: not known there
		}
		return none, err
	})
	if err == nil && len(behind) == 0 {
		return found, nil
	}
	known, err := read(s.truth, ctx, behind)
	if err != nil {
		return nil, err
	}
	for _, id := range behind {
		delete(found, id)
	}
	maps.Copy(found, known)
	return found, nil
}
