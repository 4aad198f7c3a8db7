package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/web"
)

// HeldState is what a holder is told of a coupon.
type HeldState string

const (
	Usable  HeldState = "usable"
	InOrder HeldState = "held" // an order has it that is not paid yet
	UsedUp  HeldState = "used"
	Expired HeldState = "expired"
)

// Claimed is a coupon in its holder's list.
type Claimed struct {
	ID          uuid.UUID
	CampaignID  uuid.UUID
	Name        string
	Description string
	Discount    Discount
	State       HeldState
	OrderID     *uuid.UUID // that has it
	ClaimedAt   time.Time
	UsableUntil time.Time
}

// CouponsOf returns a page of the coupons that an account holds, newest first.
func (s *Service) CouponsOf(ctx context.Context, accountID uuid.UUID, q web.PageQuery) (web.Page[Claimed], error) {
	before, err := position(q.Cursor)
	if err != nil {
		return web.Page[Claimed]{}, err
	}
	rows, err := s.sql.CouponsOf(ctx, s.pool, db.CouponsOfParams{AccountID: accountID, Before: before, Many: int32(q.Limit) + 1})
	if err != nil {
		return web.Page[Claimed]{}, fmt.Errorf("read coupons: %w", err)
	}
	held := make([]Claimed, len(rows))
	for i, row := range rows {
		c := row.CouponsCampaign
		held[i] = Claimed{
			ID: row.ID, CampaignID: c.ID, Name: c.Name, Description: c.Description, Discount: toTerms(c).Discount,
			State: Usable, OrderID: row.OrderID, ClaimedAt: row.ClaimedAt, UsableUntil: c.UsableUntil,
		}
		switch {
		case row.State != nil && *row.State == string(coupons.Used):
			held[i].State = UsedUp
		case row.State != nil:
			held[i].State = InOrder
		case !row.Now.Before(c.UsableUntil):
			held[i].State = Expired
		}
	}
	return web.PageOf(held, q.Limit, func(c Claimed) any { return c.ID }), nil
}
