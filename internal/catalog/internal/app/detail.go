package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
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

// detail is a product's answer, encoded; absent is remembered too.
type detail struct {
	absent bool
	body   []byte
	etag   string
}

// maxDetails bounds the bytes of the details that this process keeps.
const maxDetails = 64 << 20

func newDetails() *otter.Cache[uuid.UUID, detail] {
	return otter.Must(&otter.Options[uuid.UUID, detail]{
		MaximumWeight:    maxDetails,
		Weigher:          func(_ uuid.UUID, d detail) uint32 { return uint32(len(d.body)) + 128 },
		ExpiryCalculator: otter.ExpiryWriting[uuid.UUID, detail](freshness),
	})
}

// Detail returns a product as shoppers see it, encoded, at most a second old. However many ask for it at once, the database
// is asked once. The bytes are a function of the document's version and the availability, and so is their ETag.
func (s *Service) Detail(ctx context.Context, id uuid.UUID) (body []byte, etag string, err error) {
	d, err := s.details.Get(ctx, id, otter.LoaderFunc[uuid.UUID, detail](s.loadDetail))
	if err != nil {
		return nil, "", err
	}
	if d.absent {
		return nil, "", catalog.ErrNoProduct
	}
	return d.body, d.etag, nil
}

func (s *Service) loadDetail(ctx context.Context, id uuid.UUID) (detail, error) {
	ctx, cancel := apart(ctx)
	defer cancel()
	row, err := s.sql.ProductOf(ctx, s.pool, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return detail{absent: true}, nil
	}
	if err != nil {
		return detail{}, fmt.Errorf("read product: %w", err)
	}
	if row.State != StatePublished {
		return detail{absent: true}, nil
	}
	p := productOf(row)
	body, err := encode(p)
	if err != nil {
		return detail{}, fmt.Errorf("encode product: %w", err)
	}
	return detail{body: body, etag: web.ETag(id, row.DocVersion, p.Availability)}, nil
}

// encode writes JSON as the rest of the API does: with < and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
