-- name: ReservationOf :one
SELECT order_id, state FROM catalog.reservations WHERE order_id = $1;

-- name: ReservationsOf :many
SELECT order_id, state FROM catalog.reservations WHERE order_id = ANY (@order_ids::uuid[]);

-- name: LockReservations :many
SELECT order_id, state FROM catalog.reservations WHERE order_id = ANY (@order_ids::uuid[]) ORDER BY order_id FOR UPDATE;

-- name: LockPools :many
SELECT id, product_id, on_hand, reserved, low_at FROM catalog.pools WHERE id = ANY (@ids::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: LockPoolsOfOrders :many
-- With a drop's pool goes that of its product, where its pieces go once it is closed.
SELECT id, product_id, on_hand, reserved, low_at FROM catalog.pools
WHERE id IN (
    SELECT unnest(ARRAY[l.pool_id, l.product_id]) FROM catalog.reservation_lines l
    JOIN catalog.reservations r ON r.order_id = l.order_id AND r.state <> 'released'
    WHERE l.order_id = ANY (@order_ids::uuid[])
)
ORDER BY id FOR NO KEY UPDATE;

-- name: LinesOfOrders :many
SELECT order_id, pool_id, product_id, quantity FROM catalog.reservation_lines WHERE order_id = ANY (@order_ids::uuid[]) ORDER BY order_id, pool_id;

-- name: ReturnsOf :many
-- What came back of orders already.
SELECT order_id::uuid AS order_id, refund_id::uuid AS refund_id, pool_id, quantity FROM catalog.stock_movements
WHERE order_id = ANY (@order_ids::uuid[]) AND kind = 'return';

-- name: HoldsOf :many
-- A line a row; an order that holds nothing has one row without a line.
SELECT r.order_id, r.state, l.product_id, l.quantity
FROM catalog.reservations r
LEFT JOIN catalog.reservation_lines l ON l.order_id = r.order_id
WHERE r.order_id = ANY (@order_ids::uuid[])
ORDER BY r.order_id, l.pool_id;

-- name: OpenHolds :many
SELECT h.order_id, l.product_id, l.quantity
FROM (
    SELECT r.order_id FROM catalog.reservations r
    WHERE r.state = 'held' AND r.order_id > @after
    ORDER BY r.order_id
    LIMIT @row_limit
) h
JOIN catalog.reservation_lines l ON l.order_id = h.order_id
ORDER BY h.order_id, l.pool_id;

-- name: Reserve :one
-- Orders whose row is there already take nothing: they were taken by somebody else in the meantime. How many weren't is told.
WITH fresh AS (
    INSERT INTO catalog.reservations (order_id, state, created_at, updated_at)
    SELECT o.order_id, 'held', @at, @at FROM unnest(@order_ids::uuid[]) AS o (order_id) ORDER BY o.order_id
    ON CONFLICT DO NOTHING
    RETURNING order_id
), lines AS (
    INSERT INTO catalog.reservation_lines (order_id, pool_id, product_id, quantity)
    SELECT l.order_id, l.pool_id, l.product_id, l.quantity
    FROM (
        SELECT unnest(@line_order_ids::uuid[]) AS order_id, unnest(@pool_ids::uuid[]) AS pool_id,
               unnest(@product_ids::uuid[]) AS product_id, unnest(@quantities::bigint[]) AS quantity
    ) l
    JOIN fresh ON fresh.order_id = l.order_id
    RETURNING pool_id, quantity
), taken AS (
    UPDATE catalog.pools p SET reserved = p.reserved + t.quantity
    FROM (SELECT pool_id, sum(quantity)::bigint AS quantity FROM lines GROUP BY pool_id) t
    WHERE p.id = t.pool_id
)
SELECT count(*) FROM fresh;

-- name: SetReservationStates :exec
UPDATE catalog.reservations r SET state = s.state, updated_at = @at
FROM (SELECT unnest(@order_ids::uuid[]) AS order_id, unnest(@states::text[]) AS state) s
WHERE r.order_id = s.order_id;

-- name: InsertTombstones :many
INSERT INTO catalog.reservations (order_id, state, created_at, updated_at)
SELECT o.order_id, 'released', @at, @at FROM unnest(@order_ids::uuid[]) AS o (order_id) ORDER BY o.order_id
ON CONFLICT DO NOTHING
RETURNING order_id;

-- name: MovePools :exec
UPDATE catalog.pools p SET on_hand = p.on_hand + m.on_hand, reserved = p.reserved + m.reserved
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@on_hand::bigint[]) AS on_hand, unnest(@reserved::bigint[]) AS reserved) m
WHERE p.id = m.id;

-- name: InsertMovements :exec
-- Those that no admin made by hand: of an order, and perhaps a refund of it, or of a drop. An id that is not there is zero.
INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, order_id, refund_id, drop_id, at)
SELECT m.id, m.pool_id, m.kind, m.quantity, nullif(m.order_id, '00000000-0000-0000-0000-000000000000'),
       nullif(m.refund_id, '00000000-0000-0000-0000-000000000000'), nullif(m.drop_id, '00000000-0000-0000-0000-000000000000'), @at
FROM (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@pool_ids::uuid[]) AS pool_id, unnest(@kinds::text[]) AS kind,
           unnest(@quantities::bigint[]) AS quantity, unnest(@order_ids::uuid[]) AS order_id, unnest(@refund_ids::uuid[]) AS refund_id,
           unnest(@drop_ids::uuid[]) AS drop_id
) m;

-- name: MarkProducts :exec
INSERT INTO catalog.product_marks (product_id, sold)
SELECT m.product_id, m.sold FROM (SELECT unnest(@product_ids::uuid[]) AS product_id, unnest(@sold::bigint[]) AS sold) m;

-- name: AskSettlement :exec
INSERT INTO catalog.settlements (order_id, action) VALUES (@order_id, @action);

-- name: AskReturns :exec
-- A product a row, however often it is named.
INSERT INTO catalog.settlements (order_id, action, refund_id, product_id, quantity)
SELECT sqlc.arg(order_id)::uuid, 'return', sqlc.arg(refund_id)::uuid, r.product_id, sum(r.quantity)
FROM (SELECT unnest(@product_ids::uuid[]) AS product_id, unnest(@quantities::bigint[]) AS quantity) r
GROUP BY r.product_id ORDER BY r.product_id;

-- name: TakeSettlements :many
WITH taken AS (
    DELETE FROM catalog.settlements
    WHERE id IN (SELECT s.id FROM catalog.settlements s ORDER BY s.id LIMIT @row_limit FOR UPDATE)
    RETURNING id, order_id, action, refund_id, product_id, quantity
)
SELECT order_id, action, refund_id, product_id, quantity FROM taken ORDER BY id;

-- name: PoolForUpdate :one
-- A product's own: an id of a drop finds nothing.
SELECT id, product_id, on_hand, reserved, low_at FROM catalog.pools WHERE id = @product_id AND product_id = @product_id FOR NO KEY UPDATE;

-- name: SetPool :exec
UPDATE catalog.pools SET on_hand = @on_hand, low_at = @low_at WHERE id = @id;

-- name: InsertMovement :one
INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, reason, actor_id, idempotency_key, idempotency_hash, at)
VALUES (@id, @pool_id, @kind, @quantity, @reason, @actor_id, @idempotency_key, @idempotency_hash, @at)
RETURNING *;

-- name: MovementByKey :one
SELECT * FROM catalog.stock_movements WHERE actor_id = @actor_id AND idempotency_key = @idempotency_key;

-- name: MovementsPage :many
SELECT m.* FROM catalog.stock_movements m
WHERE m.pool_id = @pool_id AND m.id < @before::uuid
ORDER BY m.id DESC
LIMIT @row_limit;
