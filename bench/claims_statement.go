package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
)

// statements gives coupons with one transaction for each claim, of one statement: as good as it gets without sharing.
type statements struct{ pool *pgxpool.Pool }

// claimOne is all of a claim in one round trip. The check on the counter has the last word on who is too late.
const claimOne = `
WITH issued AS (
    INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
    SELECT $1, 1, n.campaign_id, $3, $4
    FROM coupons.counters n
    WHERE n.campaign_id = $2 AND n.taken < n.quantity AND clock_timestamp() >= n.starts_at AND clock_timestamp() < n.ends_at
    ON CONFLICT (campaign_id, account_id) DO NOTHING
    RETURNING id, campaign_id
), counted AS (
    UPDATE coupons.counters n SET taken = n.taken + 1
    FROM issued i WHERE n.campaign_id = i.campaign_id
    RETURNING n.campaign_id
)
INSERT INTO coupons.outbox (event_id, type, key, aggregate_version, occurred_at, traceparent, data)
SELECT $5, $6, i.id, 1, $4, '', $7
FROM issued i JOIN counted c ON c.campaign_id = i.campaign_id`

const checkViolation = "23514"

// claim gives the account its coupon of the campaign, the same one when it asks again.
func (s statements) claim(ctx context.Context, campaign, account uuid.UUID) (coupons.Coupon, error) {
	c := coupons.Coupon{
		ID: uuid.Must(uuid.NewV7()), CampaignID: campaign, AccountID: account, ClaimedAt: time.Now().UTC().Truncate(time.Millisecond),
	}
	event := coupons.Claimed{CouponID: c.ID, Version: 1, CampaignID: campaign, AccountID: account, At: c.ClaimedAt}
	data, err := json.Marshal(event)
	if err != nil {
		return c, fmt.Errorf("encode the event: %w", err)
	}
	tag, err := s.pool.Exec(ctx, claimOne, c.ID, campaign, account, c.ClaimedAt, uuid.Must(uuid.NewV7()), event.EventType(), string(data))
	if err != nil && pg.Code(err) != checkViolation {
		return c, fmt.Errorf("claim a coupon: %w", err)
	}
	if err == nil && tag.RowsAffected() == 1 {
		outbox.Wake("coupons")
		return c, nil
	}
	c.Repeated = true
	err = s.pool.QueryRow(ctx, `SELECT id, claimed_at FROM coupons.coupons WHERE campaign_id = $1 AND account_id = $2`, campaign, account).Scan(&c.ID, &c.ClaimedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, coupons.ErrSoldOut
	}
	if err != nil {
		return c, fmt.Errorf("look up a coupon: %w", err)
	}
	return c, nil
}

// byStatement is the way of one statement a claim, with a pool of its own.
func (w *world) byStatement(ctx context.Context, conns int) (*way, func(), error) {
	pool, err := w.openPool(ctx, conns)
	if err != nil {
		return nil, nil, err
	}
	s := statements{pool}
	return &way{
		name: fmt.Sprintf("a statement a claim (pool of %d)", conns), rest: pool.Reset,
		give: func(ctx context.Context, campaign uuid.UUID) error {
			_, err := s.claim(ctx, campaign, uuid.New())
			return err
		},
	}, pool.Close, nil
}

// bulk is how many coupons are inserted at once where nobody waits for his own.
const bulk = 1000

// inBulk is the limit: the rows of a thousand claims in each transaction, on one connection, for nobody in particular.
func (w *world) inBulk(ctx context.Context) (*way, func(), error) {
	pool, err := w.openPool(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	events := outbox.New("coupons", clock.System)
	return &way{
		name: fmt.Sprintf("bulk inserts of %d, one connection", bulk), each: bulk, alone: true, rest: pool.Reset,
		give: func(ctx context.Context, campaign uuid.UUID) error {
			claims := make([]coupons.Claimed, bulk)
			for i := range claims {
				claims[i] = claimOf(campaign, uuid.New())
			}
			return insertMany(ctx, pool, events, campaign, claims)
		},
	}, pool.Close, nil
}

func claimOf(campaign, account uuid.UUID) coupons.Claimed {
	return coupons.Claimed{
		CouponID: uuid.Must(uuid.NewV7()), Version: 1, CampaignID: campaign, AccountID: account, At: time.Now().UTC().Truncate(time.Millisecond),
	}
}

// insertMany writes all rows of the claims, which must be of accounts that hold nothing yet, in one transaction and one round trip.
func insertMany(ctx context.Context, pool *pgxpool.Pool, events *outbox.Outbox, campaign uuid.UUID, claims []coupons.Claimed) error {
	ids, accounts, at := make([]uuid.UUID, len(claims)), make([]uuid.UUID, len(claims)), make([]time.Time, len(claims))
	published := make([]outbox.Event, len(claims))
	for i, c := range claims {
		ids[i], accounts[i], at[i], published[i] = c.CouponID, c.AccountID, c.At, c
	}
	var b pgx.Batch // which is a transaction
	b.Queue(`INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
		SELECT w.id, 1, $1, w.account_id, w.at FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) AS w (id, account_id, at)`, campaign, ids, accounts, at)
	b.Queue(`UPDATE coupons.counters SET taken = taken + $2 WHERE campaign_id = $1`, campaign, len(claims))
	if err := events.Queue(&b, ctx, published...); err != nil {
		return err
	}
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("insert coupons: %w", err)
	}
	return nil
}
