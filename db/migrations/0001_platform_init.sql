-- The platform's own tables, and the shapes that every module's outbox, inbox, parking place and audit log are made from:
--   CREATE TABLE coupons.outbox (LIKE platform.outbox_template INCLUDING ALL);
-- Each database that holds a module holds this schema too.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS platform;

CREATE TABLE platform.outbox_template (
    id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order of publication
    event_id          uuid        NOT NULL UNIQUE,                          -- the identity; a UUIDv7
    type              text        NOT NULL,                                 -- coupons.issued.v1
    key               uuid        NOT NULL,                                 -- the aggregate's id
    aggregate_version bigint      NOT NULL CHECK (aggregate_version > 0),   -- 1, 2, 3, … without a gap, per key
    occurred_at       timestamptz NOT NULL,
    traceparent       text        NOT NULL DEFAULT '',
    data              json        NOT NULL,
    published_at      timestamptz,
    published_epoch   bigint,                                               -- of the lease that published it
    UNIQUE (key, aggregate_version)
);
CREATE INDEX ON platform.outbox_template (id) WHERE published_at IS NULL;
CREATE INDEX ON platform.outbox_template (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE platform.inbox_template (
    event_id    uuid        PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON platform.inbox_template (received_at);

-- Events that cannot succeed, and the later ones of their keys behind them.
CREATE TABLE platform.parked_template (
    id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order of replay
    event_id          uuid        NOT NULL UNIQUE,
    source            text        NOT NULL, -- the module that published it
    type              text        NOT NULL,
    key               uuid        NOT NULL,
    aggregate_version bigint      NOT NULL,
    occurred_at       timestamptz NOT NULL,
    traceparent       text        NOT NULL DEFAULT '',
    data              bytea       NOT NULL, -- as it came: it may be no JSON, and no text at all
    broken            text        NOT NULL DEFAULT '', -- why the transport could not read it
    reason            text        NOT NULL,
    parked_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON platform.parked_template (source, key, id);

CREATE TABLE platform.parked_keys_template (
    source text NOT NULL,
    key    uuid NOT NULL,
    PRIMARY KEY (source, key)
);

-- Every admin's change: who, when, what, before, after.
CREATE TABLE platform.audit_template (
    id         uuid        PRIMARY KEY, -- a UUIDv7: its order is the order in time
    at         timestamptz NOT NULL,
    actor_id   uuid        NOT NULL,
    actor_role text        NOT NULL,
    action     text        NOT NULL, -- products.update
    subject    text        NOT NULL, -- the id of what was changed
    before     jsonb,
    after      jsonb,
    request_id text        NOT NULL DEFAULT ''
);
CREATE INDEX ON platform.audit_template (subject, id);

-- Leadership: one holder per name, on the server's clock. The epoch grows with each change of hands.
CREATE TABLE platform.leases (
    name   text        PRIMARY KEY,
    holder text        NOT NULL,
    epoch  bigint      NOT NULL,
    until  timestamptz NOT NULL
);

-- The bus without Kafka: a log per topic with dense positions, and a cursor per group.
CREATE TABLE platform.log_heads (
    topic    text   PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0
);
CREATE TABLE platform.log (
    topic             text        NOT NULL,
    position          bigint      NOT NULL,
    event_id          uuid        NOT NULL,
    type              text        NOT NULL,
    key               uuid        NOT NULL,
    aggregate_version bigint      NOT NULL,
    occurred_at       timestamptz NOT NULL,
    traceparent       text        NOT NULL DEFAULT '',
    data              text        NOT NULL,
    appended_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, position)
);
CREATE INDEX ON platform.log (appended_at);
CREATE TABLE platform.cursors (
    consumer text   NOT NULL, -- the group: shop.coupons
    topic    text   NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (consumer, topic)
);

-- Switches that hold for the whole shop.
CREATE TABLE platform.switches (
    name       text        PRIMARY KEY, -- read_only
    enabled    boolean     NOT NULL,
    reason     text        NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    updated_by uuid        NOT NULL
);
CREATE TABLE platform.audit_log (LIKE platform.audit_template INCLUDING ALL);
