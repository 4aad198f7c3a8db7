package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	settleCommit    = failpoint.New("coupons.settle.commit") // all is written that the events have asked for
	settleCommitted = failpoint.New("coupons.settle.committed")
)

const (
	actionUse     = "use"     // paid: the coupon is used up
	actionRelease = "release" // given up: the coupon is the account's again
)

const maxSettlement = 512 // orders in one transaction

// Settle does what orders' events have asked for, many orders at once, until nothing is left to do. The handlers of events only write
// down what is to be done: see decision 6.
func (s *Service) Settle(ctx context.Context) error {
	return batch.Drain(ctx, maxSettlement, s.settleSome)
}

func (s *Service) settleSome(ctx context.Context, most int) (n int, err error) {
	err = pgx.BeginFunc(ctx, s.flying, func(tx pgx.Tx) error {
		asked, err := s.sql.TakeSettlements(ctx, tx, int32(most))
		if err != nil {
			return fmt.Errorf("take settlements: %w", err)
		}
		if n = len(asked); n == 0 {
			return nil
		}
		orders := make([]uuid.UUID, n)
		for i, a := range asked {
			orders[i] = a.OrderID
		}
		known, err := s.sql.BoardSettle(ctx, tx, orders)
		if err != nil {
			return err
		}
		if decided := s.decide(known, asked); !decided.Empty() {
			set, err := s.sql.LandSettle(ctx, tx, decided)
			if err != nil {
				return err
			}
			if set < len(decided.Tombstones) { // a redemption arrived while it was released
				return batch.ErrAgain
			}
		}
		settleCommit.Hit()
		return nil
	})
	if err == nil && n > 0 {
		settleCommitted.Hit()
	}
	return n, err
}

// decide goes through what was asked in order of arrival. Each step is a compare-and-set on the state, so that repeats and latecomers
// change nothing.
func (s *Service) decide(known map[uuid.UUID]db.Redeemed, asked []db.TakeSettlementsRow) db.Settled {
	d := db.Settled{At: s.clock(), States: map[uuid.UUID]string{}, Back: map[uuid.UUID]int64{}}
	for _, a := range asked {
		r, exists := known[a.OrderID]
		switch {
		case !exists && a.Action == actionRelease:
			known[a.OrderID] = db.Redeemed{OrderID: a.OrderID, State: string(coupons.Released)}
			d.Tombstones = append(d.Tombstones, a.OrderID)
		case !exists: // paid, and without a coupon
		case a.Action == actionUse && r.State == string(coupons.Held):
			r.State = string(coupons.Used)
			known[a.OrderID], d.States[a.OrderID] = r, r.State
		case a.Action == actionRelease && r.State != string(coupons.Released):
			r.State = string(coupons.Released)
			known[a.OrderID], d.States[a.OrderID] = r, r.State
			d.Back[*r.CampaignID]++
		case a.Action == actionUse && r.State == string(coupons.Released) && r.CouponID != nil:
			s.log.Warn("a paid order had given up its coupon", "order.id", a.OrderID)
		}
	}
	return d
}
