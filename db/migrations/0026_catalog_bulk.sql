-- Drafts that are shown by the clock, and who wants to be told that a product can be had again.

-- +goose Up
ALTER TABLE catalog.products
    ADD COLUMN publish_at timestamptz, -- when a draft is shown to shoppers by itself
    ADD CONSTRAINT products_publish_at_check CHECK (publish_at IS NULL OR state = 'draft');
CREATE INDEX ON catalog.products (publish_at) WHERE publish_at IS NOT NULL;

-- A row is gone once its account was told.
CREATE TABLE catalog.restock_alerts (
    product_id uuid        NOT NULL REFERENCES catalog.products (id),
    account_id uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (product_id, account_id)
);
CREATE INDEX ON catalog.restock_alerts (account_id);

-- Products that somebody waits for and that may be had again. Whatever could make that so adds a row in its own transaction, and so
-- does each alert: whichever commits last is looked at with both to be seen.
CREATE TABLE catalog.restock_looks (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id uuid        NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT now()
);
