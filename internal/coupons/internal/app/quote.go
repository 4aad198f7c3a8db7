package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
)

// maxQuoted is how many of an account's coupons a quote looks at, the newest.
const maxQuoted = 200

// Quote implements [coupons.Discounts].
func (s *Service) Quote(ctx context.Context, in coupons.QuoteInput) (coupons.Quotes, error) {
	sums, err := amounts(in.Lines)
	if err != nil {
		return coupons.Quotes{}, err
	}
	if in.CouponID != uuid.Nil {
		return s.quoteOne(ctx, in, sums)
	}
	usable, err := s.sql.Usable(ctx, s.pool, db.UsableParams{AccountID: in.AccountID, Many: maxQuoted})
	if err != nil {
		return coupons.Quotes{}, fmt.Errorf("read usable coupons: %w", err)
	}
	campaigns := make([]uuid.UUID, len(usable))
	for i, u := range usable {
		campaigns[i] = u.CampaignID
	}
	terms, err := s.allTerms(ctx, s.pool, campaigns)
	if err != nil {
		return coupons.Quotes{}, err
	}
	quotes := coupons.Quotes{Items: []coupons.Quote{}}
	for _, u := range usable {
		if won, parts, _ := terms[u.CampaignID].Discount.On(in.Lines, sums); won > 0 {
			quotes.Items = append(quotes.Items, coupons.Quote{
				CouponID: u.ID, CampaignID: u.CampaignID, Name: u.Name, DiscountWon: won, LineDiscountsWon: parts, UsableUntil: u.UsableUntil,
			})
		}
	}
	slices.SortFunc(quotes.Items, func(a, b coupons.Quote) int {
		return cmp.Or(cmp.Compare(b.DiscountWon, a.DiscountWon), a.UsableUntil.Compare(b.UsableUntil), bytes.Compare(a.CouponID[:], b.CouponID[:]))
	})
	return quotes, nil
}

func (s *Service) quoteOne(ctx context.Context, in coupons.QuoteInput, sums []int64) (coupons.Quotes, error) {
	u, err := s.sql.OneUsable(ctx, s.pool, db.OneUsableParams{AccountID: in.AccountID, ID: in.CouponID})
	if errors.Is(err, pgx.ErrNoRows) {
		return coupons.Quotes{}, coupons.ErrNoCoupon
	}
	if err != nil {
		return coupons.Quotes{}, fmt.Errorf("read a coupon: %w", err)
	}
	switch {
	case u.Taken:
		return coupons.Quotes{}, errHasAnother
	case u.Over:
		return coupons.Quotes{}, errOver
	}
	terms, err := s.termsOf(ctx, u.CampaignID)
	if err != nil {
		return coupons.Quotes{}, err
	}
	won, parts, reason := terms.Discount.On(in.Lines, sums)
	if won == 0 {
		return coupons.Quotes{}, coupons.ErrNotApplicable.WithDetail(reason)
	}
	return coupons.Quotes{Items: []coupons.Quote{{
		CouponID: u.ID, CampaignID: u.CampaignID, Name: u.Name, DiscountWon: won, LineDiscountsWon: parts, UsableUntil: u.UsableUntil,
	}}}, nil
}
