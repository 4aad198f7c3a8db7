// Package cartstest is what every adapter of app.Carts has to do.
package cartstest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
)

// Fixture is an adapter under test, with the ways to look at, and to hurry, the time that a cart has left.
type Fixture struct {
	Carts  app.Carts
	Left   func(t *testing.T, account uuid.UUID) time.Duration
	Pass   func(t *testing.T, account uuid.UUID, d time.Duration) // so much less is left
	Expire func(t *testing.T, account uuid.UUID)                  // nothing is left
}

// Run runs the suite on a fresh adapter for each test.
func Run(t *testing.T, setup func(t *testing.T) Fixture) {
	added := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	line := func(quantity int64) app.CartLine {
		added = added.Add(time.Millisecond)
		return app.CartLine{ProductID: uuid.New(), Quantity: quantity, SeenPriceWon: 12_900, AddedAt: added}
	}
	bought := func(account, product uuid.UUID, quantity int64) app.Bought {
		return app.Bought{AccountID: account, ProductID: product, Quantity: quantity}
	}
	lines := func(t *testing.T, f Fixture, account uuid.UUID) []app.CartLine {
		t.Helper()
		found, err := f.Carts.Lines(t.Context(), account)
		require.NoError(t, err)
		return found
	}

	t.Run("AnUnknownCartIsEmpty", func(t *testing.T) {
		f := setup(t)
		require.Empty(t, lines(t, f, uuid.New()))
		require.NoError(t, f.Carts.Remove(t.Context(), uuid.New(), uuid.New()))
		require.NoError(t, f.Carts.Clear(t.Context(), uuid.New()))
		require.NoError(t, f.Carts.Take(t.Context(), []app.Bought{{AccountID: uuid.New(), ProductID: uuid.New(), Quantity: 1}}))
	})
	t.Run("KeepsLinesInTheOrderOfTheirComing", func(t *testing.T) {
		f, account := setup(t), uuid.New()
		want := []app.CartLine{line(1), line(999), line(3)}
		for _, l := range want {
			require.NoError(t, f.Carts.Put(t.Context(), account, l))
		}
		require.Equal(t, want, lines(t, f, account))
		require.Empty(t, lines(t, f, uuid.New()), "another's")
	})
	t.Run("PutSetsAndDoesNotAdd", func(t *testing.T) {
		f, account := setup(t), uuid.New()
		first, other := line(2), line(1)
		require.NoError(t, f.Carts.Put(t.Context(), account, first))
		require.NoError(t, f.Carts.Put(t.Context(), account, other))
		again := first
		again.Quantity, again.SeenPriceWon, again.AddedAt = 5, 9_900, first.AddedAt.Add(time.Hour)
		require.NoError(t, f.Carts.Put(t.Context(), account, again))
		again.AddedAt = first.AddedAt
		require.Equal(t, []app.CartLine{again, other}, lines(t, f, account))
	})
	t.Run("HoldsNoMoreThanItMay", func(t *testing.T) {
		f, account := setup(t), uuid.New()
		var wg sync.WaitGroup
		var full, put atomic.Int64
		for range app.MaxCartProducts + 20 {
			l := line(1)
			wg.Go(func() {
				switch err := f.Carts.Put(t.Context(), account, l); {
				case err == nil:
					put.Add(1)
				case errors.Is(err, ordering.ErrCartFull):
					full.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, app.MaxCartProducts, put.Load())
		require.EqualValues(t, 20, full.Load())
		held := lines(t, f, account)
		require.Len(t, held, app.MaxCartProducts)
		held[0].Quantity = 7
		require.NoError(t, f.Carts.Put(t.Context(), account, held[0]), "what is in a full cart can still be changed")
	})
	t.Run("RemovesAndClears", func(t *testing.T) {
		f, account := setup(t), uuid.New()
		a, b := line(1), line(2)
		require.NoError(t, f.Carts.Put(t.Context(), account, a))
		require.NoError(t, f.Carts.Put(t.Context(), account, b))
		require.NoError(t, f.Carts.Remove(t.Context(), account, a.ProductID))
		require.Equal(t, []app.CartLine{b}, lines(t, f, account))
		require.NoError(t, f.Carts.Clear(t.Context(), account))
		require.Empty(t, lines(t, f, account))
	})
	t.Run("TakesOnlyWhatWasBought", func(t *testing.T) {
		f, account := setup(t), uuid.New()
		all, some, none := line(2), line(5), line(3)
		for _, l := range []app.CartLine{all, some, none} {
			require.NoError(t, f.Carts.Put(t.Context(), account, l))
		}
		other, kept := uuid.New(), line(3)
		require.NoError(t, f.Carts.Put(t.Context(), other, kept))
		gone, last := uuid.New(), line(1)
		require.NoError(t, f.Carts.Put(t.Context(), gone, last))
		f.Pass(t, account, time.Hour)
		before := f.Left(t, account)
		require.NoError(t, f.Carts.Take(t.Context(), []app.Bought{
			bought(account, all.ProductID, 2), bought(other, uuid.New(), 1), bought(account, some.ProductID, 4), bought(gone, last.ProductID, 2), bought(account, uuid.New(), 1), bought(uuid.New(), all.ProductID, 1),
		}))
		some.Quantity = 1
		require.Equal(t, []app.CartLine{some, none}, lines(t, f, account))
		require.Equal(t, []app.CartLine{kept}, lines(t, f, other))
		require.Empty(t, lines(t, f, gone))
		require.Greater(t, f.Left(t, account), before, "a change lets it live on")

		f.Expire(t, account)
		require.NoError(t, f.Carts.Take(t.Context(), []app.Bought{bought(account, none.ProductID, 1)}))
		require.Empty(t, lines(t, f, account), "what had expired does not come back")
	})
	t.Run("IsForgottenAfterItsTime", func(t *testing.T) {
		f, account := setup(t), uuid.New()
		require.NoError(t, f.Carts.Put(t.Context(), account, line(1)))
		f.Pass(t, account, time.Hour)
		before := f.Left(t, account)
		fresh := line(2)
		require.NoError(t, f.Carts.Put(t.Context(), account, fresh))
		require.Greater(t, f.Left(t, account), before, "a change lets it live on")
		require.Len(t, lines(t, f, account), 2)

		f.Expire(t, account)
		require.Empty(t, lines(t, f, account))
		last := line(3)
		require.NoError(t, f.Carts.Put(t.Context(), account, last))
		require.Equal(t, []app.CartLine{last}, lines(t, f, account), "what had expired does not come back")
	})
}
