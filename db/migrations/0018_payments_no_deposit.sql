-- Payments: orders that cannot wait for a bank transfer.

-- +goose Up
ALTER TABLE payments.payments ADD COLUMN no_deposit boolean NOT NULL DEFAULT false;
