-- name: InsertPreorder :one
INSERT INTO ordering.preorders (id, version, product_id, title, per_customer, releases_at, state, created_at, updated_at, attend_at)
VALUES (@id, 1, @product_id, @title, @per_customer, @releases_at, 'draft', @at, @at, @attend_at) RETURNING *;

-- name: ReadyPreorder :one
-- No row: a job has given it up.
UPDATE ordering.preorders SET state = 'ready', attend_at = @attend_at WHERE id = @id AND state = 'draft' RETURNING *;

-- name: AbandonPreorder :execrows
UPDATE ordering.preorders SET state = 'abandoned' WHERE id = @id AND state = 'draft';

-- name: DeletePreorder :exec
-- One that nobody has seen.
DELETE FROM ordering.preorders WHERE id = @id AND state IN ('draft', 'abandoned');

-- name: Preorder :one
SELECT * FROM ordering.preorders WHERE id = @id;

-- name: LockPreorder :one
SELECT * FROM ordering.preorders WHERE id = @id FOR UPDATE;

-- name: EditPreorder :one
UPDATE ordering.preorders
SET version = @version, title = @title, per_customer = @per_customer, releases_at = @releases_at, attend_at = @attend_at, updated_at = @at
WHERE id = @id RETURNING *;

-- name: CancelPreorder :one
UPDATE ordering.preorders SET version = version + 1, state = 'canceled', cancel_reason = @reason::text, updated_at = @at, attend_at = @at
WHERE id = @id AND state = 'ready' RETURNING *;

-- name: AttendPreorder :exec
-- No time: never again.
UPDATE ordering.preorders SET attend_at = sqlc.narg(attend_at) WHERE id = @id AND state = @state;

-- name: WindUpPreorder :exec
UPDATE ordering.preorders SET wound_up_at = @at::timestamptz, attend_at = NULL WHERE id = @id AND state = 'canceled' AND wound_up_at IS NULL;

-- name: ListPreorders :many
-- Newest first, those before the one with the id. What never came to be is shown to nobody.
SELECT * FROM ordering.preorders WHERE state IN ('ready', 'canceled') AND id < @before ORDER BY id DESC LIMIT @at_most;

-- name: PreordersToAttend :many
SELECT * FROM ordering.preorders WHERE attend_at <= @now ORDER BY attend_at LIMIT @at_most;

-- name: OrdersToCallOff :many
-- Orders of a canceled drop that live, are not shipped, and of which nobody was asked yet on the drop's behalf that they be canceled.
SELECT o.* FROM ordering.orders o
WHERE o.drop_id = @drop_id::uuid AND o.state IN ('pending', 'awaiting_payment', 'paid', 'preparing', 'canceling')
  AND NOT EXISTS (SELECT FROM ordering.cancel_requests r WHERE r.asked_by = o.drop_id AND r.key = o.id::text)
  AND o.id > @after
ORDER BY o.id LIMIT @at_most;
