package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	feedEvery = 500 * time.Millisecond
	feedPage  = 2000 // products that are read at a time
	maxPassed = 10 * feedPage
)

// follower passes on what changes of the products: first all there is, and then what changed since, in passes of a page at a time.
//
// No change is missed, however late it commits. Each row says which transaction changed it last. Before a pass, the follower
// asks for the oldest transaction that has not ended (the horizon): whatever an older one did can be seen by then, and is
// read in this pass or was read before. The next pass begins at that horizon, and so meets all that was under way. What lies
// beyond the horizon may be read twice; the follower remembers that little, and passes it on once.
type follower struct {
	pool  *pgxpool.Pool
	sql   *db.Queries
	put   func(ctx context.Context, documents []Document) error
	clock clock.Clock
	pace  time.Duration // between two writes of one product; 0: as it comes

	at     place
	passed map[uuid.UUID]passed // what would be read again, or came lately
}

// place is how far a follower is.
type place struct {
	since      uint64 // the next row is the first with (change_xid, id) > (since, afterID)
	afterID    uuid.UUID
	until      uint64    // where the next pass begins; 0: this one has yet to begin
	begunAt    time.Time // when this pass began; zero: before this process
	whole      bool      // this pass began at the very beginning
	documents  int64     // that were read
	caughtUpAt time.Time // what had been committed by then is passed on, but for what the pace put off; zero: not all of it yet
}

// passed is a change that was passed on.
type passed struct {
	xid uint64
	at  time.Time
}

func newFollower(pool *pgxpool.Pool, c clock.Clock, pace time.Duration, at place, put func(context.Context, []Document) error) *follower {
	return &follower{pool: pool, sql: db.New(), put: put, clock: c, pace: pace, at: at, passed: map[uuid.UUID]passed{}}
}

// sync goes on to the end of a pass.
func (f *follower) sync(ctx context.Context) error {
	for {
		if ended, err := f.step(ctx); ended || err != nil {
			return err
		}
	}
}

// step reads a page and passes it on. What fails is read again next time.
func (f *follower) step(ctx context.Context) (ended bool, err error) {
	if f.at.until == 0 {
		if err := f.begin(ctx); err != nil {
			return false, err
		}
	}
	rows, err := f.sql.ChangesSince(ctx, f.pool, db.ChangesSinceParams{
		Since: strconv.FormatUint(f.at.since, 10), AfterID: f.at.afterID, Whole: f.at.whole, RowLimit: feedPage,
	})
	if err != nil {
		return false, fmt.Errorf("read changes: %w", err)
	}
	next, now := f.at, f.clock()
	documents, xids := make([]Document, 0, len(rows)), make([]uint64, 0, len(rows))
	for _, r := range rows {
		xid, err := parseXID(r.ChangeXid)
		if err != nil {
			return false, err
		}
		next.since, next.afterID = xid, r.ID
		switch before, ok := f.passed[r.ID]; {
		case ok && before.xid == xid: // it was passed on
		case ok && f.lately(before, now):
			next.until = min(next.until, xid) // the next pass meets it again
		default:
			documents, xids = append(documents, documentOf(r)), append(xids, xid)
		}
	}
	if len(documents) > 0 {
		if err := f.put(ctx, documents); err != nil {
			return false, fmt.Errorf("write documents: %w", err)
		}
	}
	for i, d := range documents {
		if xids[i] >= next.until || f.pace > 0 && !f.at.whole {
			f.passed[d.ID] = passed{xid: xids[i], at: now}
		}
	}
	next.documents += int64(len(documents))
	if ended = len(rows) < feedPage; ended {
		next.since, next.afterID, next.until, next.whole = next.until, uuid.Nil, 0, false
		if !next.begunAt.IsZero() {
			next.caughtUpAt = next.begunAt
		}
	}
	if f.at = next; ended || len(f.passed) > maxPassed {
		f.forget(now)
	}
	return ended, nil
}

// begin begins a pass. A horizon that has gone back is of another server, which the database was restored on: its numbers say nothing
// of what is new.
func (f *follower) begin(ctx context.Context) error {
	horizon, err := f.sql.Horizon(ctx, f.pool)
	if err != nil {
		return fmt.Errorf("ask for the horizon: %w", err)
	}
	xid, err := parseXID(horizon.Xmin)
	if err != nil {
		return err
	}
	if xid < f.at.since {
		f.at.since = 0
	}
	f.at.until, f.at.begunAt, f.at.whole = xid, horizon.At.UTC(), f.at.since == 0
	return nil
}

// forget forgets what will not be read again, and may be written again.
func (f *follower) forget(now time.Time) {
	first := f.at.until
	if first == 0 {
		first = f.at.since
	}
	maps.DeleteFunc(f.passed, func(_ uuid.UUID, p passed) bool { return p.xid < first && !f.lately(p, now) })
}

// lately says no as well where the clock was set back.
func (f *follower) lately(p passed, now time.Time) bool {
	age := now.Sub(p.at)
	return 0 <= age && age < f.pace
}

func parseXID(text string) (uint64, error) {
	xid, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the number of a transaction: %w", err)
	}
	return xid, nil
}

// Feed keeps an index in the process at the truth: it builds it from all products first, and then follows their changes.
type Feed struct {
	follower *follower
	log      *slog.Logger

	ready chan struct{}
	built atomic.Bool
}

// NewFeed returns a feed of the index. Run works it; nobody else may then call Sync.
func NewFeed(pool *pgxpool.Pool, index Index, log *slog.Logger) *Feed {
	return &Feed{follower: newFollower(pool, clock.System, 0, place{}, index.Put), log: log, ready: make(chan struct{})}
}

// Ready is closed when the index has been built once.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Run follows the changes until ctx ends. A failure is logged and tried again; the index keeps what it has.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	for {
		if err := f.Sync(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("the search index cannot follow the catalog", "error.message", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sync brings the index to the present.
func (f *Feed) Sync(ctx context.Context) error {
	if err := f.follower.sync(ctx); err != nil {
		return err
	}
	if f.built.CompareAndSwap(false, true) {
		close(f.ready)
	}
	return nil
}

func documentOf(r db.ChangesSinceRow) Document {
	d := Document{
		Summary: Summary{
			ID: r.ID, Version: r.DocVersion, CategoryID: r.CategoryID, Name: r.Name, NameEn: r.NameEn, Brand: r.Brand, Color: r.Color, Size: r.Size,
			Tags: r.Tags, ListPriceWon: r.ListPriceWon, PriceWon: r.PriceWon, ImageURL: deref(r.ImageUrl),
			Availability: availabilityOf(r.Available, r.LowAt), OnSale: !r.SaleStopped, SalesCount: r.SalesCount, PublishedAt: r.CreatedAt,
		},
		Description: r.Description, ImageURLs: r.ImageUrls, LimitPerCustomer: r.LimitPerCustomer,
		Visible: r.State == StatePublished,
	}
	if r.PublishedAt != nil {
		d.PublishedAt = *r.PublishedAt
	}
	return d
}
