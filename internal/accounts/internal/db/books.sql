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
-- Of the notifications since that are about an order, or a refund of it: those whose account was told the same of it by another one.
WITH told AS (
    SELECT n.id, count(*) OVER (PARTITION BY n.account_id, n.kind, n.params->>'order_id', n.params->>'refund_id') AS times
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

-- name: PointPrints :many
-- For each bucket of accounts, the balance less what was entered since. Each account's number counts a multiple that is its own, so
-- that one's error does not hide another's; balances that are sound and did not move leave the sum as it was.
SELECT (b.hash & 63)::int AS bucket, count(*) AS looked,
       sum(b.hash * b.at_since)::text AS at_since, sum(b.hash * b.at_through)::text AS at_through
FROM (
    SELECT uuid_hash_extended(p.account_id, 0) AS hash, p.balance::numeric AS at_since, p.balance::numeric AS at_through
    FROM accounts.point_balances p
    UNION ALL
    SELECT uuid_hash_extended(e.account_id, 0), -e.points::numeric, CASE WHEN e.id >= @through::uuid THEN -e.points::numeric ELSE 0 END
    FROM accounts.point_entries e
    WHERE e.id >= @since::uuid
) b
GROUP BY 1;

-- name: PointsOffLedger :many
SELECT coalesce(p.account_id, e.account_id)::uuid AS id, coalesce(p.balance, 0)::bigint AS balance, coalesce(e.points, 0)::bigint AS entered
FROM (SELECT account_id, balance FROM accounts.point_balances WHERE (uuid_hash_extended(account_id, 0) & 63) = ANY (@buckets::bigint[])) p
FULL JOIN (
    SELECT account_id, sum(points) AS points FROM accounts.point_entries
    WHERE (uuid_hash_extended(account_id, 0) & 63) = ANY (@buckets::bigint[])
    GROUP BY account_id
) e ON e.account_id = p.account_id
WHERE coalesce(p.balance, 0) <> coalesce(e.points, 0)
ORDER BY 1
LIMIT @row_limit;

-- name: OpenPoints :one
SELECT (SELECT count(*) FROM accounts.point_balances) AS balances, (SELECT count(*) FROM accounts.point_holds WHERE state = 'held') AS holds;

-- name: HeldOffHolds :many
SELECT coalesce(b.account_id, h.account_id)::uuid AS id, coalesce(b.balance, 0)::bigint AS balance, coalesce(b.held, 0)::bigint AS held, coalesce(h.points, 0)::bigint AS open
FROM (SELECT * FROM accounts.point_balances p WHERE p.held <> 0 OR p.balance < 0) b
FULL JOIN (SELECT account_id, sum(points) AS points FROM accounts.point_holds WHERE state = 'held' GROUP BY account_id) h ON h.account_id = b.account_id
WHERE coalesce(b.held, 0) <> coalesce(h.points, 0) OR b.held < 0 OR b.balance < b.held
ORDER BY 1
LIMIT @row_limit;

-- name: OrdersOffEntries :one
-- Of the orders of which anything changed since: those whose entries are not what their hold, and their purchase, ask for.
WITH touched AS (
    SELECT h.order_id FROM accounts.point_holds h WHERE h.updated_at >= sqlc.arg(changed_from)::timestamptz
    UNION SELECT e.order_id FROM accounts.point_entries e WHERE e.id >= sqlc.arg(since)::uuid AND e.order_id IS NOT NULL
    UNION SELECT p.order_id FROM accounts.purchases p WHERE p.counted_at >= sqlc.arg(changed_from)::timestamptz
)
SELECT count(*) AS looked, coalesce((array_agg(touched.order_id) FILTER (WHERE NOT (
        CASE coalesce(h.state, 'none')
            WHEN 'used' THEN e.used = h.points AND e.returned = 0 AND e.refunded <= h.points
            WHEN 'released' THEN (e.used = 0 AND e.returned = 0 OR e.used = h.points AND e.returned = h.points) AND e.refunded = 0
            ELSE e.used = 0 AND e.returned = 0 AND e.refunded = 0
        END
        AND e.earned = coalesce(div(p.won::numeric * p.earn_permille, 1000), 0)
        AND e.strange = 0
    )))[1:100], '{}')::uuid[] AS wrong
FROM touched
LEFT JOIN accounts.point_holds h ON h.order_id = touched.order_id
LEFT JOIN accounts.purchases p ON p.order_id = touched.order_id
LEFT JOIN LATERAL (
    SELECT coalesce(-sum(x.points) FILTER (WHERE x.kind = 'use'), 0) AS used,
           coalesce(sum(x.points) FILTER (WHERE x.kind = 'return' AND x.refund_id IS NULL), 0) AS returned,
           coalesce(sum(x.points) FILTER (WHERE x.kind = 'return' AND x.refund_id IS NOT NULL), 0) AS refunded,
           coalesce(sum(x.points) FILTER (WHERE x.kind = 'earn'), 0) AS earned,
           count(*) FILTER (WHERE x.account_id IS DISTINCT FROM CASE WHEN x.kind IN ('use', 'return') THEN h.account_id ELSE p.account_id END) AS strange
    FROM accounts.point_entries x WHERE x.order_id = touched.order_id
) e ON true;

-- name: TakeBacksOff :one
-- Of the orders that were confirmed, or of which something was taken back or undone since: those whose take-backs are not what their goods
-- had earned, do not stand in the ledger as they are, or are not the sum of what came back of the purchase.
WITH touched AS (
    SELECT t.order_id FROM accounts.point_take_backs t WHERE t.updated_at >= sqlc.arg(changed_from)::timestamptz
    UNION SELECT e.order_id FROM accounts.point_entries e WHERE e.id >= sqlc.arg(since)::uuid AND e.kind IN ('take_back', 'undo_take_back')
    UNION SELECT p.order_id FROM accounts.purchases p WHERE p.counted_at >= sqlc.arg(changed_from)::timestamptz
)
SELECT count(*) AS looked, coalesce((array_agg(touched.order_id) FILTER (WHERE
        coalesce(p.returned_won, 0) <> b.returned OR b.wrong > 0 OR EXISTS (
            SELECT FROM accounts.point_entries x
            WHERE x.order_id = touched.order_id AND x.kind IN ('take_back', 'undo_take_back')
              AND NOT EXISTS (SELECT FROM accounts.point_take_backs t WHERE t.refund_id = x.refund_id AND t.order_id = x.order_id)
        )
    ))[1:100], '{}')::uuid[] AS wrong
FROM touched
LEFT JOIN accounts.purchases p ON p.order_id = touched.order_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.won) FILTER (WHERE t.state = 'taken'), 0) AS returned, count(*) FILTER (WHERE (
            t.account_id = p.account_id
            AND t.owed = div(t.left_won::numeric * p.earn_permille, 1000) - div((t.left_won - t.won)::numeric * p.earn_permille, 1000)
            AND e.taken = t.taken AND e.undone = CASE t.state WHEN 'undone' THEN t.taken ELSE 0 END
        ) IS NOT TRUE) AS wrong
    FROM accounts.point_take_backs t
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(x.points) FILTER (WHERE x.kind = 'take_back'), 0) AS taken,
               coalesce(sum(x.points) FILTER (WHERE x.kind = 'undo_take_back'), 0) AS undone
        FROM accounts.point_entries x WHERE x.order_id = t.order_id AND x.refund_id = t.refund_id
    ) e
    WHERE t.order_id = touched.order_id
) b;

-- name: PointSettlementsWaiting :one
SELECT count(*) FROM accounts.point_settlements;

-- name: PointSettlementsOverdue :many
SELECT order_id, action, asked_at FROM accounts.point_settlements WHERE asked_at < clock_timestamp() - interval '1 minute' ORDER BY id LIMIT @row_limit;

-- name: TiersOff :one
-- Of the accounts that bought something or gave it back, or got another tier, or are new since, or whose review is late: those whose tier
-- is above what they bought in the window and a day's grace, or below what they bought in the window but for the last minute. What was
-- returned in the last minute, or is not any more since then, may be counted or not. A tier that was changed a day ago is one that
-- everybody was looked at with.
WITH touched AS (
    SELECT p.account_id FROM accounts.purchases p WHERE p.counted_at >= sqlc.arg(changed_from)::timestamptz
    UNION SELECT t.account_id FROM accounts.point_take_backs t WHERE t.updated_at >= sqlc.arg(changed_from)::timestamptz
    UNION SELECT o.key FROM accounts.outbox o WHERE o.event_id >= sqlc.arg(since)::uuid AND o.type = 'accounts.tier_changed.v1'
    UNION SELECT a.id FROM accounts.accounts a WHERE a.id >= sqlc.arg(since)::uuid AND a.tier <> 'bronze'
    UNION SELECT r.account_id FROM accounts.tier_reviews r WHERE r.due_at < sqlc.arg(now)::timestamptz - interval '1 day'
), rules AS (
    SELECT sum(t.revision) AS revision, max(t.updated_at) AS updated_at FROM accounts.tiers t
)
SELECT count(*) AS looked, coalesce((array_agg(touched.account_id) FILTER (WHERE
        mine.from_won < (SELECT max(t.from_won) FROM accounts.tiers t WHERE t.from_won <= greatest(b.least - young.undone, 0))
        OR mine.from_won > (SELECT max(t.from_won) FROM accounts.tiers t WHERE t.from_won <= b.most + young.taken)
    ))[1:100], '{}')::uuid[] AS wrong
FROM touched
JOIN accounts.accounts a ON a.id = touched.account_id AND a.state <> 'closed'
JOIN accounts.tiers mine ON mine.name = a.tier
CROSS JOIN rules
LEFT JOIN accounts.tier_reviews r ON r.account_id = a.id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(p.won - p.returned_won) FILTER (WHERE p.confirmed_at > sqlc.arg(window_from)::timestamptz
                                                         AND p.counted_at < sqlc.arg(now)::timestamptz - interval '1 minute'), 0) AS least,
           coalesce(sum(p.won - p.returned_won) FILTER (WHERE p.confirmed_at > sqlc.arg(window_from)::timestamptz - interval '1 day'), 0) AS most
    FROM accounts.purchases p WHERE p.account_id = a.id
) b
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.won) FILTER (WHERE t.state = 'taken'), 0) AS taken, coalesce(sum(t.won) FILTER (WHERE t.state = 'undone'), 0) AS undone
    FROM accounts.point_take_backs t
    WHERE t.account_id = a.id AND t.updated_at >= sqlc.arg(now)::timestamptz - interval '1 minute'
) young
WHERE r.tiers IS NULL OR r.tiers >= rules.revision OR rules.updated_at < sqlc.arg(now)::timestamptz - interval '1 day';
