package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/jobs"
)

const (
	projectEvery = 250 * time.Millisecond
	projectFor   = 2 * time.Second // that one run goes on, as long as there is more to do
	projectPause = time.Second     // after a failure: what could not be written waits
	projectPace  = time.Second     // between two writes of one product
	keepEvery    = time.Second     // that a place is kept, where nothing else calls for it
)

// Projector keeps a [Projection] at the truth. One instance does it at a time, from the place that is kept in the database; if another one
// does it too for a moment, both write the same.
//
// Every generation that is not retired follows the changes by itself: the current one, and one that is being made, which readers see when
// it has caught up. What the store calls current decides; a current generation that this database has not made (it was restored, or the
// store was emptied) is followed by a new one.
type Projector struct {
	store      string // cassandra, search
	projection Projection
	pool       *pgxpool.Pool
	sql        *db.Queries
	clock      clock.Clock
	log        *slog.Logger

	followers map[string]*projecting // by generation
	paused    time.Time              // nothing is tried before
}

// projecting is a follower with what is kept of its place.
type projecting struct {
	*follower
	kept   place
	keptAt time.Time
}

// NewProjector returns a projector of the store of that name.
func NewProjector(store string, p Projection, pool *pgxpool.Pool, c clock.Clock, log *slog.Logger) *Projector {
	return &Projector{
		store: store, projection: p, pool: pool, sql: db.New(), clock: c, log: log.With("store", store), followers: map[string]*projecting{},
	}
}

// Store is the name of the projector's store.
func (p *Projector) Store() string { return p.store }

// Job is the projector's work.
func (p *Projector) Job() jobs.Job {
	return jobs.Job{Name: "catalog.project_" + p.store, Every: projectEvery, Run: p.Run}
}

// Run brings the projection to the present, or some way towards it.
func (p *Projector) Run(ctx context.Context) error {
	start := p.clock()
	if left := p.paused.Sub(start); 0 < left && left <= projectPause {
		return nil
	}
	for {
		more, err := p.advance(ctx)
		if err != nil {
			p.paused = p.clock().Add(projectPause)
			return err
		}
		if !more || p.clock().Sub(start) > projectFor {
			return nil
		}
	}
}

// advance brings the current generation to the present, and another one a page further.
func (p *Projector) advance(ctx context.Context) (more bool, err error) {
	current, generations, err := p.look(ctx)
	if err != nil {
		return false, err
	}
	for _, g := range generations {
		switch {
		case g.RetiredAt != nil:
			err = p.drop(ctx, g, current)
		case g.Generation == current:
			err = p.follow(ctx, g)
		default:
			var adopted bool
			adopted, err = p.build(ctx, g)
			more = more || !adopted
		}
		if errors.Is(err, ErrNoGeneration) {
			p.log.Warn("a generation is gone from the store; another one is made", "generation", g.Generation)
			more, err = true, p.retire(ctx, g.Generation)
		}
		if err != nil {
			return false, err
		}
	}
	return more, nil
}

// look reads the generations, the oldest first, once it is settled which of them go on. What the store says is asked for last: a generation
// that had caught up when it was read has been adopted by then.
func (p *Projector) look(ctx context.Context) (current string, generations []db.ProjectionsOfRow, err error) {
	for {
		if generations, err = p.sql.ProjectionsOf(ctx, p.pool, p.store); err != nil {
			return "", nil, fmt.Errorf("read the generations: %w", err)
		}
		if current, err = p.projection.Current(ctx); err != nil {
			return "", nil, err
		}
		changed, err := p.settle(ctx, current, generations)
		if err != nil || !changed {
			return current, generations, err
		}
	}
}

// settle retires generations that readers will never see, and begins one where there is none to see.
func (p *Projector) settle(ctx context.Context, current string, generations []db.ProjectionsOfRow) (changed bool, err error) {
	server, err := p.sql.Server(ctx, p.pool)
	if err != nil {
		return false, fmt.Errorf("ask which server it is: %w", err)
	}
	known := slices.ContainsFunc(generations, func(g db.ProjectionsOfRow) bool { return g.Generation == current && g.RetiredAt == nil })
	retired, building := false, false
	for _, g := range generations {
		switch {
		case g.Generation == current:
			retired = g.RetiredAt != nil
		case g.RetiredAt != nil:
		case known && g.Generation < current, g.CaughtUpAt != nil, g.BegunUnder != server:
			// There is a later one; or it was current, and the store has lost it; or the database may have been restored since it was begun,
			// so that it has documents of a time that never came.
			if err := p.retire(ctx, g.Generation); err != nil {
				return false, err
			}
			changed = true
		default:
			building = true
		}
	}
	switch {
	case changed, known, building && (retired || current == ""):
		return changed, nil
	case current != "" && !retired:
		return true, p.retire(ctx, current) // it is dropped once there is another
	}
	p.log.Info("a new generation is begun", "current", current)
	return true, p.begin(ctx, current, server)
}

func (p *Projector) begin(ctx context.Context, current, server string) error {
	if err := p.sql.BeginProjection(ctx, p.pool, db.BeginProjectionParams{Store: p.store, BegunUnder: server, Current: current}); err != nil {
		return fmt.Errorf("begin a generation: %w", err)
	}
	return nil
}

func (p *Projector) retire(ctx context.Context, generation string) error {
	delete(p.followers, generation)
	if err := p.sql.RetireProjection(ctx, p.pool, db.RetireProjectionParams{Store: p.store, Generation: generation}); err != nil {
		return fmt.Errorf("retire a generation: %w", err)
	}
	return nil
}

// drop drops a retired generation when nobody reads it any more.
func (p *Projector) drop(ctx context.Context, g db.ProjectionsOfRow, current string) error {
	if g.Generation == current || !g.Unread {
		return nil
	}
	if err := p.projection.Drop(ctx, g.Generation); err != nil {
		return err
	}
	if err := p.sql.DropProjection(ctx, p.pool, db.DropProjectionParams{Store: p.store, Generation: g.Generation}); err != nil {
		return fmt.Errorf("forget a generation: %w", err)
	}
	return nil
}

// follow brings a generation to the present.
func (p *Projector) follow(ctx context.Context, g db.ProjectionsOfRow) error {
	f, err := p.follower(g)
	if err != nil {
		return err
	}
	for {
		ended, err := f.step(ctx)
		if err != nil {
			return err
		}
		if !ended || p.clock().Sub(f.keptAt) >= keepEvery {
			if err := p.keep(ctx, g.Generation, f); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
	}
}

// build brings a generation that nobody reads yet a page further, and has it read once it has caught up.
func (p *Projector) build(ctx context.Context, g db.ProjectionsOfRow) (adopted bool, err error) {
	f, err := p.follower(g)
	if err != nil {
		return false, err
	}
	if f.at == (place{whole: true}) { // later it must be there
		if err := p.projection.Create(ctx, g.Generation); err != nil {
			return false, err
		}
	}
	if _, err := f.step(ctx); err != nil {
		return false, err
	}
	if adopted = !f.at.caughtUpAt.IsZero(); adopted { // before that is kept: a generation that was once adopted is not made again
		if err := p.projection.Adopt(ctx, g.Generation); err != nil {
			return false, err
		}
		p.log.Info("a generation is current", "generation", g.Generation, "documents", f.at.documents)
	}
	return adopted, p.keep(ctx, g.Generation, f)
}

// follower returns the follower of a generation. Where another instance has gone on, it begins at the place that this one kept.
func (p *Projector) follower(g db.ProjectionsOfRow) (*projecting, error) {
	kept, err := placeOf(g)
	if err != nil {
		return nil, err
	}
	f := p.followers[g.Generation]
	if f == nil || f.kept != kept {
		put := func(ctx context.Context, documents []Document) error {
			return p.projection.PutInto(ctx, g.Generation, documents)
		}
		f = &projecting{follower: newFollower(p.pool, p.clock, projectPace, kept, put), kept: kept}
		p.followers[g.Generation] = f
	}
	return f, nil
}

func placeOf(g db.ProjectionsOfRow) (at place, err error) {
	if at.since, err = parseXID(g.Since); err != nil {
		return place{}, err
	}
	if at.until, err = parseXID(g.Until); err != nil {
		return place{}, err
	}
	at.afterID, at.whole, at.documents = g.AfterID, g.Whole, g.Documents
	if g.CaughtUpAt != nil {
		at.caughtUpAt = g.CaughtUpAt.UTC()
	}
	return at, nil
}

// keep keeps the follower's place: from there on, whoever comes next goes on.
func (p *Projector) keep(ctx context.Context, generation string, f *projecting) error {
	kept := f.at
	kept.begunAt = time.Time{}
	arg := db.KeepProjectionParams{
		Store: p.store, Generation: generation, Since: strconv.FormatUint(kept.since, 10), AfterID: kept.afterID,
		Until: strconv.FormatUint(kept.until, 10), Whole: kept.whole, Documents: kept.documents,
	}
	if !kept.caughtUpAt.IsZero() {
		arg.CaughtUpAt = &kept.caughtUpAt
	}
	if err := p.sql.KeepProjection(ctx, p.pool, arg); err != nil {
		return fmt.Errorf("keep a place: %w", err)
	}
	f.kept, f.keptAt = kept, p.clock()
	return nil
}

// Reindex makes a new generation, or goes on with one that is being made, and returns when readers see it and the ones before it are gone.
// The work is the job's, of whichever instance has its lease. progress hears how many documents are in.
func (p *Projector) Reindex(ctx context.Context, progress func(documents int64)) error {
	before, err := p.projection.Current(ctx)
	if err != nil {
		return err
	}
	server, err := p.sql.Server(ctx, p.pool)
	if err != nil {
		return fmt.Errorf("ask which server it is: %w", err)
	}
	if err := p.begin(ctx, before, server); err != nil {
		return err
	}
	tick := time.NewTicker(projectEvery)
	defer tick.Stop()
	for {
		generations, err := p.sql.ProjectionsOf(ctx, p.pool, p.store)
		if err != nil {
			return fmt.Errorf("read the generations: %w", err)
		}
		if n := len(generations); n > 0 {
			last := generations[n-1]
			progress(last.Documents)
			if n == 1 && last.Generation != before && last.CaughtUpAt != nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
