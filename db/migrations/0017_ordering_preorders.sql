-- Ordering: pre-orders. How many pieces a drop has, how many are left and when it opens is the catalog's; this is what else there is to it.

-- +goose Up
CREATE TABLE ordering.preorders (
    id            uuid        PRIMARY KEY, -- a UUIDv7; the drop's
    version       bigint      NOT NULL CHECK (version > 0), -- one more with each edit; what If-Match compares
    product_id    uuid        NOT NULL,
    title         text        NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    per_customer  integer     NOT NULL CHECK (per_customer BETWEEN 1 AND 999),
    releases_at   timestamptz NOT NULL, -- nothing is shipped before
    state         text        NOT NULL CHECK (state IN ('draft', 'ready', 'canceled', 'abandoned')), -- draft: the catalog has not set the pieces aside yet
    cancel_reason text,
    wound_up_at   timestamptz, -- of a canceled one: every order of it that can be has been canceled
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    attend_at     timestamptz, -- when a job has to look at it next
    CHECK ((state = 'canceled') = (cancel_reason IS NOT NULL)),
    CHECK (wound_up_at IS NULL OR state = 'canceled')
);
CREATE INDEX preorders_to_attend ON ordering.preorders (attend_at) WHERE attend_at IS NOT NULL;

-- Orders of a drop: who let its slots expire, and whom its cancelation concerns.
CREATE INDEX orders_of_drops ON ordering.orders (drop_id, account_id) WHERE drop_id IS NOT NULL;
CREATE INDEX orders_to_call_off ON ordering.orders (drop_id, id) WHERE drop_id IS NOT NULL;
