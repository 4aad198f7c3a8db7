-- What the books look at. Whatever changes an order's money leaves a row in history or ledger, whose ids only grow: a look is at the orders
-- with rows after its checkpoint, some thousands of rows at a time, so that no statement is long however much there is.

-- name: Marks :one
-- How far history and ledger go, and how far they are complete: up to what is old enough that nothing before it can still be committed.
SELECT coalesce((SELECT h.id FROM payments.history h ORDER BY h.id DESC LIMIT 1), 0)::bigint                    AS history,
       coalesce((SELECT l.id FROM payments.ledger l ORDER BY l.id DESC LIMIT 1), 0)::bigint                     AS ledger,
       coalesce((SELECT h.id FROM payments.history h WHERE h.at <= @old ORDER BY h.id DESC LIMIT 1), 0)::bigint AS old_history,
       coalesce((SELECT l.id FROM payments.ledger l WHERE l.at <= @old ORDER BY l.id DESC LIMIT 1), 0)::bigint  AS old_ledger;

-- name: Touched :many
SELECT h.order_id FROM payments.history h WHERE h.id > @history AND h.id <= @history_to
UNION
SELECT l.order_id FROM payments.ledger l WHERE l.id > @ledger AND l.id <= @ledger_to
ORDER BY order_id;

-- name: CountTransfers :one
SELECT count(*) FROM payments.ledger WHERE id > @ledger AND id <= @ledger_to;

-- name: TransfersOffBooks :many
-- Transfers whose two sides are not both accounts of the books, or not the two that the kind has.
SELECT l.id, l.order_id, l.kind, l.debit_account, l.credit_account, l.amount_won
FROM payments.ledger l
WHERE l.id > @ledger AND l.id <= @ledger_to AND (l.amount_won <= 0 OR (l.kind, l.debit_account, l.credit_account) NOT IN (
    ('capture', 'toss', 'orders'), ('capture', 'toss', 'strays'), ('refund', 'orders', 'toss'), ('refund', 'strays', 'toss')))
ORDER BY l.id LIMIT @at_most;

-- name: PaymentsOffLedger :many
-- Payments of which the ledger tells something else than they do.
WITH owed AS (
    SELECT l.order_id, sum(CASE WHEN l.credit_account = 'orders' THEN l.amount_won ELSE -l.amount_won END) AS won
    FROM payments.ledger l
    WHERE l.order_id = ANY (@order_ids::uuid[]) AND 'orders' IN (l.debit_account, l.credit_account)
    GROUP BY l.order_id
)
SELECT p.order_id, p.state, p.amount_won, p.refunded_won, coalesce(o.won, 0)::bigint AS ledger_won
FROM payments.payments p
LEFT JOIN owed o USING (order_id)
WHERE p.order_id = ANY (@order_ids::uuid[])
  AND coalesce(o.won, 0) <> CASE WHEN p.state = 'captured' THEN p.amount_won - p.refunded_won ELSE 0 END
ORDER BY p.order_id LIMIT @at_most;

-- name: GivenBackTooMuch :many
-- Orders of which more went back than had come, into the order's account or the strays'.
WITH kept AS (
    SELECT l.order_id,
           coalesce(sum(CASE WHEN l.credit_account = 'orders' THEN l.amount_won WHEN l.debit_account = 'orders' THEN -l.amount_won END), 0)::bigint AS orders_won,
           coalesce(sum(CASE WHEN l.credit_account = 'strays' THEN l.amount_won WHEN l.debit_account = 'strays' THEN -l.amount_won END), 0)::bigint AS strays_won
    FROM payments.ledger l
    WHERE l.order_id = ANY (@order_ids::uuid[])
    GROUP BY l.order_id
)
SELECT order_id, orders_won, strays_won FROM kept WHERE orders_won < 0 OR strays_won < 0 ORDER BY order_id LIMIT @at_most;

-- name: StraysWithoutRefund :many
-- Money that came for an order which had ended, or was paid, and that nothing is sending back.
SELECT a.order_id, a.id AS attempt_id, p.state, p.amount_won
FROM payments.attempts a
JOIN payments.payments p USING (order_id)
WHERE a.order_id = ANY (@order_ids::uuid[]) AND a.state = 'captured' AND (p.state <> 'captured' OR p.attempt_id <> a.id)
  AND NOT EXISTS (SELECT 1 FROM payments.refunds r WHERE r.order_id = a.order_id AND r.attempt_id = a.id AND r.kind IN ('order', 'stray'))
ORDER BY a.order_id LIMIT @at_most;

-- name: TwiceCaptured :many
-- Orders that keep the money of more than one attempt.
SELECT a.order_id, count(*) AS kept
FROM payments.attempts a
WHERE a.order_id = ANY (@order_ids::uuid[]) AND a.state = 'captured'
  AND NOT EXISTS (SELECT 1 FROM payments.refunds r WHERE r.order_id = a.order_id AND r.attempt_id = a.id AND r.kind IN ('order', 'stray'))
GROUP BY a.order_id
HAVING count(*) > 1
ORDER BY a.order_id LIMIT @at_most;

-- name: RefundsOffLedger :many
-- Refunds that are done and moved no money, or other money, or moved it and are not done.
SELECT r.id, r.order_id, r.kind, r.state, r.amount_won, coalesce(l.amount_won, 0)::bigint AS ledger_won
FROM payments.refunds r
LEFT JOIN payments.ledger l ON l.kind = 'refund' AND l.source_id = r.id
WHERE r.order_id = ANY (@order_ids::uuid[])
  AND coalesce(l.amount_won, 0) <> CASE WHEN r.state = 'done' AND r.kind <> 'deposit' THEN r.amount_won ELSE 0 END
ORDER BY r.id LIMIT @at_most;

-- name: PaymentsOffAttempts :many
-- Payments whose state is not their attempt's.
SELECT p.order_id, p.state, coalesce(a.state, 'none')::text AS attempt_state
FROM payments.payments p
LEFT JOIN payments.attempts a ON a.id = p.attempt_id AND a.order_id = p.order_id
WHERE p.order_id = ANY (@order_ids::uuid[])
  AND (coalesce(a.state, 'none') <> ALL (CASE p.state
        WHEN 'confirming' THEN ARRAY['sent', 'disputed']
        WHEN 'awaiting_deposit' THEN ARRAY['awaiting_deposit', 'disputed']
        WHEN 'captured' THEN ARRAY['captured']
        ELSE ARRAY['none'] END)
       OR p.state IN ('open', 'closed') AND p.attempt_id IS NOT NULL)
ORDER BY p.order_id LIMIT @at_most;

-- name: CountInFlight :one
SELECT count(*) FROM payments.attempts WHERE state IN ('sent', 'awaiting_deposit');

-- name: SeveralInFlight :many
-- Orders with more than one confirm of a shopper's that has no outcome.
SELECT a.order_id, count(*) AS in_flight
FROM payments.attempts a
WHERE a.state IN ('sent', 'awaiting_deposit') AND a.idempotency_key IS NOT NULL
GROUP BY a.order_id
HAVING count(*) > 1
ORDER BY a.order_id LIMIT @at_most;

-- name: Unanswered :many
-- Attempts that nobody asks about any more: too old to be asked again, or long due.
SELECT a.id, a.order_id, a.state, a.code, a.sent_at, a.next_at
FROM payments.attempts a
WHERE a.state IN ('sent', 'awaiting_deposit') AND (a.next_at <= @due OR a.state = 'sent' AND a.sent_at <= @oldest)
ORDER BY a.sent_at LIMIT @at_most;

-- name: InDoubt :many
SELECT a.id, a.order_id, a.state, a.code
FROM payments.attempts a
WHERE a.state = 'disputed' OR a.state = 'captured' AND a.code <> ''
ORDER BY a.id LIMIT @at_most;

-- name: CountOpen :one
SELECT count(*) FROM payments.payments WHERE state = 'open';

-- name: OpenTooLong :many
SELECT order_id, expires_at FROM payments.payments WHERE state = 'open' AND expires_at <= @expired ORDER BY expires_at LIMIT @at_most;

-- name: CountRefundsDue :one
SELECT count(*) FROM payments.refunds WHERE state IN ('requested', 'sent');

-- name: RefundsTooLong :many
SELECT id, order_id, kind, state, code, requested_at
FROM payments.refunds
WHERE state IN ('requested', 'sent') AND requested_at <= @requested
ORDER BY requested_at LIMIT @at_most;

-- name: CountWebhooks :one
SELECT count(*) FROM payments.webhooks WHERE processed_at IS NULL;

-- name: WebhooksTooLong :many
SELECT transmission_id, received_at, tries, outcome
FROM payments.webhooks
WHERE processed_at IS NULL AND received_at <= @received
ORDER BY received_at LIMIT @at_most;
