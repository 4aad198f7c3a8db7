-- The module coupons: campaigns that give coupons first come first served, and who got one.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS coupons;

CREATE TABLE coupons.outbox (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE coupons.inbox (LIKE platform.inbox_template INCLUDING ALL);
CREATE TABLE coupons.parked (LIKE platform.parked_template INCLUDING ALL);
CREATE TABLE coupons.parked_keys (LIKE platform.parked_keys_template INCLUDING ALL);
CREATE TABLE coupons.audit_log (LIKE platform.audit_template INCLUDING ALL);

-- What people read of a campaign. Campaigns are never deleted: coupons point at them.
CREATE TABLE coupons.campaigns (
    id          uuid        PRIMARY KEY, -- a UUIDv7
    version     bigint      NOT NULL CHECK (version > 0), -- one more with each edit; what If-Match compares
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text        NOT NULL CHECK (length(description) <= 2000),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- All that decides a claim, in one narrow row: every claim of a campaign queues here. No index but the key's, and room in
-- the page, so that an update stays in it (HOT).
CREATE TABLE coupons.counters (
    campaign_id uuid        PRIMARY KEY REFERENCES coupons.campaigns,
    quantity    bigint      NOT NULL CHECK (quantity > 0),
    taken       bigint      NOT NULL DEFAULT 0 CHECK (taken >= 0),
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    CONSTRAINT counters_never_oversold CHECK (taken <= quantity),
    CONSTRAINT counters_window CHECK (starts_at < ends_at)
) WITH (fillfactor = 50);

-- campaign_id is no foreign key: it would lock and read the campaign's row once for each coupon of a flight. The one
-- statement that inserts here takes the campaign from coupons.counters, and no campaign is ever deleted.
CREATE TABLE coupons.coupons (
    id          uuid        PRIMARY KEY, -- a UUIDv7
    version     bigint      NOT NULL CHECK (version > 0), -- one for each event published
    campaign_id uuid        NOT NULL,
    account_id  uuid        NOT NULL,
    claimed_at  timestamptz NOT NULL,
    CONSTRAINT coupons_one_per_account UNIQUE (campaign_id, account_id)
);
CREATE INDEX coupons_account_idx ON coupons.coupons (account_id, id);
