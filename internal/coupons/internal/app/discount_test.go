package app_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
)

func TestDiscount(t *testing.T) {
	t.Parallel()

	shoes, sneakers, socks := uuid.New(), uuid.New(), uuid.New()
	a, b := uuid.New(), uuid.New()
	lines := []coupons.Line{
		{ProductID: a, CategoryIDs: []uuid.UUID{sneakers, shoes}, Tags: []string{"run"}, Quantity: 2, UnitPriceWon: 10_000},
		{ProductID: b, CategoryIDs: []uuid.UUID{socks}, Tags: []string{"run", "warm"}, Quantity: 1, UnitPriceWon: 5_001},
	}
	for name, c := range map[string]struct {
		discount app.Discount
		parts    []int64
		reason   string
	}{
		"WonOffAll":             {app.Discount{AmountWon: 1000, AppliesTo: app.Everything}, []int64{799, 201}, ""},
		"NeverMoreThanThereIs":  {app.Discount{AmountWon: 100_000, AppliesTo: app.Products, AppliesIDs: []uuid.UUID{b}}, []int64{0, 5001}, ""},
		"PercentIsRoundedDown":  {app.Discount{Percent: 10, AppliesTo: app.Products, AppliesIDs: []uuid.UUID{b}}, []int64{0, 500}, ""},
		"UpToACap":              {app.Discount{Percent: 50, CapWon: 700, AppliesTo: app.Products, AppliesIDs: []uuid.UUID{a}}, []int64{700, 0}, ""},
		"ACategoryAndAllBelow":  {app.Discount{AmountWon: 10, AppliesTo: app.Categories, AppliesIDs: []uuid.UUID{shoes}}, []int64{10, 0}, ""},
		"ATag":                  {app.Discount{AmountWon: 10, AppliesTo: app.Tags, AppliesTags: []string{"cold", "warm"}}, []int64{0, 10}, ""},
		"ExactlyTheMinimum":     {app.Discount{AmountWon: 10, MinimumWon: 25_001, AppliesTo: app.Everything}, []int64{7, 3}, ""},
		"AWonBelowTheMinimum":   {app.Discount{AmountWon: 10, MinimumWon: 25_002, AppliesTo: app.Everything}, nil, "it needs 25002 won of what it applies to, and there are 25001"},
		"TheMinimumIsOfTheSame": {app.Discount{AmountWon: 10, MinimumWon: 20_001, AppliesTo: app.Products, AppliesIDs: []uuid.UUID{a}}, nil, "it needs 20001 won of what it applies to, and there are 20000"},
		"ToNothing":             {app.Discount{AmountWon: 10, AppliesTo: app.Products, AppliesIDs: []uuid.UUID{shoes}}, nil, "it applies to nothing in the order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			sums, err := app.Amounts(lines)
			require.NoError(t, err)
			won, parts, reason := c.discount.On(lines, sums)
			require.Equal(t, c.parts, parts)
			require.Equal(t, c.reason, reason)
			sum := int64(0)
			for _, p := range parts {
				sum += p
			}
			require.Equal(t, sum, won)
		})
	}
}

// drawn is a discount with lines of all sizes, of which it applies to some.
func drawn(t *rapid.T) (app.Discount, []coupons.Line) {
	tags := []string{"a", "b"}
	d := app.Discount{AppliesTo: rapid.SampledFrom([]app.Scope{app.Everything, app.Tags}).Draw(t, "scope"), AppliesTags: tags[:1]}
	if rapid.Bool().Draw(t, "percentage") {
		d.Percent, d.CapWon = rapid.Int64Range(1, 100).Draw(t, "percent"), rapid.SampledFrom([]int64{0, 1, 999, 1_000_000_000}).Draw(t, "cap")
	} else {
		d.AmountWon = rapid.Int64Range(1, 1_000_000_000).Draw(t, "amount")
	}
	d.MinimumWon = rapid.SampledFrom([]int64{0, 1, 50_000}).Draw(t, "minimum")
	most := rapid.SampledFrom([]int64{10, 100_000, math.MaxInt64 / 8 / 4}).Draw(t, "most")
	lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) coupons.Line {
		return coupons.Line{
			Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity"), UnitPriceWon: rapid.Int64Range(0, most).Draw(t, "price"),
			Tags: tags[rapid.IntRange(0, 1).Draw(t, "tag"):][:1],
		}
	}), 1, 8).Draw(t, "lines")
	return d, lines
}

func TestDiscountProperties(t *testing.T) {
	t.Parallel()

	on := func(t *rapid.T, d app.Discount, lines []coupons.Line) (int64, []int64) {
		sums, err := app.Amounts(lines)
		if err != nil {
			t.Fatal(err)
		}
		won, parts, _ := d.On(lines, sums)
		return won, parts
	}

	t.Run("IsWhatArithmeticSays", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(t *rapid.T) {
			d, lines := drawn(t)
			won, parts := on(t, d, lines)
			base, total := new(big.Int), int64(0)
			for i, l := range lines {
				amount := l.Quantity * l.UnitPriceWon
				applies := d.AppliesTo == app.Everything || slices.Equal(l.Tags, d.AppliesTags)
				if applies {
					base.Add(base, big.NewInt(amount))
				}
				if len(parts) > 0 {
					total += parts[i]
					if parts[i] < 0 || parts[i] > amount || !applies && parts[i] != 0 {
						t.Fatalf("line %d of %d won: %d", i, amount, parts[i])
					}
				}
			}
			want := big.NewInt(d.AmountWon)
			if d.Percent > 0 {
				want.Quo(want.Mul(base, big.NewInt(d.Percent)), big.NewInt(100))
				if d.CapWon > 0 && want.Cmp(big.NewInt(d.CapWon)) > 0 {
					want.SetInt64(d.CapWon)
				}
			}
			if want.Cmp(base) > 0 {
				want.Set(base)
			}
			if base.Cmp(big.NewInt(d.MinimumWon)) < 0 {
				want.SetInt64(0)
			}
			if won != want.Int64() || total != won || won > d.Most() {
				t.Fatalf("%d won in all, %d in parts, want %s", won, total, want)
			}
		})
	})

	t.Run("MoreIsNeverLess", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(t *rapid.T) {
			d, lines := drawn(t)
			before, _ := on(t, d, lines)
			i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
			lines[i].UnitPriceWon += rapid.Int64Range(0, 1000).Draw(t, "dearer")
			if after, _ := on(t, d, lines); after < before {
				t.Fatalf("%d, and %d of more", before, after)
			}
		})
	})

	t.Run("TheOrderOfLinesIsNothing", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(t *rapid.T) {
			d, lines := drawn(t)
			before, _ := on(t, d, lines)
			if after, _ := on(t, d, rapid.Permutation(lines).Draw(t, "lines in another order")); after != before {
				t.Fatalf("%d, and %d in another order", before, after)
			}
		})
	})
}

func TestAmounts(t *testing.T) {
	t.Parallel()

	line := func(quantity, price int64) coupons.Line { return coupons.Line{Quantity: quantity, UnitPriceWon: price} }
	for name, lines := range map[string][]coupons.Line{
		"None":              {},
		"TooMany":           slices.Repeat([]coupons.Line{line(1, 1)}, 201),
		"NoQuantity":        {line(0, 1)},
		"ANegativePrice":    {line(1, -1)},
		"OneIsTooMuch":      {line(math.MaxInt64, 2)},
		"OneIsFarTooMuch":   {line(math.MaxInt64, math.MaxInt64)},
		"TogetherTheyAre":   {line(1, math.MaxInt64), line(1, 1)},
		"TheProductWouldBe": {line(1<<32, 1<<31)},
	} {
		_, err := app.Amounts(lines)
		require.ErrorIs(t, err, coupons.ErrBadLines, name)
	}
	sums, err := app.Amounts([]coupons.Line{line(1, math.MaxInt64-1), line(1, 0), line(1, 1)})
	require.NoError(t, err)
	require.Equal(t, []int64{math.MaxInt64 - 1, 0, 1}, sums)
}
