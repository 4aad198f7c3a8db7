-- Payments: parts of a payment that go back one after another.

-- +goose Up
-- kind part: some of an order's money, for goods that came back after shipping.
ALTER TABLE payments.refunds DROP CONSTRAINT refunds_kind_check;
ALTER TABLE payments.refunds ADD CONSTRAINT refunds_kind_check CHECK (kind IN ('order', 'part', 'stray', 'deposit'));

-- What went back is told by what the gateway has left of a payment, and that is plain only with one refund of it under way.
DROP INDEX payments.refunds_one_per_attempt;
CREATE UNIQUE INDEX refunds_one_per_attempt ON payments.refunds (attempt_id) WHERE kind IN ('order', 'stray') AND state <> 'refused';
CREATE UNIQUE INDEX refunds_one_under_way ON payments.refunds (attempt_id) WHERE kind <> 'deposit' AND state IN ('requested', 'sent');
