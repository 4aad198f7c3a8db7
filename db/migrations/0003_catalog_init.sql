-- What is sold, how much of it there is, and who holds how much of that.
--
-- Locks are taken in one order everywhere: reservations that exist, by order id; then pools, by id; then reservations that
-- are new, by order id; then the rest.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS catalog;

CREATE TABLE catalog.outbox      (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE catalog.inbox       (LIKE platform.inbox_template INCLUDING ALL);
CREATE TABLE catalog.parked      (LIKE platform.parked_template INCLUDING ALL);
CREATE TABLE catalog.parked_keys (LIKE platform.parked_keys_template INCLUDING ALL);
CREATE TABLE catalog.audit_log   (LIKE platform.audit_template INCLUDING ALL);

CREATE TABLE catalog.categories (
    id         uuid        PRIMARY KEY,
    parent_id  uuid        REFERENCES catalog.categories (id),
    slug       text        NOT NULL UNIQUE,
    name       text        NOT NULL,
    name_en    text        NOT NULL,
    position   integer     NOT NULL DEFAULT 0,
    version    bigint      NOT NULL DEFAULT 0, -- counts the published events
    revision   bigint      NOT NULL DEFAULT 1, -- counts the edits
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (parent_id <> id)
);
CREATE INDEX ON catalog.categories (parent_id);

CREATE TABLE catalog.products (
    id                 uuid        PRIMARY KEY,
    category_id        uuid        NOT NULL REFERENCES catalog.categories (id),
    name               text        NOT NULL,
    name_en            text        NOT NULL DEFAULT '',
    brand              text        NOT NULL,
    color              text        NOT NULL DEFAULT '',
    size               text        NOT NULL DEFAULT '',
    list_price_won     bigint      NOT NULL,
    price_won          bigint      NOT NULL CHECK (price_won >= 0),
    description        text        NOT NULL DEFAULT '',
    tags               text[]      NOT NULL DEFAULT '{}',
    image_url          text,
    limit_per_customer integer     NOT NULL DEFAULT 0 CHECK (limit_per_customer >= 0), -- 0: no limit
    state              text        NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'published', 'hidden')),
    sale_stopped       boolean     NOT NULL DEFAULT false,
    sales_count        bigint      NOT NULL DEFAULT 0 CHECK (sales_count >= 0),
    doc_version        bigint      NOT NULL DEFAULT 1, -- grows with every change that a shopper can see
    version            bigint      NOT NULL DEFAULT 0, -- counts the published events
    revision           bigint      NOT NULL DEFAULT 1, -- counts the edits; sales do not make an admin's copy stale
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    published_at       timestamptz,                    -- first; kept when hidden
    change_xid         xid8        NOT NULL DEFAULT pg_current_xact_id(), -- the transaction that changed the row last
    CHECK (list_price_won >= price_won)
);
CREATE INDEX ON catalog.products (change_xid, id);
CREATE INDEX ON catalog.products (category_id);

-- A trigger, so that no statement can forget it: whoever follows the changes would never hear of that one.
-- +goose StatementBegin
CREATE FUNCTION catalog.stamp_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_xid := pg_current_xact_id();
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER stamp_change BEFORE UPDATE ON catalog.products FOR EACH ROW EXECUTE FUNCTION catalog.stamp_change();

-- Stock to sell from: general (a product's own, with the product's id) or set apart for a drop. The rows are hot, so they
-- are narrow and no column that changes is indexed: every update stays within its page.
CREATE TABLE catalog.pools (
    id         uuid   PRIMARY KEY,
    product_id uuid   NOT NULL REFERENCES catalog.products (id),
    drop_id    uuid,
    on_hand    bigint NOT NULL DEFAULT 0,
    reserved   bigint NOT NULL DEFAULT 0,
    low_at     bigint NOT NULL DEFAULT 10, -- at most so many left is few: 10, or a twentieth of what there was when stock last came in
    CHECK (0 <= reserved AND reserved <= on_hand),
    CHECK (drop_id IS NOT NULL OR id = product_id)
) WITH (fillfactor = 50);
CREATE INDEX ON catalog.pools (product_id) WHERE drop_id IS NOT NULL;

-- The ledger: on_hand of a pool is the sum of its movements. No foreign keys here nor below: they would cost a look-up per
-- row in the hottest transactions, whose locks prove the same.
CREATE TABLE catalog.stock_movements (
    id               uuid        PRIMARY KEY, -- a UUIDv7
    pool_id          uuid        NOT NULL,
    kind             text        NOT NULL CHECK (kind IN ('receive', 'adjust', 'damage', 'sell', 'restock')),
    quantity         bigint      NOT NULL CHECK (quantity <> 0), -- signed
    reason           text        NOT NULL DEFAULT '',
    order_id         uuid,
    actor_id         uuid,                     -- the admin
    idempotency_key  text,
    idempotency_hash bytea,
    at               timestamptz NOT NULL,
    CHECK ((order_id IS NOT NULL) = (kind IN ('sell', 'restock'))),
    CHECK ((idempotency_key IS NULL) = (idempotency_hash IS NULL))
);
CREATE INDEX ON catalog.stock_movements (pool_id, id);
CREATE UNIQUE INDEX ON catalog.stock_movements (actor_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX ON catalog.stock_movements (order_id, pool_id, kind) WHERE order_id IS NOT NULL;

-- What an order holds. The row of an order that gave up before it held anything is its tombstone.
CREATE TABLE catalog.reservations (
    order_id   uuid        PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('held', 'used', 'released')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX ON catalog.reservations (order_id) WHERE state = 'held'; -- reserved = Σ open holds, audited at any time

CREATE TABLE catalog.reservation_lines (
    order_id   uuid   NOT NULL,
    pool_id    uuid   NOT NULL,
    product_id uuid   NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, pool_id)
);

-- What orders' events ask of their holds, until the next settlement takes them, many at once.
CREATE TABLE catalog.settlements (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid   NOT NULL,
    action   text   NOT NULL CHECK (action IN ('use', 'release'))
);

-- Products whose availability or sales changed. Append-only, so that a hot product's shoppers never wait for its document.
CREATE TABLE catalog.product_marks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id uuid   NOT NULL,
    sold       bigint NOT NULL DEFAULT 0 -- to be added to sales_count
);
