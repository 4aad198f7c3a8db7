package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/web"
)

// Category is a node of the tree as shoppers see it.
type Category struct {
	ID       uuid.UUID   `json:"id" doc:"The category's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Slug     string      `json:"slug" doc:"Its name in addresses." example:"running-shoes"`
	Name     string      `json:"name" doc:"Its name." example:"러닝 운동화"`
	NameEn   string      `json:"name_en" doc:"Its name in English." example:"Running Sneakers"`
	Children []*Category `json:"children" doc:"The categories below it, in order."`
}

// CategoryTree is every category, below their roots.
type CategoryTree struct {
	Items []*Category `json:"items" doc:"The topmost categories, in order."`
}

// tree is the categories as this process last read them.
type tree struct {
	body     web.Encoded[CategoryTree]
	etag     string
	nodes    map[uuid.UUID]*Category
	parents  map[uuid.UUID]uuid.UUID
	lines    map[uuid.UUID][]uuid.UUID // of each category: itself, and all above it
	bySlug   map[string]uuid.UUID
	children map[uuid.UUID][]uuid.UUID
	roots    []uuid.UUID
}

func newTrees() *otter.Cache[struct{}, *tree] {
	return otter.Must(&otter.Options[struct{}, *tree]{
		MaximumSize:      1,
		ExpiryCalculator: otter.ExpiryWriting[struct{}, *tree](freshness),
	})
}

// categories returns the tree, at most a second older than the one that all instances share.
func (s *Service) categories(ctx context.Context) (*tree, error) {
	return s.trees.Get(ctx, struct{}{}, otter.LoaderFunc[struct{}, *tree](func(ctx context.Context, _ struct{}) (*tree, error) {
		ctx, cancel := apart(ctx)
		defer cancel()
		return s.sharedTree(ctx)
	}))
}

// How often, and how many times, a process looks whether another one has brought the tree.
const (
	treeWait  = 10 * time.Millisecond
	treeWaits = 20
)

// sharedTree returns the tree that all instances share, bringing it if nobody else does. Whatever is wrong with where it is kept, or with
// who was to bring it, there is the truth.
func (s *Service) sharedTree(ctx context.Context) (*tree, error) {
	for range treeWaits {
		encoded, lease, err := s.shared.Get(ctx)
		var rows []db.CatalogCategory
		switch {
		case err != nil, encoded != nil && json.Unmarshal(encoded, &rows) != nil:
			return s.readTree(ctx, "")
		case encoded != nil:
			return plant(rows)
		case lease != "":
			return s.readTree(ctx, lease)
		}
		select {
		case <-time.After(treeWait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.readTree(ctx, "")
}

// readTree reads the truth, and shares it under the lease. It takes a connection of the flights', as offers need the tree too: they are
// made however busy the module's own pool is.
func (s *Service) readTree(ctx context.Context, lease string) (*tree, error) {
	rows, err := s.sql.Categories(ctx, s.flying)
	if err != nil {
		return nil, fmt.Errorf("read categories: %w", err)
	}
	if lease != "" {
		encoded, err := json.Marshal(rows)
		if err != nil {
			return nil, fmt.Errorf("encode categories: %w", err)
		}
		_ = s.shared.Put(ctx, lease, encoded) // others read the truth for themselves then
	}
	return plant(rows)
}

// forgetTree has the tree read anew, after a change. Where the others cannot be told, theirs ends by itself.
func (s *Service) forgetTree(ctx context.Context) {
	_ = s.shared.Drop(ctx)
	s.trees.Invalidate(struct{}{})
}

// apart is a context for work that many wait for: the first of them going away does not end it.
func apart(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
}

func plant(rows []db.CatalogCategory) (*tree, error) {
	t := &tree{
		nodes: map[uuid.UUID]*Category{}, parents: map[uuid.UUID]uuid.UUID{}, lines: map[uuid.UUID][]uuid.UUID{},
		bySlug: map[string]uuid.UUID{}, children: map[uuid.UUID][]uuid.UUID{},
	}
	for _, r := range rows {
		t.nodes[r.ID] = &Category{ID: r.ID, Slug: r.Slug, Name: r.Name, NameEn: r.NameEn, Children: []*Category{}}
		t.bySlug[r.Slug] = r.ID
		if r.ParentID != nil {
			t.parents[r.ID] = *r.ParentID
			t.children[*r.ParentID] = append(t.children[*r.ParentID], r.ID)
		}
	}
	shown := CategoryTree{Items: []*Category{}}
	for _, r := range rows {
		if r.ParentID == nil {
			shown.Items = append(shown.Items, t.nodes[r.ID])
			t.roots = append(t.roots, r.ID)
		} else if parent := t.nodes[*r.ParentID]; parent != nil {
			parent.Children = append(parent.Children, t.nodes[r.ID])
		}
	}
	for id := range t.nodes {
		t.lines[id] = t.climb(id)
	}
	var err error
	if t.body, err = web.Encode(shown); err != nil {
		return nil, fmt.Errorf("encode categories: %w", err)
	}
	t.etag = web.ETag(json.RawMessage(t.body.Bytes()))
	return t, nil
}

// climb goes from a category up to its root.
func (t *tree) climb(id uuid.UUID) []uuid.UUID {
	line := []uuid.UUID{id}
	for range len(t.nodes) { // the database admits no cycle, and a reader must not hang on one
		parent, ok := t.parents[id]
		if !ok {
			break
		}
		line = append(line, parent)
		id = parent
	}
	return slices.Clip(line)
}

// above returns the category and all above it, nearest first. Nobody may change the slice.
func (t *tree) above(id uuid.UUID) []uuid.UUID {
	if line, ok := t.lines[id]; ok {
		return line
	}
	return []uuid.UUID{id}
}

// find reads a category from what somebody wrote: its id or its slug.
func (t *tree) find(s string) (uuid.UUID, bool) {
	if id, ok := t.bySlug[s]; ok {
		return id, true
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, false
	}
	_, ok := t.nodes[id]
	return id, ok
}

// below returns the category and all below it.
func (t *tree) below(id uuid.UUID) []uuid.UUID {
	ids := []uuid.UUID{id}
	seen := map[uuid.UUID]bool{id: true}
	for i := 0; i < len(ids); i++ {
		for _, child := range t.children[ids[i]] {
			if !seen[child] { // the database admits no cycle, and a reader must not hang on one
				seen[child] = true
				ids = append(ids, child)
			}
		}
	}
	return ids
}

// rollUp adds to each category what the ones below it have.
func (t *tree) rollUp(counts []CategoryCount) map[uuid.UUID]int64 {
	sums := make(map[uuid.UUID]int64, len(counts))
	for _, c := range counts {
		id := c.ID
		for range len(t.nodes) {
			sums[id] += c.Count
			parent, ok := t.parents[id]
			if !ok {
				break
			}
			id = parent
		}
	}
	return sums
}
