package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/pg"
)

var (
	redeemCommit    = failpoint.New("coupons.redeem.commit")    // the counters are locked, nothing is written
	redeemCommitted = failpoint.New("coupons.redeem.committed") // set aside, and no order was told
)

var (
	errHasAnother = coupons.ErrNotApplicable.WithDetail("another order has it")
	errOver       = coupons.ErrNotApplicable.WithDetail("it cannot be used any more")
	errNotSoMuch  = coupons.ErrNotApplicable.WithDetail("it does not take that much off")
)

// Redeem implements [coupons.Discounts]. Redemptions share transactions: see flyRedeem.
func (s *Service) Redeem(ctx context.Context, in coupons.RedeemInput) (coupons.Redemption, error) {
	return s.redeems.Do(ctx, 0, in)
}

// flyRedeem answers the orders of one flight, of which none is there twice, first come first served: one round trip locks the counters
// of their coupons, a second one writes what was decided and commits. Orders that get nothing cost no write.
func (s *Service) flyRedeem(ctx context.Context, orders []coupons.RedeemInput) ([]batch.Result[coupons.Redemption], error) {
	results := make([]batch.Result[coupons.Redemption], len(orders))
	flying := make([]int, len(orders))
	for i := range flying {
		flying[i] = i
	}
	for round := 0; len(flying) > 0; round++ {
		if round == rounds {
			for _, i := range flying {
				results[i].Err = batch.ErrBusy
			}
			break
		}
		var err error
		if flying, err = s.redeemRound(ctx, orders, flying, results); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func orderOf(in coupons.RedeemInput) uuid.UUID { return in.OrderID }

// redeemRound runs one transaction for the orders whose indexes are flying, fills in their results, and returns those that must fly
// again: somebody else has settled them between the two round trips, or they were refused for the sake of one of these.
func (s *Service) redeemRound(ctx context.Context, orders []coupons.RedeemInput, flying []int, results []batch.Result[coupons.Redemption]) (again []int, err error) {
	ids, wanted := make([]uuid.UUID, len(flying)), make([]uuid.UUID, len(flying))
	for n, i := range flying {
		ids[n], wanted[n] = orders[i].OrderID, orders[i].CouponID
	}
	conn, err := s.flying.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for redemptions: %w", err)
	}
	defer pg.GiveBack(ctx, conn)

	known, err := s.sql.BoardRedeem(ctx, conn.Conn(), ids, wanted)
	if err != nil {
		return nil, err
	}
	terms, err := s.termsOfCoupons(ctx, conn, known)
	if err != nil {
		return nil, err
	}
	w := db.Redeeming{At: s.clock()}
	written := map[uuid.UUID]int{} // by coupon
	var waiting []int              // refused because of one that is written
	for _, i := range flying {
		o := orders[i]
		coupon, exists := known.Coupons[o.CouponID]
		until := known.Until[coupon.CampaignID]
		_, meets := written[o.CouponID]
		switch before, ok := known.Orders[o.OrderID]; {
		case ok:
			results[i] = standing(before)
		case !exists || coupon.AccountID != o.AccountID:
			results[i].Err = coupons.ErrNoCoupon
		case known.Has[o.CouponID]:
			results[i].Err = errHasAnother
		case !until.Now.Before(until.UsableUntil):
			results[i].Err = errOver
		case o.DiscountWon < 1 || o.DiscountWon > terms[coupon.CampaignID].Discount.Most():
			results[i].Err = errNotSoMuch
		case meets:
			results[i].Err = errHasAnother
			waiting = append(waiting, i)
		default:
			written[o.CouponID] = i
			results[i] = batch.Result[coupons.Redemption]{Out: coupons.Redemption{
				OrderID: o.OrderID, CouponID: o.CouponID, State: coupons.Held, DiscountWon: o.DiscountWon,
			}}
			w.OrderIDs, w.CouponIDs = append(w.OrderIDs, o.OrderID), append(w.CouponIDs, o.CouponID)
			w.CampaignIDs, w.Accounts = append(w.CampaignIDs, coupon.CampaignID), append(w.Accounts, o.AccountID)
			w.DiscountsWon = append(w.DiscountsWon, o.DiscountWon)
		}
	}
	if len(written) == 0 {
		return nil, nil // nothing to keep: it is rolled back
	}
	redeemCommit.Hit()
	fresh, err := s.sql.LandRedeem(ctx, conn.Conn(), w)
	if err != nil {
		return nil, err
	}
	redeemCommitted.Hit()
	if len(fresh) == len(written) {
		return nil, nil
	}
	again = waiting
	for _, i := range written {
		if !fresh[orders[i].OrderID] {
			again = append(again, i)
		}
	}
	slices.Sort(again)
	return again, nil
}

// termsOfCoupons returns the terms of the campaigns of coupons that a flight has locked, through its own connection where this process
// does not know them: a flight that waits for a second one while others do too might wait for ever.
func (s *Service) termsOfCoupons(ctx context.Context, from db.DBTX, known db.Redeemable) (map[uuid.UUID]Terms, error) {
	campaigns := make([]uuid.UUID, 0, len(known.Until))
	for id := range known.Until {
		campaigns = append(campaigns, id)
	}
	return s.allTerms(ctx, from, campaigns)
}

// standing is the answer to an order of which something is known.
func standing(r db.Redeemed) batch.Result[coupons.Redemption] {
	if r.State == string(coupons.Released) {
		return batch.Result[coupons.Redemption]{Err: coupons.ErrReleased}
	}
	return batch.Result[coupons.Redemption]{Out: redemption(r.OrderID, r.CouponID, r.State, r.DiscountWon)}
}

func redemption(order uuid.UUID, coupon *uuid.UUID, state string, won int64) coupons.Redemption {
	r := coupons.Redemption{OrderID: order, State: coupons.RedemptionState(state), DiscountWon: won}
	if coupon != nil {
		r.CouponID = *coupon
	}
	return r
}

// maxRedemptions is how many redemptions one call may ask for.
const maxRedemptions = 1000

// Redemptions implements [coupons.Discounts].
func (s *Service) Redemptions(ctx context.Context, in coupons.RedemptionsInput) (coupons.Redemptions, error) {
	if len(in.OrderIDs) > maxRedemptions {
		return coupons.Redemptions{}, coupons.ErrTooManyOrders
	}
	rows, err := s.sql.Redemptions(ctx, s.pool, in.OrderIDs)
	if err != nil {
		return coupons.Redemptions{}, fmt.Errorf("read redemptions: %w", err)
	}
	all := coupons.Redemptions{Items: make([]coupons.Redemption, len(rows))}
	for i, r := range rows {
		all.Items[i] = redemption(r.OrderID, r.CouponID, r.State, r.DiscountWon)
	}
	return all, nil
}

// OpenRedemptions implements [coupons.Discounts].
func (s *Service) OpenRedemptions(ctx context.Context, in coupons.OpenRedemptionsInput) (coupons.Redemptions, error) {
	if in.Limit < 1 || in.Limit > maxRedemptions {
		return coupons.Redemptions{}, coupons.ErrTooManyOrders
	}
	rows, err := s.sql.OpenRedemptions(ctx, s.pool, db.OpenRedemptionsParams{After: in.After, RowLimit: int32(in.Limit)})
	if err != nil {
		return coupons.Redemptions{}, fmt.Errorf("read open redemptions: %w", err)
	}
	all := coupons.Redemptions{Items: make([]coupons.Redemption, len(rows))}
	for i, r := range rows {
		all.Items[i] = redemption(r.OrderID, r.CouponID, r.State, r.DiscountWon)
	}
	return all, nil
}
