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
