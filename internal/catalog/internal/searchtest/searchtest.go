// Package searchtest is what every adapter of app.Index must do, in tests.
package searchtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// Run checks an adapter. open returns an empty index; what is Put must be found when Put has returned.
func Run(t *testing.T, open func(t *testing.T) app.Index) {
	t.Run("Text", func(t *testing.T) { text(t, open(t)) })
	t.Run("TextIsNoQueryLanguage", func(t *testing.T) { noLanguage(t, open(t)) })
	t.Run("LongText", func(t *testing.T) { long(t, open(t)) })
	t.Run("Relevance", func(t *testing.T) { relevance(t, open(t)) })
	t.Run("WholeWordsComeFirst", func(t *testing.T) { wholeWords(t, open(t)) })
	t.Run("SynonymsFindEachOther", func(t *testing.T) { synonyms(t, open(t)) })
	t.Run("NearlyTheSame", func(t *testing.T) { nearly(t, open(t)) })
	t.Run("Filters", func(t *testing.T) { filters(t, open(t)) })
	t.Run("FacetsIgnoreTheirOwnFilter", func(t *testing.T) { facets(t, open(t)) })
	t.Run("FacetsHaveLimits", func(t *testing.T) { manyValues(t, open(t)) })
	t.Run("SortsAndPages", func(t *testing.T) { pages(t, open(t)) })
	t.Run("PagesOfLargeNumbers", func(t *testing.T) { largeNumbers(t, open(t)) })
	t.Run("PagesUnderChanges", func(t *testing.T) { pagesUnderChanges(t, open(t)) })
	t.Run("Versions", func(t *testing.T) { versions(t, open(t)) })
	t.Run("HiddenNeverAppears", func(t *testing.T) { hidden(t, open(t)) })
	t.Run("Suggest", func(t *testing.T) { suggest(t, open(t)) })
	t.Run("AgainstAScan", func(t *testing.T) { againstAScan(t, open(t)) })
	t.Run("BadPosition", func(t *testing.T) { badPosition(t, open(t)) })
}

var (
	shoes = uuid.MustParse("01900000-0000-7000-8000-00000000000a")
	tops  = uuid.MustParse("01900000-0000-7000-8000-00000000000b")
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// id makes ids that sort like their numbers.
func id(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012x", 0x1000+n))
}

// document is a product in stock; change makes it another.
func document(n int, name, nameEn, brand string, change ...func(*app.Document)) app.Document {
	d := app.Document{
		Summary: app.Summary{
			ID: id(n), Version: 1, CategoryID: shoes, Name: name, NameEn: nameEn, Brand: brand, Color: "블랙", Size: "270",
			Tags: []string{}, ListPriceWon: 10_000, PriceWon: 10_000, Availability: catalog.InStock, OnSale: true,
			PublishedAt: start.Add(time.Duration(n) * time.Minute),
		},
		Visible: true,
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func put(t *testing.T, x app.Index, documents ...app.Document) {
	t.Helper()
	require.NoError(t, x.Put(t.Context(), documents))
}

func find(t *testing.T, x app.Index, q app.Query) app.Found {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Sort == "" {
		q.Sort = app.ByNewest
	}
	found, err := x.Find(t.Context(), q)
	require.NoError(t, err)
	return found
}

func names(found app.Found) []string {
	list := []string{}
	for _, item := range found.Items {
		list = append(list, item.Name)
	}
	return list
}

func filters(t *testing.T, x app.Index) {
	put(t, x,
		document(1, "가", "A", "Nike", func(d *app.Document) { d.PriceWon = 1000 }),
		document(2, "나", "B", "Adidas", func(d *app.Document) { d.PriceWon, d.Color, d.Size = 2000, "화이트", "280" }),
		document(3, "다", "C", "Nike", func(d *app.Document) { d.PriceWon, d.CategoryID, d.Availability = 3000, tops, catalog.SoldOut }),
		document(4, "라", "D", "Puma", func(d *app.Document) {
			d.PriceWon, d.Color, d.Size, d.Tags, d.Availability = 4000, "", "", []string{"신상", "특가"}, catalog.Low
		}),
	)
	for _, c := range []struct {
		q    app.Query
		want []string
	}{
		{app.Query{}, []string{"라", "다", "나", "가"}},
		{app.Query{Brands: []string{"nike"}}, []string{"다", "가"}},
		{app.Query{Brands: []string{"Nike", "Puma"}}, []string{"라", "다", "가"}},
		{app.Query{Brands: []string{"Nobody"}}, []string{}},
		{app.Query{Brands: []string{"Nike Adidas"}}, []string{}},
		{app.Query{CategoryIDs: []uuid.UUID{tops}}, []string{"다"}},
		{app.Query{CategoryIDs: []uuid.UUID{tops, shoes}}, []string{"라", "다", "나", "가"}},
		{app.Query{CategoryIDs: []uuid.UUID{id(9)}}, []string{}},
		{app.Query{Colors: []string{"화이트"}}, []string{"나"}},
		{app.Query{Sizes: []string{"270"}}, []string{"다", "가"}},
		{app.Query{Tags: []string{"특가"}}, []string{"라"}},
		{app.Query{Tags: []string{"특가", "신상"}}, []string{"라"}},
		{app.Query{MinPriceWon: 2000}, []string{"라", "다", "나"}},
		{app.Query{MaxPriceWon: 2000}, []string{"나", "가"}},
		{app.Query{MinPriceWon: 2000, MaxPriceWon: 3000}, []string{"다", "나"}},
		{app.Query{InStock: true}, []string{"라", "나", "가"}},
		{app.Query{InStock: true, Brands: []string{"Nike"}}, []string{"가"}},
	} {
		found := find(t, x, c.q)
		require.Equal(t, c.want, names(found), "%+v", c.q)
		require.EqualValues(t, len(c.want), found.Total)
		require.Nil(t, found.Next)
	}
	got := find(t, x, app.Query{Brands: []string{"Puma"}}).Items[0]
	require.Equal(t, document(4, "라", "D", "Puma", func(d *app.Document) {
		d.PriceWon, d.Color, d.Size, d.Tags, d.Availability = 4000, "", "", []string{"신상", "특가"}, catalog.Low
	}).Summary, got, "what was put in comes out")
}

func facets(t *testing.T, x app.Index) {
	put(t, x,
		document(1, "가", "", "Nike", func(d *app.Document) { d.PriceWon = 1000 }),
		document(2, "나", "", "Nike", func(d *app.Document) { d.PriceWon, d.Color = 2000, "화이트" }),
		document(3, "다", "", "Puma", func(d *app.Document) { d.PriceWon, d.Color, d.Tags = 3000, "화이트", []string{"특가"} }),
		document(4, "라", "", "Puma", func(d *app.Document) { d.PriceWon, d.CategoryID, d.Availability = 9000, tops, catalog.SoldOut }),
	)
	f := find(t, x, app.Query{Brands: []string{"Nike"}, Colors: []string{"화이트"}}).Facets
	require.Equal(t, []app.ValueCount{{Value: "Nike", Count: 1}, {Value: "Puma", Count: 1}}, f.Brands)
	require.Equal(t, []app.ValueCount{{Value: "블랙", Count: 1}, {Value: "화이트", Count: 1}}, f.Colors)
	require.Equal(t, []app.CategoryCount{{ID: shoes, Count: 1}}, f.Categories)
	require.Equal(t, []app.ValueCount{{Value: "270", Count: 1}}, f.Sizes)
	require.Empty(t, f.Tags)

	f = find(t, x, app.Query{MinPriceWon: 2000, MaxPriceWon: 3000, InStock: true}).Facets
	require.EqualValues(t, 1000, f.MinWon)
	require.EqualValues(t, 3000, f.MaxWon, "the dearest is sold out")
	require.EqualValues(t, 2, f.InStock)
	require.Equal(t, []app.ValueCount{{Value: "특가", Count: 1}}, f.Tags)

	f = find(t, x, app.Query{CategoryIDs: []uuid.UUID{tops}}).Facets
	require.Equal(t, []app.CategoryCount{{ID: shoes, Count: 3}, {ID: tops, Count: 1}}, f.Categories)
	require.Zero(t, f.InStock)

	f = find(t, x, app.Query{Text: "라"}).Facets
	require.Equal(t, []app.ValueCount{{Value: "Puma", Count: 1}}, f.Brands, "the text is no facet: it counts everywhere")

	f = find(t, x, app.Query{Text: "없다"}).Facets
	require.Equal(t, app.Facets{
		Categories: []app.CategoryCount{}, Brands: []app.ValueCount{}, Colors: []app.ValueCount{}, Sizes: []app.ValueCount{}, Tags: []app.ValueCount{},
	}, f)
}

func manyValues(t *testing.T, x app.Index) {
	documents := []app.Document{
		document(1, "가", "", "Nike"), document(2, "나", "", "NIKE"), document(3, "다", "", "Nike"), document(4, "라", "", "Puma"),
	}
	for n := range app.MaxFacetValues + 10 {
		documents = append(documents, document(10+n, "마", "", "아무개", func(d *app.Document) { d.Size = fmt.Sprint("크기 ", n%app.MaxFacetValues*2) }),
			document(200+n, "바", "", "아무개", func(d *app.Document) { d.Tags = []string{fmt.Sprint("꼬리표 ", n), "꼬리표"} }))
	}
	put(t, x, documents...)
	f := find(t, x, app.Query{}).Facets
	require.Equal(t, app.ValueCount{Value: "Nike", Count: 3}, f.Brands[1], "what was written differently is the same")
	require.Len(t, f.Brands, 3)
	require.Len(t, f.Sizes, app.MaxFacetValues)
	require.Len(t, f.Tags, app.MaxFacetValues)
	require.Equal(t, app.ValueCount{Value: "꼬리표", Count: app.MaxFacetValues + 10}, f.Tags[0])
	for i := 1; i < len(f.Sizes); i++ {
		require.GreaterOrEqual(t, f.Sizes[i-1].Count, f.Sizes[i].Count)
	}
}

func versions(t *testing.T, x app.Index) {
	named := func(version int64, name string, visible bool) app.Document {
		return document(1, name, "", "나이키", func(d *app.Document) { d.Version, d.Visible = version, visible })
	}
	only := func() []string { return names(find(t, x, app.Query{})) }
	put(t, x, named(5, "다섯", true))
	put(t, x, named(4, "넷", true))
	require.Equal(t, []string{"다섯"}, only(), "an older document changes nothing")
	put(t, x, named(4, "넷", false))
	require.Equal(t, []string{"다섯"}, only())
	put(t, x, named(5, "다시 다섯", true))
	require.Equal(t, []string{"다시 다섯"}, only(), "the same version again is taken: what it counts may have moved")
	put(t, x, named(7, "일곱", false))
	require.Empty(t, only())
	put(t, x, named(6, "여섯", true))
	require.Empty(t, only(), "an older document does not bring back what was taken out")
	put(t, x, named(8, "여덟", true), named(9, "아홉", true))
	require.Equal(t, []string{"아홉"}, only(), "the newest of one batch")
	put(t, x)
	require.Equal(t, []string{"아홉"}, only())
}

// original 53: hidden products were found.
func hidden(t *testing.T, x app.Index) {
	put(t, x, document(1, "나이키 운동화", "Nike Sneakers", "나이키"), document(2, "비밀 상품", "Secret", "비밀브랜드", func(d *app.Document) { d.Visible = false }))
	gone := document(1, "나이키 운동화", "Nike Sneakers", "나이키", func(d *app.Document) { d.Version, d.Visible = 2, false })
	put(t, x, gone)
	for _, q := range []app.Query{{}, {Text: "나이키"}, {Text: "비밀"}, {Brands: []string{"나이키"}}, {Sort: app.BySales}} {
		found := find(t, x, q)
		require.Zero(t, found.Total)
		require.Empty(t, found.Items)
		require.Empty(t, found.Facets.Brands)
		require.Zero(t, found.Facets.InStock)
	}
	for _, typed := range []string{"나", "나이키", "비밀", "ㄴㅇㅋ"} {
		suggestions, err := x.Suggest(t.Context(), typed, 10)
		require.NoError(t, err)
		require.Empty(t, suggestions, typed)
	}
}

// againstAScan compares with a loop over all documents, while they change.
func againstAScan(t *testing.T, x app.Index) {
	r := rand.New(rand.NewPCG(3, 4))
	documents := catalogue(200)
	put(t, x, documents...)
	for round := range 60 {
		changed := make([]app.Document, 1+r.IntN(20))
		for i := range changed {
			d := &documents[r.IntN(len(documents))]
			d.Version++
			d.PriceWon = int64(1+r.IntN(5)) * 1000
			d.Visible = r.IntN(5) > 0
			d.Brand = []string{"나이키", "아디다스", "푸마", "휠라"}[r.IntN(4)]
			changed[i] = *d
		}
		put(t, x, changed...)
		q := app.Query{MinPriceWon: int64(r.IntN(4)) * 1000, InStock: r.IntN(2) == 0, Sort: app.ByPriceAsc}
		if r.IntN(2) == 0 {
			q.Brands = []string{"나이키", "휠라"}
		}
		if r.IntN(2) == 0 {
			q.Colors = []string{"블랙"}
		}
		want := map[uuid.UUID]bool{}
		brands := map[string]int64{}
		for _, d := range documents {
			rest := d.Visible && d.PriceWon >= q.MinPriceWon && (!q.InStock || d.Availability != catalog.SoldOut) &&
				(q.Colors == nil || slices.Contains(q.Colors, d.Color))
			if rest {
				brands[d.Brand]++
			}
			if rest && (q.Brands == nil || slices.Contains(q.Brands, d.Brand)) {
				want[d.ID] = true
			}
		}
		q.Limit = 17
		all := walk(t, x, q, nil)
		require.Len(t, all, len(want), "round %d: %+v", round, q)
		for _, item := range all {
			require.True(t, want[item.ID])
		}
		found := find(t, x, q)
		require.EqualValues(t, len(want), found.Total)
		got := map[string]int64{}
		for _, b := range found.Facets.Brands {
			got[b.Value] = b.Count
		}
		require.Equal(t, brands, got)
	}
}
