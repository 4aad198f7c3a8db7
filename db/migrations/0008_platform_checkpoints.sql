-- What the audits of the books leave behind, so that the next one need not look at everything again.

-- +goose Up
CREATE TABLE platform.checkpoints (
    invariant text        PRIMARY KEY, -- catalog.stock.on_hand
    through   text        NOT NULL CHECK (through <> ''), -- what the invariant reads it as is its own affair
    looked    bigint      NOT NULL, -- by the look that left it
    at        timestamptz NOT NULL  -- when that look began
);
