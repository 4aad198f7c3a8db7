-- The audit finds the addresses that changed since it looked last.

-- +goose Up
CREATE INDEX addresses_updated_idx ON accounts.addresses (updated_at);
