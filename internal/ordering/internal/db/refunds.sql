-- name: RefundOf :one
SELECT * FROM ordering.refunds WHERE id = @id;

-- name: RefundOfKey :one
SELECT * FROM ordering.refunds WHERE asked_by = @asked_by AND idempotency_key = @key;

-- name: RefundsOf :many
SELECT * FROM ordering.refunds WHERE order_id = @order_id ORDER BY id;

-- name: OpenRefunds :one
SELECT count(*) FROM ordering.refunds WHERE order_id = @order_id AND attend_at IS NOT NULL;

-- name: RefundLinesOf :many
-- Of all refunds of the order.
SELECT l.refund_id, l.position, o.product_id, l.quantity
FROM ordering.refunds r JOIN ordering.refund_lines l ON l.refund_id = r.id
JOIN ordering.order_lines o ON o.order_id = r.order_id AND o.position = l.position
WHERE r.order_id = @order_id ORDER BY l.refund_id, l.position;

-- name: ReturnedOf :many
-- How many pieces of each line are not the shopper's any more.
SELECT l.position, sum(l.quantity)::bigint AS quantity
FROM ordering.refunds r JOIN ordering.refund_lines l ON l.refund_id = r.id
WHERE r.order_id = @order_id AND r.state <> 'refused' GROUP BY l.position;

-- name: InsertRefund :one
-- No row: the key was given to another refund a moment ago.
INSERT INTO ordering.refunds (id, order_id, state, whole, restock, reason, items_won, shipping_won, points, asked_by, idempotency_key, request_hash, requested_at, attend_at)
VALUES (@id, @order_id, 'requested', @whole, @restock, @reason, @items_won, @shipping_won, @points, @asked_by, @idempotency_key, @request_hash, @at::timestamptz, @attend_at)
ON CONFLICT (asked_by, idempotency_key) DO NOTHING
RETURNING *;

-- name: InsertRefundLines :exec
INSERT INTO ordering.refund_lines (refund_id, position, quantity)
SELECT @refund_id, unnest(@positions::integer[]), unnest(@quantities::bigint[]);

-- name: SendRefund :one
UPDATE ordering.refunds SET state = 'sent', kept_won = @kept_won WHERE id = @id AND state = 'requested' RETURNING *;

-- name: SettleRefund :one
UPDATE ordering.refunds SET state = @state, code = @code, settled_at = @at::timestamptz, attend_at = NULL
WHERE id = @id AND state = 'sent' RETURNING *;

-- name: RecordRefund :one
-- An event tells of it, whatever came of it.
UPDATE ordering.orders SET refunded_won = refunded_won + @refunded_won, returned_won = returned_won + @returned_won, version = version + 1
WHERE id = @id AND step = @step RETURNING *;

-- name: RefundsToAttend :many
SELECT * FROM ordering.refunds WHERE attend_at <= @now ORDER BY attend_at LIMIT @at_most;

-- name: PutOffRefund :exec
UPDATE ordering.refunds SET attend_at = @attend_at::timestamptz WHERE id = @id AND attend_at IS NOT NULL;
