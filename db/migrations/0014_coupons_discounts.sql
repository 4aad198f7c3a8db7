-- The module coupons: what a coupon takes off an order, the promotion events that coupons belong to, codes, and which order has
-- which coupon.

-- +goose Up
CREATE TABLE coupons.events (
    id          uuid        PRIMARY KEY, -- a UUIDv7
    version     bigint      NOT NULL CHECK (version > 0), -- one more with each edit; what If-Match compares
    title       text        NOT NULL CHECK (length(title) BETWEEN 1 AND 100),
    description text        NOT NULL CHECK (length(description) <= 2000),
    image_url   text        NOT NULL CHECK (length(image_url) <= 2000), -- '': none
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT events_window CHECK (starts_at < ends_at)
);

-- The terms. What was promised stays: only usable_until ever changes, and only to a later time. Coupons that were made before there
-- were any take 1,000 won off anything, for thirty days after their end.
ALTER TABLE coupons.campaigns
    ADD kind             text     NOT NULL DEFAULT 'event' CHECK (kind IN ('event', 'tier', 'welcome', 'code')),
    ADD min_tier         text     NOT NULL DEFAULT '', -- the least that a kind tier is for
    ADD event_id         uuid     REFERENCES coupons.events, -- the promotion that it belongs to, if any
    ADD discount_won     bigint   NOT NULL DEFAULT 1000 CHECK (discount_won >= 0),
    ADD discount_percent bigint   NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
    ADD discount_cap_won bigint   NOT NULL DEFAULT 0 CHECK (discount_cap_won >= 0), -- 0: none
    ADD minimum_won      bigint   NOT NULL DEFAULT 0 CHECK (minimum_won >= 0), -- of what it applies to
    ADD applies_to       text     NOT NULL DEFAULT 'all' CHECK (applies_to IN ('all', 'category', 'product', 'tag')),
    ADD applies_ids      uuid[]   NOT NULL DEFAULT '{}', -- categories or products
    ADD applies_tags     text[]   NOT NULL DEFAULT '{}',
    ADD usable_until     timestamptz,
    ADD CONSTRAINT campaigns_tier CHECK ((kind = 'tier') = (min_tier <> '')),
    ADD CONSTRAINT campaigns_discount CHECK ((discount_won > 0) <> (discount_percent > 0)),
    ADD CONSTRAINT campaigns_cap CHECK (discount_cap_won = 0 OR discount_percent > 0);

UPDATE coupons.campaigns c SET usable_until = n.ends_at + interval '30 days'
FROM coupons.counters n WHERE n.campaign_id = c.id;

ALTER TABLE coupons.campaigns
    ALTER usable_until SET NOT NULL,
    ALTER kind DROP DEFAULT,
    ALTER min_tier DROP DEFAULT,
    ALTER discount_won DROP DEFAULT,
    ALTER discount_percent DROP DEFAULT,
    ALTER discount_cap_won DROP DEFAULT,
    ALTER minimum_won DROP DEFAULT,
    ALTER applies_to DROP DEFAULT,
    ALTER applies_ids DROP DEFAULT,
    ALTER applies_tags DROP DEFAULT;

CREATE INDEX campaigns_event_idx ON coupons.campaigns (event_id, id) WHERE event_id IS NOT NULL;
CREATE INDEX campaigns_welcome_idx ON coupons.campaigns (id) WHERE kind = 'welcome';

-- Words that give a coupon of a campaign of kind code. Many may share a campaign, and so its one limit.
CREATE TABLE coupons.codes (
    code        text        PRIMARY KEY CHECK (code = upper(code) AND length(code) BETWEEN 4 AND 40),
    campaign_id uuid        NOT NULL REFERENCES coupons.campaigns,
    created_at  timestamptz NOT NULL
);
CREATE INDEX codes_campaign_idx ON coupons.codes (campaign_id, code);

-- How many coupons of the campaign orders have at the moment: redemptions that are held or used.
ALTER TABLE coupons.counters
    ADD redeemed bigint NOT NULL DEFAULT 0 CHECK (redeemed >= 0),
    ADD CONSTRAINT counters_never_overused CHECK (redeemed <= taken);

-- Which coupon an order has, or had. The row of an order that gave its coupon up stays as its tombstone, and so does one of an order
-- that gave up before it had any: a redemption that comes later is refused.
CREATE TABLE coupons.redemptions (
    order_id     uuid        PRIMARY KEY,
    coupon_id    uuid, -- with campaign_id and account_id: NULL where the order never had one
    campaign_id  uuid,
    account_id   uuid,
    discount_won bigint      NOT NULL CHECK (discount_won >= 0),
    state        text        NOT NULL CHECK (state IN ('held', 'used', 'released')),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT redemptions_whole CHECK (num_nulls(coupon_id, campaign_id, account_id) IN (0, 3)),
    CONSTRAINT redemptions_discount CHECK ((coupon_id IS NULL) = (discount_won = 0)),
    CONSTRAINT redemptions_tombstone CHECK (coupon_id IS NOT NULL OR state = 'released')
);
-- A coupon takes something off one order at a time. The campaign stands in the index for the audit, which counts by it.
CREATE UNIQUE INDEX redemptions_open_idx ON coupons.redemptions (coupon_id) INCLUDE (campaign_id) WHERE state IN ('held', 'used');
CREATE INDEX redemptions_held_idx ON coupons.redemptions (order_id) WHERE state = 'held';

-- What orders' events ask of their coupons, until the next settlement takes them, many at once.
CREATE TABLE coupons.settlements (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid        NOT NULL,
    action   text        NOT NULL CHECK (action IN ('use', 'release')),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Accounts that are new, until they have been given what welcomes them.
CREATE TABLE coupons.newcomers (
    account_id uuid        PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
