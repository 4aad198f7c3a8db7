-- name: Tiers :many
SELECT * FROM accounts.tiers ORDER BY from_won;

-- name: LockTiers :many
SELECT * FROM accounts.tiers ORDER BY name FOR UPDATE;

-- name: SetTierRule :one
UPDATE accounts.tiers SET from_won = @from_won, earn_permille = @earn_permille, revision = revision + 1, updated_at = @at
WHERE name = @name
RETURNING *;

-- name: DueReviews :many
-- Those of whom the time has come, or who were looked at with other tiers.
(SELECT r.account_id FROM accounts.tier_reviews r WHERE r.due_at <= @now ORDER BY r.due_at LIMIT @row_limit)
UNION
(SELECT r.account_id FROM accounts.tier_reviews r WHERE r.tiers < @tiers ORDER BY r.tiers LIMIT @row_limit);

-- name: Bought :many
-- What accounts bought since and kept, and the first of it. last: how often the account's purchases had changed when this was read.
SELECT r.account_id, r.purchases AS last, coalesce(a.tier, '')::text AS tier, coalesce(p.won, 0)::bigint AS won,
       coalesce(p.oldest, sqlc.arg(since)::timestamptz)::timestamptz AS oldest
FROM accounts.tier_reviews r
LEFT JOIN accounts.accounts a ON a.id = r.account_id AND a.state <> 'closed'
LEFT JOIN LATERAL (
    SELECT sum(b.won - b.returned_won) AS won, min(b.confirmed_at) AS oldest
    FROM accounts.purchases b WHERE b.account_id = r.account_id AND b.confirmed_at > sqlc.arg(since)::timestamptz
) p ON true
WHERE r.account_id = ANY (@account_ids::uuid[])
ORDER BY r.account_id;

-- name: SetReviews :exec
-- Of accounts that bought nothing, and gave nothing back, since they were looked at.
UPDATE accounts.tier_reviews r SET due_at = d.due_at, tiers = @tiers
FROM (SELECT unnest(@account_ids::uuid[]) AS account_id, unnest(@last::bigint[]) AS last, unnest(@due_at::timestamptz[]) AS due_at) d
WHERE r.account_id = d.account_id AND r.purchases = d.last;

-- name: SetTier :one
UPDATE accounts.accounts SET tier = @tier, version = version + 1, updated_at = @at
WHERE id = @id
RETURNING *;

-- name: InsertOwnNotification :exec
-- Of what this module did itself, to an account that is locked.
INSERT INTO accounts.notifications (id, account_id, event_id, kind, params, created_at)
VALUES (@id, @account_id, @event_id, @kind, @params, @at);
