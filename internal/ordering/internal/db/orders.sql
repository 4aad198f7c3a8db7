-- name: OrderOf :one
SELECT * FROM ordering.orders WHERE id = @id;

-- name: OrderOfNumber :one
SELECT * FROM ordering.orders WHERE number = @number;

-- name: CancelRequestOf :one
-- refused tells whether the refund for which it asked was refused.
SELECT r.order_id, r.hash, EXISTS (
    SELECT 1 FROM ordering.order_timeline t
    WHERE t.order_id = r.order_id AND t.step > r.step AND t.from_state = 'canceling' AND t.to_state IN ('paid', 'preparing')) AS refused
FROM ordering.cancel_requests r WHERE r.asked_by = @asked_by AND r.key = @key;

-- name: InsertCancelRequest :execrows
-- Nobody asks for the same order more often than at_most.
INSERT INTO ordering.cancel_requests (asked_by, key, hash, order_id, step)
SELECT @asked_by, @key, @hash, @order_id, @step
WHERE (SELECT count(*) FROM ordering.cancel_requests r WHERE r.order_id = @order_id AND r.asked_by = @asked_by) < @at_most::bigint
ON CONFLICT (asked_by, key) DO NOTHING;

-- name: LockOrder :one
SELECT * FROM ordering.orders WHERE id = @id FOR UPDATE;

-- name: LinesOf :many
SELECT * FROM ordering.order_lines WHERE order_id = @order_id ORDER BY position;

-- name: LinesOfOrders :many
SELECT * FROM ordering.order_lines WHERE order_id = ANY(@order_ids::uuid[]) ORDER BY order_id, position;

-- name: TimelineOf :many
SELECT * FROM ordering.order_timeline WHERE order_id = @order_id ORDER BY step;

-- name: ClaimOrder :execrows
-- The one who places a pending order says so, unless somebody else did and was heard of since.
UPDATE ordering.orders SET claimed_by = @claimant::uuid, claimed_at = now()
WHERE id = @id AND state = 'pending'
  AND (claimed_by IS NULL OR claimed_by = @claimant::uuid OR claimed_at < now() - make_interval(secs => @silent_s::float8));

-- name: UnclaimOrder :exec
UPDATE ordering.orders SET claimed_by = NULL, claimed_at = NULL
WHERE id = @id AND state = 'pending' AND claimed_by = @claimant::uuid;

-- name: MoveOrder :one
UPDATE ordering.orders SET
    state             = @to_state,
    former_state      = sqlc.narg(former_state),
    version           = version + @published::bigint,
    step              = step + 1,
    updated_at        = @at,
    attend_at         = sqlc.narg(attend_at),
    claimed_by        = NULL,
    claimed_at        = NULL,
    expires_at        = COALESCE(sqlc.narg(expires_at), expires_at),
    refusal           = COALESCE(sqlc.narg(refusal), refusal),
    cancel_reason     = COALESCE(sqlc.narg(cancel_reason), cancel_reason),
    refused_refund_ids = CASE WHEN sqlc.narg(refused_refund_id)::uuid IS NULL THEN refused_refund_ids
                         ELSE array_append(array_remove(refused_refund_ids, sqlc.narg(refused_refund_id)), sqlc.narg(refused_refund_id)) END,
    carrier           = COALESCE(sqlc.narg(carrier), carrier),
    invoice_number    = COALESCE(sqlc.narg(invoice_number), invoice_number)
WHERE id = @id AND state = @from_state AND step = @step
RETURNING *;

-- name: TakeStep :one
-- A remark in the timeline leaves the state as it is.
UPDATE ordering.orders SET step = step + 1, updated_at = @at WHERE id = @id AND step = @step RETURNING *;

-- name: InsertTimeline :exec
INSERT INTO ordering.order_timeline (order_id, step, at, from_state, to_state, actor_kind, actor_id, note)
VALUES (@order_id, @step, @at, @from_state, @to_state, @actor_kind, @actor_id, @note);

-- name: BoughtOf :one
-- What died meanwhile and is still in the counter does not count.
SELECT (COALESCE((SELECT q.quantity FROM ordering.purchase_quotas q WHERE q.account_id = @account_id AND q.product_id = @product_id), 0)
      - COALESCE((SELECT sum(l.quantity) FROM ordering.quota_returns r JOIN ordering.order_lines l USING (order_id)
                  JOIN ordering.orders o ON o.id = r.order_id
                  WHERE r.account_id = @account_id AND l.product_id = @product_id AND o.drop_id IS NULL), 0))::bigint AS bought;

-- name: ReturnQuota :exec
INSERT INTO ordering.quota_returns (order_id, account_id) VALUES (@order_id, @account_id);

-- name: QuotaReturns :many
SELECT * FROM ordering.quota_returns LIMIT @at_most;

-- name: HoldShoppers :exec
-- In the order in which whoever places orders locks them.
SELECT 1 FROM ordering.shoppers WHERE account_id = ANY(@account_ids::uuid[]) ORDER BY account_id FOR UPDATE;

-- name: TakeQuotaReturns :exec
-- The shoppers are locked. What somebody else took meanwhile is not taken twice.
WITH taken AS (
    DELETE FROM ordering.quota_returns WHERE order_id = ANY(@order_ids::uuid[]) RETURNING order_id, account_id
), returned AS (
    SELECT t.account_id, COALESCE(o.drop_id, l.product_id) AS product_id, sum(l.quantity)::bigint AS quantity
    FROM taken t JOIN ordering.order_lines l USING (order_id) JOIN ordering.orders o ON o.id = t.order_id GROUP BY 1, 2
)
UPDATE ordering.purchase_quotas q SET quantity = q.quantity - r.quantity
FROM returned r WHERE q.account_id = r.account_id AND q.product_id = r.product_id;

-- name: OrdersToAttend :many
SELECT * FROM ordering.orders WHERE state = @state AND attend_at <= @now ORDER BY attend_at LIMIT @at_most;

-- name: ExtendOrder :exec
UPDATE ordering.orders SET expires_at = @expires_at::timestamptz, attend_at = @expires_at::timestamptz
WHERE id = @id AND state = 'awaiting_payment' AND expires_at < @expires_at::timestamptz AND kind <> 'preorder';

-- name: PutOff :exec
UPDATE ordering.orders SET attend_at = GREATEST(attend_at, @attend_at::timestamptz) WHERE id = @id AND state = @state;

-- name: SetAddress :one
UPDATE ordering.orders SET recipient = @recipient, phone = @phone, zipcode = @zipcode, line1 = @line1, line2 = @line2
WHERE id = @id RETURNING *;

-- name: OrdersOfAccount :many
-- What never came to be an order is shown only to who asks for it.
SELECT * FROM ordering.orders
WHERE account_id = @account_id
  AND CASE WHEN @state::text = '' THEN state NOT IN ('pending', 'rejected') ELSE state = @state END
  AND (sqlc.narg(before)::uuid IS NULL OR id < sqlc.narg(before))
ORDER BY id DESC LIMIT @at_most;

-- name: AdminOrders :many
SELECT * FROM ordering.orders o
WHERE (@number::text = '' OR o.number = @number)
  AND (sqlc.narg(account_id)::uuid IS NULL OR o.account_id = sqlc.narg(account_id))
  AND (@state::text = '' OR (o.state = @state AND o.unpaid = (@state IN ('pending', 'awaiting_payment'))))
  AND (sqlc.narg(product_id)::uuid IS NULL
       OR o.id IN (SELECT l.order_id FROM ordering.order_lines l WHERE l.product_id = sqlc.narg(product_id)))
  AND (sqlc.narg(before)::uuid IS NULL OR o.id < sqlc.narg(before))
ORDER BY o.id DESC LIMIT @at_most;
