-- name: InsertCampaign :exec
INSERT INTO coupons.campaigns (
    id, version, name, description, kind, min_tier, event_id, discount_won, discount_percent, discount_cap_won, minimum_won,
    applies_to, applies_ids, applies_tags, usable_until, created_at, updated_at)
VALUES (
    @id, 1, @name, @description, @kind, @min_tier, @event_id, @discount_won, @discount_percent, @discount_cap_won, @minimum_won,
    @applies_to, @applies_ids, @applies_tags, @usable_until, @created_at, @created_at);

-- name: InsertCounter :exec
INSERT INTO coupons.counters (campaign_id, quantity, starts_at, ends_at)
VALUES ($1, $2, $3, $4);

-- name: Campaign :one
-- The campaign, its counter, and the server's time, which decides whether it is open.
SELECT sqlc.embed(c), sqlc.embed(n), clock_timestamp()::timestamptz AS now
FROM coupons.campaigns c JOIN coupons.counters n ON n.campaign_id = c.id
WHERE c.id = $1;

-- name: Campaigns :many
-- Newest first, those before the one with the id.
SELECT sqlc.embed(c), sqlc.embed(n), clock_timestamp()::timestamptz AS now
FROM coupons.campaigns c JOIN coupons.counters n ON n.campaign_id = c.id
WHERE c.id < sqlc.arg(before)
ORDER BY c.id DESC
LIMIT sqlc.arg(many);

-- name: Counts :many
SELECT campaign_id, quantity, taken FROM coupons.counters WHERE campaign_id = ANY(@ids::uuid[]);

-- name: LockCounter :one
-- From here on no claim of the campaign gets through until the transaction ends.
SELECT * FROM coupons.counters WHERE campaign_id = $1 FOR UPDATE;

-- name: UpdateCampaign :exec
UPDATE coupons.campaigns SET version = version + 1, name = @name, description = @description, usable_until = @usable_until, updated_at = @updated_at
WHERE id = @id;

-- name: UpdateCounter :exec
UPDATE coupons.counters SET quantity = $2, starts_at = $3, ends_at = $4
WHERE campaign_id = $1;

-- name: Terms :many
-- Campaigns with what they promise, and never change.
SELECT * FROM coupons.campaigns WHERE id = ANY(@ids::uuid[]);

-- name: CouponsOf :many
-- An account's coupons with the order that has each, newest first, those before the one with the id.
SELECT k.id, k.claimed_at, sqlc.embed(c), r.order_id, r.state, clock_timestamp()::timestamptz AS now
FROM coupons.coupons k
JOIN coupons.campaigns c ON c.id = k.campaign_id
LEFT JOIN coupons.redemptions r ON r.coupon_id = k.id AND r.state IN ('held', 'used')
WHERE k.account_id = sqlc.arg(account_id) AND k.id < sqlc.arg(before)
ORDER BY k.id DESC
LIMIT sqlc.arg(many);

-- name: HeldBy :one
-- The coupon that an account has of a campaign.
SELECT * FROM coupons.coupons WHERE campaign_id = @campaign_id AND account_id = @account_id;

-- name: Usable :many
-- An account's coupons that no order has and that can still be used, newest first. Each is looked up by itself (LIMIT keeps the planner
-- from joining): a plan that was made while the table of redemptions was young would read all of it.
SELECT k.id, k.campaign_id, k.claimed_at, c.name, c.usable_until
FROM coupons.coupons k
JOIN coupons.campaigns c ON c.id = k.campaign_id
WHERE k.account_id = @account_id AND c.usable_until > clock_timestamp()
  AND (SELECT r.order_id FROM coupons.redemptions r WHERE r.coupon_id = k.id AND r.state IN ('held', 'used') LIMIT 1) IS NULL
ORDER BY k.id DESC
LIMIT @many;

-- name: OneUsable :one
-- One coupon of an account, with what keeps it from being used.
SELECT k.id, k.campaign_id, k.claimed_at, c.name, c.usable_until, (c.usable_until <= clock_timestamp())::bool AS over,
       EXISTS (SELECT FROM coupons.redemptions r WHERE r.coupon_id = k.id AND r.state IN ('held', 'used')) AS taken
FROM coupons.coupons k
JOIN coupons.campaigns c ON c.id = k.campaign_id
WHERE k.account_id = @account_id AND k.id = @id;

-- name: Redemptions :many
SELECT order_id, coupon_id, discount_won, state FROM coupons.redemptions WHERE order_id = ANY(@order_ids::uuid[]) ORDER BY order_id;

-- name: OpenRedemptions :many
SELECT order_id, coupon_id, discount_won, state FROM coupons.redemptions
WHERE state = 'held' AND order_id > @after
ORDER BY order_id
LIMIT @row_limit;

-- name: AskUse :exec
-- Asks nothing of an order without a coupon.
INSERT INTO coupons.settlements (order_id, action)
SELECT r.order_id, 'use' FROM coupons.redemptions r WHERE r.order_id = @order_id;

-- name: AskRelease :exec
INSERT INTO coupons.settlements (order_id, action) VALUES (@order_id, 'release');

-- name: TakeSettlements :many
WITH taken AS (
    DELETE FROM coupons.settlements
    WHERE id IN (SELECT s.id FROM coupons.settlements s ORDER BY s.id LIMIT @row_limit FOR UPDATE)
    RETURNING id, order_id, action
)
SELECT order_id, action FROM taken ORDER BY id;

-- name: AddNewcomer :exec
INSERT INTO coupons.newcomers (account_id) VALUES (@account_id) ON CONFLICT DO NOTHING;

-- name: Newcomers :many
SELECT account_id FROM coupons.newcomers ORDER BY at LIMIT @row_limit;

-- name: DeleteNewcomers :exec
DELETE FROM coupons.newcomers WHERE account_id = ANY(@account_ids::uuid[]);

-- name: WelcomeCampaigns :many
-- What newcomers are given at the moment.
SELECT c.id FROM coupons.campaigns c JOIN coupons.counters n ON n.campaign_id = c.id
WHERE c.kind = 'welcome' AND clock_timestamp() >= n.starts_at AND clock_timestamp() < n.ends_at AND n.taken < n.quantity
ORDER BY c.id;

-- name: InsertCodes :many
-- The codes that were not there yet.
INSERT INTO coupons.codes (code, campaign_id, created_at)
SELECT w.code, @campaign_id, @created_at FROM unnest(@codes::text[]) AS w (code) ORDER BY w.code
ON CONFLICT DO NOTHING
RETURNING code;

-- name: CodesOf :many
SELECT code FROM coupons.codes WHERE campaign_id = @campaign_id AND code > @after ORDER BY code LIMIT @many;

-- name: CampaignOfCode :one
SELECT campaign_id FROM coupons.codes WHERE code = @code;

-- name: CounterNow :one
-- A campaign's counter, and the server's time.
SELECT quantity, taken, starts_at, ends_at, clock_timestamp()::timestamptz AS now FROM coupons.counters WHERE campaign_id = @campaign_id;

-- name: Holders :many
SELECT id, account_id, claimed_at FROM coupons.coupons WHERE campaign_id = @campaign_id;

-- name: InsertEvent :exec
INSERT INTO coupons.events (id, version, title, description, image_url, starts_at, ends_at, created_at, updated_at)
VALUES (@id, 1, @title, @description, @image_url, @starts_at, @ends_at, @created_at, @created_at);

-- name: UpdateEvent :exec
UPDATE coupons.events SET version = version + 1, title = @title, description = @description, image_url = @image_url,
    starts_at = @starts_at, ends_at = @ends_at, updated_at = @updated_at
WHERE id = @id;

-- name: Event :one
SELECT * FROM coupons.events WHERE id = @id;

-- name: LockEvent :one
SELECT * FROM coupons.events WHERE id = @id FOR NO KEY UPDATE;

-- name: Events :many
-- Newest first, those before the one with the id.
SELECT * FROM coupons.events
WHERE id < sqlc.arg(before) AND (NOT sqlc.arg(not_ended)::bool OR ends_at > clock_timestamp())
ORDER BY id DESC
LIMIT sqlc.arg(many);

-- name: CampaignsOfEvents :many
-- The campaigns of promotion events that have not ended, newest first.
SELECT sqlc.embed(c), sqlc.embed(n), clock_timestamp()::timestamptz AS now
FROM coupons.campaigns c JOIN coupons.counters n ON n.campaign_id = c.id
WHERE c.event_id = ANY(@event_ids::uuid[]) AND n.ends_at > clock_timestamp()
ORDER BY c.id DESC
LIMIT @many;
