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

func (claims) byStatement(ctx context.Context, pool *pgxpool.Pool, g grant) error {
	_, err := statements{pool}.claim(ctx, g.Of, g.To)
	return err
}

func (claims) byLock(ctx context.Context, tx pgx.Tx, g grant) error {
	var quantity, left int64
	if err := tx.QueryRow(ctx, `SELECT quantity, quantity - taken FROM coupons.counters WHERE campaign_id = $1`, g.Of).Scan(&quantity, &left); err != nil {
		return fmt.Errorf("read what is left: %w", err)
	}
	if left <= 0 {
		return coupons.ErrSoldOut
	}
	if _, err := tx.Exec(ctx, `UPDATE coupons.counters SET taken = $2 WHERE campaign_id = $1`, g.Of, quantity-(left-1)); err != nil {
		return fmt.Errorf("write back what is left: %w", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at) VALUES ($1, 1, $2, $3, $4)`, g.ID, g.Of, g.To, g.At)
	if err != nil {
		return fmt.Errorf("insert a coupon: %w", err)
	}
	return nil
}

func (claims) queue(ctx context.Context, b *pgx.Batch, grants []grant) error {
	ids, accounts, at := make([]uuid.UUID, len(grants)), make([]uuid.UUID, len(grants)), make([]time.Time, len(grants))
	events := make([]outbox.Event, len(grants))
	for i, g := range grants {
		ids[i], accounts[i], at[i] = g.ID, g.To, g.At
		events[i] = coupons.Claimed{CouponID: g.ID, Version: 1, CampaignID: g.Of, AccountID: g.To, At: g.At}
	}
	of := grants[0].Of
	b.Queue(`INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
		SELECT w.id, 1, $1, w.account_id, w.at FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) AS w (id, account_id, at)`, of, ids, accounts, at)
	b.Queue(`UPDATE coupons.counters SET taken = taken + $2 WHERE campaign_id = $1`, of, len(grants))
	return outbox.New("coupons", clock.System).Queue(b, ctx, events...)
}
