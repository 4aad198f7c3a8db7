package app

import (
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	maxLines   = 50
	minDueWon  = 100     // the least that the gateway takes
	maxWon     = 1 << 53 // what every JSON reader keeps exact
	expectedAt = "/items/%d/expected_price_won"
)

// price is what an order costs: the items, less what a coupon takes off them, and the shipping are its total, of which points may pay
// a part; the rest is due.
type price struct {
	itemsWon    int64
	discountWon int64
	shippingWon int64
	totalWon    int64
	pointsWon   int64
	dueWon      int64
}

// less is the price with a coupon and points. Whether shipping is free does not depend on them.
func (p price) less(discountWon, pointsWon int64) price {
	p.discountWon, p.pointsWon = discountWon, pointsWon
	p.totalWon = p.itemsWon - discountWon + p.shippingWon
	p.dueWon = p.totalWon - pointsWon
	return p
}

// priceOf adds up amounts and the shipping. Nothing to send costs nothing.
func (c Config) priceOf(amounts []int64) (price, error) {
	var p price
	for _, a := range amounts {
		if a < 0 || a >= maxWon-p.itemsWon {
			return price{}, ordering.ErrAmountOverflow
		}
		p.itemsWon += a
	}
	if len(amounts) > 0 && p.itemsWon < c.FreeShippingFromWon {
		p.shippingWon = c.ShippingWon
	}
	return p.less(0, 0), nil
}

// amountOf multiplies, and refuses what int64 or a reader of JSON could not hold.
func amountOf(unitWon, quantity int64) (int64, error) {
	if unitWon < 0 || quantity < 0 || (quantity > 0 && unitWon > (maxWon-1)/quantity) {
		return 0, ordering.ErrAmountOverflow
	}
	return unitWon * quantity, nil
}

// checkItems refuses what cannot be an order, whatever the catalog says.
func checkItems(items []PlaceItem) error {
	if len(items) == 0 || len(items) > maxLines {
		return web.ErrInvalid.WithFields(fault.Field{Pointer: "/items", Detail: fmt.Sprintf("an order has 1 to %d lines", maxLines)})
	}
	var wrong []fault.Field
	first := make(map[uuid.UUID]int, len(items))
	for i, item := range items {
		if j, ok := first[item.ProductID]; ok {
			wrong = append(wrong, fault.Field{Pointer: fmt.Sprintf("/items/%d/product_id", i), Detail: fmt.Sprintf("the product stands in line %d already: order its quantity in one line", j)})
		} else {
			first[item.ProductID] = i
		}
		if item.Quantity < 1 || item.Quantity > MaxQuantity {
			wrong = append(wrong, fault.Field{Pointer: fmt.Sprintf("/items/%d/quantity", i), Detail: fmt.Sprintf("must be 1 to %d", MaxQuantity)})
		}
		if item.ExpectedPriceWon < 0 || item.ExpectedPriceWon >= math.MaxInt64/MaxQuantity {
			wrong = append(wrong, fault.Field{Pointer: fmt.Sprintf(expectedAt, i), Detail: "is not a price"})
		}
	}
	if wrong != nil {
		return web.ErrInvalid.WithFields(wrong...)
	}
	return nil
}

// quoted is one line at today's price.
type quoted struct {
	offer     catalog.Offer
	quantity  int64
	amountWon int64
}

// quote prices the items as the catalog offers them now. It refuses an unknown product, one whose sale was stopped, one of which
// a customer may not have that many, and a price that is not what the shopper was shown.
func quote(items []PlaceItem, offers []catalog.Offer) ([]quoted, error) {
	byProduct := make(map[uuid.UUID]catalog.Offer, len(offers))
	for _, o := range offers {
		byProduct[o.ProductID] = o
	}
	var unknown, stopped, limited, changed []fault.Field
	lines := make([]quoted, len(items))
	for i, item := range items {
		offer, ok := byProduct[item.ProductID]
		switch {
		case !ok:
			unknown = append(unknown, fault.Field{Pointer: fmt.Sprintf("/items/%d/product_id", i), Detail: "there is no such product"})
			continue
		case !offer.OnSale:
			stopped = append(stopped, fault.Field{Pointer: fmt.Sprintf("/items/%d", i), Detail: "its sale is stopped at the moment"})
			continue
		case offer.LimitPerCustomer > 0 && item.Quantity > int64(offer.LimitPerCustomer):
			limited = append(limited, limitField(i, offer.LimitPerCustomer))
		case offer.PriceWon != item.ExpectedPriceWon:
			changed = append(changed, fault.Field{Pointer: fmt.Sprintf(expectedAt, i), Detail: fmt.Sprintf("the price is %d won", offer.PriceWon)})
		}
		amount, err := amountOf(offer.PriceWon, item.Quantity)
		if err != nil {
			return nil, err
		}
		lines[i] = quoted{offer: offer, quantity: item.Quantity, amountWon: amount}
	}
	switch {
	case unknown != nil:
		return nil, web.ErrInvalid.WithFields(unknown...)
	case stopped != nil:
		return nil, catalog.ErrNotOnSale.WithFields(stopped...)
	case limited != nil:
		return nil, ordering.ErrLimitPerCustomer.WithFields(limited...)
	case changed != nil:
		return nil, ordering.ErrPriceChanged.WithFields(changed...)
	}
	return lines, nil
}

func limitField(line, limit int) fault.Field {
	return fault.Field{Pointer: fmt.Sprintf("/items/%d/quantity", line), Detail: fmt.Sprintf("a customer may have %d of it at most, all orders together", limit)}
}
