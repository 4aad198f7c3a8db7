package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// Filter is what a shopper asks of a list.
type Filter struct {
	Text        string
	Category    string // id or slug
	Brands      []string
	Colors      []string
	Sizes       []string
	Tags        []string
	MinPriceWon int64
	MaxPriceWon int64
	InStock     bool
	Sort        Sort // empty: relevance where there is text, else newest
}

// Listed is a page of a list.
type Listed struct {
	Found
	Categories []Counted // with those below them, in the order of the tree
	NextCursor string
}

// Counted is a category with how many products it has.
type Counted struct {
	*Category
	Count int64
}

// listCursor is where a page ended, and of which list.
type listCursor struct {
	Of string    `json:"f"`
	At []int64   `json:"v"`
	ID uuid.UUID `json:"i"`
}

// List answers a page of products from the index.
func (s *Service) List(ctx context.Context, f Filter, page web.PageQuery) (Listed, error) {
	q, t, err := s.query(ctx, f)
	if err != nil {
		return Listed{}, err
	}
	of := fingerprint(q)
	q.Limit = page.Limit
	if page.Cursor != "" {
		var at listCursor
		if err := web.DecodeCursor(page.Cursor, &at); err != nil {
			return Listed{}, err
		}
		if at.Of != of {
			return Listed{}, web.ErrBadCursor.WithDetail("the cursor is of a list with other filters or another order")
		}
		q.After = &Position{Values: at.At, ID: at.ID}
	}
	found, err := s.index.Find(ctx, q)
	if errors.Is(err, ErrBadPosition) {
		return Listed{}, web.ErrBadCursor
	}
	if err != nil {
		return Listed{}, fmt.Errorf("find products: %w", err)
	}
	listed := Listed{Found: found, Categories: t.counted(found.Facets.Categories)}
	if next := found.Next; next != nil {
		listed.NextCursor = web.EncodeCursor(listCursor{Of: of, At: next.Values, ID: next.ID})
	}
	return listed, nil
}

// query checks a filter and says it to the index.
func (s *Service) query(ctx context.Context, f Filter) (Query, *tree, error) {
	q := Query{
		Text: strings.TrimSpace(f.Text), Brands: f.Brands, Colors: f.Colors, Sizes: f.Sizes, Tags: f.Tags,
		MinPriceWon: f.MinPriceWon, MaxPriceWon: f.MaxPriceWon, InStock: f.InStock, Sort: f.Sort,
	}
	if q.MaxPriceWon > 0 && q.MinPriceWon > q.MaxPriceWon {
		return Query{}, nil, web.ErrInvalid.WithFields(fault.Field{Pointer: "min_price", Detail: "must not be above max_price"})
	}
	t, err := s.categories(ctx)
	if err != nil {
		return Query{}, nil, err
	}
	if f.Category != "" {
		id, ok := t.find(f.Category)
		if !ok {
			return Query{}, nil, web.ErrInvalid.WithFields(fault.Field{Pointer: "category", Detail: "there is no such category"})
		}
		q.CategoryIDs = t.below(id)
	}
	if q.Sort == "" {
		if q.Sort = ByNewest; q.Text != "" {
			q.Sort = ByRelevance
		}
	}
	return q, t, nil
}

// fingerprint tells lists apart. A category that has since got another one below it is still the same list.
func fingerprint(q Query) string {
	q.CategoryIDs = q.CategoryIDs[:min(len(q.CategoryIDs), 1)]
	encoded, err := json.Marshal(q)
	if err != nil {
		panic("catalog: encode query: " + err.Error()) // texts, numbers and ids
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

// counted lists the categories that have something, parents before children.
func (t *tree) counted(counts []CategoryCount) []Counted {
	sums := t.rollUp(counts)
	counted := []Counted{}
	var walk func(ids []uuid.UUID, depth int)
	walk = func(ids []uuid.UUID, depth int) {
		for _, id := range ids {
			if n := sums[id]; n > 0 && depth < len(t.nodes) {
				counted = append(counted, Counted{t.nodes[id], n})
				walk(t.children[id], depth+1)
			}
		}
	}
	walk(t.roots, 0)
	return counted
}

// Suggest completes what somebody types.
func (s *Service) Suggest(ctx context.Context, typed string, limit int) ([]string, error) {
	suggestions, err := s.index.Suggest(ctx, typed, limit)
	if err != nil {
		return nil, fmt.Errorf("suggest: %w", err)
	}
	return suggestions, nil
}

// Gate is an index that refuses to be read until it has been built: an empty list would be a lie.
type Gate struct {
	Index
	ready <-chan struct{}
}

// NewGate returns the index behind the feed's gate.
func NewGate(index Index, feed *Feed) Gate { return Gate{Index: index, ready: feed.Ready()} }

// Find implements [Index].
func (g Gate) Find(ctx context.Context, q Query) (Found, error) {
	if err := g.open(); err != nil {
		return Found{}, err
	}
	return g.Index.Find(ctx, q)
}

// Suggest implements [Index].
func (g Gate) Suggest(ctx context.Context, typed string, limit int) ([]string, error) {
	if err := g.open(); err != nil {
		return nil, err
	}
	return g.Index.Suggest(ctx, typed, limit)
}

func (g Gate) open() error {
	select {
	case <-g.ready:
		return nil
	default:
		return catalog.ErrSearchUnavailable.WithRetryAfter(freshness)
	}
}
