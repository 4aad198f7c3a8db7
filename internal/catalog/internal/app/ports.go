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
	// Find answers a list. Text is words to look for, never a query language: all of them, or, where nothing has all, what is
	// nearly so.
	Find(ctx context.Context, q Query) (Found, error)
	// Suggest completes what somebody has typed so far, at most limit times.
	Suggest(ctx context.Context, typed string, limit int) ([]string, error)
}

// Store is where details are read from: the truth, or a projection of it. Every adapter passes the suite in package storetest.
type Store interface {
	// Standings returns what an answer that was encoded before depends on, of those products that the store knows.
	Standings(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Standing, error)
	// Documents returns those products that the store knows. Of one that is not Visible there may be nothing but its version.
	Documents(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Document, error)
}

// Standing is the state of a product's document.
type Standing struct {
	Version      int64 // doc_version
	Visible      bool
	Availability catalog.Availability // empty unless Visible
}

// Projection is a copy of the products in a store that outlives the process, which the projector keeps at the truth. It is made in
// generations: readers see the current one, while another is under way. Their names are digits, never come again, and sort as they come.
// Every adapter passes the suite in package storetest.
type Projection interface {
	// Create makes a generation, unless it is there.
	Create(ctx context.Context, generation string) error
	// PutInto writes documents whole. One that is older than what the generation has of the product changes nothing; one that is not
	// Visible is kept for HiddenFor, so that an older one which comes late does not bring the product back. What it returns without an
	// error for is written. ErrNoGeneration: there is no such generation.
	PutInto(ctx context.Context, generation string, documents []Document) error
	// Adopt has every reader see the generation, within a second.
	Adopt(ctx context.Context, generation string) error
	// Drop removes a generation, if it is there.
	Drop(ctx context.Context, generation string) error
	// Current returns the generation that readers see; "": none.
	Current(ctx context.Context) (string, error)

	// Standings returns what the current generation has of the products, as far as it knows them.
	Standings(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Standing, error)
	// Visible lists what is visible in the current generation, in an order of its own: at most limit products after those of the cursor,
	// which is "" at the beginning, and the next cursor, which is "" at the end.
	Visible(ctx context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error)
}

// ErrNoGeneration says that a generation was never made, or is gone.
var ErrNoGeneration = errors.New("there is no such generation")

// HiddenFor is how long a projection remembers a product that was taken out.
const HiddenFor = 30 * 24 * time.Hour

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
	Description      string
	ImageURLs        []string // all its pictures, the main one first
	LimitPerCustomer int32
	Visible          bool // false: a draft, or hidden
}

// Standing is the document's.
func (d Document) Standing() Standing {
	if !d.Visible {
		return Standing{Version: d.Version}
	}
	return Standing{Version: d.Version, Visible: true, Availability: d.Availability}
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
	Total  int64 // exact up to 10,000: an index may count no further
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

// Trees is where the tree of categories is kept, encoded, for all instances of the shop. Every adapter passes the suite in package treestest.
//
// Who finds none is lent the right to bring one, for TreeLease, and nobody else then. Drop ends that too, so that what was read before a
// change is not kept after it.
type Trees interface {
	// Get returns the tree, or the lease to bring one, or neither: somebody else is bringing it.
	Get(ctx context.Context) (tree []byte, lease string, err error)
	// Put keeps a tree, unless the lease has ended.
	Put(ctx context.Context, lease string, tree []byte) error
	// Drop forgets the tree.
	Drop(ctx context.Context) error
}

// TreeLease is how long one instance may take to bring a tree.
const TreeLease = 3 * time.Second
