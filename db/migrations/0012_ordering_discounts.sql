-- Ordering: what a coupon takes off an order, what points pay of it, and orders of a drop.

-- +goose Up
ALTER TABLE ordering.orders
    ADD COLUMN coupon_id    uuid,                        -- the held coupon that it redeems
    ADD COLUMN discount_won bigint NOT NULL DEFAULT 0,   -- what that takes off the items
    ADD COLUMN points_won   bigint NOT NULL DEFAULT 0,   -- what points pay of the total
    ADD COLUMN drop_id      uuid,                        -- of a pre-order
    DROP CONSTRAINT orders_check,
    DROP CONSTRAINT orders_check1,
    DROP CONSTRAINT orders_kind_check,
    ADD CONSTRAINT orders_kind_check CHECK (kind IN ('standard', 'preorder')),
    ADD CONSTRAINT orders_discount_check CHECK (discount_won BETWEEN 0 AND items_won AND (discount_won > 0) = (coupon_id IS NOT NULL)),
    ADD CONSTRAINT orders_total_check CHECK (total_won = items_won - discount_won + shipping_won),
    ADD CONSTRAINT orders_due_check CHECK (points_won >= 0 AND due_won >= 0 AND due_won = total_won - points_won),
    ADD CONSTRAINT orders_drop_check CHECK ((kind = 'preorder') = (drop_id IS NOT NULL));

-- Of the unit prices of a line, all its pieces together; what a coupon takes off each piece follows from it (coupons.UnitShares).
ALTER TABLE ordering.order_lines
    ADD COLUMN discount_won bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_lines_discount_check CHECK (discount_won BETWEEN 0 AND quantity * unit_price_won);
