package coupons_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/coupons"
)

func TestUnitShares(t *testing.T) {
	t.Parallel()

	require.Equal(t, []int64{333, 333, 334}, coupons.UnitShares(1000, 3))
	require.Equal(t, []int64{0, 0, 1}, coupons.UnitShares(1, 3))
	require.Empty(t, coupons.UnitShares(1000, 0))

	rapid.Check(t, func(t *rapid.T) {
		won, quantity := rapid.Int64Range(0, math.MaxInt64).Draw(t, "won"), rapid.Int64Range(1, 2000).Draw(t, "quantity")
		sum := int64(0)
		for _, share := range coupons.UnitShares(won, quantity) {
			if share != won/quantity && share != won/quantity+1 {
				t.Fatalf("a share of %d", share)
			}
			sum += share
		}
		if sum != won {
			t.Fatalf("they sum to %d", sum)
		}
	})
}

func TestPortion(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		won, whole := rapid.Int64Range(0, math.MaxInt64).Draw(t, "won"), rapid.Int64Range(1, math.MaxInt64).Draw(t, "whole")
		part := rapid.Int64Range(0, whole).Draw(t, "part")
		want := new(big.Int).Mul(big.NewInt(won), big.NewInt(part))
		want.Quo(want, big.NewInt(whole))
		if got := coupons.Portion(won, part, whole); got != want.Int64() {
			t.Fatalf("%d, want %s", got, want)
		}
	})
}
