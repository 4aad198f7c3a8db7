-- name: LockBalances :many
SELECT account_id, balance, held FROM accounts.point_balances WHERE account_id = ANY (@account_ids::uuid[]) ORDER BY account_id FOR NO KEY UPDATE;

-- name: BalanceOf :one
SELECT balance, held FROM accounts.point_balances WHERE account_id = @account_id;

-- name: OpenBalances :exec
-- Whoever may earn points, or gave up before holding any, has a balance that can be locked.
INSERT INTO accounts.point_balances (account_id)
SELECT a.id FROM accounts.accounts a WHERE a.id = ANY (@account_ids::uuid[]) AND a.state <> 'closed' ORDER BY a.id
ON CONFLICT DO NOTHING;

-- name: PointHoldsOf :many
SELECT order_id, account_id, points, state FROM accounts.point_holds WHERE order_id = ANY (@order_ids::uuid[]) ORDER BY order_id;

-- name: LockPointHolds :many
SELECT order_id, account_id, points, state FROM accounts.point_holds WHERE order_id = ANY (@order_ids::uuid[]) ORDER BY order_id FOR UPDATE;

-- name: OpenPointHolds :many
SELECT order_id, points FROM accounts.point_holds WHERE state = 'held' AND order_id > @after ORDER BY order_id LIMIT @row_limit;

-- name: TiersOf :many
SELECT id, tier FROM accounts.accounts WHERE id = ANY (@ids::uuid[]) AND state <> 'closed';

-- name: HoldPoints :one
-- Orders whose row is there already take nothing: they were taken by somebody else in the meantime. How many weren't is told.
WITH fresh AS (
    INSERT INTO accounts.point_holds (order_id, account_id, points, state, created_at, updated_at)
    SELECT o.order_id, o.account_id, o.points, 'held', @at, @at
    FROM (SELECT unnest(@order_ids::uuid[]) AS order_id, unnest(@account_ids::uuid[]) AS account_id, unnest(@points::bigint[]) AS points) o
    ORDER BY o.order_id
    ON CONFLICT DO NOTHING
    RETURNING account_id, points
), taken AS (
    UPDATE accounts.point_balances b SET held = b.held + t.points
    FROM (SELECT account_id, sum(points)::bigint AS points FROM fresh GROUP BY account_id) t
    WHERE b.account_id = t.account_id
)
SELECT count(*) FROM fresh;

-- name: SetPointHoldStates :exec
UPDATE accounts.point_holds h SET state = s.state, updated_at = @at
FROM (SELECT unnest(@order_ids::uuid[]) AS order_id, unnest(@states::text[]) AS state) s
WHERE h.order_id = s.order_id;

-- name: InsertPointTombstones :many
INSERT INTO accounts.point_holds (order_id, account_id, points, state, created_at, updated_at)
SELECT o.order_id, o.account_id, 0, 'released', @at, @at
FROM (SELECT unnest(@order_ids::uuid[]) AS order_id, unnest(@account_ids::uuid[]) AS account_id) o
ORDER BY o.order_id
ON CONFLICT DO NOTHING
RETURNING order_id;

-- name: MoveBalances :exec
UPDATE accounts.point_balances b SET balance = b.balance + m.balance, held = b.held + m.held
FROM (SELECT unnest(@account_ids::uuid[]) AS account_id, unnest(@balances::bigint[]) AS balance, unnest(@held::bigint[]) AS held) m
WHERE b.account_id = m.account_id;

-- name: InsertOrderEntries :exec
-- Where an entry is of no refund, that one's id is zero.
INSERT INTO accounts.point_entries (id, account_id, kind, points, order_id, refund_id, at)
SELECT e.id, e.account_id, e.kind, e.points, e.order_id, nullif(e.refund_id, '00000000-0000-0000-0000-000000000000'), @at
FROM (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@account_ids::uuid[]) AS account_id, unnest(@kinds::text[]) AS kind,
           unnest(@points::bigint[]) AS points, unnest(@order_ids::uuid[]) AS order_id, unnest(@refund_ids::uuid[]) AS refund_id
) e;

-- name: AskPointSettlement :exec
INSERT INTO accounts.point_settlements (order_id, account_id, action, won, refund_id, at)
VALUES (@order_id, @account_id, @action, @won, sqlc.narg(refund_id), @at);

-- name: TakePointSettlements :many
WITH taken AS (
    DELETE FROM accounts.point_settlements
    WHERE id IN (SELECT s.id FROM accounts.point_settlements s ORDER BY s.id LIMIT @row_limit FOR UPDATE)
    RETURNING id, order_id, account_id, action, won, refund_id, at
)
SELECT order_id, account_id, action, won, refund_id, at FROM taken ORDER BY id;

-- name: PurchasesOf :many
SELECT order_id FROM accounts.purchases WHERE order_id = ANY (@order_ids::uuid[]);

-- name: InsertPurchases :exec
INSERT INTO accounts.purchases (order_id, account_id, won, earn_permille, confirmed_at, counted_at)
SELECT p.order_id, p.account_id, p.won, p.earn_permille, p.confirmed_at, @at
FROM (
    SELECT unnest(@order_ids::uuid[]) AS order_id, unnest(@account_ids::uuid[]) AS account_id, unnest(@won::bigint[]) AS won,
           unnest(@earn_permille::bigint[]) AS earn_permille, unnest(@confirmed_at::timestamptz[]) AS confirmed_at
) p;

-- name: AskReviews :exec
-- Once for each purchase, and each change of one; an account may be there more than once.
INSERT INTO accounts.tier_reviews AS r (account_id, due_at, tiers, purchases)
SELECT a.account_id, @at, 0, count(*) FROM unnest(@account_ids::uuid[]) AS a (account_id) GROUP BY a.account_id ORDER BY a.account_id
ON CONFLICT (account_id) DO UPDATE SET due_at = excluded.due_at, purchases = r.purchases + excluded.purchases;

-- name: PurchaseOf :one
SELECT account_id, won, returned_won, earn_permille FROM accounts.purchases WHERE order_id = @order_id;

-- name: TakeBackOf :one
SELECT * FROM accounts.point_take_backs WHERE refund_id = @refund_id;

-- name: TakeBacksOf :many
SELECT * FROM accounts.point_take_backs WHERE refund_id = ANY (@refund_ids::uuid[]);

-- name: InsertTakeBack :exec
WITH returned AS (
    UPDATE accounts.purchases p SET returned_won = p.returned_won + sqlc.arg(won)::bigint WHERE p.order_id = sqlc.arg(order_id)::uuid
)
INSERT INTO accounts.point_take_backs (refund_id, order_id, account_id, won, left_won, owed, taken, state, created_at, updated_at)
VALUES (@refund_id, sqlc.arg(order_id)::uuid, @account_id, sqlc.arg(won)::bigint, @left_won, @owed, @taken, 'taken',
        sqlc.arg(at)::timestamptz, sqlc.arg(at)::timestamptz);

-- name: UndoTakeBacks :exec
WITH undone AS (
    UPDATE accounts.point_take_backs SET state = 'undone', updated_at = @at WHERE refund_id = ANY (@refund_ids::uuid[])
    RETURNING order_id, won
)
UPDATE accounts.purchases p SET returned_won = p.returned_won - u.won
FROM (SELECT order_id, sum(won)::bigint AS won FROM undone GROUP BY order_id) u
WHERE p.order_id = u.order_id;

-- name: ReturnedPointsOf :many
-- What refunds of the orders brought back.
SELECT order_id::uuid AS order_id, refund_id::uuid AS refund_id, points FROM accounts.point_entries
WHERE order_id = ANY (@order_ids::uuid[]) AND kind = 'return' AND refund_id IS NOT NULL;

-- name: InsertGrant :one
INSERT INTO accounts.point_entries (id, account_id, kind, points, reason, actor_id, idempotency_key, idempotency_hash, at)
VALUES (@id, @account_id, @kind, @points, @reason, @actor_id, @idempotency_key, @idempotency_hash, @at)
RETURNING *;

-- name: GrantByKey :one
SELECT * FROM accounts.point_entries WHERE actor_id = @actor_id AND idempotency_key = @idempotency_key;

-- name: EntriesPage :many
SELECT e.* FROM accounts.point_entries e
WHERE e.account_id = @account_id AND e.id < @before::uuid
ORDER BY e.id DESC
LIMIT @row_limit;
