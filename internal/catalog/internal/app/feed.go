package app

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog/internal/db"
)

const (
	feedEvery = 500 * time.Millisecond
	feedPage  = 2000 // products that are read at a time
)

// Feed keeps an index at the truth: it builds it from all products first, and then follows their changes.
//
// No change is missed, however late it commits. Each row says which transaction changed it last. Before it reads, the feed
// asks for the oldest transaction that has not ended (the horizon): whatever an older one did can be seen by then, and is
// read now or was read before. Next time it reads from that horizon on, and so meets all that was under way. What lies
// beyond the horizon may be read twice; the feed remembers that little, and passes it on once.
type Feed struct {
	pool  *pgxpool.Pool
	sql   *db.Queries
	index Index
	log   *slog.Logger

	ready  chan struct{}
	built  atomic.Bool
	since  uint64               // the horizon up to which all was read
	beyond map[uuid.UUID]uint64 // what was read of later transactions
}

// NewFeed returns a feed of the index. Run works it; nobody else may then call Sync.
func NewFeed(pool *pgxpool.Pool, index Index, log *slog.Logger) *Feed {
	return &Feed{pool: pool, sql: db.New(), index: index, log: log, ready: make(chan struct{})}
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
	text, err := f.sql.Horizon(ctx, f.pool)
	if err != nil {
		return fmt.Errorf("ask for the horizon: %w", err)
	}
	horizon, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("read the horizon: %w", err)
	}
	beyond := map[uuid.UUID]uint64{}
	from := db.ChangesSinceParams{Since: strconv.FormatUint(f.since, 10), Whole: f.since == 0, RowLimit: feedPage}
	for {
		rows, err := f.sql.ChangesSince(ctx, f.pool, from)
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		documents := make([]Document, 0, len(rows))
		for _, r := range rows {
			xid, err := strconv.ParseUint(r.ChangeXid, 10, 64)
			if err != nil {
				return fmt.Errorf("read the transaction of a change: %w", err)
			}
			if xid >= horizon {
				beyond[r.ID] = xid
			}
			if f.beyond[r.ID] != xid {
				documents = append(documents, documentOf(r))
			}
		}
		if err := f.index.Put(ctx, documents); err != nil {
			return fmt.Errorf("write to the index: %w", err)
		}
		if len(rows) < feedPage {
			break
		}
		last := rows[len(rows)-1]
		from.Since, from.AfterID = last.ChangeXid, last.ID
	}
	f.since, f.beyond = horizon, beyond
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
		Description: r.Description,
		Visible:     r.State == StatePublished,
	}
	if r.PublishedAt != nil {
		d.PublishedAt = *r.PublishedAt
	}
	return d
}
