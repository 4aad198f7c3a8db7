package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
)

// Changed is what became of a product since it was put into the cart.
type Changed string

const (
	PriceUp   Changed = "price_up"
	PriceDown Changed = "price_down"
	SoldOut   Changed = "sold_out"
	Stopped   Changed = "stopped"    // its sale is stopped at the moment
	Gone      Changed = "gone"       // no longer sold
	OverLimit Changed = "over_limit" // more than a customer may have
)

// Shown is a line of a cart as the shopper sees it now.
type Shown struct {
	CartLine
	Offer     catalog.Offer // zero when Gone
	AmountWon int64
	Changed   []Changed
	Buyable   bool
}

// Cart is what a shopper means to buy, at today's prices. Lines that cannot be bought are shown, and not added up.
type Cart struct {
	Lines       []Shown
	SubtotalWon int64
}

// Quote is what ordering the cart would cost, with the coupon that takes most off.
type Quote struct {
	Cart
	Coupon *coupons.Quote // nil: none takes anything off
	Points int64          // that the account has
	price  price
}

// Cart shows the account's cart.
func (s *Service) Cart(ctx context.Context, account uuid.UUID) (Cart, error) {
	lines, err := s.carts.Lines(ctx, account)
	if err != nil {
		return Cart{}, fmt.Errorf("read the cart: %w", err)
	}
	if len(lines) == 0 {
		return Cart{Lines: []Shown{}}, nil
	}
	ids := make([]uuid.UUID, len(lines))
	for i, l := range lines {
		ids[i] = l.ProductID
	}
	offers, err := s.offers(ctx, ids)
	if err != nil {
		return Cart{}, err
	}
	cart := Cart{Lines: make([]Shown, len(lines))}
	for i, l := range lines {
		offer, sold := offers[l.ProductID]
		if cart.Lines[i], err = show(l, offer, sold); err != nil {
			return Cart{}, err
		}
		if !cart.Lines[i].Buyable {
			continue
		}
		if cart.SubtotalWon += cart.Lines[i].AmountWon; cart.SubtotalWon >= maxWon {
			return Cart{}, ordering.ErrAmountOverflow
		}
	}
	return cart, nil
}

func (s *Service) offers(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]catalog.Offer, error) {
	ctx, cancel := s.call(ctx)
	defer cancel()
	offers, err := s.products.Offers(ctx, catalog.OffersInput{ProductIDs: ids})
	if err != nil {
		return nil, fmt.Errorf("read today's prices: %w", err)
	}
	found := make(map[uuid.UUID]catalog.Offer, len(offers.Items))
	for _, o := range offers.Items {
		found[o.ProductID] = o
	}
	return found, nil
}

// show compares a line with what the catalog offers now.
func show(l CartLine, offer catalog.Offer, sold bool) (Shown, error) {
	shown := Shown{CartLine: l, Offer: offer, Changed: []Changed{}}
	if !sold {
		shown.Changed = append(shown.Changed, Gone)
		return shown, nil
	}
	amount, err := amountOf(offer.PriceWon, l.Quantity)
	if err != nil {
		return Shown{}, err
	}
	shown.AmountWon, shown.Buyable = amount, true
	switch {
	case offer.PriceWon > l.SeenPriceWon:
		shown.Changed = append(shown.Changed, PriceUp)
	case offer.PriceWon < l.SeenPriceWon:
		shown.Changed = append(shown.Changed, PriceDown)
	}
	hinder := func(c Changed) {
		shown.Changed = append(shown.Changed, c)
		shown.Buyable = false
	}
	if offer.Availability == catalog.SoldOut {
		hinder(SoldOut)
	}
	if !offer.OnSale {
		hinder(Stopped)
	}
	if offer.LimitPerCustomer > 0 && l.Quantity > int64(offer.LimitPerCustomer) {
		hinder(OverLimit)
	}
	return shown, nil
}

// Quote prices the cart's lines that can be bought, with their coupon and their shipping.
func (s *Service) Quote(ctx context.Context, account uuid.UUID) (Quote, error) {
	cart, err := s.Cart(ctx, account)
	if err != nil {
		return Quote{}, err
	}
	q := Quote{Cart: cart}
	var amounts []int64
	var lines []quoted
	for _, l := range cart.Lines {
		if l.Buyable {
			amounts = append(amounts, l.AmountWon)
			lines = append(lines, quoted{offer: l.Offer, quantity: l.Quantity, amountWon: l.AmountWon})
		}
	}
	if q.price, err = s.config.priceOf(amounts); err != nil {
		return Quote{}, err
	}
	if len(lines) > 0 {
		q.Coupon = s.bestCoupon(ctx, account, lines)
	}
	if q.Coupon != nil {
		q.price = q.price.less(q.Coupon.DiscountWon, 0)
	}
	q.Points = s.pointsOf(ctx, account)
	return q, nil
}

// pointsOf is what the account has to pay with, as far as anybody can say.
func (s *Service) pointsOf(ctx context.Context, account uuid.UUID) int64 {
	ctx, cancel := s.call(ctx)
	defer cancel()
	a, err := s.accounts.Account(ctx, accounts.AccountInput{AccountID: account})
	if err != nil {
		s.log.WarnContext(ctx, "a cart is priced without the account's points", "account", account, "error", err)
		return 0
	}
	return a.Points
}

// PutInCart sets how many pieces of a product are in the cart. What a customer may have of it counts all orders that are not dead.
func (s *Service) PutInCart(ctx context.Context, account, product uuid.UUID, quantity int64) (Cart, error) {
	offers, err := s.offers(ctx, []uuid.UUID{product})
	if err != nil {
		return Cart{}, err
	}
	offer, sold := offers[product]
	switch {
	case !sold:
		return Cart{}, catalog.ErrNoProduct
	case !offer.OnSale:
		return Cart{}, catalog.ErrNotOnSale
	}
	if limit := int64(offer.LimitPerCustomer); limit > 0 {
		bought, err := s.sql.BoughtOf(ctx, s.pool, db.BoughtOfParams{AccountID: account, ProductID: product})
		if err != nil {
			return Cart{}, fmt.Errorf("read what the account has bought: %w", err)
		}
		if bought+quantity > limit {
			return Cart{}, ordering.ErrLimitPerCustomer.WithDetail(fmt.Sprintf("%d of it at most, and %d are bought already", limit, bought))
		}
	}
	line := CartLine{ProductID: product, Quantity: quantity, SeenPriceWon: offer.PriceWon, AddedAt: s.clock()}
	if err := s.carts.Put(ctx, account, line); err != nil {
		return Cart{}, fmt.Errorf("put into the cart: %w", err)
	}
	return s.Cart(ctx, account)
}

// TakeOutOfCart removes a product from the cart.
func (s *Service) TakeOutOfCart(ctx context.Context, account, product uuid.UUID) error {
	if err := s.carts.Remove(ctx, account, product); err != nil {
		return fmt.Errorf("take out of the cart: %w", err)
	}
	return nil
}

// ClearCart empties the cart.
func (s *Service) ClearCart(ctx context.Context, account uuid.UUID) error {
	if err := s.carts.Clear(ctx, account); err != nil {
		return fmt.Errorf("clear the cart: %w", err)
	}
	return nil
}

// cartPatience is what an order that is placed already waits for its cart.
const cartPatience = 250 * time.Millisecond

// takeFromCart lowers the cart by what was ordered. The order stands whether or not that can be done.
func (s *Service) takeFromCart(ctx context.Context, account uuid.UUID, lines []db.Line) {
	ctx, cancel := context.WithTimeout(ctx, cartPatience)
	defer cancel()
	if _, err := s.emptying.Do(ctx, batch.KeyOf(account), boughtBy(account, lines)); err != nil {
		s.log.WarnContext(ctx, "what was ordered may stay in the cart", "account", account, "error", err)
	}
}

// flyCarts lowers the carts of many orders at once. A failure is nobody's: what was taken may have been, and is not taken twice.
func (s *Service) flyCarts(ctx context.Context, in [][]Bought) ([]batch.Result[struct{}], error) {
	type line struct{ account, product uuid.UUID }
	at := map[line]int{}
	var all []Bought
	for _, bought := range in {
		for _, b := range bought {
			l := line{b.AccountID, b.ProductID}
			if i, ok := at[l]; ok {
				all[i].Quantity += b.Quantity
				continue
			}
			at[l] = len(all)
			all = append(all, b)
		}
	}
	if err := s.carts.Take(ctx, all); err != nil {
		s.log.WarnContext(ctx, "what was ordered may stay in the carts", "orders", len(in), "error", err)
	}
	return make([]batch.Result[struct{}], len(in)), nil
}

func boughtBy(account uuid.UUID, lines []db.Line) []Bought {
	bought := make([]Bought, len(lines))
	for i, l := range lines {
		bought[i] = Bought{AccountID: account, ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return bought
}
