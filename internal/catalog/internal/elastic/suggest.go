package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/olivere/elastic/v7"

	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// Suggest implements app.Index: brands first, then products, the best sellers first.
func (x *Index) Suggest(ctx context.Context, typed string, limit int) ([]string, error) {
	typed = korean.Fold(typed)
	start := korean.Letters(typed)
	if korean.OnlyInitials(typed) {
		start = korean.Initials(typed)
	}
	if start == "" || limit <= 0 {
		return []string{}, nil
	}
	brands := elastic.NewTermsAggregation().Field("brand_value").Size(limit).OrderByKeyAsc()
	answer, err := x.read(ctx, x.client.Search(x.alias).
		Query(elastic.NewBoolQuery().Filter(elastic.NewTermQuery("visible", true)).Should(
			elastic.NewMatchQuery("starts", start), elastic.NewMatchQuery("brand_starts", start),
		).MinimumNumberShouldMatch(1)).
		PostFilter(elastic.NewMatchQuery("starts", start)).
		Collapse(elastic.NewCollapseBuilder("name_value")).
		SortBy(elastic.NewFieldSort("sales_count").Desc(), elastic.NewFieldSort("name_value").Asc()).
		Size(limit).TrackTotalHits(false).
		Aggregation(brand, elastic.NewFilterAggregation().Filter(elastic.NewMatchQuery("brand_starts", start)).SubAggregation(brand, brands)))
	if err != nil {
		return nil, err
	}
	suggestions := make([]string, 0, limit)
	if under, ok := answer.Aggregations.Filter(brand); ok {
		if terms, ok := under.Terms(brand); ok {
			for _, b := range terms.Buckets {
				suggestions = append(suggestions, b.Key.(string))
			}
		}
	}
	for _, hit := range answer.Hits.Hits {
		var d document
		if err := json.Unmarshal(hit.Source, &d); err != nil {
			return nil, fmt.Errorf("read product %s of the index: %w", hit.Id, err)
		}
		if len(suggestions) < limit && !slices.Contains(suggestions, d.Summary.Name) {
			suggestions = append(suggestions, d.Summary.Name)
		}
	}
	return suggestions, nil
}
