package app

import (
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering/internal/db"
)

// worth is what was paid for something: in money, and in points.
type worth struct{ won, points int64 }

func (w worth) plus(v worth) worth { return worth{w.won + v.won, w.points + v.points} }

// worthOf tells what was paid for each piece of each line of an order, and for its shipping. It follows from the order alone, so that it is
// the same whenever somebody asks, and sums to what the order cost.
//
// A piece is worth its price, less its share of what the coupon takes off its line. Points pay for pieces before they pay for shipping,
// and each piece's share of them is the portion of all up to it, rounded down, less that of those before it.
func worthOf(o db.Order, lines []db.Line) (pieces [][]worth, shipping worth) {
	goodsWon := o.ItemsWon - o.DiscountWon
	points := min(o.PointsWon, goodsWon)
	pieces = make([][]worth, len(lines))
	var won, paid int64 // of all pieces so far: what they cost, and what points paid of that
	for i, l := range lines {
		pieces[i] = make([]worth, l.Quantity)
		for n, off := range coupons.UnitShares(l.DiscountWon, l.Quantity) {
			before := paid
			if won += l.UnitPriceWon - off; goodsWon > 0 {
				paid = coupons.Portion(points, won, goodsWon)
			}
			pieces[i][n] = worth{won: l.UnitPriceWon - off - (paid - before), points: paid - before}
		}
	}
	return pieces, worth{won: o.ShippingWon - (o.PointsWon - points), points: o.PointsWon - points}
}
