package elastic

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/olivere/elastic/v7"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// facets reads what was counted.
type facets struct {
	elastic.Aggregations
}

func (f facets) all() app.Facets {
	all := app.Facets{
		Categories: []app.CategoryCount{},
		Brands:     f.values(brand), Colors: f.values(color), Sizes: f.values(size), Tags: f.values(tag),
		InStock: f.under(stock),
	}
	for _, b := range f.read(category).Counts.Buckets {
		if id, err := uuid.Parse(b.Key); err == nil {
			all.Categories = append(all.Categories, app.CategoryCount{ID: id, Count: b.DocCount})
		}
	}
	if prices := f.read(price).Counts; prices.Min != nil && prices.Max != nil { // of any
		all.MinWon, all.MaxWon = int64(*prices.Min), int64(*prices.Max)
	}
	return all
}

// facet is what was counted under the filters of the other facets. The library would decode each bucket by itself, into maps.
type facet struct {
	DocCount int64 `json:"doc_count"`
	Counts   struct {
		Buckets []struct {
			Key      string `json:"key"`
			DocCount int64  `json:"doc_count"`
		} `json:"buckets"`
		Min *float64 `json:"min"`
		Max *float64 `json:"max"`
	} `json:"counts"`
}

func (f facets) read(of string) (one facet) {
	_ = json.Unmarshal(f.Aggregations[of], &one) // what is not there has nothing
	return one
}

// under is how many there are under the facet's filters.
func (f facets) under(of string) int64 { return f.read(of).DocCount }

// values counts what was written differently, but is the same, once.
func (f facets) values(of string) []app.ValueCount {
	counts := []app.ValueCount{}
	places := map[string]int{}
	for _, b := range f.read(of).Counts.Buckets {
		key := korean.Fold(b.Key)
		if at, ok := places[key]; ok {
			counts[at].Count += b.DocCount
			continue
		}
		places[key] = len(counts)
		counts = append(counts, app.ValueCount{Value: b.Key, Count: b.DocCount})
	}
	slices.SortFunc(counts, func(a, b app.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return counts
}
