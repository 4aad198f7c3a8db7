package app

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

const (
	redemptionsPage = 5000
	// lateOrders is how long after its order a redemption may come: an order that was broken off is taken up again.
	lateOrders = 24 * time.Hour
)

func redemptionBooks(s *Service) []books.Invariant {
	return []books.Invariant{
		{
			Module: "coupons", Name: "redemptions.counted", Check: s.checkCounted,
			Says: "what a campaign counts as redeemed is the number of its coupons that orders hold or have used",
		},
		{
			Module: "coupons", Name: "redemptions.one_order", Check: s.checkOneOrder,
			Says: "no two orders hold, or have used, the same coupon",
		},
		{
			Module: "coupons", Name: "redemptions.owners", Check: s.checkOwners,
			Says: "each coupon that an order has, or had, is one that its account holds, of the campaign that counts it",
		},
		{
			Module: "coupons", Name: "redemptions.terms", Check: s.checkTerms,
			Says: "no coupon has taken more off an order than its terms allow",
		},
		{
			Module: "coupons", Name: "settlements.done", Check: s.checkSettlements,
			Says: "what the events of orders ask of their coupons is done within a minute",
		},
		{
			Module: "coupons", Name: "welcomes.done", Check: s.checkWelcomes,
			Says: "who signs up is given within a minute what welcomes them",
		},
	}
}

func (s *Service) checkCounted(ctx context.Context, _ string) (found books.Finding, err error) {
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if found.Looked, err = s.sql.CountOpenRedemptions(ctx, tx); err != nil {
			return fmt.Errorf("count the redemptions: %w", err)
		}
		off, err := s.sql.RedeemedOff(ctx, tx, books.MostWrong)
		if err != nil {
			return fmt.Errorf("compare counters with redemptions: %w", err)
		}
		for _, c := range off {
			if !c.Known {
				found.Wrong = append(found.Wrong, books.Wrong(c.ID, "there is no such campaign, and orders have %d coupons of it", c.Many))
				continue
			}
			found.Wrong = append(found.Wrong, books.Wrong(c.ID, "%d are counted as redeemed, and orders have %d", c.Redeemed, c.Many))
		}
		return nil
	})
	return found, err
}

func (s *Service) checkOneOrder(ctx context.Context, _ string) (found books.Finding, err error) {
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if found.Looked, err = s.sql.CountOpenRedemptions(ctx, tx); err != nil {
			return fmt.Errorf("count the redemptions: %w", err)
		}
		twice, err := s.sql.RedeemedTwice(ctx, tx, books.MostWrong)
		if err != nil {
			return fmt.Errorf("look for coupons that two orders have: %w", err)
		}
		for _, k := range twice {
			found.Wrong = append(found.Wrong, books.Wrong(k.CouponID, "%d orders have it", k.Orders))
		}
		return nil
	})
	return found, err
}

func (s *Service) checkOwners(ctx context.Context, from string) (books.Finding, error) {
	return s.eachRedemption(ctx, from, func(r db.RedemptionsFromRow) (books.Mismatch, bool) {
		switch {
		case r.CouponID == nil:
		case r.OfAccount == nil:
			return books.Wrong(r.OrderID, "there is no coupon %s", r.CouponID), true
		case *r.OfAccount != *r.AccountID:
			return books.Wrong(r.OrderID, "the coupon %s is account %s's, and the order is account %s's", r.CouponID, r.OfAccount, r.AccountID), true
		case *r.OfCampaign != *r.CampaignID:
			return books.Wrong(r.OrderID, "the coupon %s is of campaign %s, and is counted by campaign %s", r.CouponID, r.OfCampaign, r.CampaignID), true
		}
		return books.Mismatch{}, false
	})
}

func (s *Service) checkTerms(ctx context.Context, from string) (books.Finding, error) {
	return s.eachRedemption(ctx, from, func(r db.RedemptionsFromRow) (books.Mismatch, bool) {
		if r.CouponID == nil || r.AmountWon == nil {
			return books.Mismatch{}, false
		}
		most := Discount{AmountWon: *r.AmountWon, CapWon: *r.CapWon}.Most()
		if r.DiscountWon >= 1 && r.DiscountWon <= most {
			return books.Mismatch{}, false
		}
		return books.Wrong(r.OrderID, "%d won are taken off, and %d are the most", r.DiscountWon, most), true
	})
}

// eachRedemption looks at what never changes of redemptions, in pages. One that is made long after its order is looked at all the same:
// the checkpoint stays a day behind.
func (s *Service) eachRedemption(ctx context.Context, from string, wrong func(db.RedemptionsFromRow) (books.Mismatch, bool)) (found books.Finding, err error) {
	var since, through uuid.UUID
	if from != "" {
		if since, err = uuid.Parse(from); err != nil {
			return found, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	if through = books.FirstID(time.Now().Add(-lateOrders)); less(through, since) {
		through = since
	}
	over := books.Spent(ctx, 0.8)
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
			return fmt.Errorf("set up the look: %w", err)
		}
		for len(found.Wrong) < books.MostWrong {
			page, err := s.sql.RedemptionsFrom(ctx, tx, db.RedemptionsFromParams{Since: since, AtMost: redemptionsPage})
			if err != nil {
				return fmt.Errorf("list redemptions: %w", err)
			}
			found.Looked += int64(len(page))
			for _, r := range page {
				if m, is := wrong(r); is {
					found.Wrong = append(found.Wrong, m)
				}
			}
			if len(page) < redemptionsPage {
				return nil
			}
			since = next(page[len(page)-1].OrderID)
			if over() {
				found.Short = true
				if less(since, through) {
					through = since
				}
				return nil
			}
		}
		return nil
	})
	found.Wrong = found.Wrong[:min(len(found.Wrong), books.MostWrong)]
	found.Through = through.String()
	return found, err
}

func (s *Service) checkSettlements(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.CountSettlements(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count settlements: %w", err)
	}
	overdue, err := s.sql.SettlementsOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for overdue settlements: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.OrderID, "the order has asked to %s its coupon since %s", w.Action, w.AskedAt.Format(time.RFC3339)))
	}
	return found, nil
}

func (s *Service) checkWelcomes(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.CountNewcomers(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count newcomers: %w", err)
	}
	overdue, err := s.sql.NewcomersOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for newcomers who wait: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.AccountID, "the account waits since %s", w.At.Format(time.RFC3339)))
	}
	return found, nil
}

func less(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) < 0 }

// next is the least id that is greater.
func next(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}
