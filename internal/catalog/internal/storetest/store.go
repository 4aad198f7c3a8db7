// Package storetest is what every adapter of app.Store and of app.Projection must do, in tests.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// Store is an adapter of app.Store under test, with the way to put documents into it.
type Store struct {
	app.Store
	Put func(t *testing.T, documents ...app.Document)
}

// RunStore checks an adapter; open returns an empty store.
func RunStore(t *testing.T, open func(t *testing.T) Store) {
	documents := func(t *testing.T, s app.Store, ids ...uuid.UUID) map[uuid.UUID]app.Document {
		t.Helper()
		found, err := s.Documents(t.Context(), ids)
		require.NoError(t, err)
		return found
	}
	standings := func(t *testing.T, s app.Store, ids ...uuid.UUID) map[uuid.UUID]app.Standing {
		t.Helper()
		found, err := s.Standings(t.Context(), ids)
		require.NoError(t, err)
		return found
	}

	t.Run("ReturnsWhatWasPut", func(t *testing.T) {
		s := open(t)
		full := document(1, func(d *app.Document) {
			d.NameEn, d.Color, d.Size, d.Tags = "Sneakers", "블랙", "270", []string{"신발", "a\"b"}
			d.ImageURL, d.ImageURLs = "https://images.example/1.jpg", []string{"https://images.example/1.jpg", "https://images.example/2.jpg"}
			d.Description, d.LimitPerCustomer, d.SalesCount = "가볍고\n튼튼합니다 <b>", 2, 1204
		})
		bare := document(2, func(d *app.Document) { d.Availability, d.OnSale = catalog.SoldOut, false })
		s.Put(t, full, bare)
		require.Equal(t, map[uuid.UUID]app.Document{full.ID: full, bare.ID: bare}, documents(t, s, full.ID, bare.ID))
		require.Equal(t, map[uuid.UUID]app.Standing{full.ID: full.Standing(), bare.ID: bare.Standing()}, standings(t, s, full.ID, bare.ID))
	})
	t.Run("LeavesOutWhatItDoesNotKnow", func(t *testing.T) {
		s, known := open(t), document(1)
		s.Put(t, known)
		require.Equal(t, map[uuid.UUID]app.Document{known.ID: known}, documents(t, s, id(8), known.ID, id(9)))
		require.Equal(t, map[uuid.UUID]app.Standing{known.ID: known.Standing()}, standings(t, s, id(8), known.ID, id(9)))
		require.Empty(t, documents(t, s))
		require.Empty(t, standings(t, s))
	})
	t.Run("HidesWithAVersion", func(t *testing.T) {
		s := open(t)
		s.Put(t, document(1))
		s.Put(t, document(1, func(d *app.Document) { d.Version, d.Visible = 2, false }))
		require.Equal(t, map[uuid.UUID]app.Standing{id(1): {Version: 2}}, standings(t, s, id(1)))
		hidden := documents(t, s, id(1))[id(1)]
		require.EqualValues(t, 2, hidden.Version)
		require.False(t, hidden.Visible)
		again := document(1, func(d *app.Document) { d.Version = 3 })
		s.Put(t, again)
		require.Equal(t, map[uuid.UUID]app.Document{id(1): again}, documents(t, s, id(1)))
	})
	t.Run("ManyAtOnce", func(t *testing.T) {
		s := open(t)
		put, ids := map[uuid.UUID]app.Document{}, []uuid.UUID{}
		var all []app.Document
		for n := range 600 {
			d := document(n)
			put[d.ID], ids, all = d, append(ids, d.ID), append(all, d)
		}
		s.Put(t, all...)
		require.Equal(t, put, documents(t, s, ids...))
		require.Len(t, standings(t, s, ids...), len(all))
	})
	t.Run("EndsWithItsContext", func(t *testing.T) {
		s := open(t)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Documents(ended, []uuid.UUID{id(1)})
		require.Error(t, err)
		_, err = s.Standings(ended, []uuid.UUID{id(1)})
		require.Error(t, err)
	})
}

var published = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// Category is where the documents of the suites stand.
var Category = uuid.MustParse("01900000-0000-7000-8000-00000000000a")

func id(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012x", 0x1000+n))
}

// document is a product in stock; change makes it another.
func document(n int, change ...func(*app.Document)) app.Document {
	d := app.Document{
		Summary: app.Summary{
			ID: id(n), Version: 1, CategoryID: Category, Name: fmt.Sprintf("상품 %d", n), Brand: "나이키", Tags: []string{}, ListPriceWon: 129_000,
			PriceWon: 99_000, Availability: catalog.InStock, OnSale: true, PublishedAt: published.Add(time.Duration(n) * time.Minute),
		},
		ImageURLs: []string{},
		Visible:   true,
	}
	for _, c := range change {
		c(&d)
	}
	return d
}
