-- name: ListPayments :many
SELECT * FROM payments.payments WHERE order_id < @before AND order_number IS NOT NULL ORDER BY order_id DESC LIMIT @at_most;

-- name: ListPaymentsIn :many
SELECT * FROM payments.payments
WHERE state = @state AND order_id < @before AND order_number IS NOT NULL ORDER BY order_id DESC LIMIT @at_most;

-- name: ListUnknownPayments :many
SELECT * FROM payments.payments p
WHERE p.order_id IN (
    SELECT a.order_id FROM payments.attempts a WHERE a.state IN ('sent', 'disputed')
    UNION ALL
    SELECT a.order_id FROM payments.attempts a WHERE a.state = 'disputed' OR a.state = 'captured' AND a.code <> '')
  AND p.order_id < @before
ORDER BY p.order_id DESC LIMIT @at_most;

-- name: ListRefundDuePayments :many
SELECT * FROM payments.payments p
WHERE p.order_id IN (SELECT r.order_id FROM payments.refunds r WHERE r.state <> 'done') AND p.order_id < @before
ORDER BY p.order_id DESC LIMIT @at_most;

-- name: Backlog :one
-- What waits for the gateway, and what waits for a person.
SELECT
    (SELECT count(*) FROM payments.attempts a WHERE a.state = 'sent' AND a.next_at <= @now::timestamptz)                              AS unknown,
    (SELECT count(*) FROM payments.attempts a WHERE a.state = 'sent' AND a.sent_at <= @oldest::timestamptz)
    + (SELECT count(*) FROM payments.attempts a WHERE a.state = 'disputed' OR a.state = 'captured' AND a.code <> '')                  AS stuck,
    (SELECT count(*) FROM payments.refunds r WHERE r.state IN ('requested', 'sent'))                                                  AS refunds_due,
    (SELECT count(*) FROM payments.refunds r WHERE r.state = 'refused' AND r.kind <> 'deposit' AND NOT EXISTS (
        SELECT 1 FROM payments.refunds o -- it was asked for again
        WHERE o.order_id = r.order_id AND o.attempt_id = r.attempt_id AND o.kind <> 'deposit' AND o.state <> 'refused'
          AND o.requested_at >= r.requested_at))                                                                                      AS refunds_refused,
    (SELECT count(*) FROM payments.webhooks w WHERE w.processed_at IS NULL)                                                           AS webhooks_waiting,
    (SELECT count(*) FROM payments.webhooks w WHERE w.processed_at IS NULL AND w.tries >= @tries::integer)                            AS webhooks_stuck;
