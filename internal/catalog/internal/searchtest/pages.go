package searchtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

var sorts = []app.Sort{app.ByRelevance, app.ByNewest, app.ByPriceAsc, app.ByPriceDesc, app.BySales}

// walk reads all pages of a list.
func walk(t *testing.T, x app.Index, q app.Query, between func(page int)) []app.Summary {
	t.Helper()
	var all []app.Summary
	for page := 0; ; page++ {
		require.Less(t, page, 1000, "the list does not end")
		found := find(t, x, q)
		all = append(all, found.Items...)
		if found.Next == nil {
			return all
		}
		require.Len(t, found.Items, q.Limit, "only the last page is short")
		q.After = found.Next
		if between != nil {
			between(page)
		}
	}
}

// catalogue makes products with many ties.
func catalogue(n int) []app.Document {
	r := rand.New(rand.NewPCG(1, 2))
	documents := make([]app.Document, n)
	for i := range documents {
		documents[i] = document(i, fmt.Sprintf("상품 운동화 %d호", i%7), "Sneakers", []string{"나이키", "아디다스", "푸마"}[r.IntN(3)], func(d *app.Document) {
			d.PriceWon = int64(1+r.IntN(5)) * 1000
			d.SalesCount = int64(r.IntN(4))
			d.PublishedAt = start.Add(time.Duration(r.IntN(10)) * time.Hour)
			d.Color = []string{"블랙", "화이트", ""}[r.IntN(3)]
			if r.IntN(4) == 0 {
				d.Availability = catalog.SoldOut
			}
		})
	}
	return documents
}

func pages(t *testing.T, x app.Index) {
	documents := catalogue(250)
	for chunk := range slices.Chunk(documents, 23) { // as they come
		put(t, x, chunk...)
	}
	for _, sort := range sorts {
		all := walk(t, x, app.Query{Sort: sort, Limit: 10}, nil)
		require.Len(t, all, len(documents), sort)
		seen := map[uuid.UUID]bool{}
		for i, item := range all {
			require.False(t, seen[item.ID], "%s: twice", sort)
			seen[item.ID] = true
			if i == 0 {
				continue
			}
			before := all[i-1]
			switch sort {
			case app.ByNewest:
				require.False(t, before.PublishedAt.Before(item.PublishedAt))
			case app.ByPriceAsc:
				require.LessOrEqual(t, before.PriceWon, item.PriceWon)
			case app.ByPriceDesc:
				require.GreaterOrEqual(t, before.PriceWon, item.PriceWon)
			case app.BySales, app.ByRelevance:
				require.GreaterOrEqual(t, before.SalesCount, item.SalesCount)
			}
		}
		require.Equal(t, all, walk(t, x, app.Query{Sort: sort, Limit: 100}, nil), "pages of another size are the same list")
		searched := walk(t, x, app.Query{Sort: sort, Text: "운동화 3호", Limit: 7}, nil)
		require.Len(t, searched, 36)
	}
}

// largeNumbers are next to each other where a float64 has only every other one.
func largeNumbers(t *testing.T, x app.Index) {
	const large = 1 << 53
	for n := range 5 {
		put(t, x, document(n, "상품", "", "나이키", func(d *app.Document) { d.SalesCount, d.PriceWon = large+int64(n), large+int64(n) }))
	}
	for _, sort := range sorts {
		for _, text := range []string{"", "상품"} {
			all := walk(t, x, app.Query{Sort: sort, Text: text, Limit: 1}, nil)
			require.Len(t, all, 5, "%s %q", sort, text)
			for i, item := range all {
				at := int64(4 - i)
				if sort == app.ByPriceAsc {
					at = int64(i)
				}
				require.Equal(t, large+at, item.SalesCount, "%s %q", sort, text)
			}
		}
	}
	first := find(t, x, app.Query{Sort: app.ByRelevance, Text: "상품", Limit: 2})
	second := find(t, x, app.Query{Sort: app.ByRelevance, Text: "상품", Limit: 2, After: first.Next})
	require.Equal(t, first.Total, second.Total, "the total and the facets are of the list, not of the page")
	require.Equal(t, first.Facets, second.Facets)
}

func pagesUnderChanges(t *testing.T, x app.Index) {
	documents := catalogue(120)
	for _, sort := range sorts {
		for i := range documents {
			documents[i].Version += 10
			documents[i].Visible = true
		}
		put(t, x, documents...)
		added := 0
		seen := map[uuid.UUID]int{}
		for _, item := range walk(t, x, app.Query{Sort: sort, Limit: 9, Text: "운동화"}, func(page int) {
			gone := documents[(page*8)%120/2*2] // even ones go, odd ones stay
			gone.Version, gone.Visible = gone.Version+1, false
			added++
			put(t, x, gone, document(500+int(documents[0].Version)*100+added, "새 운동화", "New Sneakers", "푸마"))
		}) {
			seen[item.ID]++
		}
		for i, d := range documents {
			require.LessOrEqual(t, seen[d.ID], 1, "%s: twice", sort)
			if i%2 == 1 {
				require.Equal(t, 1, seen[d.ID], "%s: what did not change is there once", sort)
			}
		}
	}
}

func badPosition(t *testing.T, x app.Index) {
	put(t, x, document(1, "가", "", "나이키"))
	for _, values := range [][]int64{nil, {}, {1}, {1, 2, 3}} {
		_, err := x.Find(t.Context(), app.Query{Sort: app.ByNewest, Limit: 1, After: &app.Position{Values: values}})
		require.ErrorIs(t, err, app.ErrBadPosition)
	}
	for _, sort := range sorts { // and what somebody made up is as good as any
		for _, value := range []int64{math.MinInt64, -1, 0, 1 << 24, math.MaxInt64} {
			for _, text := range []string{"", "가", "없다"} {
				find(t, x, app.Query{Sort: sort, Text: text, After: &app.Position{Values: []int64{value, -value}}})
			}
		}
	}
}
