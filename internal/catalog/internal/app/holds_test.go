package app_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
)

func TestHolds(t *testing.T) {
	t.Parallel()

	s := setup(t)
	a, b := s.product(20), s.product(20)
	lines := []catalog.Line{{ProductID: a, Quantity: 2}, {ProductID: b, Quantity: 3}}
	slices.SortFunc(lines, func(a, b catalog.Line) int { return bytes.Compare(a.ProductID[:], b.ProductID[:]) })
	held, later, used, released, tombstone, unknown := orderID(), orderID(), orderID(), orderID(), orderID(), orderID()
	for _, order := range []uuid.UUID{held, later, used, released} {
		_, err := s.reserve(0, order, lines...)
		require.NoError(t, err)
	}
	s.use(used)
	for _, order := range []uuid.UUID{released, tombstone} {
		err := s.release(0, order)
		require.NoError(t, err)
	}

	got, err := s.service().Holds(t.Context(), catalog.HoldsInput{OrderIDs: []uuid.UUID{tombstone, unknown, used, released, held}})
	require.NoError(t, err)
	require.Equal(t, []catalog.Hold{
		{OrderID: held, State: catalog.Held, Lines: lines},
		{OrderID: used, State: catalog.Used, Lines: lines},
		{OrderID: released, State: catalog.Released, Lines: lines},
		{OrderID: tombstone, State: catalog.Released, Lines: []catalog.Line{}},
	}, got.Items)
	got, err = s.service().Holds(t.Context(), catalog.HoldsInput{})
	require.NoError(t, err)
	require.Empty(t, got.Items)

	open := func(after uuid.UUID, limit int) []catalog.Hold {
		t.Helper()
		got, err := s.service().OpenHolds(t.Context(), catalog.OpenHoldsInput{After: after, Limit: limit})
		require.NoError(t, err)
		return got.Items
	}
	first, second := catalog.Hold{OrderID: held, State: catalog.Held, Lines: lines}, catalog.Hold{OrderID: later, State: catalog.Held, Lines: lines}
	require.Equal(t, []catalog.Hold{first, second}, open(uuid.Nil, 1000))
	require.Equal(t, []catalog.Hold{first}, open(uuid.Nil, 1), "a limit of holds, not of lines")
	require.Equal(t, []catalog.Hold{second}, open(held, 1000))
	require.Empty(t, open(later, 1000))

	_, err = s.service().Holds(t.Context(), catalog.HoldsInput{OrderIDs: make([]uuid.UUID, 1001)})
	require.ErrorIs(t, err, catalog.ErrTooManyHolds)
	for _, limit := range []int{-1, 0, 1001} {
		_, err := s.service().OpenHolds(t.Context(), catalog.OpenHoldsInput{Limit: limit})
		require.ErrorIs(t, err, catalog.ErrTooManyHolds)
	}
}

// orderID is an id as ordering gives them: later ones are greater.
func orderID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
