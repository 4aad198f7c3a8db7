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
INSERT INTO accounts.point_entries (id, account_id, kind, points, order_id, at)
SELECT e.id, e.account_id, e.kind, e.points, e.order_id, @at
FROM (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@account_ids::uuid[]) AS account_id, unnest(@kinds::text[]) AS kind,
           unnest(@points::bigint[]) AS points, unnest(@order_ids::uuid[]) AS order_id
) e;

-- name: AskPointSettlement :exec
INSERT INTO accounts.point_settlements (order_id, account_id, action, won, at) VALUES (@order_id, @account_id, @action, @won, @at);

-- name: TakePointSettlements :many
WITH taken AS (
    DELETE FROM accounts.point_settlements
    WHERE id IN (SELECT s.id FROM accounts.point_settlements s ORDER BY s.id LIMIT @row_limit FOR UPDATE)
    RETURNING id, order_id, account_id, action, won, at
)
SELECT order_id, account_id, action, won, at FROM taken ORDER BY id;

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
-- Once for each purchase; an account may be there more than once.
INSERT INTO accounts.tier_reviews AS r (account_id, due_at, tiers, purchases)
SELECT a.account_id, @at, 0, count(*) FROM unnest(@account_ids::uuid[]) AS a (account_id) GROUP BY a.account_id ORDER BY a.account_id
ON CONFLICT (account_id) DO UPDATE SET due_at = excluded.due_at, purchases = r.purchases + excluded.purchases;

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
