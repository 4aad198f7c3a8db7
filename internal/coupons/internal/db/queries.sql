-- name: InsertCampaign :exec
INSERT INTO coupons.campaigns (id, version, name, description, created_at, updated_at)
VALUES ($1, 1, $2, $3, $4, $4);

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

-- name: LockCounter :one
-- From here on no claim of the campaign gets through until the transaction ends.
SELECT * FROM coupons.counters WHERE campaign_id = $1 FOR UPDATE;

-- name: UpdateCampaign :exec
UPDATE coupons.campaigns SET version = version + 1, name = $2, description = $3, updated_at = $4
WHERE id = $1;

-- name: UpdateCounter :exec
UPDATE coupons.counters SET quantity = $2, starts_at = $3, ends_at = $4
WHERE campaign_id = $1;

-- name: CouponsOf :many
-- An account's coupons, newest first, those before the one with the id.
SELECT k.id, k.campaign_id, k.claimed_at, c.name, c.description
FROM coupons.coupons k JOIN coupons.campaigns c ON c.id = k.campaign_id
WHERE k.account_id = sqlc.arg(account_id) AND k.id < sqlc.arg(before)
ORDER BY k.id DESC
LIMIT sqlc.arg(many);
