-- What an audit needs to know: how long something has been waiting, and with what a product's sales began.

-- +goose Up
ALTER TABLE catalog.settlements ADD COLUMN asked_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE catalog.product_marks ADD COLUMN marked_at timestamptz NOT NULL DEFAULT now();

-- sales_count = opening_sales + what the ledger says was sold, once all marks are taken.
ALTER TABLE catalog.products ADD COLUMN opening_sales bigint NOT NULL DEFAULT 0;
UPDATE catalog.products p SET opening_sales = o.sales
FROM (
    SELECT p.id, p.sales_count
        + coalesce((SELECT sum(m.sold) FROM catalog.product_marks m WHERE m.product_id = p.id), 0)
        + coalesce((SELECT sum(m.quantity) FROM catalog.stock_movements m JOIN catalog.pools s ON s.id = m.pool_id
                    WHERE s.product_id = p.id AND m.kind IN ('sell', 'restock')), 0) AS sales
    FROM catalog.products p
) o
WHERE o.id = p.id AND o.sales <> 0;
