-- Pictures of products.

-- +goose Up
CREATE TABLE catalog.images (
    id           uuid        PRIMARY KEY,
    product_id   uuid        NOT NULL REFERENCES catalog.products (id),
    name         text        NOT NULL UNIQUE, -- of its blobs: a hash of the id and the content, so that none comes twice
    content_hash bytea       NOT NULL,
    width        integer     NOT NULL,
    height       integer     NOT NULL,
    size_bytes   bigint      NOT NULL,
    position     integer     NOT NULL,        -- among the product's; the first is the main one
    replaces     uuid,                        -- whose place it takes when it is shown
    created_at   timestamptz NOT NULL,
    shown_at     timestamptz,                 -- NULL: its thumbnails are still to be made
    removed_at   timestamptz                  -- its blobs stay for a day: pages that were read before show them
);
CREATE INDEX ON catalog.images (product_id);
CREATE UNIQUE INDEX ON catalog.images (product_id, content_hash) WHERE removed_at IS NULL; -- the same one again is a repeat
CREATE INDEX ON catalog.images (removed_at) WHERE removed_at IS NOT NULL;

-- The addresses of all that are shown, in order; image_url is the first of them.
ALTER TABLE catalog.products ADD COLUMN image_urls text[] NOT NULL DEFAULT '{}';

-- Pictures whose thumbnails are to be made, as their events ask.
CREATE TABLE catalog.thumbnail_tasks (
    image_id uuid        PRIMARY KEY REFERENCES catalog.images (id) ON DELETE CASCADE,
    asked_at timestamptz NOT NULL DEFAULT now(),
    due_at   timestamptz NOT NULL,
    attempts integer     NOT NULL DEFAULT 0
);
CREATE INDEX ON catalog.thumbnail_tasks (due_at);
