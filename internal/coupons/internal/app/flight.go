package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
)

// rounds is how often claims fly again that met a campaign between two states, before they are told to come back.
const rounds = 4

var (
	claimCommit    = failpoint.New("coupons.claim.commit")
	claimCommitted = failpoint.New("coupons.claim.committed")
)

// fly answers the claims of one flight, first come first served: those that nothing stands in the way of in one round trip, which is
// nearly all while there are coupons, and the others in rounds of two.
//
// The coupons are inserted before the counter is locked, so that the row where every instance queues is locked last and
// shortest; those for which nothing turns out to be left are taken back in the same transaction. Who holds a coupon is
// found by its row, whatever the counter says.
func (s *Service) fly(ctx context.Context, claims []claim) ([]batch.Result[coupons.Coupon], error) {
	results := make([]batch.Result[coupons.Coupon], len(claims))
	first := map[db.Holder]int{} // an account that asks twice flies once
	var flying []int
	for i, c := range claims {
		holder := db.Holder{CampaignID: c.CampaignID, AccountID: c.AccountID}
		if _, twice := first[holder]; !twice {
			first[holder] = i
			flying = append(flying, i)
		}
	}
	flying, err := s.nonstop(ctx, claims, flying, results)
	if err != nil {
		return nil, err
	}
	for round := 0; len(flying) > 0; round++ {
		if round == rounds {
			for _, i := range flying {
				results[i].Err = batch.ErrBusy
			}
			break
		}
		if flying, err = s.round(ctx, claims, flying, results); err != nil {
			return nil, err
		}
	}
	for i, c := range claims {
		if at := first[db.Holder{CampaignID: c.CampaignID, AccountID: c.AccountID}]; at != i {
			results[i] = results[at]
			results[i].Out.Repeated = results[at].Err == nil
		}
	}
	return results, nil
}

// nonstop runs one transaction of one round trip, fills in the results of those who have a coupon by it, and returns the others.
func (s *Service) nonstop(ctx context.Context, claims []claim, flying []int, results []batch.Result[coupons.Coupon]) (left []int, err error) {
	conn, err := s.flying.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for claims: %w", err)
	}
	defer pg.GiveBack(ctx, conn)

	boarding := make([]db.Claim, len(flying))
	for n, i := range flying {
		c := claims[i]
		boarding[n] = db.Claim{
			CouponID: c.couponID, CampaignID: c.CampaignID, AccountID: c.AccountID, At: c.at, EventID: c.eventID, Event: c.event,
		}
	}
	claimCommit.Hit()
	none, err := s.sql.Give(ctx, conn.Conn(), coupons.Claimed{}.EventType(), boarding)
	switch code := pg.Code(err); {
	case code == "23502", code == "23514": // a counter is at its limit, or has closed: who comes too late is found out in a round
		return flying, nil
	case err != nil:
		return nil, err
	}
	claimCommitted.Hit()
	told := false
	for _, i := range flying {
		c := claims[i]
		if none[c.couponID] {
			left = append(left, i)
			continue
		}
		results[i].Out = coupons.Coupon{ID: c.couponID, CampaignID: c.CampaignID, AccountID: c.AccountID, ClaimedAt: c.at}
		s.gone.forget(c.CampaignID) // somebody has a coupon now who had none when it was looked at
		told = true
	}
	if told {
		s.outbox.Wake()
	}
	return left, nil
}

// round runs one transaction for the claims whose indexes are flying, fills in their results, and returns those that must
// fly again.
func (s *Service) round(ctx context.Context, claims []claim, flying []int, results []batch.Result[coupons.Coupon]) (again []int, err error) {
	conn, err := s.flying.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquire a connection for claims: %w", err)
	}
	defer pg.GiveBack(ctx, conn)

	boarding := make([]db.Claim, len(flying))
	for n, i := range flying {
		boarding[n] = db.Claim{CouponID: claims[i].couponID, CampaignID: claims[i].CampaignID, AccountID: claims[i].AccountID}
	}
	known, err := s.sql.Board(ctx, conn.Conn(), boarding)
	if err != nil {
		return nil, err
	}

	kept := map[uuid.UUID]int64{}
	var surplus []uuid.UUID
	var events []outbox.Event
	for _, i := range flying {
		c := claims[i]
		counter, exists := known.Counters[c.CampaignID]
		counter.Taken += kept[c.CampaignID]
		held, holds := known.Held[db.Holder{CampaignID: c.CampaignID, AccountID: c.AccountID}]
		refusal := verdict(counter, exists)
		if errors.Is(refusal, coupons.ErrSoldOut) && kept[c.CampaignID] == 0 {
			s.gone.note(c.CampaignID, counter.Quantity)
		}
		switch fresh := known.Fresh[c.couponID]; {
		case fresh && refusal != nil:
			surplus = append(surplus, c.couponID)
			results[i].Err = refusal
		case fresh:
			kept[c.CampaignID]++
			results[i].Out = coupon(held)
			events = append(events, coupons.Claimed{
				CouponID: held.ID, Version: 1, CampaignID: held.CampaignID, AccountID: held.AccountID, At: held.ClaimedAt,
			})
		case holds:
			results[i].Out = coupon(held)
			results[i].Out.Repeated = held.ID != c.couponID
		case refusal != nil:
			results[i].Err = refusal
		default: // it opened, or grew, after the insert had looked
			again = append(again, i)
		}
	}
	if len(kept) == 0 {
		return again, nil // nothing to keep: it is rolled back
	}
	claimCommit.Hit()
	err = s.sql.Land(ctx, conn.Conn(), surplus, kept, func(b *pgx.Batch) error { return s.outbox.Queue(b, ctx, events...) })
	if err != nil {
		return nil, err
	}
	claimCommitted.Hit()
	for campaign := range kept {
		s.gone.forget(campaign) // somebody has a coupon now who had none when it was looked at
	}
	s.outbox.Wake()
	return again, nil
}

// verdict says why nobody new gets a coupon of the campaign at the moment, or nil.
func verdict(c db.Counter, exists bool) error {
	switch {
	case !exists:
		return coupons.ErrNoCampaign
	case c.Now.Before(c.StartsAt):
		return coupons.ErrNotOpen
	case !c.Now.Before(c.EndsAt):
		return coupons.ErrEnded
	case c.Taken >= c.Quantity:
		return coupons.ErrSoldOut
	}
	return nil
}

func coupon(h db.Held) coupons.Coupon {
	return coupons.Coupon{ID: h.ID, CampaignID: h.CampaignID, AccountID: h.AccountID, ClaimedAt: h.ClaimedAt}
}
