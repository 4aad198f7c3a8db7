package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/olivere/elastic/v7"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

const (
	maxTotal      = 10_000 // up to which a list is counted
	maxCategories = 1000   // of one list
)

// Find implements app.Index. Where nothing has all the words, what has words nearly like them is found.
func (x *Index) Find(ctx context.Context, q app.Query) (app.Found, error) {
	if q.After != nil && len(q.After.Values) != 2 {
		return app.Found{}, app.ErrBadPosition
	}
	if strings.TrimSpace(q.Text) == "" {
		found, _, err := x.find(ctx, q, nil)
		return found, err
	}
	words := korean.Words(q.Text, maxWords)
	if len(words) == 0 { // nothing but punctuation
		return app.Found{Items: []app.Summary{}, Facets: new(facets).all()}, nil
	}
	found, matched, err := x.find(ctx, q, asWritten(words))
	if err == nil && matched == 0 {
		found, _, err = x.find(ctx, q, nearly(words))
	}
	return found, err
}

// filter is one that a query sets, by the name of its facet.
type filter struct {
	of    string
	admit elastic.Query
}

// The names of the facets, and of what is counted for them.
const (
	category = "category"
	brand    = "brand"
	color    = "color"
	size     = "size"
	tag      = "tag"
	price    = "price"
	stock    = "stock"
	matches  = "matches" // what has the text, whatever the filters say
	counts   = "counts"  // of each of them
)

func filtersOf(q app.Query) []filter {
	var filters []filter
	terms := func(of, field string, values []string) {
		if len(values) > 0 {
			filters = append(filters, filter{of, elastic.NewTermsQueryFromStrings(field, values...)})
		}
	}
	ids := make([]string, len(q.CategoryIDs))
	for i, id := range q.CategoryIDs {
		ids[i] = id.String()
	}
	terms(category, "category_id", ids)
	terms(brand, "brand_key", folded(q.Brands))
	terms(color, "color_key", folded(q.Colors))
	terms(size, "size_key", folded(q.Sizes))
	terms(tag, "tag_keys", folded(q.Tags))
	if q.MinPriceWon > 0 || q.MaxPriceWon > 0 {
		between := elastic.NewRangeQuery("price_won").Gte(q.MinPriceWon)
		if q.MaxPriceWon > 0 {
			between.Lte(q.MaxPriceWon)
		}
		filters = append(filters, filter{price, between})
	}
	if q.InStock {
		filters = append(filters, filter{stock, elastic.NewTermQuery("in_stock", true)})
	}
	return filters
}

// but admits what all filters do, except those of one facet.
func but(filters []filter, of string) *elastic.BoolQuery {
	all := elastic.NewBoolQuery()
	for _, f := range filters {
		if f.of != of {
			all.Filter(f.admit)
		}
	}
	return all
}

// find answers one list, and how many products have the text. The filters come after the text: each facet counts under the others'.
func (x *Index) find(ctx context.Context, q app.Query, text elastic.Query) (app.Found, int64, error) {
	matching := elastic.NewBoolQuery().Filter(elastic.NewTermQuery("visible", true))
	if text != nil {
		matching.Must(text)
	}
	filters := filtersOf(q)
	search := x.client.Search(x.alias).Query(matching).TrackTotalHits(maxTotal).Size(q.Limit + 1).SortBy(orderOf(q.Sort, text != nil)...)
	if len(filters) > 0 {
		search.PostFilter(but(filters, ""))
	}
	if q.After != nil {
		search.SearchAfter(afterOf(q, text != nil)...)
	}
	counting := func(of, field string, most int) {
		terms := elastic.NewTermsAggregation().Field(field).Size(most)
		search.Aggregation(of, elastic.NewFilterAggregation().Filter(but(filters, of)).SubAggregation(counts, terms))
	}
	counting(category, "category_id", maxCategories)
	counting(brand, "brand_value", app.MaxFacetValues)
	counting(color, "color_value", app.MaxFacetValues)
	counting(size, "size_value", app.MaxFacetValues)
	counting(tag, "tag_values", app.MaxFacetValues)
	search.Aggregation(price, elastic.NewFilterAggregation().Filter(but(filters, price)).
		SubAggregation(counts, elastic.NewStatsAggregation().Field("price_won")))
	search.Aggregation(stock, elastic.NewFilterAggregation().Filter(but(filters, stock).Filter(elastic.NewTermQuery("in_stock", true))))
	search.Aggregation(matches, elastic.NewFilterAggregation().Filter(elastic.NewMatchAllQuery()))

	answer, err := x.read(ctx, search)
	if err != nil {
		return app.Found{}, 0, err
	}
	counted := facets{answer.Aggregations}
	found := app.Found{Items: []app.Summary{}, Total: answer.TotalHits(), Facets: counted.all()}
	hits := answer.Hits.Hits
	for _, hit := range hits[:min(len(hits), q.Limit)] {
		var d document
		if err := json.Unmarshal(hit.Source, &d); err != nil {
			return app.Found{}, 0, fmt.Errorf("read product %s of the index: %w", hit.Id, err)
		}
		found.Items = append(found.Items, d.Summary)
	}
	if len(hits) > q.Limit && q.Limit > 0 {
		if found.Next, err = positionOf(hits[q.Limit-1].Sort, found.Items[q.Limit-1].ID); err != nil {
			return app.Found{}, 0, err
		}
	}
	return found, counted.under(matches), nil
}

// orderOf is what a list is sorted by; the newest id breaks ties.
func orderOf(by app.Sort, text bool) []elastic.Sorter {
	id, sales := elastic.NewFieldSort("id").Desc(), elastic.NewFieldSort("sales_count").Desc()
	switch by {
	case app.ByPriceAsc:
		return []elastic.Sorter{elastic.NewFieldSort("price_won").Asc(), id}
	case app.ByPriceDesc:
		return []elastic.Sorter{elastic.NewFieldSort("price_won").Desc(), id}
	case app.ByNewest:
		return []elastic.Sorter{elastic.NewFieldSort("published_at").Desc(), id}
	case app.ByRelevance:
		if text {
			return []elastic.Sorter{elastic.NewScoreSort(), sales, id}
		}
	}
	return []elastic.Sorter{sales, id}
}

// A position has what the list is sorted by: the score and the sales, or one value and a zero. Scores are sums of whole numbers, far
// below the 2²⁴ up to which Elasticsearch's float32 has each of them, so they are carried as they are.
func positionOf(sorted []any, id uuid.UUID) (*app.Position, error) {
	values := [2]int64{}
	for i, v := range sorted[:len(sorted)-1] { // without the id
		number, ok := v.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v is not a number to sort by", v)
		}
		f, err := number.Float64()
		if err != nil {
			return nil, fmt.Errorf("read what the list is sorted by: %w", err)
		}
		if values[i], err = number.Int64(); err != nil { // a score, such as 132.0
			values[i] = int64(f)
		}
	}
	return &app.Position{Values: values[:], ID: id}, nil
}

func afterOf(q app.Query, text bool) []any {
	if q.Sort == app.ByRelevance && text {
		return []any{q.After.Values[0], q.After.Values[1], q.After.ID.String()}
	}
	return []any{q.After.Values[0], q.After.ID.String()}
}
