package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/pg"
)

// A flight of redemptions is one transaction in two round trips, as a flight of claims is: BoardRedeem locks and reads, LandRedeem
// writes and commits. A settlement locks and writes in the same order.

// lockCountersOfCoupons locks for the coupons too: a coupon never leaves its campaign, so two orders that want the same one want the same
// counter.
const lockCountersOfCoupons = `
SELECT campaign_id FROM coupons.counters
WHERE campaign_id IN (SELECT campaign_id FROM coupons.coupons WHERE id = ANY($1::uuid[]))
ORDER BY campaign_id
FOR NO KEY UPDATE`

const readCoupons = `SELECT id, campaign_id, account_id FROM coupons.coupons WHERE id = ANY($1::uuid[])`

// readRedemptions finds the orders' own redemptions, and those that have the coupons. It comes after the locks, so that it sees what
// others committed until then.
const readRedemptions = `
SELECT order_id, coupon_id, campaign_id, discount_won, state FROM coupons.redemptions WHERE order_id = ANY($1::uuid[])
UNION
SELECT order_id, coupon_id, campaign_id, discount_won, state FROM coupons.redemptions WHERE coupon_id = ANY($2::uuid[]) AND state IN ('held', 'used')`

const readUsableUntil = `
SELECT id, usable_until, clock_timestamp() FROM coupons.campaigns
WHERE id IN (SELECT campaign_id FROM coupons.coupons WHERE id = ANY($1::uuid[]))`

// redeemCoupons counts only those that it inserts: an order whose tombstone came in between takes nothing.
const redeemCoupons = `
WITH fresh AS (
    INSERT INTO coupons.redemptions (order_id, coupon_id, campaign_id, account_id, discount_won, state, created_at, updated_at)
    SELECT w.order_id, w.coupon_id, w.campaign_id, w.account_id, w.discount_won, 'held', $1, $1
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[]) AS w (order_id, coupon_id, campaign_id, account_id, discount_won)
    ORDER BY w.order_id
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, campaign_id
), counted AS (
    UPDATE coupons.counters n SET redeemed = n.redeemed + f.many
    FROM (SELECT campaign_id, count(*) AS many FROM fresh GROUP BY campaign_id) f
    WHERE n.campaign_id = f.campaign_id
)
SELECT order_id FROM fresh`

const lockRedemptions = `
SELECT order_id, coupon_id, campaign_id, discount_won, state FROM coupons.redemptions
WHERE order_id = ANY($1::uuid[])
ORDER BY order_id
FOR NO KEY UPDATE`

const lockCountersOfOrders = `
SELECT campaign_id FROM coupons.counters
WHERE campaign_id IN (SELECT campaign_id FROM coupons.redemptions WHERE order_id = ANY($1::uuid[]))
ORDER BY campaign_id
FOR NO KEY UPDATE`

const setRedemptionStates = `
UPDATE coupons.redemptions r SET state = w.state, updated_at = $1
FROM unnest($2::uuid[], $3::text[]) AS w (order_id, state)
WHERE r.order_id = w.order_id`

const giveBack = `
UPDATE coupons.counters n SET redeemed = n.redeemed - w.many
FROM unnest($1::uuid[], $2::bigint[]) AS w (campaign_id, many)
WHERE n.campaign_id = w.campaign_id`

const insertRedemptionTombstones = `
INSERT INTO coupons.redemptions (order_id, discount_won, state, created_at, updated_at)
SELECT w.order_id, 0, 'released', $1, $1 FROM unnest($2::uuid[]) AS w (order_id) ORDER BY w.order_id
ON CONFLICT (order_id) DO NOTHING
RETURNING order_id`

// Sender is a connection or a transaction.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Owned is whose a coupon is.
type Owned struct{ CampaignID, AccountID uuid.UUID }

// Redeemed is what an order has, or had, of a coupon: none if the order gave up before it had one.
type Redeemed struct {
	OrderID              uuid.UUID
	CouponID, CampaignID *uuid.UUID
	DiscountWon          int64
	State                string
}

// Until is until when a campaign's coupons can be used, and the server's time at which it was read.
type Until struct{ UsableUntil, Now time.Time }

// Redeemable is what a flight of redemptions knows.
type Redeemable struct {
	Coupons map[uuid.UUID]Owned
	Orders  map[uuid.UUID]Redeemed // those that are known already
	Has     map[uuid.UUID]bool     // the coupons that some order has
	Until   map[uuid.UUID]Until    // by campaign
}

// BoardRedeem begins the flight's transaction on the connection. It ends with LandRedeem, or else with a rollback.
func (q *Queries) BoardRedeem(ctx context.Context, conn Sender, orders, coupons []uuid.UUID) (Redeemable, error) {
	known := Redeemable{
		Coupons: map[uuid.UUID]Owned{}, Orders: map[uuid.UUID]Redeemed{}, Has: map[uuid.UUID]bool{}, Until: map[uuid.UUID]Until{},
	}
	asked := make(map[uuid.UUID]bool, len(orders))
	for _, o := range orders {
		asked[o] = true
	}
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue(claimPlans)
	b.Queue(lockCountersOfCoupons, coupons)
	b.Queue(readCoupons, coupons).Query(func(rows pgx.Rows) error {
		var coupon uuid.UUID
		var o Owned
		_, err := pgx.ForEachRow(rows, []any{&coupon, &o.CampaignID, &o.AccountID}, func() error { known.Coupons[coupon] = o; return nil })
		return err
	})
	b.Queue(readRedemptions, orders, coupons).Query(func(rows pgx.Rows) error {
		return eachRedeemed(rows, func(r Redeemed) {
			if asked[r.OrderID] {
				known.Orders[r.OrderID] = r
			}
			if r.CouponID != nil && r.State != "released" {
				known.Has[*r.CouponID] = true
			}
		})
	})
	b.Queue(readUsableUntil, coupons).Query(func(rows pgx.Rows) error {
		var campaign uuid.UUID
		var u Until
		_, err := pgx.ForEachRow(rows, []any{&campaign, &u.UsableUntil, &u.Now}, func() error { known.Until[campaign] = u; return nil })
		return err
	})
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return Redeemable{}, fmt.Errorf("board redemptions: %w", err)
	}
	return known, nil
}

// Redeeming is what a flight of redemptions writes: a row of each slice belongs together.
type Redeeming struct {
	At                                         time.Time
	OrderIDs, CouponIDs, CampaignIDs, Accounts []uuid.UUID
	DiscountsWon                               []int64
}

// LandRedeem writes the redemptions and commits. It returns the orders that have their coupon now: not those that somebody else has put
// there in the meantime. Only a nil error says that it is on disk.
func (q *Queries) LandRedeem(ctx context.Context, conn Sender, w Redeeming) (fresh map[uuid.UUID]bool, err error) {
	fresh = map[uuid.UUID]bool{}
	var b pgx.Batch
	b.Queue(redeemCoupons, w.At, w.OrderIDs, w.CouponIDs, w.CampaignIDs, w.Accounts, w.DiscountsWon).Query(func(rows pgx.Rows) error {
		return eachID(rows, func(order uuid.UUID) { fresh[order] = true })
	})
	pg.QueueCommit(&b)
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("land redemptions: %w", err)
	}
	return fresh, nil
}

// BoardSettle locks the redemptions of the orders that have one, then their counters.
func (q *Queries) BoardSettle(ctx context.Context, conn Sender, orders []uuid.UUID) (map[uuid.UUID]Redeemed, error) {
	known := map[uuid.UUID]Redeemed{}
	var b pgx.Batch
	b.Queue(claimPlans)
	b.Queue(lockRedemptions, orders).Query(func(rows pgx.Rows) error {
		return eachRedeemed(rows, func(r Redeemed) { known[r.OrderID] = r })
	})
	b.Queue(lockCountersOfOrders, orders)
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("lock redemptions: %w", err)
	}
	return known, nil
}

// Settled is what a settlement writes.
type Settled struct {
	At         time.Time
	States     map[uuid.UUID]string // new ones, by order
	Back       map[uuid.UUID]int64  // coupons that are no order's any more, by campaign
	Tombstones []uuid.UUID          // orders that give up before they had a coupon
}

// Empty tells that there is nothing to write.
func (w Settled) Empty() bool { return len(w.States) == 0 && len(w.Tombstones) == 0 }

// LandSettle writes a settlement. It returns how many of the tombstones were set: where a redemption arrived in the meantime there is
// none, and it must be settled again.
func (q *Queries) LandSettle(ctx context.Context, conn Sender, w Settled) (set int, err error) {
	var b pgx.Batch
	if len(w.States) > 0 {
		orders, states := make([]uuid.UUID, 0, len(w.States)), make([]string, 0, len(w.States))
		for order, state := range w.States {
			orders, states = append(orders, order), append(states, state)
		}
		b.Queue(setRedemptionStates, w.At, orders, states)
	}
	if len(w.Back) > 0 {
		campaigns, many := make([]uuid.UUID, 0, len(w.Back)), make([]int64, 0, len(w.Back))
		for campaign, n := range w.Back {
			campaigns, many = append(campaigns, campaign), append(many, n)
		}
		b.Queue(giveBack, campaigns, many)
	}
	if len(w.Tombstones) > 0 {
		b.Queue(insertRedemptionTombstones, w.At, w.Tombstones).Query(func(rows pgx.Rows) error {
			return eachID(rows, func(uuid.UUID) { set++ })
		})
	}
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return 0, fmt.Errorf("write settlement: %w", err)
	}
	return set, nil
}

func eachRedeemed(rows pgx.Rows, each func(Redeemed)) error {
	var r Redeemed
	_, err := pgx.ForEachRow(rows, []any{&r.OrderID, &r.CouponID, &r.CampaignID, &r.DiscountWon, &r.State}, func() error {
		each(r)
		r.CouponID, r.CampaignID = nil, nil // each row has its own
		return nil
	})
	return err
}

func eachID(rows pgx.Rows, each func(uuid.UUID)) error {
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error { each(id); return nil })
	return err
}
