-- Accounts are told that what they waited for can be had again.

-- +goose Up
ALTER TABLE accounts.notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE accounts.notifications ADD CONSTRAINT notifications_kind_check
    CHECK (kind IN ('order_paid', 'order_shipped', 'order_delivered', 'order_canceled', 'order_expired', 'order_refunded', 'tier_changed', 'product_restocked'));
