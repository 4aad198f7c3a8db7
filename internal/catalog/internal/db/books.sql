-- name: StockPrints :many
-- For each bucket of pools, what is on hand less what was moved since. Each pool's number counts a multiple that is its own, so
-- that one's error does not hide another's; pools that are sound and did not move leave the sum as it was.
SELECT (b.hash & 63)::int AS bucket, count(*) AS looked,
       sum(b.hash * b.at_since)::text AS at_since, sum(b.hash * b.at_through)::text AS at_through
FROM (
    SELECT uuid_hash_extended(p.id, 0) AS hash, p.on_hand::numeric AS at_since, p.on_hand::numeric AS at_through
    FROM catalog.pools p
    UNION ALL
    SELECT uuid_hash_extended(m.pool_id, 0), -m.quantity::numeric, CASE WHEN m.id >= @through::uuid THEN -m.quantity::numeric ELSE 0 END
    FROM catalog.stock_movements m
    WHERE m.id >= @since::uuid
) b
GROUP BY 1;

-- name: StockOffLedger :many
SELECT coalesce(p.id, m.pool_id)::uuid AS id, (p.id IS NOT NULL)::boolean AS known, coalesce(p.on_hand, 0)::bigint AS on_hand, coalesce(m.quantity, 0)::bigint AS moved
FROM (SELECT id, on_hand FROM catalog.pools WHERE (uuid_hash_extended(id, 0) & 63) = ANY (@buckets::bigint[])) p
FULL JOIN (
    SELECT pool_id, sum(quantity) AS quantity FROM catalog.stock_movements
    WHERE (uuid_hash_extended(pool_id, 0) & 63) = ANY (@buckets::bigint[])
    GROUP BY pool_id
) m ON m.pool_id = p.id
WHERE p.on_hand IS DISTINCT FROM coalesce(m.quantity, 0)
ORDER BY 1
LIMIT @row_limit;

-- name: SalesPrints :many
-- The same of what products say they have sold.
SELECT (b.hash & 63)::int AS bucket, count(*) AS looked,
       sum(b.hash * b.at_since)::text AS at_since, sum(b.hash * b.at_through)::text AS at_through
FROM (
    SELECT uuid_hash_extended(p.id, 0) AS hash, (p.sales_count - p.opening_sales)::numeric AS at_since, (p.sales_count - p.opening_sales)::numeric AS at_through
    FROM catalog.products p
    UNION ALL
    SELECT uuid_hash_extended(k.product_id, 0), k.sold::numeric, k.sold::numeric FROM catalog.product_marks k WHERE k.sold <> 0
    UNION ALL
    SELECT uuid_hash_extended(s.product_id, 0), m.quantity::numeric, CASE WHEN m.id >= @through::uuid THEN m.quantity::numeric ELSE 0 END
    FROM catalog.stock_movements m
    JOIN catalog.pools s ON s.id = m.pool_id
    WHERE m.id >= @since::uuid AND m.kind IN ('sell', 'restock', 'return')
) b
GROUP BY 1;

-- name: SalesOffLedger :many
SELECT p.id, (p.sales_count + coalesce(k.sold, 0))::bigint AS told, (p.opening_sales - coalesce(m.quantity, 0))::bigint AS sold
FROM catalog.products p
LEFT JOIN (SELECT product_id, sum(sold) AS sold FROM catalog.product_marks GROUP BY product_id) k ON k.product_id = p.id
LEFT JOIN (
    SELECT s.product_id, sum(v.quantity) AS quantity
    FROM catalog.stock_movements v
    JOIN catalog.pools s ON s.id = v.pool_id AND (uuid_hash_extended(s.product_id, 0) & 63) = ANY (@buckets::bigint[])
    WHERE v.kind IN ('sell', 'restock', 'return')
    GROUP BY s.product_id
) m ON m.product_id = p.id
WHERE (uuid_hash_extended(p.id, 0) & 63) = ANY (@buckets::bigint[])
  AND p.sales_count + coalesce(k.sold, 0) <> p.opening_sales - coalesce(m.quantity, 0)
ORDER BY p.id
LIMIT @row_limit;

-- name: OpenStock :one
SELECT (SELECT count(*) FROM catalog.pools) AS pools, (SELECT count(*) FROM catalog.reservations WHERE state = 'held') AS holds;

-- name: ReservedOffHolds :many
SELECT coalesce(p.id, h.pool_id)::uuid AS id, (p.id IS NOT NULL)::boolean AS known, coalesce(p.reserved, 0)::bigint AS reserved, coalesce(h.quantity, 0)::bigint AS held
FROM catalog.pools p
FULL JOIN (
    SELECT l.pool_id, sum(l.quantity) AS quantity
    FROM catalog.reservations r
    JOIN catalog.reservation_lines l ON l.order_id = r.order_id
    WHERE r.state = 'held'
    GROUP BY l.pool_id
) h ON h.pool_id = p.id
WHERE p.reserved IS DISTINCT FROM coalesce(h.quantity, 0)
ORDER BY 1
LIMIT @row_limit;

-- name: Oversold :many
SELECT id, on_hand, reserved FROM catalog.pools WHERE reserved < 0 OR on_hand < reserved ORDER BY id LIMIT @row_limit;

-- name: OrdersFrom :many
SELECT order_id FROM catalog.reservations WHERE order_id >= @since ORDER BY order_id LIMIT @row_limit;

-- name: LinesOff :many
SELECT o.order_id, o.wrong::text AS wrong
FROM (
    SELECT l.order_id, CASE WHEN r.order_id IS NULL THEN 'there is a line, and no reservation' ELSE 'the line is of a pool that is not the product''s' END AS wrong
    FROM catalog.reservation_lines l
    LEFT JOIN catalog.reservations r ON r.order_id = l.order_id
    LEFT JOIN catalog.pools p ON p.id = l.pool_id
    WHERE l.order_id BETWEEN @since AND @until AND (r.order_id IS NULL OR p.product_id IS DISTINCT FROM l.product_id)
    UNION
    SELECT r.order_id, 'there is a reservation, and no line'
    FROM catalog.reservations r
    WHERE r.order_id BETWEEN @since AND @until AND r.state <> 'released'
      AND NOT EXISTS (SELECT FROM catalog.reservation_lines l WHERE l.order_id = r.order_id)
) o
ORDER BY 1
LIMIT @row_limit;

-- name: HeldBefore :many
SELECT order_id FROM catalog.reservations WHERE state = 'held' AND order_id < @until ORDER BY order_id DESC LIMIT @row_limit;

-- name: MovedOrdersFrom :many
-- known: the order has a reservation.
SELECT m.id, m.order_id, EXISTS (SELECT FROM catalog.reservations r WHERE r.order_id = m.order_id) AS known
FROM catalog.stock_movements m
WHERE m.id >= @since
ORDER BY m.id
LIMIT @row_limit;

-- name: SoldOffLedger :many
-- What was held, and then sold, and then put back or returned, against what the ledger says of it.
WITH looked AS (
    SELECT unnest(@order_ids::uuid[]) AS order_id
), due AS (
    SELECT l.order_id, l.pool_id, l.quantity, r.state
    FROM looked o
    JOIN catalog.reservations r ON r.order_id = o.order_id
    JOIN catalog.reservation_lines l ON l.order_id = o.order_id
), moved AS (
    SELECT m.order_id, m.pool_id,
           sum(m.quantity) FILTER (WHERE m.kind = 'sell') AS sold, sum(m.quantity) FILTER (WHERE m.kind = 'restock') AS restocked,
           sum(m.quantity) FILTER (WHERE m.kind = 'return') AS returned
    FROM looked o
    JOIN catalog.stock_movements m ON m.order_id = o.order_id AND m.order_id IS NOT NULL
    GROUP BY m.order_id, m.pool_id
), line AS (
    SELECT coalesce(d.order_id, m.order_id) AS order_id, coalesce(d.state, 'unknown') AS state,
           coalesce(d.quantity, 0) AS quantity, coalesce(-m.sold, 0) AS sold, coalesce(m.restocked, 0) AS restocked,
           coalesce(m.returned, 0) AS returned
    FROM due d
    FULL JOIN moved m ON m.order_id = d.order_id AND m.pool_id = d.pool_id
)
SELECT order_id::uuid AS order_id, min(state)::text AS state, sum(quantity)::bigint AS quantity, sum(sold)::bigint AS sold, sum(restocked)::bigint AS restocked,
       sum(returned)::bigint AS returned
FROM line
GROUP BY order_id
HAVING NOT (
    bool_and(state = 'held' AND sold = 0 AND restocked = 0 AND returned = 0)
    OR bool_and(state = 'used' AND sold = quantity AND restocked = 0 AND returned <= quantity)
    OR bool_and(state = 'released' AND sold = 0 AND restocked = 0 AND returned = 0)
    OR bool_and(state = 'released' AND sold = quantity AND restocked = quantity AND returned = 0)
)
ORDER BY order_id
LIMIT @row_limit;

-- name: SettlementsWaiting :one
SELECT count(*) FROM catalog.settlements;

-- name: SettlementsOverdue :many
SELECT order_id, action, asked_at FROM catalog.settlements WHERE asked_at < clock_timestamp() - interval '1 minute' ORDER BY id LIMIT @row_limit;

-- name: MarksWaiting :one
SELECT count(*) FROM catalog.product_marks;

-- name: MarksOverdue :many
SELECT product_id, min(marked_at)::timestamptz AS marked_at FROM catalog.product_marks
WHERE marked_at < clock_timestamp() - interval '1 minute' GROUP BY product_id ORDER BY 1 LIMIT @row_limit;

-- name: DropCount :one
SELECT count(*) FROM catalog.drops;

-- name: DropsOff :many
-- Of the drops that are open, and of those of which something moved since.
SELECT o.id, o.known, o.quantity, o.on_hand, o.sold, o.returned
FROM (
    SELECT d.id, ((p.product_id = d.product_id) IS TRUE)::boolean AS known, d.quantity, coalesce(p.on_hand, 0)::bigint AS on_hand,
           (SELECT coalesce(-sum(m.quantity), 0) FROM catalog.stock_movements m WHERE m.pool_id = d.id AND m.kind IN ('sell', 'restock', 'return'))::bigint AS sold,
           d.returned
    FROM catalog.drops d
    LEFT JOIN catalog.pools p ON p.id = d.id AND p.drop_id = d.id
    WHERE NOT d.closed OR EXISTS (SELECT FROM catalog.stock_movements m WHERE m.pool_id = d.id AND m.id >= @since::uuid)
    UNION ALL
    SELECT p.id, false, 0, p.on_hand, 0, 0
    FROM catalog.pools p
    WHERE p.drop_id IS NOT NULL AND NOT EXISTS (SELECT FROM catalog.drops d WHERE d.id = p.id)
) o
WHERE NOT o.known OR o.quantity <> o.on_hand + o.sold + o.returned
ORDER BY o.id
LIMIT @row_limit;

-- name: DropsNotEmptied :many
SELECT d.id, p.on_hand, p.reserved
FROM catalog.drops d
JOIN catalog.pools p ON p.id = d.id
WHERE d.closed AND p.on_hand <> p.reserved
ORDER BY d.id
LIMIT @row_limit;

-- name: ShiftsOff :many
-- Of the drops that have taken or given back something since.
SELECT m.drop_id::uuid AS id, coalesce(sum(m.quantity) FILTER (WHERE m.pool_id = m.drop_id), 0)::bigint AS came,
       coalesce(-sum(m.quantity) FILTER (WHERE m.pool_id = d.product_id), 0)::bigint AS went,
       (count(*) FILTER (WHERE m.pool_id <> m.drop_id AND m.pool_id IS DISTINCT FROM d.product_id))::bigint AS astray
FROM catalog.stock_movements m
LEFT JOIN catalog.drops d ON d.id = m.drop_id
WHERE m.drop_id IN (SELECT n.drop_id FROM catalog.stock_movements n WHERE n.drop_id IS NOT NULL AND n.id >= @since::uuid)
GROUP BY m.drop_id
HAVING coalesce(sum(m.quantity) FILTER (WHERE m.pool_id = m.drop_id), 0) <> coalesce(-sum(m.quantity) FILTER (WHERE m.pool_id = d.product_id), 0)
    OR count(*) FILTER (WHERE m.pool_id <> m.drop_id AND m.pool_id IS DISTINCT FROM d.product_id) > 0
ORDER BY 1
LIMIT @row_limit;
