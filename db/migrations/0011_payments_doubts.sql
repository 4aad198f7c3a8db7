-- What the gateway says and cannot be, and money that is long on its way.

-- +goose Up
-- A withdrawn account gives no money back: money that comes into it all the same can still be returned.
DROP INDEX payments.refunds_one_per_attempt;
CREATE UNIQUE INDEX refunds_one_per_attempt ON payments.refunds (attempt_id) WHERE kind <> 'deposit' AND state <> 'refused';
CREATE UNIQUE INDEX refunds_one_withdrawal ON payments.refunds (attempt_id) WHERE kind = 'deposit' AND state IN ('requested', 'sent');

-- The gateway's name of a cancel that it has taken on and not done yet; its webhook names nothing else.
ALTER TABLE payments.refunds ADD COLUMN cancel_key text NOT NULL DEFAULT '';
CREATE INDEX ON payments.refunds (cancel_key) WHERE cancel_key <> '';

-- The code of a captured attempt is what the gateway says against it.
CREATE INDEX attempts_in_doubt ON payments.attempts (order_id) WHERE state = 'disputed' OR state = 'captured' AND code <> '';

-- A line of history is written with its payment and neither is ever deleted; checking that cost each order that is opened a lock on its
-- own row.
ALTER TABLE payments.history DROP CONSTRAINT history_order_id_fkey;
