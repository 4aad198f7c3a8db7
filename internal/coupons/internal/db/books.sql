-- name: CountersNow :many
-- Every campaign, with its counter if it has one.
SELECT c.id, n.quantity, n.taken
FROM coupons.campaigns c LEFT JOIN coupons.counters n ON n.campaign_id = c.id;

-- name: CouponsFrom :many
-- The coupons of each campaign from an id on, and how many of them come before another one.
SELECT campaign_id, count(*) AS many, count(*) FILTER (WHERE id < sqlc.arg(until)) AS settled
FROM coupons.coupons
WHERE id >= sqlc.arg(since)
GROUP BY campaign_id;

-- name: CountCouponsFrom :one
SELECT count(*) FROM coupons.coupons WHERE id >= sqlc.arg(since);

-- name: HeldTwice :many
-- Coupons whose holder has another one of the same campaign. The constraint's index has all that is read.
WITH twice AS MATERIALIZED (
    SELECT campaign_id, account_id FROM coupons.coupons GROUP BY campaign_id, account_id HAVING count(*) > 1 LIMIT sqlc.arg(at_most)
)
SELECT k.id, k.campaign_id, k.account_id
FROM twice JOIN coupons.coupons k USING (campaign_id, account_id)
ORDER BY k.id
LIMIT sqlc.arg(at_most);

-- name: HeldTwiceFrom :many
-- The same of the coupons from an id on.
SELECT k.id, k.campaign_id, k.account_id
FROM coupons.coupons k
WHERE k.id >= sqlc.arg(since) AND EXISTS (
    SELECT FROM coupons.coupons o
    WHERE o.campaign_id = k.campaign_id AND o.account_id = k.account_id AND o.id <> k.id)
ORDER BY k.id
LIMIT sqlc.arg(at_most);

-- name: CouponsUntold :many
-- Coupons from an id on whose event is not in the outbox.
SELECT k.id, k.version
FROM coupons.coupons k
WHERE k.id >= sqlc.arg(since) AND NOT EXISTS (
    SELECT FROM coupons.outbox o WHERE o.key = k.id AND o.aggregate_version = k.version)
ORDER BY k.id
LIMIT sqlc.arg(at_most);

-- name: EventsOfNoCoupon :many
-- Events from an id on that tell of a coupon, or of a version of it, that is not there.
SELECT o.key, o.aggregate_version
FROM coupons.outbox o
WHERE o.event_id >= sqlc.arg(since) AND NOT EXISTS (
    SELECT FROM coupons.coupons k WHERE k.id = o.key AND k.version >= o.aggregate_version)
ORDER BY o.event_id
LIMIT sqlc.arg(at_most);

-- name: CampaignsOffLog :many
-- Campaigns whose version is not the number of their changes in the audit log.
SELECT c.id, c.version, count(a.id) AS changes
FROM coupons.campaigns c
LEFT JOIN coupons.audit_log a ON a.subject = c.id::text AND a.action IN ('coupons.create', 'coupons.update')
GROUP BY c.id
HAVING count(a.id) <> c.version
ORDER BY c.id
LIMIT sqlc.arg(at_most);

-- name: CountCampaigns :one
SELECT count(*) FROM coupons.campaigns;

-- name: CountOpenRedemptions :one
SELECT count(*) FROM coupons.redemptions WHERE state IN ('held', 'used');

-- name: RedeemedOff :many
-- Campaigns that count other redemptions than there are. The index of those that are open has all that is read.
SELECT coalesce(n.campaign_id, r.campaign_id)::uuid AS id, (n.campaign_id IS NOT NULL)::bool AS known,
       coalesce(n.redeemed, 0)::bigint AS redeemed, coalesce(r.many, 0)::bigint AS many
FROM coupons.counters n
FULL JOIN (
    SELECT campaign_id, count(*) AS many FROM coupons.redemptions WHERE state IN ('held', 'used') GROUP BY campaign_id
) r ON r.campaign_id = n.campaign_id
WHERE coalesce(n.redeemed, 0) <> coalesce(r.many, 0)
ORDER BY 1
LIMIT sqlc.arg(at_most);

-- name: RedeemedTwice :many
-- Coupons that more than one order has.
SELECT coupon_id::uuid AS coupon_id, count(*) AS orders
FROM coupons.redemptions
WHERE state IN ('held', 'used')
GROUP BY coupon_id
HAVING count(*) > 1
ORDER BY 1
LIMIT sqlc.arg(at_most);

-- name: RedemptionsFrom :many
-- Redemptions from an order on, each with its coupon and what that may take off.
SELECT r.order_id, r.coupon_id, r.campaign_id, r.account_id, r.discount_won,
       k.campaign_id AS of_campaign, k.account_id AS of_account, c.discount_won AS amount_won, c.discount_cap_won AS cap_won
FROM coupons.redemptions r
LEFT JOIN coupons.coupons k ON k.id = r.coupon_id
LEFT JOIN coupons.campaigns c ON c.id = r.campaign_id
WHERE r.order_id >= sqlc.arg(since)
ORDER BY r.order_id
LIMIT sqlc.arg(at_most);

-- name: CountSettlements :one
SELECT count(*) FROM coupons.settlements;

-- name: SettlementsOverdue :many
SELECT order_id, action, asked_at FROM coupons.settlements WHERE asked_at < clock_timestamp() - interval '1 minute' ORDER BY id LIMIT sqlc.arg(at_most);

-- name: CountNewcomers :one
SELECT count(*) FROM coupons.newcomers;

-- name: NewcomersOverdue :many
SELECT account_id, at FROM coupons.newcomers WHERE at < clock_timestamp() - interval '1 minute' ORDER BY at LIMIT sqlc.arg(at_most);
