-- name: DropOf :one
SELECT * FROM catalog.drops WHERE id = $1;

-- name: DropsOf :many
-- Each with its pool, at one instant.
SELECT d.id, d.product_id, d.quantity, d.returned, d.starts_at, d.ends_at, d.closed, d.revision, p.on_hand, p.reserved
FROM catalog.drops d
JOIN catalog.pools p ON p.id = d.id
WHERE d.id = ANY (@ids::uuid[]);

-- name: DropGates :many
-- Whether orders may take of the drops. Not now(), which is when the transaction began: it may have waited for the pools since.
SELECT id, closed, (starts_at <= clock_timestamp() AND clock_timestamp() < ends_at)::boolean AS open
FROM catalog.drops WHERE id = ANY (@ids::uuid[]);

-- name: ClosedDropsOfOrders :many
SELECT d.id FROM catalog.drops d
WHERE d.closed AND d.id IN (
    SELECT l.pool_id FROM catalog.reservation_lines l WHERE l.order_id = ANY (@order_ids::uuid[]) AND l.pool_id <> l.product_id
);

-- name: InsertDrop :exec
WITH pool AS (
    INSERT INTO catalog.pools (id, product_id, drop_id, on_hand, low_at)
    VALUES (sqlc.arg(id)::uuid, sqlc.arg(product_id)::uuid, sqlc.arg(id)::uuid, sqlc.arg(quantity)::bigint, @low_at)
)
INSERT INTO catalog.drops (id, product_id, quantity, starts_at, ends_at, revision)
VALUES (sqlc.arg(id)::uuid, sqlc.arg(product_id)::uuid, sqlc.arg(quantity)::bigint, @starts_at, @ends_at, @revision);

-- name: UpdateDrop :exec
UPDATE catalog.drops SET quantity = @quantity, starts_at = @starts_at, ends_at = @ends_at, returned = @returned, closed = @closed,
    revision = @revision WHERE id = @id;

-- name: ReturnOfDrops :exec
UPDATE catalog.drops d SET returned = d.returned + r.quantity
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@quantities::bigint[]) AS quantity) r
WHERE d.id = r.id;
