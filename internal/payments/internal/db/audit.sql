-- name: LedgerSum :one
-- Zero, or the books are broken.
SELECT coalesce(sum(won), 0)::bigint AS won
FROM (SELECT amount_won AS won FROM payments.ledger UNION ALL SELECT -amount_won FROM payments.ledger) legs;

-- name: PaymentsOffLedger :many
-- Payments of which the ledger tells something else than they do.
SELECT p.order_id, p.state, p.amount_won, p.refunded_won, coalesce(l.owed_won, 0)::bigint AS ledger_won
FROM payments.payments p
LEFT JOIN (
    SELECT t.order_id, sum(CASE WHEN t.credit_account = 'orders' THEN t.amount_won ELSE -t.amount_won END) AS owed_won
    FROM payments.ledger t
    WHERE 'orders' IN (t.debit_account, t.credit_account)
    GROUP BY t.order_id
) l USING (order_id)
WHERE coalesce(l.owed_won, 0) <> CASE WHEN p.state = 'captured' THEN p.amount_won - p.refunded_won ELSE 0 END
LIMIT 100;

-- name: StraysWithoutRefund :many
-- Money that came for an order which had ended, or was paid, and that nothing is sending back.
SELECT a.order_id, a.id AS attempt_id
FROM payments.attempts a
JOIN payments.payments p USING (order_id)
WHERE a.state = 'captured' AND (p.state <> 'captured' OR p.attempt_id <> a.id)
  AND NOT EXISTS (SELECT 1 FROM payments.refunds r WHERE r.attempt_id = a.id)
LIMIT 100;

-- name: TwiceCaptured :many
-- Orders that keep the money of more than one attempt.
SELECT a.order_id, count(*) AS kept
FROM payments.attempts a
WHERE a.state = 'captured' AND NOT EXISTS (SELECT 1 FROM payments.refunds r WHERE r.attempt_id = a.id)
GROUP BY a.order_id
HAVING count(*) > 1
LIMIT 100;

-- name: RefundsOffLedger :many
SELECT r.id, r.order_id
FROM payments.refunds r
LEFT JOIN payments.ledger l ON l.kind = 'refund' AND l.source_id = r.id
WHERE (r.state = 'done' AND r.kind <> 'deposit') <> (l.id IS NOT NULL) OR l.amount_won <> r.amount_won
LIMIT 100;
