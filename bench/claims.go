package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/bench/benchfx"
	"github.com/sasapick/shop/internal/coupons"
)

// measureClaims compares the shop with other ways of giving coupons first come first served.
func measureClaims(ctx context.Context, w *world, r *report) error {
	pools, err := w.givenInProcess(ctx, r, claims{}, bars{statement: 15, bulk: 0.5, lock: 50})
	if err != nil {
		return err
	}
	if err := w.claimsOverHTTP(ctx, r, pools); err != nil {
		return err
	}
	if err := w.claimsGone(ctx, r); err != nil {
		return err
	}
	return w.claimsOfSeveral(ctx, r)
}

// claims are of the coupons of a campaign.
type claims struct{}

func (claims) words() words {
	return words{id: "claims", title: "Claims of one coupon", one: "claim", what: "coupon", of: "campaign"}
}

func (claims) announce(ctx context.Context, conn *pgxpool.Conn, quantity int64) (uuid.UUID, error) {
	id := uuid.Must(uuid.NewV7())
	_, err := conn.Exec(ctx, `
WITH made AS (
    INSERT INTO coupons.campaigns (id, version, name, description, kind, min_tier, discount_won, discount_percent, discount_cap_won, minimum_won,
        applies_to, applies_ids, applies_tags, usable_until, created_at, updated_at)
    VALUES ($1, 1, 'Measured', '', 'event', '', 1000, 0, 0, 0, 'all', '{}', '{}', now() + interval '30 days', now(), now())
    RETURNING id
)
INSERT INTO coupons.counters (campaign_id, quantity, starts_at, ends_at)
SELECT id, $2, now() - interval '1 day', now() + interval '1 day' FROM made`, id, quantity)
	if err != nil {
		return id, fmt.Errorf("make a campaign: %w", err)
	}
	return id, nil
}

func (claims) clear(ctx context.Context, conn *pgxpool.Conn) error {
	if _, err := conn.Exec(ctx, `TRUNCATE coupons.coupons`); err != nil {
		return fmt.Errorf("empty the coupons: %w", err)
	}
	return nil
}

func (claims) count(ctx context.Context, conn *pgxpool.Conn, of uuid.UUID) (t tally, err error) {
	err = conn.QueryRow(ctx, `SELECT count(*), count(DISTINCT account_id), (SELECT taken FROM coupons.counters WHERE campaign_id = $1)
		FROM coupons.coupons WHERE campaign_id = $1`, of).Scan(&t.rows, &t.holders, &t.counted)
	if err != nil {
		return t, fmt.Errorf("count the coupons: %w", err)
	}
	return t, nil
}

func (claims) atShop(_ context.Context, _ *world, shop *benchfx.Shop) (func(context.Context, grant) error, error) {
	return func(ctx context.Context, g grant) error {
		_, err := shop.Coupons.Claim(ctx, coupons.ClaimInput{CampaignID: g.Of, AccountID: g.To})
		return err
	}, nil
}
