package app

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
)

// Index is the projection that lists, search, facets and suggestions are read from. Every adapter passes the suite in
// package searchtest.
type Index interface {
	// Put writes documents whole. One that is older than what the index has of the product changes nothing; one that is not
	// Visible takes the product out.
	Put(ctx context.Context, documents []Document) error
	// Find answers a list. Text is words to look for, never a query language.
	Find(ctx context.Context, q Query) (Found, error)
	// Suggest completes what somebody has typed so far, at most limit times.
	Suggest(ctx context.Context, typed string, limit int) ([]string, error)
}

// Summary is what lists show of a product.
type Summary struct {
	ID           uuid.UUID
	Version      int64 // doc_version
	CategoryID   uuid.UUID
	Name         string
	NameEn       string
	Brand        string
	Color        string
	Size         string
	Tags         []string
	ListPriceWon int64
	PriceWon     int64
	ImageURL     string
	Availability catalog.Availability
	OnSale       bool
	SalesCount   int64
	PublishedAt  time.Time
}

// Document is what is projected of a product.
type Document struct {
	Summary
	Description string
	Visible     bool // false: a draft, or hidden
}

// Sort is the order of a list.
type Sort string

const (
	ByRelevance Sort = "relevance" // the best sellers first, where there is no text
	ByNewest    Sort = "newest"
	ByPriceAsc  Sort = "price_asc"
	ByPriceDesc Sort = "price_desc"
	BySales     Sort = "sales"
)

// Query asks for one page of a list. Each filter admits any of its values; an empty one admits everything.
type Query struct {
	Text        string
	CategoryIDs []uuid.UUID // with those below them: the index knows no tree
	Brands      []string
	Colors      []string
	Sizes       []string
	Tags        []string
	MinPriceWon int64
	MaxPriceWon int64 // 0: no limit
	InStock     bool
	Sort        Sort
	After       *Position // nil: from the beginning
	Limit       int
}

// Position is where a page ended: the values that the list is sorted by, and the product that breaks their ties. A change
// to other products moves nobody across it.
type Position struct {
	Values []int64
	ID     uuid.UUID
}

// ErrBadPosition refuses a Position that the index did not make.
var ErrBadPosition = errors.New("not a position of this list")

// Found is a page of a list, with what there is besides.
type Found struct {
	Items  []Summary
	Total  int64
	Facets Facets
	Next   *Position // nil: this is the last page
}

// Facets counts what there would be for each value of a filter if that filter were not set.
type Facets struct {
	Categories []CategoryCount // of the categories themselves, without those below them
	Brands     []ValueCount    // the most frequent first, at most MaxFacetValues
	Colors     []ValueCount
	Sizes      []ValueCount
	Tags       []ValueCount
	InStock    int64
	MinWon     int64
	MaxWon     int64
}

// MaxFacetValues bounds the values of one facet.
const MaxFacetValues = 50

// CategoryCount is how many products a category has.
type CategoryCount struct {
	ID    uuid.UUID
	Count int64
}

// ValueCount is how many products have the value.
type ValueCount struct {
	Value string
	Count int64
}
