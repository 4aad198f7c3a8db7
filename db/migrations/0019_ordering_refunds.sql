-- Ordering: goods that come back after shipping, and what is given back for them.

-- +goose Up
-- Not validated: every order that is there has zeros.
ALTER TABLE ordering.orders
    ADD COLUMN refunded_won bigint NOT NULL DEFAULT 0, -- given back for goods that came back
    ADD COLUMN returned_won bigint NOT NULL DEFAULT 0, -- what had been paid in money for those goods
    ADD CONSTRAINT orders_refunded_check CHECK (refunded_won BETWEEN 0 AND due_won AND returned_won BETWEEN 0 AND due_won) NOT VALID;

-- One at a time of each order. requested: what the order had earned is to be taken back; sent: payments is to give the money back.
CREATE TABLE ordering.refunds (
    id              uuid        PRIMARY KEY, -- a UUIDv7; every module calls it by this
    order_id        uuid        NOT NULL REFERENCES ordering.orders,
    state           text        NOT NULL CHECK (state IN ('requested', 'sent', 'done', 'refused')),
    whole           boolean     NOT NULL, -- nothing of the order is left with the shopper then
    restock         boolean     NOT NULL, -- the goods can be sold again
    reason          text        NOT NULL,
    items_won       bigint      NOT NULL CHECK (items_won >= 0),    -- what was paid in money for the goods
    shipping_won    bigint      NOT NULL CHECK (shipping_won >= 0), -- and for bringing them
    points          bigint      NOT NULL CHECK (points >= 0),       -- which had paid for them, and come back
    kept_won        bigint      NOT NULL DEFAULT 0 CHECK (kept_won BETWEEN 0 AND items_won), -- for points that the goods had earned and that are spent
    code            text        NOT NULL DEFAULT '', -- why it was refused
    asked_by        uuid        NOT NULL,
    idempotency_key text        NOT NULL,
    request_hash    bytea       NOT NULL,
    requested_at    timestamptz NOT NULL,
    settled_at      timestamptz,
    attend_at       timestamptz, -- when a job has to look at it next
    UNIQUE (asked_by, idempotency_key),
    CHECK ((state IN ('done', 'refused')) = (settled_at IS NOT NULL)),
    CHECK ((state IN ('requested', 'sent')) = (attend_at IS NOT NULL))
);
CREATE INDEX refunds_of_order ON ordering.refunds (order_id);
CREATE UNIQUE INDEX refunds_one_open ON ordering.refunds (order_id) WHERE attend_at IS NOT NULL;
CREATE INDEX refunds_to_attend ON ordering.refunds (attend_at) WHERE attend_at IS NOT NULL;

CREATE TABLE ordering.refund_lines (
    refund_id uuid    NOT NULL REFERENCES ordering.refunds,
    position  integer NOT NULL, -- the order's line
    quantity  bigint  NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (refund_id, position)
);
