-- name: InsertPreorder :one
INSERT INTO ordering.preorders (id, version, product_id, title, per_customer, releases_at, state, created_at, updated_at)
VALUES (@id, 1, @product_id, @title, @per_customer, @releases_at, 'draft', @at, @at) RETURNING *;

-- name: ReadyPreorder :one
-- No row: a job has given it up.
UPDATE ordering.preorders SET state = 'ready' WHERE id = @id AND state = 'draft' RETURNING *;

-- name: DeleteDraft :exec
DELETE FROM ordering.preorders WHERE id = @id AND state = 'draft';

-- name: Preorder :one
SELECT * FROM ordering.preorders WHERE id = @id;

-- name: LockPreorder :one
SELECT * FROM ordering.preorders WHERE id = @id FOR UPDATE;

-- name: EditPreorder :one
UPDATE ordering.preorders SET version = version + 1, title = @title, per_customer = @per_customer, releases_at = @releases_at, updated_at = @at
WHERE id = @id RETURNING *;

-- name: CancelPreorder :one
UPDATE ordering.preorders SET version = version + 1, state = 'canceled', cancel_reason = @reason::text, updated_at = @at
WHERE id = @id AND state = 'ready' RETURNING *;

-- name: WindUpPreorder :exec
UPDATE ordering.preorders SET wound_up_at = @at::timestamptz WHERE id = @id AND state = 'canceled' AND wound_up_at IS NULL;

-- name: ListPreorders :many
-- Newest first, those before the one with the id. Drafts are shown to nobody.
SELECT * FROM ordering.preorders WHERE state <> 'draft' AND id < @before ORDER BY id DESC LIMIT @at_most;

-- name: UnfinishedPreorders :many
SELECT * FROM ordering.preorders WHERE state = 'draft' OR (state = 'canceled' AND wound_up_at IS NULL) ORDER BY id LIMIT @at_most;

-- name: OrdersToCallOff :many
-- Orders of a canceled drop that live, are not shipped, and of which nobody was asked yet on the drop's behalf that they be canceled.
SELECT o.* FROM ordering.orders o
WHERE o.drop_id = @drop_id::uuid AND o.state IN ('pending', 'awaiting_payment', 'paid', 'preparing', 'canceling')
  AND NOT EXISTS (SELECT FROM ordering.cancel_requests r WHERE r.asked_by = o.drop_id AND r.key = o.id::text)
  AND o.id > @after
ORDER BY o.id LIMIT @at_most;
