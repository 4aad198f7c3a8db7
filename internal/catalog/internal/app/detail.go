package app

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/web"
)

// Product is a product as shoppers see it. Everything in it is versioned by doc_version, but for the availability.
type Product struct {
	ID               uuid.UUID            `json:"id" doc:"The product's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name             string               `json:"name" doc:"Its name." example:"나이키 에어 쿠션 러닝 운동화 블랙"`
	NameEn           string               `json:"name_en" doc:"Its name in English; may be empty." example:"Nike Air Cushioned Running Sneakers Black"`
	Brand            string               `json:"brand" doc:"Its brand." example:"나이키"`
	CategoryID       uuid.UUID            `json:"category_id" doc:"Where it stands in the tree of categories." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Color            string               `json:"color" doc:"Its colour; may be empty." example:"블랙"`
	Size             string               `json:"size" doc:"Its size; may be empty." example:"270"`
	ListPriceWon     int64                `json:"list_price_won" doc:"What it costs without a discount." example:"129000"`
	PriceWon         int64                `json:"price_won" doc:"What it costs." example:"99000"`
	DiscountPercent  int64                `json:"discount_percent" doc:"How much less that is, rounded down." example:"23"`
	Description      string               `json:"description" doc:"What there is to say about it."`
	Tags             []string             `json:"tags" doc:"Words that it can be found by."`
	ImageURL         string               `json:"image_url,omitempty" doc:"Its picture; absent where there is none."`
	LimitPerCustomer int32                `json:"limit_per_customer" doc:"How many pieces one customer may buy; 0: as many as there are." example:"2"`
	Availability     catalog.Availability `json:"availability" enum:"in_stock,low,sold_out" doc:"How much of it can be had." example:"in_stock"`
	OnSale           bool                 `json:"on_sale" doc:"false: its sale is stopped for the moment." example:"true"`
	SalesCount       int64                `json:"sales_count" doc:"How many pieces were sold." example:"1204"`
	PublishedAt      *time.Time           `json:"published_at" doc:"When it was put up." example:"2026-01-02T03:00:00Z"`
}

func productOf(r db.ProductOfRow) Product {
	return Product{
		ID: r.ID, Name: r.Name, NameEn: r.NameEn, Brand: r.Brand, CategoryID: r.CategoryID, Color: r.Color, Size: r.Size,
		ListPriceWon: r.ListPriceWon, PriceWon: r.PriceWon, DiscountPercent: discount(r.ListPriceWon, r.PriceWon),
		Description: r.Description, Tags: r.Tags, ImageURL: deref(r.ImageUrl), LimitPerCustomer: r.LimitPerCustomer,
		Availability: availabilityOf(r.OnHand-r.Reserved, r.LowAt), OnSale: !r.SaleStopped,
		SalesCount: r.SalesCount, PublishedAt: r.PublishedAt,
	}
}

func discount(list, price int64) int64 {
	if list <= 0 {
		return 0
	}
	return (list - price) * 100 / list
}

// detail is a product's answer, encoded; absent is remembered too. The answer is a function of the document's version and of the
// availability, and so is its ETag.
type detail struct {
	absent       bool
	body         web.Encoded[Product]
	etag         string
	kept         *web.Kept // both; nil: absent
	version      int64
	availability catalog.Availability
	seen         atomic.Int64 // when the database was last asked whether it still holds: milliseconds since the epoch
}

// fresh says no as well where the clock was set back: what was seen in the future may be old.
func (d *detail) fresh(now time.Time) bool {
	age := now.UnixMilli() - d.seen.Load()
	return 0 <= age && age < freshness.Milliseconds()
}

func (d *detail) stillHolds(r db.StandingsOfRow) bool {
	if d.absent || r.State != StatePublished {
		return d.absent && r.State != StatePublished
	}
	return d.version == r.DocVersion && d.availability == availabilityOf(r.Available, r.LowAt)
}

const (
	maxDetails     = 64 << 20 // bytes that this process keeps
	overheadOfOne  = 512
	detailsFlights = 1 // two are half as large, and cost the database more
)

// details are the answers that this process has encoded. They are kept for as long as there is room, and shown for as long as they are
// fresh: then the database is asked whether they still hold, for all that are asked for at that moment at once.
type details struct {
	sql    *db.Queries
	pool   *pgxpool.Pool
	clock  clock.Clock
	cache  *otter.Cache[uuid.UUID, *detail]
	checks *batch.Group[uuid.UUID, *detail]

	mu      sync.Mutex
	changes uint64 // that were made in this process: what was read before one is not kept after it
}

func newDetails(pool *pgxpool.Pool, c clock.Clock) *details {
	d := &details{
		sql: db.New(), pool: pool, clock: c,
		cache: otter.Must(&otter.Options[uuid.UUID, *detail]{
			MaximumWeight: maxDetails,
			Weigher:       func(_ uuid.UUID, d *detail) uint32 { return uint32(len(d.body.Bytes())) + overheadOfOne },
		}),
	}
	d.checks = batch.New(batch.Config{Name: "catalog.details", Shards: detailsFlights}, d.fly)
	return d
}

// Close waits for who is reading.
func (d *details) Close() {
	d.checks.Close()
	d.cache.StopAllGoroutines()
}

// Invalidate forgets a product that was changed here, so that whoever changed it sees the change.
func (d *details) Invalidate(id uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	d.cache.Invalidate(id)
}

// ready returns what can be sent at once; nil: there is nothing, or it is too old.
func (d *details) ready(id uuid.UUID) *web.Kept {
	if known, ok := d.cache.GetIfPresent(id); ok && known.fresh(d.clock()) {
		return known.kept
	}
	return nil
}

func (d *details) of(ctx context.Context, id uuid.UUID) (*detail, error) {
	if known, ok := d.cache.GetIfPresent(id); ok && known.fresh(d.clock()) {
		return known, nil
	}
	return d.checks.Do(ctx, shardOf(id), id)
}

// fly answers those who asked for what is not fresh. What has not changed is only looked at; the rest is read and encoded.
func (d *details) fly(ctx context.Context, asked []uuid.UUID) ([]batch.Result[*detail], error) {
	d.mu.Lock()
	changes := d.changes
	d.mu.Unlock()
	at := d.clock() // before anything is read
	found := make(map[uuid.UUID]*detail, len(asked))
	var known, unknown []uuid.UUID
	for _, id := range asked {
		if _, ok := found[id]; ok {
			continue
		}
		cached, ok := d.cache.GetIfPresent(id)
		switch {
		case ok && !cached.fresh(at):
			known = append(known, id)
		case !ok:
			unknown = append(unknown, id)
		}
		found[id] = cached
	}
	changed, err := d.look(ctx, known, found, at)
	if err != nil {
		return nil, err
	}
	if err := d.read(ctx, append(unknown, changed...), found, at, changes); err != nil {
		return nil, err
	}
	results := make([]batch.Result[*detail], len(asked))
	for i, id := range asked {
		results[i].Out = found[id]
	}
	return results, nil
}

// look returns the products of which something else must be said by now.
func (d *details) look(ctx context.Context, ids []uuid.UUID, known map[uuid.UUID]*detail, at time.Time) (changed []uuid.UUID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := d.sql.StandingsOf(ctx, d.pool, ids)
	if err != nil {
		return nil, fmt.Errorf("look at products: %w", err)
	}
	standing := make(map[uuid.UUID]db.StandingsOfRow, len(rows))
	for _, r := range rows {
		standing[r.ID] = r
	}
	for _, id := range ids {
		if k := known[id]; k.stillHolds(standing[id]) { // no row: no state
			k.seen.Store(at.UnixMilli())
		} else {
			changed = append(changed, id)
		}
	}
	return changed, nil
}

// read reads products, and keeps what it encoded of them unless something was changed here meanwhile.
func (d *details) read(ctx context.Context, ids []uuid.UUID, found map[uuid.UUID]*detail, at time.Time, changes uint64) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := d.sql.ProductsOf(ctx, d.pool, ids)
	if err != nil {
		return fmt.Errorf("read products: %w", err)
	}
	for _, id := range ids {
		found[id] = &detail{absent: true}
	}
	for _, row := range rows {
		if found[row.ID], err = detailOf(db.ProductOfRow(row)); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		found[id].seen.Store(at.UnixMilli())
		if d.changes == changes {
			d.cache.Set(id, found[id])
		}
	}
	return nil
}

func detailOf(row db.ProductOfRow) (*detail, error) {
	if row.State != StatePublished {
		return &detail{absent: true}, nil
	}
	p := productOf(row)
	body, err := web.Encode(p)
	if err != nil {
		return nil, fmt.Errorf("encode product: %w", err)
	}
	etag := web.ETag(row.ID, row.DocVersion, p.Availability)
	return &detail{
		body: body, etag: etag, kept: web.Keep(body, etag, cacheControl), version: row.DocVersion, availability: p.Availability,
	}, nil
}

// Detail returns a product as shoppers see it, encoded, at most a second old. However many ask for it at once, the database
// is asked once.
func (s *Service) Detail(ctx context.Context, id uuid.UUID) (body web.Encoded[Product], etag string, err error) {
	d, err := s.details.of(ctx, id)
	if err != nil {
		return body, "", err
	}
	if d.absent {
		return body, "", catalog.ErrNoProduct
	}
	return d.body, d.etag, nil
}
