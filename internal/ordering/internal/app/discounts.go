package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// discount asks what the shopper's coupon takes off the lines.
func (s *Service) discount(ctx context.Context, account, coupon uuid.UUID, lines []quoted) (coupons.Quote, error) {
	found, err := s.discounts.Quote(ctx, coupons.QuoteInput{AccountID: account, CouponID: coupon, Lines: couponLines(lines)})
	if err != nil {
		return coupons.Quote{}, s.outage(ctx, "ask what the coupon takes off", notYours(err))
	}
	if len(found.Items) != 1 || len(found.Items[0].LineDiscountsWon) != len(lines) {
		return coupons.Quote{}, fmt.Errorf("coupons quoted %d coupons for one on %d lines", len(found.Items), len(lines))
	}
	return found.Items[0], nil
}

// notYours tells a shopper who names a coupon that is not theirs, or none, the same.
func notYours(err error) error {
	if errors.Is(err, coupons.ErrNoCoupon) {
		return coupons.ErrNotApplicable.WithFields(fault.Field{Pointer: "/coupon_id", Detail: "is not one of your coupons"})
	}
	return err
}

// bestCoupon is the account's coupon that takes most off the lines, or nil. Without an answer a quote goes without: the price is right,
// only not the lowest.
func (s *Service) bestCoupon(ctx context.Context, account uuid.UUID, lines []quoted) *coupons.Quote {
	ctx, cancel := s.call(ctx)
	defer cancel()
	found, err := s.discounts.Quote(ctx, coupons.QuoteInput{AccountID: account, Lines: couponLines(lines)})
	if err != nil {
		s.log.WarnContext(ctx, "a cart is priced without its coupons", "account", account, "error", err)
		return nil
	}
	if len(found.Items) == 0 {
		return nil
	}
	return &found.Items[0]
}

func couponLines(lines []quoted) []coupons.Line {
	all := make([]coupons.Line, len(lines))
	for i, l := range lines {
		all[i] = coupons.Line{
			ProductID: l.offer.ProductID, CategoryIDs: l.offer.CategoryIDs, Tags: l.offer.Tags, Quantity: l.quantity, UnitPriceWon: l.offer.PriceWon,
		}
	}
	return all
}

// affords refuses points that the account certainly does not have, before anything is stored. Points.Hold has the last word.
func (s *Service) affords(ctx context.Context, account uuid.UUID, p price) error {
	if p.pointsWon > p.totalWon {
		return web.ErrInvalid.WithFields(fault.Field{Pointer: "/points_won", Detail: fmt.Sprintf("the total is %d won", p.totalWon)})
	}
	a, err := s.accounts.Account(ctx, accounts.AccountInput{AccountID: account})
	if err != nil {
		return s.outage(ctx, "read the account", err)
	}
	if a.Points < p.pointsWon {
		return accounts.ErrNotEnoughPoints.WithFields(fault.Field{Pointer: "/points_won", Detail: fmt.Sprintf("you have %d", a.Points)})
	}
	return nil
}

// holding is a step of the placing in which another module sets something aside for the order.
type holding struct {
	doing string
	take  func(ctx context.Context, o db.Order, lines []db.Line) error
}

// holdings are what an order needs, in the order in which it is taken.
func (s *Service) holdings(o db.Order) []holding {
	all := []holding{{"reserve the stock", s.reserve}}
	if o.CouponID != nil {
		all = append(all, holding{"redeem the coupon", s.redeem})
	}
	if o.PointsWon > 0 {
		all = append(all, holding{"hold the points", s.holdPoints})
	}
	return all
}

func (s *Service) redeem(ctx context.Context, o db.Order, _ []db.Line) error {
	ctx, cancel := s.call(ctx)
	defer cancel()
	_, err := s.discounts.Redeem(ctx, coupons.RedeemInput{OrderID: o.ID, AccountID: o.AccountID, CouponID: *o.CouponID, DiscountWon: o.DiscountWon})
	redeemCalled.Hit()
	return notYours(err)
}

func (s *Service) holdPoints(ctx context.Context, o db.Order, _ []db.Line) error {
	ctx, cancel := s.call(ctx)
	defer cancel()
	_, err := s.points.Hold(ctx, accounts.HoldInput{OrderID: o.ID, AccountID: o.AccountID, Points: o.PointsWon})
	pointsCalled.Hit()
	return err
}
