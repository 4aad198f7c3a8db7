package elastic_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/elastic"
)

func product(n int, name string) app.Document {
	return app.Document{
		Summary: app.Summary{
			ID: uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012x", n)), Version: 1, Name: name, Brand: "나이키", Tags: []string{},
			PriceWon: 1000, Availability: catalog.InStock,
		},
		Visible: true,
	}
}

func names(t *testing.T, x *elastic.Index) []string {
	t.Helper()
	found, err := x.Find(t.Context(), app.Query{Sort: app.ByNewest, Limit: 10})
	require.NoError(t, err)
	list := []string{}
	for _, item := range found.Items {
		list = append(list, item.Name)
	}
	return list
}

func TestGenerations(t *testing.T) {
	t.Parallel()

	t.Run("ListsAreUnavailableBeforeTheFirst", func(t *testing.T) {
		t.Parallel()

		x := connect(t)
		_, err := x.Find(t.Context(), app.Query{Sort: app.ByNewest, Limit: 1})
		require.ErrorIs(t, err, catalog.ErrSearchUnavailable)
		_, err = x.Suggest(t.Context(), "나", 1)
		require.ErrorIs(t, err, catalog.ErrSearchUnavailable)
		require.ErrorIs(t, x.Put(t.Context(), []app.Document{product(1, "가")}), catalog.ErrSearchUnavailable)
		require.ErrorIs(t, x.PutInto(t.Context(), "1", []app.Document{product(1, "가")}), catalog.ErrSearchUnavailable)
		require.ErrorIs(t, x.Adopt(t.Context(), "1"), catalog.ErrSearchUnavailable)
		current, err := x.Current(t.Context())
		require.NoError(t, err)
		require.Empty(t, current, "no write has made an index by itself")
		require.NoError(t, x.Create(t.Context(), "1"), "neither of the alias's name nor of the generation's")
		require.NoError(t, x.Drop(t.Context(), "1"))
	})

	t.Run("OneTakesThePlaceOfAnother", func(t *testing.T) {
		t.Parallel()

		x := connect(t)
		require.NoError(t, x.Create(t.Context(), "1"))
		require.NoError(t, x.Adopt(t.Context(), "1"))
		require.NoError(t, x.Put(t.Context(), []app.Document{product(1, "옛것")}))
		require.NoError(t, x.Adopt(t.Context(), "1"), "again: what was written is found")
		require.Equal(t, []string{"옛것"}, names(t, x))

		require.NoError(t, x.Create(t.Context(), "2"))
		require.NoError(t, x.PutInto(t.Context(), "2", []app.Document{product(2, "새것")}))
		require.NoError(t, x.Create(t.Context(), "2"), "again: it keeps what it has")
		require.Equal(t, []string{"옛것"}, names(t, x))
		require.ErrorIs(t, x.Drop(t.Context(), "1"), elastic.ErrCurrent)

		require.NoError(t, x.Adopt(t.Context(), "2"))
		require.Equal(t, []string{"새것"}, names(t, x))
		current, err := x.Current(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2", current)

		require.NoError(t, x.Put(t.Context(), []app.Document{product(3, "더 새것")}))
		require.NoError(t, x.Drop(t.Context(), "1"))
		require.NoError(t, x.Drop(t.Context(), "1"), "what is not there can be dropped")
		require.ErrorIs(t, x.PutInto(t.Context(), "1", []app.Document{product(1, "옛것")}), catalog.ErrSearchUnavailable)
		require.NoError(t, x.Adopt(t.Context(), "2"))
		require.Equal(t, []string{"더 새것", "새것"}, names(t, x))
	})

	t.Run("ReadersSeeOneOrTheOther", func(t *testing.T) {
		t.Parallel()

		x := connect(t)
		for _, g := range []string{"1", "2"} {
			require.NoError(t, x.Create(t.Context(), g))
			require.NoError(t, x.PutInto(t.Context(), g, []app.Document{product(1, "상품 "+g), product(2, "상품 "+g)}))
		}
		require.NoError(t, x.Adopt(t.Context(), "1"))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				found, err := x.Find(t.Context(), app.Query{Text: "상품", Sort: app.ByNewest, Limit: 10})
				if err != nil || found.Total != 2 || found.Items[0].Name != found.Items[1].Name {
					t.Errorf("%+v, %v", found, err)
					return
				}
			}
		})
		for n := range 10 {
			require.NoError(t, x.Adopt(t.Context(), []string{"2", "1"}[n%2]))
		}
		close(stop)
		wg.Wait()
	})
}
