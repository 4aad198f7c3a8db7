-- name: EnsureCustomers :exec
INSERT INTO payments.customers (account_id, customer_key)
SELECT unnest(@account_ids::uuid[]), unnest(@customer_keys::text[])
ON CONFLICT (account_id) DO NOTHING;

-- name: OpenPayments :exec
WITH opened AS (
    INSERT INTO payments.payments (order_id, order_number, order_name, account_id, state, amount_won, expires_at, created_at, updated_at, no_deposit)
    SELECT unnest(@order_ids::uuid[]), unnest(@order_numbers::text[]), unnest(@order_names::text[]), unnest(@account_ids::uuid[]), 'open',
           unnest(@amounts_won::bigint[]), unnest(@expire_at::timestamptz[]), @at::timestamptz, @at::timestamptz, unnest(@no_deposits::boolean[])
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, amount_won
)
INSERT INTO payments.history (order_id, at, kind, amount_won)
SELECT order_id, @at::timestamptz, 'opened', amount_won FROM opened;

-- name: PaymentsOf :many
SELECT sqlc.embed(p), coalesce(c.customer_key, '')::text AS customer_key
FROM payments.payments p
LEFT JOIN payments.customers c USING (account_id)
WHERE p.order_id = ANY (@order_ids::uuid[]);

-- name: PaymentOf :one
SELECT sqlc.embed(p), coalesce(c.customer_key, '')::text AS customer_key
FROM payments.payments p
LEFT JOIN payments.customers c USING (account_id)
WHERE p.order_id = @order_id;

-- name: PaymentByNumber :one
SELECT * FROM payments.payments WHERE order_number = @order_number::text;

-- name: SessionByNumber :one
SELECT p.order_number::text AS order_number, p.order_name, p.amount_won, c.customer_key
FROM payments.payments p
JOIN payments.customers c USING (account_id)
WHERE p.order_number = @order_number::text;

-- name: LockPayment :one
SELECT * FROM payments.payments WHERE order_id = @order_id FOR UPDATE;

-- name: ClosePayments :exec
-- A tombstone where nothing was opened; otherwise only an open payment can be closed. No order is named twice.
WITH closed AS (
    INSERT INTO payments.payments AS p (order_id, state, expires_at, created_at, updated_at)
    SELECT unnest(@order_ids::uuid[]), 'closed', @at::timestamptz, @at::timestamptz, @at::timestamptz
    ON CONFLICT (order_id) DO UPDATE SET state = 'closed', updated_at = @at::timestamptz WHERE p.state = 'open'
    RETURNING p.order_id, p.amount_won
)
INSERT INTO payments.history (order_id, at, kind, amount_won)
SELECT order_id, @at::timestamptz, 'closed', amount_won FROM closed;

-- name: StartConfirming :execrows
UPDATE payments.payments SET state = 'confirming', attempt_id = @attempt_id, updated_at = @at
WHERE order_id = @order_id AND state = 'open';

-- name: CapturePayment :one
UPDATE payments.payments
SET state = 'captured', version = version + 1, attempt_id = @attempt_id, method = @method, receipt_url = @receipt_url,
    approved_at = @approved_at, deposit_due_at = NULL, updated_at = @at
WHERE order_id = @order_id AND state IN ('open', 'confirming', 'awaiting_deposit')
RETURNING version;

-- name: AwaitDeposit :execrows
UPDATE payments.payments SET state = 'awaiting_deposit', deposit_due_at = @due_at, method = @method, updated_at = @at
WHERE order_id = @order_id AND attempt_id = @attempt_id AND state = 'confirming';

-- name: ReopenPayment :execrows
UPDATE payments.payments SET state = 'open', attempt_id = NULL, deposit_due_at = NULL, method = '', updated_at = @at
WHERE order_id = @order_id AND attempt_id = @attempt_id AND state IN ('confirming', 'awaiting_deposit');

-- name: RecordRefund :one
UPDATE payments.payments SET version = version + 1, refunded_won = refunded_won + @amount_won::bigint, updated_at = @at
WHERE order_id = @order_id AND state = 'captured'
RETURNING version;

-- name: RaiseVersion :one
UPDATE payments.payments SET version = version + 1, updated_at = @at WHERE order_id = @order_id RETURNING version;

-- name: InsertHistory :exec
INSERT INTO payments.history (order_id, at, kind, amount_won, detail) VALUES (@order_id, @at, @kind, @amount_won, @detail);

-- name: HistoryOf :many
SELECT * FROM payments.history WHERE order_id = @order_id ORDER BY id LIMIT 1000;

-- name: InsertAttempt :one
-- No row: the payment key or the shopper's key is taken already.
INSERT INTO payments.attempts (id, order_id, number, payment_key, account_id, idempotency_key, request_hash, toss_key, state, sent_at, next_at)
VALUES (@id, @order_id, (SELECT coalesce(max(a.number), 0) + 1 FROM payments.attempts a WHERE a.order_id = @order_id), @payment_key, @account_id,
        @idempotency_key, @request_hash, @toss_key, 'sent', @sent_at, @next_at)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: Attempt :one
SELECT * FROM payments.attempts WHERE id = @id;

-- name: AttemptsOf :many
SELECT * FROM payments.attempts WHERE order_id = @order_id ORDER BY number LIMIT 1000;

-- name: AttemptByPaymentKey :one
SELECT * FROM payments.attempts WHERE payment_key = @payment_key;

-- name: AttemptByIdempotencyKey :one
SELECT * FROM payments.attempts WHERE account_id = @account_id::uuid AND idempotency_key = @idempotency_key::text;

-- name: SettleAttempt :execrows
UPDATE payments.attempts SET state = @state, code = @code, secret = @secret, settled_at = @settled_at, next_at = @next_at
WHERE id = @id AND state = @was;

-- name: DoubtAttempt :execrows
-- What the gateway says against money that we have; no code: it says nothing any more.
UPDATE payments.attempts SET code = @code WHERE id = @id AND state = 'captured' AND code <> @code;

-- name: PostponeAttempt :exec
UPDATE payments.attempts SET tries = tries + 1, code = @code, next_at = @next_at WHERE id = @id AND state IN ('sent', 'awaiting_deposit');

-- name: DueAttempts :many
SELECT a.*, p.order_number::text AS order_number, p.amount_won, p.state AS payment_state, p.attempt_id
FROM payments.attempts a
JOIN payments.payments p USING (order_id)
WHERE a.state IN ('sent', 'awaiting_deposit') AND a.next_at <= @now AND (a.state = 'awaiting_deposit' OR a.sent_at > @oldest)
ORDER BY a.next_at LIMIT @at_most;

-- name: UnsettledAttempts :many
SELECT a.*, p.order_number::text AS order_number, p.amount_won, p.state AS payment_state, p.attempt_id
FROM payments.attempts a
JOIN payments.payments p USING (order_id)
WHERE a.order_id = @order_id AND a.state IN ('sent', 'awaiting_deposit', 'disputed')
ORDER BY a.number LIMIT 100;

-- name: InsertRefund :one
-- No row: there is one already.
INSERT INTO payments.refunds (id, order_id, attempt_id, kind, state, amount_won, reason, requested_at, next_at)
VALUES (@id, @order_id, @attempt_id, @kind, 'requested', @amount_won, @reason, @at, @at)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: Refund :one
SELECT * FROM payments.refunds WHERE id = @id;

-- name: LatestRefund :one
SELECT * FROM payments.refunds WHERE order_id = @order_id AND kind IN ('order', 'part') ORDER BY requested_at DESC, id DESC LIMIT 1;

-- name: WholeRefundOf :one
SELECT * FROM payments.refunds WHERE order_id = @order_id AND kind = 'order' ORDER BY requested_at DESC, id DESC LIMIT 1;

-- name: RefundsOf :many
SELECT * FROM payments.refunds WHERE order_id = @order_id ORDER BY requested_at, id LIMIT 1000;

-- name: StrayRefundOf :one
SELECT * FROM payments.refunds WHERE attempt_id = @attempt_id AND kind = 'stray' AND state <> 'refused';

-- name: OpenRefundOf :one
-- Of an attempt's money there is one at most under way.
SELECT * FROM payments.refunds WHERE attempt_id = @attempt_id AND kind <> 'deposit' AND state IN ('requested', 'sent');

-- name: ReturnedOf :one
-- What went back of an attempt's money, and when that was learned last.
SELECT coalesce(sum(amount_won), 0)::bigint AS won, coalesce(max(done_at), '0001-01-01 00:00:00Z')::timestamptz AS at
FROM payments.refunds
WHERE order_id = @order_id AND attempt_id = @attempt_id AND kind <> 'deposit' AND state = 'done';

-- name: WithdrawalOf :one
SELECT * FROM payments.refunds WHERE attempt_id = @attempt_id AND kind = 'deposit' AND state IN ('requested', 'sent');

-- name: RefundByCancelKey :one
SELECT * FROM payments.refunds WHERE cancel_key = @cancel_key AND cancel_key <> '' LIMIT 1;

-- name: ClaimRefund :one
-- Whoever claims it sends it; another may only after next_at, and then with the same key.
UPDATE payments.refunds r SET state = 'sent', tries = r.tries + 1, next_at = @next_at
FROM payments.attempts a, payments.payments p
WHERE r.id = @id AND r.state IN ('requested', 'sent') AND r.next_at <= @now AND a.id = r.attempt_id AND p.order_id = r.order_id
RETURNING r.*, a.payment_key, p.order_number::text AS order_number, p.amount_won AS paid_won,
          (SELECT coalesce(sum(d.amount_won), 0) FROM payments.refunds d
           WHERE d.order_id = r.order_id AND d.attempt_id = r.attempt_id AND d.kind <> 'deposit' AND d.state = 'done')::bigint AS returned_won;

-- name: PostponeRefund :exec
UPDATE payments.refunds SET code = @code, cancel_key = @cancel_key, next_at = @next_at WHERE id = @id AND state IN ('requested', 'sent');

-- name: HastenRefund :exec
-- It is looked at by the next run of the job.
UPDATE payments.refunds SET next_at = @now WHERE id = @id AND state IN ('requested', 'sent') AND next_at > @now;

-- name: FinishRefund :one
UPDATE payments.refunds SET state = @state, code = @code, done_at = @done_at
WHERE id = @id AND state IN ('requested', 'sent')
RETURNING *;

-- name: DueRefunds :many
SELECT id FROM payments.refunds WHERE state IN ('requested', 'sent') AND next_at <= @now ORDER BY next_at LIMIT @at_most;

-- name: InsertTransfer :exec
INSERT INTO payments.ledger (order_id, kind, source_id, debit_account, credit_account, amount_won, at)
VALUES (@order_id, @kind, @source_id, @debit_account, @credit_account, @amount_won, @at);

-- name: TransfersOf :many
SELECT * FROM payments.ledger WHERE order_id = @order_id ORDER BY id LIMIT 1000;

-- name: ListTransfers :many
SELECT * FROM payments.ledger WHERE id < @before ORDER BY id DESC LIMIT @at_most;

-- name: Balances :many
-- What each account has; they sum to zero whatever the rows are, because each moves money from one to another.
SELECT account, sum(won)::bigint AS won
FROM (
    SELECT debit_account AS account, amount_won AS won FROM payments.ledger
    UNION ALL
    SELECT credit_account, -amount_won FROM payments.ledger
) legs
GROUP BY account ORDER BY account;

-- name: InsertWebhook :execrows
INSERT INTO payments.webhooks (transmission_id, received_at, body, next_at) VALUES (@transmission_id, @at, @body, @at)
ON CONFLICT DO NOTHING;

-- name: DueWebhooks :many
SELECT * FROM payments.webhooks WHERE processed_at IS NULL AND next_at <= @now ORDER BY next_at LIMIT @at_most;

-- name: FinishWebhook :exec
UPDATE payments.webhooks SET processed_at = @at, outcome = @outcome, body = CASE WHEN @keep_body::boolean THEN body ELSE ''::bytea END
WHERE transmission_id = @transmission_id AND processed_at IS NULL;

-- name: PostponeWebhook :exec
UPDATE payments.webhooks SET tries = tries + 1, next_at = @next_at, outcome = @outcome WHERE transmission_id = @transmission_id AND processed_at IS NULL;

-- name: ForgetWebhooks :execrows
DELETE FROM payments.webhooks
WHERE transmission_id IN (SELECT w.transmission_id FROM payments.webhooks w WHERE w.processed_at < @before::timestamptz LIMIT @at_most);

-- name: WaitingWebhooks :one
SELECT count(*) FROM (SELECT 1 FROM payments.webhooks WHERE processed_at IS NULL LIMIT 20001) w;

-- name: AccountsOf :many
-- Where the money of each order stands, by the ledger; one statement, so that it is one instant.
SELECT p.order_id, p.state, p.amount_won,
       coalesce(l.captured_won, 0)::bigint AS captured_won, coalesce(l.refunded_won, 0)::bigint AS refunded_won,
       EXISTS (SELECT 1 FROM payments.refunds r WHERE r.order_id = p.order_id AND r.kind IN ('order', 'part') AND r.state IN ('requested', 'sent')) AS refund_due,
       coalesce(l.moved_at, '0001-01-01 00:00:00Z')::timestamptz AS moved_at
FROM payments.payments p
LEFT JOIN LATERAL (
    SELECT sum(e.amount_won) FILTER (WHERE e.credit_account = 'orders') AS captured_won,
           sum(e.amount_won) FILTER (WHERE e.debit_account = 'orders')  AS refunded_won,
           max(e.at) AS moved_at
    FROM payments.ledger e
    WHERE e.order_id = p.order_id
) l ON true
WHERE p.order_id = ANY (@order_ids::uuid[])
ORDER BY p.order_id;
