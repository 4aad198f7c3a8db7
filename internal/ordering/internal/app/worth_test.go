package app

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/ordering/internal/db"
)

func TestWorth(t *testing.T) {
	t.Parallel()

	t.Run("SumsToWhatTheOrderCost", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(rt *rapid.T) {
			var o db.Order
			lines := make([]db.Line, rapid.IntRange(1, 5).Draw(rt, "lines"))
			for i := range lines {
				l := &lines[i]
				l.Quantity = rapid.Int64Range(1, 20).Draw(rt, "quantity")
				l.UnitPriceWon = rapid.Int64Range(0, 1<<48).Draw(rt, "price")
				l.DiscountWon = rapid.Int64Range(0, l.Quantity*l.UnitPriceWon).Draw(rt, "off")
				o.ItemsWon += l.Quantity * l.UnitPriceWon
				o.DiscountWon += l.DiscountWon
			}
			o.ShippingWon = rapid.Int64Range(0, 3000).Draw(rt, "shipping")
			o.TotalWon = o.ItemsWon - o.DiscountWon + o.ShippingWon
			o.PointsWon = rapid.Int64Range(0, o.TotalWon).Draw(rt, "points")
			o.DueWon = o.TotalWon - o.PointsWon

			pieces, all := worthOf(o, lines)
			for i, line := range pieces {
				require.Len(rt, line, int(lines[i].Quantity))
				for _, piece := range line {
					require.GreaterOrEqual(rt, piece.won, int64(0))
					require.GreaterOrEqual(rt, piece.points, int64(0))
					all = all.plus(piece)
				}
				least, most := slices.MinFunc(line, byWorth), slices.MaxFunc(line, byWorth)
				require.LessOrEqual(rt, most.won+most.points-least.won-least.points, int64(1), "pieces of a line cost the same, to a won")
			}
			require.Equal(rt, worth{o.DueWon, o.PointsWon}, all)
		})
	})

	t.Run("LetsPointsPayForGoodsFirst", func(t *testing.T) {
		t.Parallel()

		o := db.Order{ItemsWon: 30, DiscountWon: 4, ShippingWon: 10, PointsWon: 28}
		pieces, shipping := worthOf(o, []db.Line{{Quantity: 3, UnitPriceWon: 10, DiscountWon: 4}})
		require.Equal(t, [][]worth{{{0, 9}, {0, 9}, {0, 8}}}, pieces)
		require.Equal(t, worth{won: 8, points: 2}, shipping)
	})

	t.Run("SharesPointsByWhatAPieceCosts", func(t *testing.T) {
		t.Parallel()

		o := db.Order{ItemsWon: 400, PointsWon: 100}
		pieces, shipping := worthOf(o, []db.Line{{Quantity: 1, UnitPriceWon: 100}, {Quantity: 1, UnitPriceWon: 300}})
		require.Equal(t, [][]worth{{{75, 25}}, {{225, 75}}}, pieces)
		require.Zero(t, shipping)
	})
}

func byWorth(a, b worth) int { return int(a.won + a.points - b.won - b.points) }
