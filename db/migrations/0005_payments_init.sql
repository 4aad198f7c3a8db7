-- Money taken for orders, money given back, and the ledger of both.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS payments;

CREATE TABLE payments.outbox      (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE payments.inbox       (LIKE platform.inbox_template INCLUDING ALL);
CREATE TABLE payments.parked      (LIKE platform.parked_template INCLUDING ALL);
CREATE TABLE payments.parked_keys (LIKE platform.parked_keys_template INCLUDING ALL);
CREATE TABLE payments.audit_log   (LIKE platform.audit_template INCLUDING ALL);

-- What the gateway knows an account by: unguessable, and nothing that the shop shows elsewhere.
CREATE TABLE payments.customers (
    account_id   uuid PRIMARY KEY,
    customer_key text NOT NULL UNIQUE
);

-- One row an order. An order that was closed before it was opened has a row too, without a number: the tombstone that a later
-- open meets.
CREATE TABLE payments.payments (
    order_id        uuid        PRIMARY KEY,
    order_number    text        UNIQUE,
    order_name      text        NOT NULL DEFAULT '',
    account_id      uuid,
    state           text        NOT NULL CHECK (state IN ('open', 'confirming', 'awaiting_deposit', 'captured', 'closed')),
    version         bigint      NOT NULL DEFAULT 0, -- of the last event published
    amount_won      bigint      NOT NULL DEFAULT 0,
    refunded_won    bigint      NOT NULL DEFAULT 0,
    attempt_id      uuid,                           -- the one in flight, or the one that captured
    method          text        NOT NULL DEFAULT '',
    receipt_url     text        NOT NULL DEFAULT '',
    approved_at     timestamptz,
    deposit_due_at  timestamptz,
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CHECK ((order_number IS NULL) = (account_id IS NULL)),
    CHECK (order_number IS NOT NULL OR state = 'closed'),
    CHECK (order_number IS NULL OR amount_won >= 100),
    CHECK (refunded_won BETWEEN 0 AND amount_won),
    CHECK (state NOT IN ('confirming', 'awaiting_deposit', 'captured') OR attempt_id IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX ON payments.payments (state, order_id);

-- One row for each payment key that the shop asked the gateway about. The shopper's idempotency key is bound by the row that its
-- request makes.
CREATE TABLE payments.attempts (
    id              uuid        PRIMARY KEY,
    order_id        uuid        NOT NULL REFERENCES payments.payments,
    number          integer     NOT NULL CHECK (number > 0),
    payment_key     text        NOT NULL UNIQUE,
    account_id      uuid,
    idempotency_key text,                           -- NULL: found at the gateway, not asked for by a shopper
    request_hash    bytea,
    toss_key        text        NOT NULL UNIQUE,    -- the Idempotency-Key of the confirm, whenever it is sent
    state           text        NOT NULL CHECK (state IN ('sent', 'awaiting_deposit', 'captured', 'declined', 'disputed')),
    code            text        NOT NULL DEFAULT '', -- the gateway's last word
    secret          text        NOT NULL DEFAULT '', -- what a deposit's webhook must know
    tries           integer     NOT NULL DEFAULT 0,
    sent_at         timestamptz NOT NULL,
    settled_at      timestamptz,
    next_at         timestamptz NOT NULL,           -- when the gateway is asked again
    UNIQUE (order_id, number),
    UNIQUE (account_id, idempotency_key),
    CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
CREATE INDEX ON payments.attempts (next_at) WHERE state IN ('sent', 'awaiting_deposit');
CREATE INDEX ON payments.attempts (order_id) WHERE state IN ('sent', 'disputed');
ALTER TABLE payments.payments ADD FOREIGN KEY (attempt_id) REFERENCES payments.attempts;

-- Money on its way back. kind order: an order's refund; stray: money that came for an order that had ended or was paid already;
-- deposit: an account to pay into that nobody paid into, to be withdrawn.
CREATE TABLE payments.refunds (
    id           uuid        PRIMARY KEY, -- the Idempotency-Key of the cancel
    order_id     uuid        NOT NULL REFERENCES payments.payments,
    attempt_id   uuid        NOT NULL REFERENCES payments.attempts,
    kind         text        NOT NULL CHECK (kind IN ('order', 'stray', 'deposit')),
    state        text        NOT NULL CHECK (state IN ('requested', 'sent', 'done', 'refused')),
    amount_won   bigint      NOT NULL CHECK (amount_won > 0),
    reason       text        NOT NULL,
    code         text        NOT NULL DEFAULT '',
    tries        integer     NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL,
    done_at      timestamptz,
    next_at      timestamptz NOT NULL
);
CREATE UNIQUE INDEX refunds_one_per_order ON payments.refunds (order_id) WHERE kind = 'order' AND state <> 'refused';
CREATE UNIQUE INDEX refunds_one_per_attempt ON payments.refunds (attempt_id) WHERE state <> 'refused';
CREATE INDEX ON payments.refunds (order_id, requested_at);
CREATE INDEX ON payments.refunds (next_at) WHERE state IN ('requested', 'sent');
CREATE INDEX ON payments.refunds (order_id) WHERE state <> 'done';

-- A transfer of money between two accounts of the books; no row is ever changed.
CREATE TABLE payments.ledger (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id       uuid        NOT NULL REFERENCES payments.payments,
    kind           text        NOT NULL CHECK (kind IN ('capture', 'refund')),
    source_id      uuid        NOT NULL, -- the attempt that captured, the refund that gave back
    debit_account  text        NOT NULL CHECK (debit_account IN ('toss', 'orders', 'strays')),
    credit_account text        NOT NULL CHECK (credit_account IN ('toss', 'orders', 'strays')),
    amount_won     bigint      NOT NULL CHECK (amount_won > 0),
    at             timestamptz NOT NULL,
    UNIQUE (kind, source_id),
    CHECK (debit_account <> credit_account)
);
CREATE INDEX ON payments.ledger (order_id);

CREATE TABLE payments.history (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   uuid        NOT NULL REFERENCES payments.payments,
    at         timestamptz NOT NULL,
    kind       text        NOT NULL,
    amount_won bigint      NOT NULL DEFAULT 0,
    detail     text        NOT NULL DEFAULT ''
);
CREATE INDEX ON payments.history (order_id, id);

-- Hints from the gateway, kept until the payment that they speak of has been read back.
CREATE TABLE payments.webhooks (
    transmission_id text        PRIMARY KEY CHECK (length(transmission_id) <= 200),
    received_at     timestamptz NOT NULL,
    body            bytea       NOT NULL CHECK (length(body) <= 262144), -- bytes: what a stranger sends need not be storable text
    tries           integer     NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL,
    processed_at    timestamptz,
    outcome         text        NOT NULL DEFAULT ''
);
CREATE INDEX ON payments.webhooks (next_at) WHERE processed_at IS NULL;
CREATE INDEX ON payments.webhooks (processed_at) WHERE processed_at IS NOT NULL;
