-- What people may spend instead of money, what their orders hold of it, and how good customers they are.
--
-- Locks are taken in one order everywhere: holds that exist, by order id; then balances, by account id; then holds that are new, by
-- order id; then the rest.

-- +goose Up

-- The rows are hot, so they are narrow and no column that changes is indexed: every update stays within its page.
CREATE TABLE accounts.point_balances (
    account_id uuid   PRIMARY KEY,
    balance    bigint NOT NULL DEFAULT 0 CHECK (balance >= 0), -- the sum of the entries
    held       bigint NOT NULL DEFAULT 0 CHECK (held >= 0),    -- the sum of the open holds
    CHECK (held <= balance)
) WITH (fillfactor = 50);

-- The ledger: a balance is the sum of its entries. No foreign keys here nor below: they would cost a look-up per row in the hottest
-- transactions, whose locks prove the same.
CREATE TABLE accounts.point_entries (
    id               uuid        PRIMARY KEY, -- a UUIDv7
    account_id       uuid        NOT NULL,
    kind             text        NOT NULL CHECK (kind IN ('earn', 'use', 'return', 'grant', 'revoke')),
    points           bigint      NOT NULL CHECK (points <> 0), -- signed
    order_id         uuid,
    actor_id         uuid,                     -- the admin
    reason           text        NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    idempotency_key  text,
    idempotency_hash bytea,
    at               timestamptz NOT NULL,
    CHECK ((points > 0) = (kind IN ('earn', 'return', 'grant'))),
    CHECK ((order_id IS NOT NULL) = (kind IN ('earn', 'use', 'return'))),
    CHECK ((actor_id IS NOT NULL) = (kind IN ('grant', 'revoke'))),
    CHECK ((idempotency_key IS NOT NULL) = (actor_id IS NOT NULL) AND (idempotency_hash IS NOT NULL) = (actor_id IS NOT NULL))
);
CREATE INDEX point_entries_account_idx ON accounts.point_entries (account_id, id);
CREATE UNIQUE INDEX point_entries_key_idx ON accounts.point_entries (actor_id, idempotency_key) WHERE actor_id IS NOT NULL;
CREATE UNIQUE INDEX point_entries_order_idx ON accounts.point_entries (order_id, kind) WHERE order_id IS NOT NULL;

-- What an order holds. The row of an order that gave up before it held anything is its tombstone, with no points.
CREATE TABLE accounts.point_holds (
    order_id   uuid        PRIMARY KEY,
    account_id uuid        NOT NULL,
    points     bigint      NOT NULL CHECK (points >= 0),
    state      text        NOT NULL CHECK (state IN ('held', 'used', 'released')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (points > 0 OR state = 'released')
);
CREATE INDEX point_holds_open_idx ON accounts.point_holds (order_id) WHERE state = 'held'; -- held = Σ open holds, audited at any time
CREATE INDEX point_holds_updated_idx ON accounts.point_holds (updated_at);

-- What orders' events ask of their holds, and which purchases they confirm, until the next settlement takes them, many at once.
CREATE TABLE accounts.point_settlements (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   uuid        NOT NULL,
    account_id uuid        NOT NULL,
    action     text        NOT NULL CHECK (action IN ('use', 'release', 'confirm')),
    won        bigint      NOT NULL DEFAULT 0 CHECK ((won > 0) = (action = 'confirm')), -- what was paid for goods, in money
    at         timestamptz NOT NULL,                                                     -- of the event
    asked_at   timestamptz NOT NULL DEFAULT now()
);

-- The tiers: what somebody must have bought in a year to be in one, and the share of a purchase, in thousandths, that earns points.
-- Whoever changes one locks all of them, so that they stay in their order.
CREATE TABLE accounts.tiers (
    name          text        PRIMARY KEY CHECK (name IN ('bronze', 'silver', 'gold', 'vip')),
    from_won      bigint      NOT NULL CHECK (from_won >= 0),
    earn_permille bigint      NOT NULL CHECK (earn_permille BETWEEN 0 AND 1000),
    revision      bigint      NOT NULL DEFAULT 1, -- counts the edits
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((name = 'bronze') = (from_won = 0)) -- everybody is in one
);
INSERT INTO accounts.tiers (name, from_won, earn_permille) VALUES ('bronze', 0, 10), ('silver', 300000, 15), ('gold', 1000000, 20), ('vip', 3000000, 30);

-- Confirmed orders of which something was paid in money.
CREATE TABLE accounts.purchases (
    order_id      uuid        PRIMARY KEY,
    account_id    uuid        NOT NULL,
    won           bigint      NOT NULL CHECK (won > 0), -- the items, less the discount and the points
    earn_permille bigint      NOT NULL,                 -- of the account's tier when it was confirmed
    confirmed_at  timestamptz NOT NULL,
    counted_at    timestamptz NOT NULL
);
CREATE INDEX purchases_account_idx ON accounts.purchases (account_id, confirmed_at) INCLUDE (won, counted_at);
CREATE INDEX purchases_counted_idx ON accounts.purchases (counted_at);

-- Who ever bought anything, and when to look again whether the tier is still right: at once after a purchase, when the oldest one that
-- counts is a year old, and when the tiers are other ones than at the last look.
CREATE TABLE accounts.tier_reviews (
    account_id uuid        PRIMARY KEY,
    due_at     timestamptz NOT NULL,
    tiers      bigint      NOT NULL, -- the sum of the tiers' revisions at the last look
    purchases  bigint      NOT NULL  -- how many were ever counted: a look that missed the last one says nothing
);
CREATE INDEX tier_reviews_due_idx ON accounts.tier_reviews (due_at);
CREATE INDEX tier_reviews_tiers_idx ON accounts.tier_reviews (tiers);

ALTER TABLE accounts.accounts ADD COLUMN tier text NOT NULL DEFAULT 'bronze' CHECK (tier IN ('bronze', 'silver', 'gold', 'vip'));
CREATE INDEX accounts_tier_idx ON accounts.accounts (id) WHERE tier <> 'bronze';

ALTER TABLE accounts.notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE accounts.notifications ADD CONSTRAINT notifications_kind_check
    CHECK (kind IN ('order_paid', 'order_shipped', 'order_delivered', 'order_canceled', 'order_expired', 'tier_changed'));
