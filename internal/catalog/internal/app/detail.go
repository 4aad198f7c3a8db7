package app

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/catalog"
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
	ImageURL         string               `json:"image_url,omitempty" doc:"Its picture, at most 640 pixels wide and high; with 160, 320 or 1280 for 640 in the address, another size. Absent where there is none."`
	ImageURLs        []string             `json:"image_urls" doc:"All its pictures, the main one first."`
	LimitPerCustomer int32                `json:"limit_per_customer" doc:"How many pieces one customer may buy; 0: as many as there are." example:"2"`
	Availability     catalog.Availability `json:"availability" enum:"in_stock,low,sold_out" doc:"How much of it can be had." example:"in_stock"`
	OnSale           bool                 `json:"on_sale" doc:"false: its sale is stopped for the moment." example:"true"`
	SalesCount       int64                `json:"sales_count" doc:"How many pieces were sold." example:"1204"`
	PublishedAt      *time.Time           `json:"published_at" doc:"When it was put up." example:"2026-01-02T03:00:00Z"`
}

func productOf(d Document) Product {
	return Product{
		ID: d.ID, Name: d.Name, NameEn: d.NameEn, Brand: d.Brand, CategoryID: d.CategoryID, Color: d.Color, Size: d.Size,
		ListPriceWon: d.ListPriceWon, PriceWon: d.PriceWon, DiscountPercent: discount(d.ListPriceWon, d.PriceWon),
		Description: d.Description, Tags: d.Tags, ImageURL: d.ImageURL, ImageURLs: d.ImageURLs, LimitPerCustomer: d.LimitPerCustomer,
		Availability: d.Availability, OnSale: d.OnSale, SalesCount: d.SalesCount, PublishedAt: &d.PublishedAt,
	}
}

func discount(list, price int64) int64 {
	if list <= 0 {
		return 0
	}
	return (list - price) * 100 / list
}

// detail is a product's answer, encoded; absent is remembered too. The answer is a function of the document's version and of the
// availability, and so is its ETag. One without an answer is only a version that must not be fallen behind.
type detail struct {
	absent       bool
	body         web.Encoded[Product]
	etag         string
	kept         *web.Kept // both; nil: absent
	version      int64
	least        int64 // that the near store must have to be believed, if more: what was changed here is in that
	availability catalog.Availability
	seen         atomic.Int64 // when the store was last asked whether it still holds: milliseconds since the epoch
	looking      atomic.Bool  // whether somebody asks the store, while it is shown
}

// fresh says that it may be shown. Where the clock was set back it says no as well: what was seen in the future may be old.
func (d *detail) fresh(now time.Time) bool { return d.within(freshness, now) }

// young says that it need not be looked at. Any earlier the looks would cost those who wait more than they spare them.
func (d *detail) young(now time.Time) bool { return d.within(freshness*4/5, now) }

func (d *detail) within(age time.Duration, now time.Time) bool {
	is := now.UnixMilli() - d.seen.Load()
	return 0 <= is && is < age.Milliseconds()
}

func (d *detail) stillHolds(s Standing) bool {
	if d.absent || !s.Visible {
		return d.absent && !s.Visible
	}
	return d.version == s.Version && d.availability == s.Availability
}

const (
	maxDetails     = 64 << 20 // bytes that this process keeps, unless told otherwise
	overheadOfOne  = 512
	detailsFlights = 1 // two are half as large, and cost the database more
)

// details are the answers that this process has encoded. They are kept for as long as there is room, and shown for as long as they are
// fresh: then the store is asked whether they still hold, for all that are asked for at that moment at once. What is asked for often is
// looked at before it is too old, so that nobody waits for that. A product never goes back to an older version while it is kept.
type details struct {
	sources *sources
	clock   clock.Clock
	cache   *otter.Cache[uuid.UUID, *detail]
	checks  *batch.Group[uuid.UUID, *detail]

	mu      sync.Mutex
	changes uint64 // that were made in this process: what was read before one is not kept after it, but for its version
}

func newDetails(from *sources, c clock.Clock, most uint64) *details {
	d := &details{
		sources: from, clock: c,
		cache: otter.Must(&otter.Options[uuid.UUID, *detail]{
			MaximumWeight: cmp.Or(most, maxDetails),
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

// Invalidate forgets the answer of a product that was changed here, and not which version the change is in, so that whoever made it sees
// it, however far the store is. Where the document did not change that is 0.
func (d *details) Invalidate(id uuid.UUID, version int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	known, _ := d.cache.GetIfPresent(id)
	d.cache.Set(id, &detail{least: max(version, known.needs())})
}

// Moved is Invalidate of a product whose stock was moved here. That is in the next version of its document, which is given to it by the
// clock: the store may have the one of now with another availability.
func (d *details) Moved(ctx context.Context, id uuid.UUID) {
	var next int64
	if d.sources.near != nil {
		standings, err := d.sources.truth.Standings(ctx, []uuid.UUID{id})
		if err == nil { // else they see it when others do
			next = standings[id].Version + 1
		}
	}
	d.Invalidate(id, next)
}

// needs is the least version that the near store must have.
func (d *detail) needs() int64 {
	if d == nil {
		return 0
	}
	return max(d.version, d.least)
}

// ready returns what can be sent at once; nil: there is nothing, or it is too old.
func (d *details) ready(id uuid.UUID) *web.Kept {
	if known := d.kept(id); known != nil {
		return known.kept
	}
	return nil
}

func (d *details) of(ctx context.Context, id uuid.UUID) (*detail, error) {
	if known := d.kept(id); known != nil {
		return known, nil
	}
	return d.checks.Do(ctx, batch.KeyOf(id), id)
}

// kept returns what may be shown, or nil. Who comes to it first when it is no longer young has it looked at.
func (d *details) kept(id uuid.UUID) *detail {
	known, ok := d.cache.GetIfPresent(id)
	now := d.clock()
	if !ok || !known.fresh(now) {
		return nil
	}
	if !known.young(now) && !known.looking.Swap(true) {
		go func() {
			defer known.looking.Store(false)
			ctx, cancel := context.WithTimeout(context.Background(), freshness)
			defer cancel()
			_, _ = d.checks.Do(ctx, batch.KeyOf(id), id) // what fails now is met by who finds it too old
		}()
	}
	return known
}

// fly answers those who asked for what is not young. What has not changed is only looked at; the rest is read and encoded.
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
		case ok && !cached.young(at):
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
	standings, err := d.sources.standings(ctx, leastOf(ids, known))
	if err != nil {
		return nil, fmt.Errorf("look at products: %w", err)
	}
	for _, id := range ids {
		if k := known[id]; k.stillHolds(standings[id]) { // none: not visible
			k.seen.Store(at.UnixMilli())
		} else {
			changed = append(changed, id)
		}
	}
	return changed, nil
}

// read reads products, and keeps what it encoded of them unless something was changed here meanwhile: then it keeps the versions that it
// shows now, and does not go back to older ones.
func (d *details) read(ctx context.Context, ids []uuid.UUID, found map[uuid.UUID]*detail, at time.Time, changes uint64) error {
	if len(ids) == 0 {
		return nil
	}
	documents, err := d.sources.documents(ctx, leastOf(ids, found))
	if err != nil {
		return fmt.Errorf("read products: %w", err)
	}
	for _, id := range ids {
		least := found[id].needs()
		if found[id], err = detailOf(documents[id]); err != nil {
			return err
		}
		found[id].least = least
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		found[id].seen.Store(at.UnixMilli())
		if d.changes == changes {
			d.cache.Set(id, found[id])
			continue
		}
		known, _ := d.cache.GetIfPresent(id)
		d.cache.Set(id, &detail{least: max(known.needs(), found[id].needs())})
	}
	return nil
}

// leastOf says which version of each product the near store must have.
func leastOf(ids []uuid.UUID, known map[uuid.UUID]*detail) map[uuid.UUID]int64 {
	least := make(map[uuid.UUID]int64, len(ids))
	for _, id := range ids {
		least[id] = known[id].needs()
	}
	return least
}

// detailOf encodes a document; one that is not visible, or that there is not, is absent.
func detailOf(document Document) (*detail, error) {
	if !document.Visible {
		return &detail{absent: true, version: document.Version}, nil
	}
	body, err := web.Encode(productOf(document))
	if err != nil {
		return nil, fmt.Errorf("encode product: %w", err)
	}
	etag := web.ETag(document.ID, document.Version, document.Availability)
	return &detail{
		body: body, etag: etag, kept: web.Keep(body, etag, cacheControl), version: document.Version, availability: document.Availability,
	}, nil
}

// Detail returns a product as shoppers see it, encoded, at most a second older than the store has it. However many ask for it
// at once, the store is asked once.
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
