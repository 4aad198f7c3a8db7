package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// RunProjection checks an adapter; open returns a store without generations. What is put must be seen when PutInto has returned, in a
// generation that is current.
func RunProjection(t *testing.T, open func(t *testing.T) app.Projection) {
	const first, second = "1764300000000", "1764300000001"

	begin := func(t *testing.T, documents ...app.Document) app.Projection {
		t.Helper()
		p := open(t)
		require.NoError(t, p.Create(t.Context(), first))
		require.NoError(t, p.Adopt(t.Context(), first))
		require.NoError(t, p.PutInto(t.Context(), first, documents))
		return p
	}
	standing := func(t *testing.T, p app.Projection, n int) (app.Standing, bool) {
		t.Helper()
		found, err := p.Standings(t.Context(), []uuid.UUID{id(n)})
		require.NoError(t, err)
		s, ok := found[id(n)]
		return s, ok
	}
	visible := func(t *testing.T, p app.Projection, limit int) []uuid.UUID {
		t.Helper()
		all := []uuid.UUID{}
		for cursor, pages := "", 0; ; pages++ {
			require.Less(t, pages, 1000, "the list does not end")
			ids, next, err := p.Visible(t.Context(), cursor, limit)
			require.NoError(t, err)
			require.LessOrEqual(t, len(ids), limit)
			if all = append(all, ids...); next == "" {
				slices.SortFunc(all, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
				return all
			}
			cursor = next
		}
	}

	t.Run("HasNoGenerationAtFirst", func(t *testing.T) {
		current, err := open(t).Current(t.Context())
		require.NoError(t, err)
		require.Empty(t, current)
	})
	t.Run("AnOlderDocumentChangesNothing", func(t *testing.T) {
		named := func(version int64, availability catalog.Availability, visible bool) app.Document {
			return document(1, func(d *app.Document) { d.Version, d.Availability, d.Visible = version, availability, visible })
		}
		p := begin(t, named(5, catalog.InStock, true))
		for _, step := range []struct {
			put  app.Document
			want app.Standing
		}{
			{named(4, catalog.SoldOut, true), app.Standing{Version: 5, Visible: true, Availability: catalog.InStock}},
			{named(4, catalog.SoldOut, false), app.Standing{Version: 5, Visible: true, Availability: catalog.InStock}},
			{named(6, catalog.Low, true), app.Standing{Version: 6, Visible: true, Availability: catalog.Low}},
			{named(8, catalog.Low, false), app.Standing{Version: 8}},
			{named(7, catalog.Low, true), app.Standing{Version: 8}},
			{named(9, catalog.SoldOut, true), app.Standing{Version: 9, Visible: true, Availability: catalog.SoldOut}},
		} {
			require.NoError(t, p.PutInto(t.Context(), first, []app.Document{step.put}))
			got, _ := standing(t, p, 1)
			require.Equal(t, step.want, got, "after %d, %t", step.put.Version, step.put.Visible)
		}
		require.NoError(t, p.PutInto(t.Context(), first, []app.Document{named(10, catalog.InStock, true)}))
		require.NoError(t, p.PutInto(t.Context(), first, nil))
		got, _ := standing(t, p, 1)
		require.EqualValues(t, 10, got.Version)
	})
	t.Run("ReadersSeeTheCurrentGeneration", func(t *testing.T) {
		p := begin(t, document(1), document(2))
		require.NoError(t, p.Create(t.Context(), second))
		require.NoError(t, p.Create(t.Context(), second), "again")
		require.NoError(t, p.PutInto(t.Context(), second, []app.Document{document(3)}))
		require.Equal(t, []uuid.UUID{id(1), id(2)}, visible(t, p, 10))
		_, ok := standing(t, p, 3)
		require.False(t, ok)

		require.NoError(t, p.Adopt(t.Context(), second))
		require.NoError(t, p.Adopt(t.Context(), second), "again")
		current, err := p.Current(t.Context())
		require.NoError(t, err)
		require.Equal(t, second, current)
		require.Equal(t, []uuid.UUID{id(3)}, visible(t, p, 10))

		require.NoError(t, p.PutInto(t.Context(), first, []app.Document{document(4)}), "the old one still takes what is written")
		require.NoError(t, p.Drop(t.Context(), first))
		require.NoError(t, p.Drop(t.Context(), first), "again")
		require.Equal(t, []uuid.UUID{id(3)}, visible(t, p, 10))
	})
	t.Run("AGenerationThatIsNotThereTakesNothing", func(t *testing.T) {
		p := begin(t, document(1))
		require.ErrorIs(t, p.PutInto(t.Context(), second, []app.Document{document(2)}), app.ErrNoGeneration)
		require.NoError(t, p.Create(t.Context(), second))
		require.NoError(t, p.PutInto(t.Context(), second, []app.Document{document(2)}))
		require.NoError(t, p.Drop(t.Context(), second))
		require.ErrorIs(t, p.PutInto(t.Context(), second, []app.Document{document(2)}), app.ErrNoGeneration)
	})
	t.Run("ListsWhatIsVisible", func(t *testing.T) {
		var all []app.Document
		want := []uuid.UUID{}
		for n := range 250 {
			d := document(n, func(d *app.Document) { d.Visible = n%5 > 0 })
			if all = append(all, d); d.Visible {
				want = append(want, d.ID)
			}
		}
		p := begin(t, all...)
		for _, limit := range []int{1000, 250, 7} {
			require.Equal(t, want, visible(t, p, limit))
		}
	})
	t.Run("EndsWithItsContext", func(t *testing.T) {
		p := begin(t)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, p.PutInto(ended, first, []app.Document{document(1)}))
		_, err := p.Current(ended)
		require.Error(t, err)
		require.False(t, errors.Is(err, app.ErrNoGeneration))
	})
}
