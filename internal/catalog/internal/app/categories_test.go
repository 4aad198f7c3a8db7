package app_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestCategories(t *testing.T) {
	t.Parallel()

	category := func(t *testing.T, s *shop, slug string, parent *uuid.UUID) app.ManagedCategory {
		t.Helper()
		c, err := s.service().CreateCategory(s.ctx, app.CategoryFields{ParentID: parent, Slug: slug, Name: slug})
		require.NoError(t, err)
		return c
	}
	put := func(s *shop, c app.ManagedCategory, below uuid.UUID) (app.ManagedCategory, error) {
		return s.service().EditCategory(s.ctx, c.ID, c.ETag(), func(f *app.CategoryFields) { f.ParentID = &below })
	}

	t.Run("RefusesACycle", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		a := category(t, s, "a", nil)
		b := category(t, s, "b", &a.ID)
		c := category(t, s, "c", &b.ID)
		for _, below := range []uuid.UUID{a.ID, b.ID, c.ID} {
			_, err := put(s, a, below)
			require.ErrorIs(t, err, catalog.ErrCategoryCycle)
		}
		_, err := put(s, c, a.ID)
		require.NoError(t, err)
		_, err = put(s, b, uuid.New())
		require.ErrorIs(t, err, web.ErrInvalid)
	})

	t.Run("RefusesACycleOfTwoMoves", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		for round := range 20 {
			a := category(t, s, fmt.Sprintf("a%d", round), nil)
			b := category(t, s, fmt.Sprintf("b%d", round), nil)
			errs := make([]error, 2)
			var wg sync.WaitGroup
			wg.Go(func() { _, errs[0] = put(s, a, b.ID) })
			wg.Go(func() { _, errs[1] = put(s, b, a.ID) })
			wg.Wait()
			refused := 0
			for _, err := range errs {
				if errors.Is(err, catalog.ErrCategoryCycle) {
					refused++
				} else {
					require.NoError(t, err)
				}
			}
			require.Equal(t, 1, refused, "each alone is fine, both are a cycle")
		}
	})

	t.Run("DeletesOnlyWhatIsEmpty", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		a := category(t, s, "a", nil)
		b := category(t, s, "b", &a.ID)
		s.product(0)
		goods, err := s.service().ManagedCategory(s.ctx, s.category)
		require.NoError(t, err)
		require.ErrorIs(t, s.service().DeleteCategory(s.ctx, a.ID, a.ETag()), catalog.ErrCategoryInUse)
		require.ErrorIs(t, s.service().DeleteCategory(s.ctx, goods.ID, goods.ETag()), catalog.ErrCategoryInUse)
		require.ErrorIs(t, s.service().DeleteCategory(s.ctx, b.ID, a.ETag()), web.ErrStale)
		require.NoError(t, s.service().DeleteCategory(s.ctx, b.ID, b.ETag()))
		require.NoError(t, s.service().DeleteCategory(s.ctx, a.ID, a.ETag()))
		require.ErrorIs(t, s.service().DeleteCategory(s.ctx, a.ID, a.ETag()), catalog.ErrNoCategory)
		require.EqualValues(t, 2, s.count(`SELECT max(aggregate_version) FROM catalog.outbox WHERE key = $1`, a.ID))
	})

	t.Run("SlugsAreUnique", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		category(t, s, "a", nil)
		_, err := s.service().CreateCategory(s.ctx, app.CategoryFields{Slug: "a", Name: "again"})
		require.ErrorIs(t, err, catalog.ErrSlugTaken)
	})
}
