package memory_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/searchtest"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
)

func TestIndex(t *testing.T) {
	t.Parallel()

	searchtest.Run(t, func(*testing.T) app.Index { return memory.New() })

	t.Run("RemembersSoManyAnswers", func(t *testing.T) {
		x := memory.New()
		require.NoError(t, x.Put(t.Context(), documents(0, 10)))
		for n := range 3 * memory.MaxAnswers {
			_, err := x.Find(t.Context(), app.Query{MinPriceWon: int64(n), Sort: app.ByNewest, Limit: 1})
			require.NoError(t, err)
			require.LessOrEqual(t, x.Answers(), memory.MaxAnswers)
		}
	})

	t.Run("ReadersAndWriters", func(t *testing.T) {
		x := memory.New()
		require.NoError(t, x.Put(t.Context(), documents(0, 500)))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					found, err := x.Find(t.Context(), app.Query{Text: "나이키", MinPriceWon: int64(n % 100), Sort: app.BySales, Limit: 20})
					if err != nil || found.Total != found.Facets.Brands[0].Count {
						t.Errorf("%d found, %v, %v", found.Total, found.Facets.Brands, err)
						return
					}
					if _, err := x.Suggest(t.Context(), "나", 10); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for round := range 200 {
			changed := documents(round%450, round%450+5)
			for i := range changed {
				changed[i].Version = int64(round + 2)
			}
			require.NoError(t, x.Put(t.Context(), changed))
			require.Equal(t, 500, x.Len())
		}
		close(stop)
		wg.Wait()
	})
}

// documents are those of the demo catalogue, with brands that say no other brand's name.
func documents(first, after int) []app.Document {
	list := make([]app.Document, 0, after-first)
	for n := first; n < after; n++ {
		p := seed.ProductOf(n)
		list = append(list, app.Document{
			Summary: app.Summary{
				ID: p.ID, Version: 1, CategoryID: p.CategoryID, Name: p.Name, NameEn: p.NameEn, Brand: p.Brand, Color: p.Color, Size: p.Size, Tags: p.Tags,
				ListPriceWon: p.ListPriceWon, PriceWon: p.PriceWon, Availability: catalog.InStock, OnSale: true, SalesCount: p.SalesCount, PublishedAt: p.CreatedAt,
			},
			Description: p.Description,
			Visible:     true,
		})
	}
	return list
}

func filled(b *testing.B, n int) *memory.Index {
	x := memory.New()
	for first := 0; first < n; first += 2000 {
		require.NoError(b, x.Put(b.Context(), documents(first, first+2000)))
	}
	return x
}

func BenchmarkBuild100k(b *testing.B) {
	var all [][]app.Document
	for first := 0; first < 100_000; first += 2000 {
		all = append(all, documents(first, first+2000))
	}
	for b.Loop() {
		x := memory.New()
		for _, page := range all {
			require.NoError(b, x.Put(b.Context(), page))
		}
	}
}

func BenchmarkFind100k(b *testing.B) {
	x := filled(b, 100_000)
	for name, q := range map[string]app.Query{
		"all":     {Sort: app.ByNewest},
		"brand":   {Sort: app.BySales, Brands: []string{"나이키"}},
		"text":    {Sort: app.ByRelevance, Text: "나이키 운동화"},
		"rare":    {Sort: app.ByRelevance, Text: "아디다스 프리미엄 방수 부츠"},
		"filters": {Sort: app.ByPriceAsc, Text: "black", InStock: true, MinPriceWon: 50_000},
	} {
		q.Limit = 20
		b.Run(name, func(b *testing.B) {
			n := int64(0)
			for b.Loop() {
				n++
				q.MaxPriceWon = 1_000_000_000 + n // never the same: not from memory
				_, err := x.Find(b.Context(), q)
				require.NoError(b, err)
			}
		})
	}
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			_, err := x.Find(b.Context(), app.Query{Sort: app.ByNewest, Limit: 20})
			require.NoError(b, err)
		}
	})
	b.Run("suggest", func(b *testing.B) {
		for b.Loop() {
			_, err := x.Suggest(b.Context(), "나잌", 10)
			require.NoError(b, err)
		}
	})
	b.Run("change", func(b *testing.B) {
		n := int64(1)
		var worst time.Duration
		for b.Loop() {
			n++
			d := documents(int(n*37%99_000), int(n*37%99_000)+10)
			for i := range d {
				d[i].Version = n
			}
			start := time.Now()
			require.NoError(b, x.Put(b.Context(), d))
			worst = max(worst, time.Since(start))
		}
		b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	})
}
