package memory

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// counts is what one segment has of each value.
type counts struct {
	categories, brands, colors, sizes, tags []int32
	inStock                                 int64
	minWon, maxWon                          int64
	priced                                  bool
}

func newCounts(s *segment) *counts {
	return &counts{
		categories: make([]int32, len(s.categories.all)),
		brands:     make([]int32, len(s.brands.all)),
		colors:     make([]int32, len(s.colors.all)),
		sizes:      make([]int32, len(s.sizes.all)),
		tags:       make([]int32, len(s.tags.all)),
	}
}

// add counts an item in each facet whose own filter is the only one that it fails, if any.
func (c *counts) add(s *segment, i, fails int) {
	if bits.OnesCount(uint(fails)) > 1 {
		return
	}
	if fails&^failsCategory == 0 {
		count(c.categories, s.categories.of[i])
	}
	if fails&^failsBrand == 0 {
		count(c.brands, s.brands.of[i])
	}
	if fails&^failsColor == 0 {
		count(c.colors, s.colors.of[i])
	}
	if fails&^failsSize == 0 {
		count(c.sizes, s.sizes.of[i])
	}
	if fails&^failsTag == 0 {
		for _, n := range s.tags.at(i) {
			c.tags[n]++
		}
	}
	if fails&^failsStock == 0 && s.inStock[i] {
		c.inStock++
	}
	if fails&^failsPrice == 0 {
		price := s.price[i]
		if !c.priced || price < c.minWon {
			c.minWon = price
		}
		c.maxWon = max(c.maxWon, price)
		c.priced = true
	}
}

func count(counts []int32, value int32) {
	if value != nothing {
		counts[value]++
	}
}

// tally is the counts of all segments.
type tally struct {
	count                       int64
	categories                  map[uuid.UUID]int64
	brands, colors, sizes, tags map[string]*app.ValueCount // by folded value
	inStock, minWon, maxWon     int64
	priced                      bool
}

func (t *tally) add(s *segment, c *counts) {
	for n, count := range c.categories {
		if count > 0 {
			t.categories[s.categories.all[n]] += int64(count)
		}
	}
	addValues(t.brands, &s.brands.values, c.brands)
	addValues(t.colors, &s.colors.values, c.colors)
	addValues(t.sizes, &s.sizes.values, c.sizes)
	addValues(t.tags, &s.tags.values, c.tags)
	t.inStock += c.inStock
	if c.priced {
		if !t.priced || c.minWon < t.minWon {
			t.minWon = c.minWon
		}
		t.maxWon = max(t.maxWon, c.maxWon)
		t.priced = true
	}
}

func addValues(into map[string]*app.ValueCount, vs *values[string], counts []int32) {
	for n, count := range counts {
		if count == 0 {
			continue
		}
		key := korean.Fold(vs.all[n])
		v := into[key]
		if v == nil {
			v = &app.ValueCount{Value: vs.all[n]}
			into[key] = v
		}
		v.Count += int64(count)
	}
}

func (t *tally) facets() app.Facets {
	f := app.Facets{
		Categories: make([]app.CategoryCount, 0, len(t.categories)),
		Brands:     mostFrequent(t.brands), Colors: mostFrequent(t.colors), Sizes: mostFrequent(t.sizes), Tags: mostFrequent(t.tags),
		InStock: t.inStock, MinWon: t.minWon, MaxWon: t.maxWon,
	}
	for id, count := range t.categories {
		f.Categories = append(f.Categories, app.CategoryCount{ID: id, Count: count})
	}
	slices.SortFunc(f.Categories, func(a, b app.CategoryCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareIDs(a.ID, b.ID))
	})
	return f
}

func mostFrequent(values map[string]*app.ValueCount) []app.ValueCount {
	list := make([]app.ValueCount, 0, len(values))
	for _, v := range values {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b app.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return list[:min(len(list), app.MaxFacetValues)]
}
