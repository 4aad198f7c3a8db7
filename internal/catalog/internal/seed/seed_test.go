package seed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/seed"
)

func TestProductOf(t *testing.T) {
	t.Run("IsAlwaysTheSame", func(t *testing.T) {
		t.Parallel()

		h := sha256.New()
		encoder := json.NewEncoder(h)
		require.NoError(t, encoder.Encode(seed.Categories()))
		for n := range 1000 {
			require.NoError(t, encoder.Encode(seed.ProductOf(n)))
		}
		// A changed hash is a changed demo catalogue: a shop that was seeded before would get a mixture of both.
		require.Equal(t, "a9f57d83efc7805c8f7f96a709a8bd1b631d142bfb72b9f5740baf4138650d12", hex.EncodeToString(h.Sum(nil)))
	})
	t.Run("IsAProductOfAShop", func(t *testing.T) {
		t.Parallel()

		categories := map[uuid.UUID]bool{}
		parents := map[uuid.UUID]bool{}
		slugs := map[string]bool{}
		for _, c := range seed.Categories() {
			require.True(t, c.ParentID == uuid.Nil || categories[c.ParentID], "parents come first")
			require.False(t, slugs[c.Slug], c.Slug)
			categories[c.ID], parents[c.ParentID], slugs[c.Slug] = true, true, true
		}
		brands := map[string]bool{}
		previous := uuid.Nil
		soldOut, low, limited := 0, 0, 0
		for n := range 5000 {
			p := seed.ProductOf(n)
			require.Negative(t, bytes.Compare(previous[:], p.ID[:]), "ids sort by creation")
			require.EqualValues(t, 7, p.ID.Version())
			require.Equal(t, uuid.RFC4122, p.ID.Variant())
			require.Equal(t, seed.IDOf(n), p.ID)
			require.True(t, categories[p.CategoryID] && !parents[p.CategoryID], "products stand in leaves")
			require.GreaterOrEqual(t, p.ListPriceWon, p.PriceWon)
			require.Positive(t, p.PriceWon)
			require.Zero(t, p.PriceWon%100)
			require.NotEmpty(t, p.Description)
			require.NotContains(t, p.Description, "%")
			require.GreaterOrEqual(t, p.SalesCount, int64(0))
			require.True(t, p.CreatedAt.Before(time.Now()))
			previous, brands[p.Brand] = p.ID, true
			switch {
			case p.Stock == 0:
				soldOut++
			case p.Stock <= 10:
				low++
			}
			if p.LimitPerCustomer > 0 {
				limited++
			}
		}
		require.Greater(t, len(brands), 60)
		require.NotZero(t, soldOut)
		require.NotZero(t, low)
		require.NotZero(t, limited)
	})
	t.Run("LastOneIsInThePast", func(t *testing.T) {
		t.Parallel()

		require.True(t, seed.ProductOf(seed.Max-1).CreatedAt.Before(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)))
	})
}
