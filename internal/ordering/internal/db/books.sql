-- What the books look at: a page of orders at a time, by their ids, so that no look depends on how much there is besides.

-- name: ChangedOrders :many
-- Those with ids in a span, and those of which an event with such an id tells: whatever ends an order, or brings it on, publishes one.
SELECT o.id FROM ordering.orders o WHERE o.id >= sqlc.arg(since) AND o.id < sqlc.arg(until)
UNION SELECT e.key FROM ordering.outbox e WHERE e.event_id >= sqlc.arg(since) AND e.event_id < sqlc.arg(until);

-- name: OrdersAfter :many
-- All there are, page by page, with those of which there is nothing but an event.
(SELECT o.id FROM ordering.orders o WHERE o.id > sqlc.arg(after) ORDER BY o.id LIMIT sqlc.arg(at_most))
UNION (SELECT DISTINCT e.key FROM ordering.outbox e WHERE e.key > sqlc.arg(after) ORDER BY e.key LIMIT sqlc.arg(at_most))
ORDER BY 1 LIMIT sqlc.arg(at_most);

-- name: OrdersOffSum :many
SELECT o.id, o.items_won, o.discount_won, o.points_won, o.shipping_won, o.total_won, o.due_won,
    COALESCE(l.won, 0)::bigint AS lines_won, COALESCE(l.off, 0)::bigint AS lines_off
FROM ordering.orders o
LEFT JOIN (
    SELECT i.order_id, sum(i.quantity * i.unit_price_won) AS won, sum(i.discount_won) AS off
    FROM ordering.order_lines i WHERE i.order_id = ANY(sqlc.arg(ids)::uuid[]) GROUP BY i.order_id) AS l ON l.order_id = o.id
WHERE o.id = ANY(sqlc.arg(ids)::uuid[])
  AND (l.won IS DISTINCT FROM o.items_won OR l.off IS DISTINCT FROM o.discount_won
    OR o.total_won <> o.items_won - o.discount_won + o.shipping_won OR o.due_won <> o.total_won - o.points_won)
ORDER BY o.id;

-- name: TimelinesOff :many
SELECT o.id, o.state, o.step, COALESCE(t.rows, 0)::bigint AS rows, COALESCE(t.last, '')::text AS last, COALESCE(t.torn, 0)::bigint AS torn
FROM ordering.orders o
LEFT JOIN (
    SELECT m.order_id, count(*) AS rows, max(m.step) AS greatest, count(*) FILTER (WHERE m.step < 1 OR m.from_state <> m.before) AS torn,
        (array_agg(m.to_state ORDER BY m.step DESC))[1] AS last
    FROM (
        SELECT i.order_id, i.step, i.from_state, i.to_state, lag(i.to_state, 1, '') OVER (PARTITION BY i.order_id ORDER BY i.step) AS before
        FROM ordering.order_timeline i WHERE i.order_id = ANY(sqlc.arg(ids)::uuid[])) AS m
    GROUP BY m.order_id) AS t ON t.order_id = o.id
WHERE o.id = ANY(sqlc.arg(ids)::uuid[])
  AND (t.rows IS DISTINCT FROM o.step OR t.greatest IS DISTINCT FROM o.step OR t.torn > 0 OR t.last IS DISTINCT FROM o.state)
ORDER BY o.id;

-- name: IllegalSteps :many
-- legal are ways as from>to; an order begins as pending, and a remark leads nowhere.
SELECT t.order_id, t.step, t.from_state, t.to_state
FROM ordering.order_timeline t
WHERE t.order_id = ANY(sqlc.arg(ids)::uuid[])
  AND CASE WHEN t.step = 1 THEN t.from_state <> '' OR t.to_state <> 'pending'
           ELSE t.from_state <> t.to_state AND t.from_state || '>' || t.to_state <> ALL(sqlc.arg(legal)::text[]) END
ORDER BY t.order_id, t.step;

-- name: EventsOff :many
-- told are the ways that publish an event; a refund that is settled publishes one too. Of orders that are older than young_since, early events may have been deleted.
SELECT s.id::uuid AS id, COALESCE(o.version, 0)::bigint AS version, COALESCE(t.steps, 0)::bigint AS steps, COALESCE(x.events, 0)::bigint AS events,
    COALESCE(x.first, 0)::bigint AS first, COALESCE(x.last, 0)::bigint AS last
FROM unnest(sqlc.arg(ids)::uuid[]) AS s (id)
LEFT JOIN ordering.orders o ON o.id = s.id
LEFT JOIN (
    SELECT p.order_id, count(*) AS steps FROM (
        SELECT i.order_id FROM ordering.order_timeline i
        WHERE i.order_id = ANY(sqlc.arg(ids)::uuid[]) AND i.from_state || '>' || i.to_state = ANY(sqlc.arg(told)::text[])
        UNION ALL
        SELECT r.order_id FROM ordering.refunds r WHERE r.order_id = ANY(sqlc.arg(ids)::uuid[]) AND r.state IN ('done', 'refused')) AS p
    GROUP BY p.order_id) AS t ON t.order_id = s.id
LEFT JOIN (
    SELECT e.key, count(*) AS events, min(e.aggregate_version) AS first, max(e.aggregate_version) AS last
    FROM ordering.outbox e WHERE e.key = ANY(sqlc.arg(ids)::uuid[]) GROUP BY e.key) AS x ON x.key = s.id
WHERE o.id IS NULL OR COALESCE(t.steps, 0) <> o.version
   OR (x.events > 0 AND (x.last <> o.version OR x.events <> x.last - x.first + 1))
   OR (o.created_at >= sqlc.arg(young_since) AND COALESCE(x.events, 0) <> o.version)
ORDER BY s.id;

-- name: ShoppersOf :many
SELECT DISTINCT o.account_id FROM ordering.orders o WHERE o.id = ANY(sqlc.arg(ids)::uuid[]);

-- name: QuotasOff :many
-- What is counted of each product, or drop, and what the shopper's orders that are not dead have of it.
WITH counted AS (
    SELECT c.account_id, c.product_id, sum(c.quantity)::bigint AS quantity FROM (
        SELECT q.account_id, q.product_id, q.quantity FROM ordering.purchase_quotas q WHERE q.account_id = ANY(sqlc.arg(accounts)::uuid[])
        UNION ALL
        SELECT r.account_id, COALESCE(o.drop_id, l.product_id), -l.quantity
        FROM ordering.quota_returns r JOIN ordering.order_lines l ON l.order_id = r.order_id JOIN ordering.orders o ON o.id = r.order_id
        WHERE r.account_id = ANY(sqlc.arg(accounts)::uuid[])) AS c
    GROUP BY c.account_id, c.product_id),
living AS (
    SELECT o.account_id, COALESCE(o.drop_id, l.product_id) AS product_id, sum(l.quantity)::bigint AS quantity
    FROM ordering.orders o JOIN ordering.order_lines l ON l.order_id = o.id
    WHERE o.account_id = ANY(sqlc.arg(accounts)::uuid[]) AND o.state NOT IN ('rejected', 'expired', 'canceled', 'refunded')
    GROUP BY o.account_id, COALESCE(o.drop_id, l.product_id))
SELECT COALESCE(c.account_id, v.account_id)::uuid AS account_id, COALESCE(c.product_id, v.product_id)::uuid AS product_id,
    COALESCE(c.quantity, 0)::bigint AS counted, COALESCE(v.quantity, 0)::bigint AS living
FROM counted c FULL JOIN living v ON v.account_id = c.account_id AND v.product_id = c.product_id
WHERE COALESCE(c.quantity, 0) <> COALESCE(v.quantity, 0)
ORDER BY 1, 2;

-- name: CountUnsettled :one
SELECT ((SELECT count(*) FROM ordering.orders o WHERE o.unpaid OR (NOT o.unpaid AND o.state = 'canceling'))
      + (SELECT count(*) FROM ordering.refunds r WHERE r.attend_at IS NOT NULL))::bigint AS unsettled;

-- name: PendingSince :many
SELECT o.id, o.created_at AS since FROM ordering.orders o
WHERE o.unpaid AND o.state = 'pending' AND o.created_at < sqlc.arg(before) ORDER BY o.id LIMIT sqlc.arg(at_most);

-- name: UnpaidSince :many
SELECT o.id, COALESCE(o.expires_at, o.created_at)::timestamptz AS since FROM ordering.orders o
WHERE o.unpaid AND o.state = 'awaiting_payment' AND o.expires_at < sqlc.arg(before)::timestamptz ORDER BY o.id LIMIT sqlc.arg(at_most);

-- name: CancelingSince :many
SELECT o.id, o.updated_at AS since FROM ordering.orders o
WHERE NOT o.unpaid AND o.state = 'canceling' AND o.updated_at < sqlc.arg(before) ORDER BY o.id LIMIT sqlc.arg(at_most);

-- name: RefundsOff :many
-- What is done gave back as much as the order says, no piece came back twice, and an order of which every piece did is refunded.
SELECT o.id, o.state, o.refunded_won, o.returned_won, COALESCE(r.refunded, 0)::bigint AS refunds_won, COALESCE(r.returned, 0)::bigint AS goods_won,
    COALESCE(l.left_over, 0)::bigint AS left_over, COALESCE(l.too_many, 0)::bigint AS too_many
FROM ordering.orders o
LEFT JOIN (
    SELECT i.order_id, sum(i.items_won + i.shipping_won - i.kept_won) AS refunded, sum(i.items_won) AS returned
    FROM ordering.refunds i WHERE i.order_id = ANY(sqlc.arg(ids)::uuid[]) AND i.state = 'done' GROUP BY i.order_id) AS r ON r.order_id = o.id
LEFT JOIN (
    SELECT n.order_id, sum(GREATEST(n.quantity - n.done, 0)) AS left_over, sum(GREATEST(n.under_way - n.quantity, 0)) AS too_many
    FROM (
        SELECT i.order_id, i.quantity, COALESCE(sum(b.quantity) FILTER (WHERE f.state = 'done'), 0) AS done,
            COALESCE(sum(b.quantity) FILTER (WHERE f.state <> 'refused'), 0) AS under_way
        FROM ordering.order_lines i
        LEFT JOIN ordering.refunds f ON f.order_id = i.order_id
        LEFT JOIN ordering.refund_lines b ON b.refund_id = f.id AND b.position = i.position
        WHERE i.order_id = ANY(sqlc.arg(ids)::uuid[]) GROUP BY i.order_id, i.position) AS n
    GROUP BY n.order_id) AS l ON l.order_id = o.id
WHERE o.id = ANY(sqlc.arg(ids)::uuid[])
  AND (o.refunded_won <> COALESCE(r.refunded, 0) OR o.returned_won <> COALESCE(r.returned, 0) OR l.too_many > 0
    OR (o.state = 'refunded') <> COALESCE(l.left_over = 0, false))
ORDER BY o.id;

-- name: RefundsSince :many
SELECT r.id, r.order_id, r.state, r.requested_at AS since FROM ordering.refunds r
WHERE r.attend_at IS NOT NULL AND r.requested_at < sqlc.arg(before) ORDER BY r.id LIMIT sqlc.arg(at_most);

-- name: OrdersAtRest :many
SELECT o.id, o.state, o.due_won, o.refunded_won, o.coupon_id, o.discount_won, o.points_won FROM ordering.orders o
WHERE o.id = ANY(sqlc.arg(ids)::uuid[]) AND o.updated_at <= sqlc.arg(resting_since) ORDER BY o.id;

-- name: LeftOfCanceledDrops :many
-- Orders that live although their drop was called off lately, and all its orders were said to be.
SELECT o.id, o.state, o.drop_id::uuid AS drop_id
FROM ordering.preorders p JOIN ordering.orders o ON o.drop_id = p.id
WHERE p.wound_up_at > sqlc.arg(since)::timestamptz AND o.state IN ('pending', 'awaiting_payment', 'paid', 'preparing')
  AND NOT EXISTS (SELECT FROM ordering.cancel_requests r WHERE r.asked_by = p.id AND r.order_id = o.id)
ORDER BY o.id LIMIT sqlc.arg(at_most);

-- name: OverPreorderLimits :many
-- Those of the orders whose account has more pieces of their drop than a customer may.
SELECT i.id, i.account_id, i.drop_id::uuid AS drop_id, s.pieces::bigint AS pieces, p.per_customer
FROM ordering.orders i
JOIN ordering.preorders p ON p.id = i.drop_id
CROSS JOIN LATERAL (
    SELECT sum(l.quantity) AS pieces FROM ordering.orders o JOIN ordering.order_lines l ON l.order_id = o.id
    WHERE o.drop_id = i.drop_id AND o.account_id = i.account_id AND o.state NOT IN ('rejected', 'expired', 'canceled', 'refunded')) AS s
WHERE i.id = ANY(sqlc.arg(ids)::uuid[]) AND i.state NOT IN ('rejected', 'expired', 'canceled', 'refunded') AND s.pieces > p.per_customer
ORDER BY i.id;

-- name: StatesOf :many
SELECT o.id, o.state FROM ordering.orders o WHERE o.id = ANY(sqlc.arg(ids)::uuid[]);
