-- The module accounts: who people are, where their parcels go, what they were told, and the sessions in which they ask.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS accounts;

-- What can name a person is erased when the account is closed; the row stays, because orders point at it.
CREATE TABLE accounts.accounts (
    id               uuid        PRIMARY KEY, -- a UUIDv7
    version          bigint      NOT NULL CHECK (version > 0),  -- one for each event published
    email            text        COLLATE "C" UNIQUE,            -- lower case, NFC; null once closed, so that it is free again
    name             text        NOT NULL,
    password_hash    text        NOT NULL,
    role             text        NOT NULL CHECK (role IN ('shopper', 'manager', 'admin')),
    state            text        NOT NULL CHECK (state IN ('active', 'suspended', 'closed')),
    suspended_reason text        NOT NULL DEFAULT '' CHECK (length(suspended_reason) <= 500),
    tokens_from      timestamptz NOT NULL, -- access tokens issued before hold no more
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    closed_at        timestamptz,
    CONSTRAINT accounts_email_check CHECK (email ~ '^[^[:space:]@]+@[^[:space:]@]+$' AND octet_length(email) <= 254
        AND email = lower(email) AND email IS NFC NORMALIZED),
    CONSTRAINT accounts_erased_check CHECK (CASE state
        WHEN 'closed' THEN email IS NULL AND name = '' AND password_hash = '' AND closed_at IS NOT NULL
        ELSE email IS NOT NULL AND length(name) BETWEEN 1 AND 100 AND password_hash ^@ '$argon2id$' AND closed_at IS NULL END),
    CONSTRAINT accounts_reason_check CHECK ((state = 'suspended') = (suspended_reason <> ''))
);
CREATE INDEX accounts_name_idx ON accounts.accounts (lower(name) text_pattern_ops);
CREATE INDEX accounts_staff_idx ON accounts.accounts (id) WHERE role <> 'shopper';
CREATE INDEX accounts_suspended_idx ON accounts.accounts (id) WHERE state = 'suspended';

-- Rows that are locked, before any account, by changes that must not happen at once: whoever makes fewer or first admins
-- holds 'admins'.
CREATE TABLE accounts.guards (
    name text PRIMARY KEY
);
INSERT INTO accounts.guards (name) VALUES ('admins');

-- A session is a family of refresh tokens. Its secret derives each token from the one before, which is stored nowhere:
-- a copy of these tables lets nobody in.
CREATE TABLE accounts.sessions (
    id               uuid        PRIMARY KEY, -- a UUIDv7; the token's sid
    account_id       uuid        NOT NULL REFERENCES accounts.accounts,
    secret           bytea       NOT NULL CHECK (octet_length(secret) = 32),
    created_at       timestamptz NOT NULL,
    access_issued_at timestamptz NOT NULL, -- the latest iat of its access tokens
    expires_at       timestamptz NOT NULL, -- of its latest refresh token
    ended_at         timestamptz,
    CHECK (expires_at > created_at)
);
CREATE INDEX sessions_account_idx ON accounts.sessions (account_id, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires_idx ON accounts.sessions (expires_at);
CREATE INDEX sessions_ended_idx ON accounts.sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE accounts.refresh_tokens (
    hash       bytea       PRIMARY KEY CHECK (octet_length(hash) = 32), -- SHA-256; the token itself is not stored
    session_id uuid        NOT NULL REFERENCES accounts.sessions ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz CHECK (used_at >= issued_at),
    CHECK (expires_at > issued_at)
);
CREATE UNIQUE INDEX refresh_tokens_unused_idx ON accounts.refresh_tokens (session_id) WHERE used_at IS NULL; -- a chain never forks
CREATE INDEX refresh_tokens_session_idx ON accounts.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires_idx ON accounts.refresh_tokens (expires_at);

-- What ended before its access tokens ran out. Kept for longer than any access token holds.
CREATE TABLE accounts.revocations (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid        NOT NULL REFERENCES accounts.accounts,
    session_id uuid, -- null: every session. It may outlive its session's row
    at         timestamptz NOT NULL, -- tokens issued before are refused
    made_at    timestamptz NOT NULL
);
CREATE INDEX revocations_made_idx ON accounts.revocations (made_at);

-- The keys that sign access tokens. A new one is shown before it signs, and shown on for an hour after its last use.
CREATE TABLE accounts.signing_keys (
    generation  bigint      PRIMARY KEY CHECK (generation > 0), -- so that two instances cannot both make the next
    kid         text        NOT NULL UNIQUE CHECK (length(kid) BETWEEN 8 AND 64),
    seed        bytea       NOT NULL CHECK (octet_length(seed) = 32), -- of the Ed25519 private key
    created_at  timestamptz NOT NULL,
    active_from timestamptz NOT NULL CHECK (active_from >= created_at)
);

CREATE TABLE accounts.addresses (
    id         uuid        PRIMARY KEY, -- a UUIDv7
    account_id uuid        NOT NULL REFERENCES accounts.accounts,
    alias      text        NOT NULL CHECK (length(alias) BETWEEN 1 AND 50),
    recipient  text        NOT NULL CHECK (length(recipient) BETWEEN 1 AND 100),
    phone      text        NOT NULL CHECK (phone ~ '^[0-9+][0-9 -]{6,18}[0-9]$'),
    zipcode    text        NOT NULL CHECK (zipcode ~ '^[0-9]{5}$'),
    line1      text        NOT NULL CHECK (length(line1) BETWEEN 1 AND 200),
    line2      text        NOT NULL CHECK (length(line2) <= 200),
    is_default boolean     NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX addresses_account_idx ON accounts.addresses (account_id, id);
CREATE UNIQUE INDEX addresses_default_idx ON accounts.addresses (account_id) WHERE is_default;

-- The inbox of an account. What is said is made from kind and params when it is read, in the reader's language.
CREATE TABLE accounts.notifications (
    id         uuid        PRIMARY KEY, -- a UUIDv7: its order is the order of arrival
    account_id uuid        NOT NULL REFERENCES accounts.accounts,
    event_id   uuid        NOT NULL, -- the event that it tells of
    kind       text        NOT NULL CHECK (kind IN ('order_paid', 'order_shipped', 'order_delivered', 'order_canceled', 'order_expired')),
    params     jsonb       NOT NULL CHECK (jsonb_typeof(params) = 'object'),
    created_at timestamptz NOT NULL, -- when what it tells of happened
    read_at    timestamptz,
    UNIQUE (event_id, account_id)
);
CREATE INDEX notifications_account_idx ON accounts.notifications (account_id, id);
CREATE INDEX notifications_unread_idx ON accounts.notifications (account_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_created_idx ON accounts.notifications (created_at);

CREATE TABLE accounts.outbox (LIKE platform.outbox_template INCLUDING ALL);
CREATE TABLE accounts.inbox (LIKE platform.inbox_template INCLUDING ALL);
CREATE TABLE accounts.parked (LIKE platform.parked_template INCLUDING ALL);
CREATE TABLE accounts.parked_keys (LIKE platform.parked_keys_template INCLUDING ALL);
CREATE TABLE accounts.audit_log (LIKE platform.audit_template INCLUDING ALL);
