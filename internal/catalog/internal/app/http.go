package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	tag          = "catalog"
	cacheControl = "public, max-age=1" // no longer than the process itself remembers
)

// HTTP is what shoppers see of the catalog.
type HTTP struct {
	service *Service
}

// NewHTTP returns the shoppers' routes.
func NewHTTP(service *Service) *HTTP { return &HTTP{service: service} }

// Routes implements [web.Routes].
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-categories", Method: http.MethodGet, Path: "/v1/categories", Tag: tag,
		Summary: "Show the tree of categories",
	}, h.categories)
	web.Register(api, web.Operation{
		ID: "list-products", Method: http.MethodGet, Path: "/v1/products", Tag: tag,
		Summary: "List or search products",
		Description: "Text is words to look for, in Korean or English, never a query language. A filter that is given several times admits " +
			"any of its values. Each facet counts what there would be if its own filter were not set.",
		Problems: []*fault.Error{web.ErrBadCursor, catalog.ErrSearchUnavailable},
	}, h.list)
	web.Register(api, web.Operation{
		ID: "suggest-products", Method: http.MethodGet, Path: "/v1/products/suggest", Tag: tag,
		Summary:     "Complete what somebody types",
		Description: "Brands first, then products. Half-typed syllables work, and so do initial consonants alone: ㄴㅇㅋ finds 나이키.",
		Problems:    []*fault.Error{catalog.ErrSearchUnavailable},
	}, h.suggest)
	web.Register(api, web.Operation{
		ID: "get-product", Method: http.MethodGet, Path: "/v1/products/{id}", Tag: tag,
		Summary:     "Show a product",
		Description: "A hidden product is not found.",
		Problems:    []*fault.Error{catalog.ErrNoProduct},
		Ready:       h.readyProduct,
	}, h.product)
	h.alertRoutes(api)
	web.Handle(api, http.MethodGet, "/media/{file}", http.HandlerFunc(h.media))
}

type categoriesOutput struct {
	ETag         string `header:"ETag" doc:"Names this tree, for If-None-Match."`
	CacheControl string `header:"Cache-Control"`
	Body         web.Encoded[CategoryTree]
}

func (h *HTTP) categories(ctx context.Context, in *web.Conditional) (*categoriesOutput, error) {
	t, err := h.service.categories(ctx)
	if err != nil {
		return nil, err
	}
	if web.NotModified(in.IfNoneMatch, t.etag) {
		return nil, web.Unchanged(t.etag, cacheControl)
	}
	return &categoriesOutput{ETag: t.etag, CacheControl: cacheControl, Body: t.body}, nil
}

type productInput struct {
	web.Conditional
	ID uuid.UUID `path:"id" doc:"The product's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

type productOutput struct {
	ETag         string `header:"ETag" doc:"Names this state of the product, for If-None-Match."`
	CacheControl string `header:"Cache-Control"`
	Body         web.Encoded[Product]
}

func (h *HTTP) product(ctx context.Context, in *productInput) (*productOutput, error) {
	body, etag, err := h.service.Detail(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if web.NotModified(in.IfNoneMatch, etag) {
		return nil, web.Unchanged(etag, cacheControl)
	}
	return &productOutput{ETag: etag, CacheControl: cacheControl, Body: body}, nil
}

// readyProduct answers most reads of the shop: the bytes are there, and nothing has to be decoded.
func (h *HTTP) readyProduct(r *http.Request) *web.Kept {
	path := r.PathValue("id")
	if id, err := uuid.Parse(path); err == nil && len(path) == len(uuid.Nil.String()) { // uuid has other forms too, which the handler refuses
		return h.service.details.ready(id)
	}
	return nil
}

type listInput struct {
	web.PageQuery
	Text     string   `query:"q" maxLength:"100" doc:"Words to look for." example:"나이키 운동화"`
	Category string   `query:"category" maxLength:"100" doc:"A category's id or slug; with all below it." example:"shoes"`
	Brand    []string `query:"brand,explode" maxItems:"20" doc:"Brands."`
	Color    []string `query:"color,explode" maxItems:"20" doc:"Colours."`
	Size     []string `query:"size,explode" maxItems:"20" doc:"Sizes."`
	Tag      []string `query:"tag,explode" maxItems:"20" doc:"Tags."`
	MinPrice int64    `query:"min_price" minimum:"0" maximum:"1000000000000" doc:"The least that it may cost, in won." example:"10000"`
	MaxPrice int64    `query:"max_price" minimum:"0" maximum:"1000000000000" doc:"The most that it may cost, in won; 0: no limit." example:"100000"`
	InStock  bool     `query:"in_stock" doc:"true: only what can be had."`
	Sort     Sort     `query:"sort" enum:"relevance,newest,price_asc,price_desc,sales" doc:"The order: relevance where there is text, else newest." example:"newest"`
}

// productItem is a product in a list.
type productItem struct {
	ID              uuid.UUID            `json:"id" doc:"The product's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name            string               `json:"name" doc:"Its name." example:"나이키 에어 쿠션 러닝 운동화 블랙"`
	NameEn          string               `json:"name_en" doc:"Its name in English; may be empty." example:"Nike Air Cushioned Running Sneakers Black"`
	Brand           string               `json:"brand" doc:"Its brand." example:"나이키"`
	CategoryID      uuid.UUID            `json:"category_id" doc:"Where it stands in the tree of categories." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Color           string               `json:"color" doc:"Its colour; may be empty." example:"블랙"`
	Size            string               `json:"size" doc:"Its size; may be empty." example:"270"`
	ListPriceWon    int64                `json:"list_price_won" doc:"What it costs without a discount." example:"129000"`
	PriceWon        int64                `json:"price_won" doc:"What it costs." example:"99000"`
	DiscountPercent int64                `json:"discount_percent" doc:"How much less that is, rounded down." example:"23"`
	Tags            []string             `json:"tags" doc:"Words that it can be found by."`
	ImageURL        string               `json:"image_url,omitempty" doc:"Its picture, at most 640 pixels wide and high; with 160, 320 or 1280 for 640 in the address, another size. Absent where there is none."`
	Availability    catalog.Availability `json:"availability" enum:"in_stock,low,sold_out" doc:"How much of it can be had." example:"in_stock"`
	OnSale          bool                 `json:"on_sale" doc:"false: its sale is stopped for the moment." example:"true"`
	SalesCount      int64                `json:"sales_count" doc:"How many pieces were sold." example:"1204"`
	PublishedAt     time.Time            `json:"published_at" doc:"When it was put up." example:"2026-01-02T03:00:00Z"`
}

func itemOf(s Summary) productItem {
	tags := s.Tags
	if tags == nil {
		tags = []string{}
	}
	return productItem{
		ID: s.ID, Name: s.Name, NameEn: s.NameEn, Brand: s.Brand, CategoryID: s.CategoryID, Color: s.Color, Size: s.Size,
		ListPriceWon: s.ListPriceWon, PriceWon: s.PriceWon, DiscountPercent: discount(s.ListPriceWon, s.PriceWon), Tags: tags,
		ImageURL: s.ImageURL, Availability: s.Availability, OnSale: s.OnSale, SalesCount: s.SalesCount, PublishedAt: s.PublishedAt,
	}
}

type categoryCount struct {
	ID    uuid.UUID `json:"id" doc:"The category's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Slug  string    `json:"slug" doc:"Its name in addresses." example:"shoes"`
	Name  string    `json:"name" doc:"Its name." example:"신발"`
	Count int64     `json:"count" doc:"How many products it has, with all below it." example:"120"`
}

type valueCount struct {
	Value string `json:"value" doc:"The value, as the filter takes it." example:"나이키"`
	Count int64  `json:"count" doc:"How many products have it." example:"42"`
}

type priceRange struct {
	MinWon int64 `json:"min_won" doc:"The cheapest." example:"9900"`
	MaxWon int64 `json:"max_won" doc:"The dearest." example:"459000"`
}

type facets struct {
	Categories []categoryCount `json:"categories" doc:"Parents before children."`
	Brands     []valueCount    `json:"brands" doc:"The most frequent first, at most 50."`
	Colors     []valueCount    `json:"colors" doc:"The most frequent first, at most 50."`
	Sizes      []valueCount    `json:"sizes" doc:"The most frequent first, at most 50."`
	Tags       []valueCount    `json:"tags" doc:"The most frequent first, at most 50."`
	InStock    int64           `json:"in_stock" doc:"How many can be had." example:"118"`
	Price      priceRange      `json:"price" doc:"What they cost."`
}

type productList struct {
	Items      []productItem `json:"items" doc:"The products of this page, in order."`
	NextCursor string        `json:"next_cursor,omitempty" doc:"Give it as cursor, with the same filters and order, to get the next page; absent on the last one."`
	Total      int64         `json:"total" doc:"How many products there are on all pages." example:"120"`
	Facets     facets        `json:"facets" doc:"How many there are of each value of a filter."`
}

type listOutput struct {
	Body productList
}

func (h *HTTP) list(ctx context.Context, in *listInput) (*listOutput, error) {
	listed, err := h.service.List(ctx, Filter{
		Text: in.Text, Category: in.Category, Brands: in.Brand, Colors: in.Color, Sizes: in.Size, Tags: in.Tag,
		MinPriceWon: in.MinPrice, MaxPriceWon: in.MaxPrice, InStock: in.InStock, Sort: in.Sort,
	}, in.PageQuery)
	if err != nil {
		return nil, err
	}
	f := listed.Facets
	body := productList{
		Items: make([]productItem, len(listed.Items)), NextCursor: listed.NextCursor, Total: listed.Total,
		Facets: facets{
			Categories: make([]categoryCount, len(listed.Categories)),
			Brands:     values(f.Brands), Colors: values(f.Colors), Sizes: values(f.Sizes), Tags: values(f.Tags),
			InStock: f.InStock, Price: priceRange{f.MinWon, f.MaxWon},
		},
	}
	for i, s := range listed.Items {
		body.Items[i] = itemOf(s)
	}
	for i, c := range listed.Categories {
		body.Facets.Categories[i] = categoryCount{ID: c.ID, Slug: c.Slug, Name: c.Name, Count: c.Count}
	}
	return &listOutput{Body: body}, nil
}

func values(counts []ValueCount) []valueCount {
	list := make([]valueCount, len(counts))
	for i, c := range counts {
		list[i] = valueCount(c)
	}
	return list
}

type suggestInput struct {
	Text  string `query:"q" required:"true" minLength:"1" maxLength:"100" doc:"What was typed so far." example:"나잌"`
	Limit int    `query:"limit" minimum:"1" maximum:"20" default:"10" doc:"How many suggestions at most."`
}

type suggestOutput struct {
	Body struct {
		Items []string `json:"items" doc:"What it may become."`
	}
}

func (h *HTTP) suggest(ctx context.Context, in *suggestInput) (*suggestOutput, error) {
	suggestions, err := h.service.Suggest(ctx, in.Text, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &suggestOutput{}
	out.Body.Items = suggestions
	return out, nil
}
