package app_test

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
)

// fakeDiscounts is coupons as the contract says: each takes a number of won off the first line.
type fakeDiscounts struct {
	points
	mu          sync.Mutex
	coupons     map[uuid.UUID]coupons.Quote // with the account as its campaign
	redemptions map[uuid.UUID]coupons.Redemption
}

func newDiscounts() *fakeDiscounts {
	return &fakeDiscounts{coupons: map[uuid.UUID]coupons.Quote{}, redemptions: map[uuid.UUID]coupons.Redemption{}}
}

// give gives the account a coupon.
func (f *fakeDiscounts) give(account uuid.UUID, won int64) uuid.UUID {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := uuid.New()
	f.coupons[id] = coupons.Quote{CouponID: id, CampaignID: account, Name: "쿠폰", DiscountWon: won}
	return id
}

func (f *fakeDiscounts) Quote(ctx context.Context, in coupons.QuoteInput) (coupons.Quotes, error) {
	if err := f.pass(ctx, "quote"); err != nil {
		return coupons.Quotes{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found coupons.Quotes
	for _, q := range f.coupons {
		if q.CampaignID == in.AccountID && (in.CouponID == uuid.Nil || in.CouponID == q.CouponID) {
			q.LineDiscountsWon = make([]int64, len(in.Lines))
			q.DiscountWon = min(q.DiscountWon, in.Lines[0].UnitPriceWon*in.Lines[0].Quantity)
			q.LineDiscountsWon[0] = q.DiscountWon
			found.Items = append(found.Items, q)
		}
	}
	slices.SortFunc(found.Items, func(a, b coupons.Quote) int { return int(b.DiscountWon - a.DiscountWon) })
	switch {
	case in.CouponID == uuid.Nil:
		return found, nil
	case len(found.Items) == 0:
		return found, coupons.ErrNoCoupon
	case f.taken(in.CouponID, uuid.Nil):
		return coupons.Quotes{}, coupons.ErrNotApplicable
	}
	return found, nil
}

// taken tells whether another order has the coupon.
func (f *fakeDiscounts) taken(coupon, order uuid.UUID) bool {
	for _, r := range f.redemptions {
		if r.CouponID == coupon && r.OrderID != order && r.State != coupons.Released {
			return true
		}
	}
	return false
}

func (f *fakeDiscounts) Redeem(ctx context.Context, in coupons.RedeemInput) (coupons.Redemption, error) {
	if err := f.pass(ctx, "redeem.before"); err != nil {
		return coupons.Redemption{}, err
	}
	r, err := f.redeem(in)
	if err != nil {
		return r, err
	}
	return r, f.pass(ctx, "redeem.after")
}

func (f *fakeDiscounts) redeem(in coupons.RedeemInput) (coupons.Redemption, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, known := f.redemptions[in.OrderID]
	switch {
	case known && r.State == coupons.Released:
		return r, coupons.ErrReleased
	case known:
		return r, nil
	case f.coupons[in.CouponID].CampaignID != in.AccountID:
		return r, coupons.ErrNoCoupon
	case f.taken(in.CouponID, in.OrderID):
		return r, coupons.ErrNotApplicable
	}
	r = coupons.Redemption{OrderID: in.OrderID, CouponID: in.CouponID, State: coupons.Held, DiscountWon: in.DiscountWon}
	f.redemptions[in.OrderID] = r
	return r, nil
}

// settle uses what the order holds, or gives it back.
func (f *fakeDiscounts) settle(order uuid.UUID, state coupons.RedemptionState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, known := f.redemptions[order]
	if !known && state == coupons.Used {
		return
	}
	r.OrderID, r.State = order, state
	f.redemptions[order] = r
}

func (f *fakeDiscounts) of(order uuid.UUID) coupons.RedemptionState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.redemptions[order].State
}

func (f *fakeDiscounts) Redemptions(ctx context.Context, in coupons.RedemptionsInput) (found coupons.Redemptions, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range in.OrderIDs {
		if r, known := f.redemptions[id]; known {
			found.Items = append(found.Items, r)
		}
	}
	return found, f.pass(ctx, "redemptions")
}

func (f *fakeDiscounts) OpenRedemptions(ctx context.Context, in coupons.OpenRedemptionsInput) (found coupons.Redemptions, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, r := range f.redemptions {
		if r.State == coupons.Held && id.String() > in.After.String() {
			found.Items = append(found.Items, r)
		}
	}
	slices.SortFunc(found.Items, func(a, b coupons.Redemption) int { return slices.Compare(a.OrderID[:], b.OrderID[:]) })
	found.Items = found.Items[:min(len(found.Items), in.Limit)]
	return found, f.pass(ctx, "open_redemptions")
}

// fakePoints is the points of accounts as the contract says.
type fakePoints struct {
	points
	mu      sync.Mutex
	balance map[uuid.UUID]int64 // that can be spent
	owners  map[uuid.UUID]uuid.UUID
	held    map[uuid.UUID]accounts.PointHold
	taken   map[uuid.UUID]accounts.TakenBack // by refund
}

func newPoints() *fakePoints {
	return &fakePoints{balance: map[uuid.UUID]int64{}, owners: map[uuid.UUID]uuid.UUID{}, held: map[uuid.UUID]accounts.PointHold{}, taken: map[uuid.UUID]accounts.TakenBack{}}
}

func (f *fakePoints) grant(account uuid.UUID, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.balance[account] += n
}

func (f *fakePoints) spendable(account uuid.UUID) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.balance[account]
}

func (f *fakePoints) Hold(ctx context.Context, in accounts.HoldInput) (accounts.PointHold, error) {
	if err := f.pass(ctx, "hold.before"); err != nil {
		return accounts.PointHold{}, err
	}
	h, err := f.hold(in)
	if err != nil {
		return h, err
	}
	return h, f.pass(ctx, "hold.after")
}

func (f *fakePoints) hold(in accounts.HoldInput) (accounts.PointHold, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, known := f.held[in.OrderID]
	switch {
	case known && h.State == accounts.Released:
		return h, accounts.ErrPointsReleased
	case known:
		return h, nil
	case f.balance[in.AccountID] < in.Points:
		return h, accounts.ErrNotEnoughPoints
	}
	h = accounts.PointHold{OrderID: in.OrderID, State: accounts.Held, Points: in.Points}
	f.balance[in.AccountID] -= in.Points
	f.held[in.OrderID], f.owners[in.OrderID] = h, in.AccountID
	return h, nil
}

// TakeBack takes a hundredth: every purchase had earned that.
func (f *fakePoints) TakeBack(ctx context.Context, in accounts.TakeBackInput) (accounts.TakenBack, error) {
	if err := f.pass(ctx, "take_back.before"); err != nil {
		return accounts.TakenBack{}, err
	}
	f.mu.Lock()
	back, known := f.taken[in.RefundID]
	if !known {
		back = accounts.TakenBack{RefundID: in.RefundID, Owed: in.Won / 100, Taken: min(in.Won/100, f.balance[in.AccountID])}
		f.balance[in.AccountID] -= back.Taken
		f.taken[in.RefundID] = back
	}
	f.mu.Unlock()
	return back, f.pass(ctx, "take_back.after")
}

// undo gives back what a refund that was refused had taken.
func (f *fakePoints) undo(account, refund uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.balance[account] += f.taken[refund].Taken
	delete(f.taken, refund)
}

func (f *fakePoints) settle(order uuid.UUID, state accounts.HoldState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, known := f.held[order]
	if !known && state == accounts.Used {
		return
	}
	if state == accounts.Released && h.State != accounts.Released {
		f.balance[f.owners[order]] += h.Points
	}
	h.OrderID, h.State = order, state
	f.held[order] = h
}

func (f *fakePoints) of(order uuid.UUID) accounts.HoldState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held[order].State
}

func (f *fakePoints) Holds(ctx context.Context, in accounts.HoldsInput) (found accounts.PointHolds, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range in.OrderIDs {
		if h, known := f.held[id]; known {
			found.Items = append(found.Items, h)
		}
	}
	return found, f.pass(ctx, "point_holds")
}

func (f *fakePoints) OpenHolds(ctx context.Context, in accounts.OpenHoldsInput) (found accounts.PointHolds, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, h := range f.held {
		if h.State == accounts.Held && id.String() > in.After.String() {
			found.Items = append(found.Items, h)
		}
	}
	slices.SortFunc(found.Items, func(a, b accounts.PointHold) int { return slices.Compare(a.OrderID[:], b.OrderID[:]) })
	found.Items = found.Items[:min(len(found.Items), in.Limit)]
	return found, f.pass(ctx, "open_points")
}
