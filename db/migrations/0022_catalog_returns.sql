-- Goods that come back after shipping go back on hand. Their order's reservation stays used.

-- +goose Up
ALTER TABLE catalog.settlements
    ADD COLUMN refund_id  uuid,
    ADD COLUMN product_id uuid,
    ADD COLUMN quantity   bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT settlements_action_check,
    ADD CONSTRAINT settlements_action_check CHECK (action IN ('use', 'release', 'return')),
    ADD CONSTRAINT settlements_return_check
        CHECK (num_nonnulls(refund_id, product_id) = CASE action WHEN 'return' THEN 2 ELSE 0 END AND (quantity > 0) = (action = 'return'));

-- An order is refunded in parts: it has a line of a pool for each of its refunds, and one without.
ALTER TABLE catalog.stock_movements
    ADD COLUMN refund_id uuid,
    DROP CONSTRAINT stock_movements_kind_check,
    DROP CONSTRAINT stock_movements_check,
    ADD CONSTRAINT stock_movements_kind_check
        CHECK (kind IN ('receive', 'adjust', 'damage', 'sell', 'restock', 'return', 'set_aside', 'set_back')),
    ADD CONSTRAINT stock_movements_order_check CHECK ((order_id IS NOT NULL) = (kind IN ('sell', 'restock', 'return'))),
    ADD CONSTRAINT stock_movements_refund_check CHECK ((refund_id IS NOT NULL) = (kind = 'return'));
DROP INDEX catalog.stock_movements_order_id_pool_id_kind_idx;
CREATE UNIQUE INDEX stock_movements_order_idx ON catalog.stock_movements (order_id, pool_id, kind, coalesce(refund_id, order_id))
    WHERE order_id IS NOT NULL;
