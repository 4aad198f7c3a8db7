-- What the audit reads: how many rows were looked at, and the ids of what is wrong, 100 at most.

-- name: TwoDefaults :one
-- Accounts with more than one default address. The index of defaults has all that is read.
SELECT coalesce(sum(d.many), 0)::bigint AS looked,
    coalesce((array_agg(d.account_id) FILTER (WHERE d.many > 1))[1:100], '{}')::uuid[] AS wrong
FROM (SELECT account_id, count(*) AS many FROM accounts.addresses WHERE is_default GROUP BY account_id) d;

-- name: TwoDefaultsSince :one
-- The same of the accounts of which an address changed since.
SELECT coalesce(sum(d.many), 0)::bigint AS looked,
    coalesce((array_agg(d.account_id) FILTER (WHERE d.many > 1))[1:100], '{}')::uuid[] AS wrong
FROM (
    SELECT a.account_id, count(*) AS many
    FROM accounts.addresses a
    WHERE a.is_default AND a.account_id IN (SELECT t.account_id FROM accounts.addresses t WHERE t.updated_at >= sqlc.arg(updated_from)::timestamptz)
    GROUP BY a.account_id
) d;

-- name: BrokenChains :one
-- Of the sessions that were begun or refreshed since: those that go on without exactly one token that is not used.
WITH touched AS (
    SELECT b.id FROM accounts.sessions b WHERE b.id >= sqlc.arg(since)
    UNION
    SELECT t.session_id FROM accounts.refresh_tokens t WHERE t.expires_at >= sqlc.arg(expires_from)::timestamptz
)
SELECT count(*) AS looked, coalesce((array_agg(live.id) FILTER (WHERE live.unused <> 1))[1:100], '{}')::uuid[] AS wrong
FROM (
    SELECT s.id, (SELECT count(*) FROM accounts.refresh_tokens t WHERE t.session_id = s.id AND t.used_at IS NULL) AS unused
    FROM touched JOIN accounts.sessions s USING (id)
    WHERE s.ended_at IS NULL AND s.expires_at > sqlc.arg(lives_at)::timestamptz
) live;

-- name: EndedUnrevoked :one
SELECT count(*) AS looked, coalesce((array_agg(ended.id) FILTER (WHERE NOT ended.revoked))[1:100], '{}')::uuid[] AS wrong
FROM (
    SELECT s.id, EXISTS (SELECT FROM accounts.revocations r WHERE r.session_id = s.id) AS revoked
    FROM accounts.sessions s
    WHERE s.ended_at > sqlc.arg(ended_from)::timestamptz
) ended;

-- name: ClosedWithLeftovers :one
-- Of the accounts that were closed since, or to which anything was added since: the closed ones that own anything.
WITH touched AS (
    SELECT e.key AS id FROM accounts.outbox e WHERE e.event_id >= sqlc.arg(since) AND e.type = 'accounts.closed.v1'
    UNION SELECT x.account_id FROM accounts.addresses x WHERE x.id >= sqlc.arg(since)
    UNION SELECT x.account_id FROM accounts.notifications x WHERE x.id >= sqlc.arg(since)
    UNION SELECT x.account_id FROM accounts.sessions x WHERE x.id >= sqlc.arg(since)
)
SELECT count(*) AS looked, coalesce((array_agg(a.id) FILTER (WHERE a.state = 'closed' AND (
        EXISTS (SELECT FROM accounts.addresses x WHERE x.account_id = a.id)
        OR EXISTS (SELECT FROM accounts.notifications x WHERE x.account_id = a.id)
        OR EXISTS (SELECT FROM accounts.sessions x WHERE x.account_id = a.id)
    )))[1:100], '{}')::uuid[] AS wrong
FROM touched JOIN accounts.accounts a USING (id);

-- name: AccountsOffEvents :one
-- Of the accounts that were made since, or of which anything was told since: those whose version is not that of their latest event.
WITH touched AS (
    SELECT n.id FROM accounts.accounts n WHERE n.id >= sqlc.arg(since)
    UNION SELECT e.key FROM accounts.outbox e WHERE e.event_id >= sqlc.arg(since)
)
SELECT count(*) AS looked, coalesce((array_agg(touched.id) FILTER (WHERE a.version IS DISTINCT FROM (
        SELECT max(o.aggregate_version) FROM accounts.outbox o WHERE o.key = touched.id
    )))[1:100], '{}')::uuid[] AS wrong
FROM touched LEFT JOIN accounts.accounts a USING (id);

-- name: ToldTwice :one
-- Of the notifications since that are about an order: those whose account was told the same of it by another one.
WITH told AS (
    SELECT n.id, count(*) OVER (PARTITION BY n.account_id, n.kind, n.params->>'order_id') AS times
    FROM accounts.notifications n
    WHERE n.account_id IN (SELECT x.account_id FROM accounts.notifications x WHERE x.id >= sqlc.arg(since)) AND n.params ? 'order_id'
)
SELECT count(*) FILTER (WHERE told.id >= sqlc.arg(since)::uuid) AS looked,
    coalesce((array_agg(told.id) FILTER (WHERE told.id >= sqlc.arg(since)::uuid AND told.times > 1))[1:100], '{}')::uuid[] AS wrong
FROM told;

-- name: ToldOfNothing :one
-- Of the notifications since: those whose event was never taken. A change of tier is told by what made it.
SELECT count(*) AS looked, coalesce((array_agg(n.id) FILTER (WHERE NOT EXISTS (
        SELECT FROM accounts.inbox i WHERE i.event_id = n.event_id
    )))[1:100], '{}')::uuid[] AS wrong
FROM accounts.notifications n
WHERE n.id >= sqlc.arg(since) AND n.kind <> 'tier_changed';

-- name: AnyAccount :one
SELECT EXISTS (SELECT FROM accounts.accounts);
