-- The module queue: the rooms in front of the shop.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS queue;

CREATE TABLE queue.outbox (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE queue.inbox (LIKE platform.inbox_template INCLUDING ALL);
CREATE TABLE queue.parked (LIKE platform.parked_template INCLUDING ALL);
CREATE TABLE queue.parked_keys (LIKE platform.parked_keys_template INCLUDING ALL);
CREATE TABLE queue.audit_log (LIKE platform.audit_template INCLUDING ALL);

CREATE TABLE queue.rooms (
    id         uuid        PRIMARY KEY,
    version    bigint      NOT NULL CHECK (version >= 0), -- one for each event published; the migration's room has none yet
    name       text        NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(name) <= 50),
    mode       text        NOT NULL CHECK (mode IN ('off', 'paused')),
    capacity   bigint      NOT NULL CHECK (capacity BETWEEN 0 AND 10000000),
    updated_at timestamptz NOT NULL
);

-- The room of the gated operations. It lets everyone through until an admin says otherwise.
INSERT INTO queue.rooms (id, version, name, mode, capacity, updated_at)
VALUES ('0198a000-0000-7000-8000-000000000001', 0, 'main', 'off', 1000, now());
