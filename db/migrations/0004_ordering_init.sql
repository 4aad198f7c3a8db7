-- Ordering: carts, orders with their timelines, and how much of each product an account has bought.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS ordering;

-- One row an account, never changed: the lock under which an account's unpaid orders and quotas are counted.
CREATE TABLE ordering.shoppers (
    account_id uuid PRIMARY KEY
);

CREATE TABLE ordering.orders (
    id                uuid        PRIMARY KEY, -- a UUIDv7: its order is the order in time
    number            text        NOT NULL UNIQUE CHECK (number ~ '^[A-Za-z0-9_-]{6,64}$'), -- unguessable; the gateway's orderId
    account_id        uuid        NOT NULL,
    kind              text        NOT NULL DEFAULT 'standard' CHECK (kind IN ('standard')),
    state             text        NOT NULL CHECK (state IN ('pending', 'awaiting_payment', 'paid', 'preparing', 'shipping', 'delivered',
                                      'confirmed', 'canceling', 'rejected', 'expired', 'canceled', 'refunded')),
    unpaid            boolean     NOT NULL GENERATED ALWAYS AS (state IN ('pending', 'awaiting_payment')) STORED,
    former_state      text        CHECK (former_state IN ('paid', 'preparing')), -- while canceling: where a refused refund leads back to
    version           bigint      NOT NULL DEFAULT 0 CHECK (version >= 0), -- events published
    step              integer     NOT NULL DEFAULT 1 CHECK (step > 0),     -- rows in the timeline
    items_won         bigint      NOT NULL CHECK (items_won >= 0),
    shipping_won      bigint      NOT NULL CHECK (shipping_won >= 0),
    total_won         bigint      NOT NULL CHECK (total_won = items_won + shipping_won),
    due_won           bigint      NOT NULL CHECK (due_won BETWEEN 0 AND total_won),
    recipient         text        NOT NULL,
    phone             text        NOT NULL,
    zipcode           text        NOT NULL,
    line1             text        NOT NULL,
    line2             text        NOT NULL DEFAULT '',
    operation         text        NOT NULL, -- what the key below was given for
    idempotency_key   text        NOT NULL,
    request_hash      bytea       NOT NULL,
    claimed_by        uuid,                 -- while pending: who is placing it, on the server's clock
    claimed_at        timestamptz,
    refusal           jsonb,                -- why it was rejected, as it was told and will be told again
    expires_at        timestamptz,          -- to be paid until
    attend_at         timestamptz,          -- when a job has to look at it next
    cancel_by         uuid,
    cancel_key        text,
    cancel_hash       bytea,
    cancel_reason     text,
    refused_refund_id uuid,                 -- the last refund that the gateway would not make
    carrier           text,
    invoice_number    text,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CONSTRAINT orders_request UNIQUE (account_id, operation, idempotency_key),
    CONSTRAINT orders_cancel_request UNIQUE (cancel_by, cancel_key),
    CHECK ((state = 'canceling') = (former_state IS NOT NULL)),
    CHECK ((state = 'rejected') = (refusal IS NOT NULL)),
    CHECK (state <> 'awaiting_payment' OR expires_at IS NOT NULL),
    CHECK (state NOT IN ('pending', 'awaiting_payment', 'canceling') OR attend_at IS NOT NULL)
);
CREATE INDEX ON ordering.orders (account_id, id);
CREATE INDEX ON ordering.orders (state, id);
-- Neither of these two begins with the state or depends on it: with young statistics a plan would take such an index for a row or
-- two, and be kept when there are thousands.
CREATE INDEX orders_unpaid ON ordering.orders (account_id) WHERE unpaid;
CREATE INDEX orders_to_attend ON ordering.orders (attend_at) WHERE attend_at IS NOT NULL;

CREATE TABLE ordering.order_lines (
    order_id       uuid    NOT NULL REFERENCES ordering.orders,
    position       integer NOT NULL,
    product_id     uuid    NOT NULL,
    name           text    NOT NULL,
    brand          text    NOT NULL DEFAULT '',
    quantity       bigint  NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    unit_price_won bigint  NOT NULL CHECK (unit_price_won >= 0),
    PRIMARY KEY (order_id, position)
);
CREATE INDEX ON ordering.order_lines (product_id, order_id);

-- What happened to an order. A row with the same state twice is a remark.
CREATE TABLE ordering.order_timeline (
    order_id   uuid        NOT NULL REFERENCES ordering.orders,
    step       integer     NOT NULL, -- 1, 2, 3, … without a gap
    at         timestamptz NOT NULL,
    from_state text        NOT NULL, -- '' at the first
    to_state   text        NOT NULL,
    actor_kind text        NOT NULL CHECK (actor_kind IN ('shopper', 'manager', 'system')),
    actor_id   uuid,
    note       text        NOT NULL DEFAULT '',
    PRIMARY KEY (order_id, step)
);

-- How many pieces of a product an account has in orders that are not dead.
CREATE TABLE ordering.purchase_quotas (
    account_id uuid   NOT NULL,
    product_id uuid   NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (account_id, product_id)
) WITH (fillfactor = 50);

-- Carts, where there is no Redis. The header is the lock under which the lines are counted.
CREATE TABLE ordering.carts (
    account_id uuid        PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ON ordering.carts (expires_at);
CREATE TABLE ordering.cart_lines (
    account_id     uuid        NOT NULL REFERENCES ordering.carts ON DELETE CASCADE,
    product_id     uuid        NOT NULL,
    quantity       bigint      NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    seen_price_won bigint      NOT NULL CHECK (seen_price_won >= 0),
    added_at       timestamptz NOT NULL,
    PRIMARY KEY (account_id, product_id)
);

CREATE TABLE ordering.outbox (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE ordering.inbox (LIKE platform.inbox_template INCLUDING ALL);
CREATE TABLE ordering.parked (LIKE platform.parked_template INCLUDING ALL);
CREATE TABLE ordering.parked_keys (LIKE platform.parked_keys_template INCLUDING ALL);
CREATE TABLE ordering.audit_log (LIKE platform.audit_template INCLUDING ALL);
