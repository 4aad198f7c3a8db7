-- name: LockAlertsOf :exec
-- One alert of an account at a time: else two could be its last.
SELECT pg_advisory_xact_lock(hashtextextended('catalog.restock_alerts', uuid_hash_extended(@account_id::uuid, 0)));

-- name: AlertStanding :one
-- What an account's alert on a product depends on.
SELECT p.state, (NOT p.sale_stopped AND s.on_hand > s.reserved)::boolean AS available,
       EXISTS (SELECT FROM catalog.restock_alerts a WHERE a.product_id = p.id AND a.account_id = @account_id) AS waits,
       (SELECT count(*) FROM catalog.restock_alerts a WHERE a.account_id = @account_id) AS alerts
FROM catalog.products p
JOIN catalog.pools s ON s.id = p.id
WHERE p.id = @product_id;

-- name: AddAlert :exec
WITH alert AS (
    INSERT INTO catalog.restock_alerts (product_id, account_id, created_at) VALUES (@product_id, @account_id, @at)
    RETURNING product_id
)
INSERT INTO catalog.restock_looks (product_id) SELECT product_id FROM alert;

-- name: DeleteAlert :execrows
DELETE FROM catalog.restock_alerts WHERE product_id = @product_id AND account_id = @account_id;

-- name: DeleteAlertsOf :exec
DELETE FROM catalog.restock_alerts WHERE account_id = $1;

-- name: LookForRestocks :exec
-- Of the products that may be had again: those that somebody waits for.
INSERT INTO catalog.restock_looks (product_id)
SELECT w.product_id FROM (SELECT unnest(@product_ids::uuid[]) AS product_id) w
WHERE EXISTS (SELECT FROM catalog.restock_alerts a WHERE a.product_id = w.product_id);

-- name: RestockLooks :many
SELECT id, product_id FROM catalog.restock_looks ORDER BY id LIMIT @row_limit FOR UPDATE;

-- name: DeleteRestockLooks :exec
DELETE FROM catalog.restock_looks WHERE id = ANY (@ids::bigint[]);

-- name: TakeAlerts :many
-- Those of the products that can be had by now.
DELETE FROM catalog.restock_alerts a
WHERE (a.product_id, a.account_id) IN (
    SELECT w.product_id, w.account_id
    FROM catalog.restock_alerts w
    JOIN catalog.products p ON p.id = w.product_id AND p.state = 'published' AND NOT p.sale_stopped
    JOIN catalog.pools s ON s.id = p.id AND s.on_hand > s.reserved
    WHERE w.product_id = ANY (@product_ids::uuid[])
    ORDER BY w.product_id, w.account_id
    LIMIT @row_limit
)
RETURNING a.product_id, a.account_id;

-- name: NamesOf :many
SELECT id, name FROM catalog.products WHERE id = ANY (@product_ids::uuid[]);

-- name: LooksWaiting :one
SELECT count(*) FROM catalog.restock_looks;

-- name: LooksOverdue :many
SELECT product_id, min(asked_at)::timestamptz AS asked_at FROM catalog.restock_looks
WHERE asked_at < clock_timestamp() - interval '1 minute' GROUP BY product_id ORDER BY 1 LIMIT @row_limit;

-- name: AlertsWaiting :one
SELECT count(*) FROM catalog.restock_alerts;

-- name: AlertsForgotten :many
-- A mark becomes a look in one transaction, so that at each instant there is one of the two.
SELECT a.product_id, count(*) AS accounts
FROM catalog.restock_alerts a
JOIN catalog.products p ON p.id = a.product_id AND p.state = 'published' AND NOT p.sale_stopped
JOIN catalog.pools s ON s.id = p.id AND s.on_hand > s.reserved
WHERE NOT EXISTS (SELECT FROM catalog.restock_looks l WHERE l.product_id = a.product_id)
  AND NOT EXISTS (SELECT FROM catalog.product_marks m WHERE m.product_id = a.product_id)
GROUP BY a.product_id
ORDER BY 1
LIMIT @row_limit;
