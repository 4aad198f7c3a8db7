package main

import (
	"fmt"
	"strings"

	"github.com/sasapick/shop/internal/platform/config"
)

// heard are the events that each module hears.
var heard = map[string][]string{
	"accounts": append([]string{"ordering.rejected.v1", "ordering.confirmed.v1", "ordering.refund_refused.v1", "catalog.restocked.v1"}, toldOf...),
	"catalog": {
		"ordering.paid.v1", "ordering.rejected.v1", "ordering.expired.v1", "ordering.canceled.v1", "ordering.refunded.v1",
		"accounts.closed.v1", "catalog.category_changed.v1",
	},
	"coupons":  {"ordering.paid.v1", "ordering.rejected.v1", "ordering.expired.v1", "ordering.canceled.v1", "ordering.refunded.v1", "accounts.registered.v1"},
	"ordering": {"payments.captured.v1", "payments.refunded.v1", "payments.refund_refused.v1"},
}

// toldOf are the events that a shopper is told of.
var toldOf = []string{"ordering.paid.v1", "ordering.shipped.v1", "ordering.delivered.v1", "ordering.canceled.v1", "ordering.expired.v1", "ordering.refunded.v1"}

// leftToDo are queries that find work which recovery has not done yet.
func (w *world) leftToDo() map[string]string {
	queries := map[string]string{
		"orders under way":   `SELECT format('%s is %s', id, state) FROM ordering.orders WHERE state IN ('pending', 'canceling')`,
		"payments under way": `SELECT format('attempt of %s is %s: %s', order_id, state, code) FROM payments.attempts WHERE state IN ('sent', 'awaiting_deposit')`,
		"refunds under way":  `SELECT format('refund of %s is %s: %s', order_id, state, code) FROM payments.refunds WHERE state IN ('requested', 'sent')`,
		"returns under way":  `SELECT format('refund of %s is %s', order_id, state) FROM ordering.refunds WHERE state IN ('requested', 'sent')`,
		"webhooks":           `SELECT transmission_id FROM payments.webhooks WHERE processed_at IS NULL`,
		"settlements":        `SELECT format('%s of %s', action, order_id) FROM catalog.settlements`,
		"redemptions":        `SELECT format('%s of %s', action, order_id) FROM coupons.settlements`,
		"welcomes":           `SELECT format('of %s', account_id) FROM coupons.newcomers`,
		"drops":              `SELECT format('%s is called off', id) FROM ordering.preorders WHERE state = 'canceled' AND wound_up_at IS NULL`,
		"points":             `SELECT format('%s of %s', action, order_id) FROM accounts.point_settlements`,
		"tiers":              `SELECT format('of %s', account_id) FROM accounts.tier_reviews WHERE due_at <= now()`,
		"marks":              `SELECT format('%s sold %s', product_id, sold) FROM catalog.product_marks`,
		"looks":              `SELECT format('at %s', product_id) FROM catalog.restock_looks`,
	}
	for _, m := range config.Modules {
		queries["outbox of "+m] = `SELECT format('%s of %s', type, key) FROM ` + m + `.outbox WHERE published_at IS NULL`
		queries["parked by "+m] = `SELECT format('%s of %s: %s', type, key, reason) FROM ` + m + `.parked`
	}
	for m, types := range heard {
		for _, source := range []string{"ordering", "payments", "accounts", "catalog"} {
			queries[fmt.Sprintf("events of %s that %s has not heard", source, m)] = fmt.Sprintf(`
				SELECT format('%%s of %%s', o.type, o.key) FROM %s.outbox o
				WHERE o.type IN ('%s') AND NOT EXISTS (SELECT FROM %s.inbox i WHERE i.event_id = o.event_id)`, source, strings.Join(types, "', '"), m)
		}
	}
	return queries
}

// invariants are queries that find what must not be once the shop is at rest. What is not true of a row, or not known to be, is found.
var invariants = map[string]string{
	"an order and its payment": `
		SELECT format('order %s is %s, its payment %s with %s of %s given back', o.id, o.state, p.state, p.refunded_won, p.amount_won)
		FROM ordering.orders o LEFT JOIN payments.payments p ON p.order_id = o.id
		WHERE CASE
			WHEN o.state = 'awaiting_payment' THEN p.state = 'open'
			WHEN o.state IN ('paid', 'preparing', 'shipping', 'delivered', 'confirmed') THEN p.state = 'captured' AND p.refunded_won = o.refunded_won AND p.amount_won = o.due_won
			WHEN o.state = 'refunded' THEN p.state = 'captured' AND p.refunded_won = o.refunded_won
			WHEN o.state IN ('expired', 'rejected') THEN coalesce(p.state, 'closed') = 'closed'
			WHEN o.state = 'canceled' THEN p.state = 'closed' OR p.state = 'captured' AND p.refunded_won = p.amount_won
		END IS NOT TRUE`,
	"an order and what it holds": `
		SELECT format('order %s is %s, its reservation %s', o.id, o.state, r.state)
		FROM ordering.orders o LEFT JOIN catalog.reservations r ON r.order_id = o.id
		WHERE CASE
			WHEN o.state = 'awaiting_payment' THEN r.state = 'held'
			WHEN o.state IN ('paid', 'preparing', 'shipping', 'delivered', 'confirmed', 'refunded') THEN r.state = 'used'
			ELSE r.state = 'released'
		END IS NOT TRUE`,
	"a hold of nobody": `
		SELECT format('reservation of %s is %s', r.order_id, r.state) FROM catalog.reservations r
		WHERE NOT EXISTS (SELECT FROM ordering.orders o WHERE o.id = r.order_id)`,
	"the lines of an order and of its hold": `
		SELECT format('order %s: %s pieces of %s ordered, %s set aside', coalesce(l.order_id, r.order_id), l.quantity, coalesce(l.product_id, r.product_id), r.quantity)
		FROM (SELECT l.* FROM ordering.order_lines l JOIN ordering.orders o ON o.id = l.order_id WHERE o.state <> 'rejected') l
		FULL JOIN (SELECT r.* FROM catalog.reservation_lines r JOIN ordering.orders o ON o.id = r.order_id WHERE o.state <> 'rejected') r
			ON r.order_id = l.order_id AND r.product_id = l.product_id
		WHERE (l.quantity = r.quantity) IS NOT TRUE`,
	"stock and its ledger": `
		SELECT format('product %s: on hand %s, moved %s', p.id, p.on_hand, m.sum)
		FROM catalog.pools p LEFT JOIN (SELECT pool_id, sum(quantity) FROM catalog.stock_movements GROUP BY 1) m ON m.pool_id = p.id
		WHERE p.on_hand <> coalesce(m.sum, 0) OR p.reserved < 0 OR p.on_hand < p.reserved`,
	"received = on hand + sold, and held = ordered and unpaid, to the piece, whatever is set aside for drops": `
		SELECT format('product %s: received %s, on hand %s, sold %s; reserved %s, ordered %s', p.product_id, received, on_hand, sold, reserved, ordered)
		FROM (SELECT p.*, coalesce(l.sold, 0) AS sold, coalesce(l.ordered, 0) AS ordered
			FROM (SELECT product_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved, sum(received) AS received
				FROM (SELECT *, (SELECT coalesce(sum(quantity), 0) FROM catalog.stock_movements m WHERE m.pool_id = p.id AND m.order_id IS NULL) AS received
					FROM catalog.pools p) p GROUP BY product_id) p
			LEFT JOIN (
				SELECT product_id, sum(quantity - back) FILTER (WHERE state IN ('paid', 'preparing', 'shipping', 'delivered', 'confirmed', 'refunded')) AS sold,
					sum(quantity) FILTER (WHERE state = 'awaiting_payment') AS ordered
				FROM (SELECT i.*, coalesce((SELECT sum(b.quantity) FROM ordering.refunds f JOIN ordering.refund_lines b ON b.refund_id = f.id
						WHERE f.order_id = i.order_id AND b.position = i.position AND f.state = 'done' AND f.restock), 0) AS back
					FROM ordering.order_lines i) i JOIN ordering.orders o ON o.id = order_id GROUP BY 1) l ON l.product_id = p.product_id) p
		WHERE received <> on_hand + sold OR reserved <> ordered`,
	"sold once, and given back once": `
		SELECT format('order %s is %s: %s pieces of %s, sold %s, back %s', o.id, o.state, l.quantity, l.product_id, m.sold, m.back)
		FROM ordering.orders o JOIN ordering.order_lines l ON l.order_id = o.id LEFT JOIN LATERAL (
			SELECT count(*) FILTER (WHERE kind = 'sell') AS sales, count(*) FILTER (WHERE kind = 'restock') AS returns,
				coalesce(-sum(quantity) FILTER (WHERE kind = 'sell'), 0) AS sold, coalesce(sum(quantity) FILTER (WHERE kind = 'restock'), 0) AS back
			FROM catalog.stock_movements m JOIN catalog.pools p ON p.id = m.pool_id WHERE m.order_id = o.id AND p.product_id = l.product_id) m ON true
		WHERE CASE
			WHEN o.state IN ('paid', 'preparing', 'shipping', 'delivered', 'confirmed', 'refunded') THEN m.sales = 1 AND m.sold = l.quantity AND m.returns = 0
			WHEN o.state = 'canceled' THEN m.sales <= 1 AND m.returns <= 1 AND m.sold = m.back
			ELSE m.sales = 0 AND m.returns = 0
		END IS NOT TRUE`,
	"back on hand once": `
		SELECT format('order %s: %s pieces of %s came back, and %s on hand', coalesce(b.order_id, m.order_id), b.quantity, coalesce(b.product_id, m.product_id), m.quantity)
		FROM (SELECT f.order_id, l.product_id, sum(b.quantity) AS quantity
			FROM ordering.refunds f JOIN ordering.refund_lines b ON b.refund_id = f.id JOIN ordering.order_lines l ON l.order_id = f.order_id AND l.position = b.position
			WHERE f.state = 'done' AND f.restock GROUP BY 1, 2) b
		FULL JOIN (SELECT m.order_id, p.product_id, sum(m.quantity) AS quantity FROM catalog.stock_movements m JOIN catalog.pools p ON p.id = m.pool_id
			WHERE m.kind = 'return' GROUP BY 1, 2) m ON m.order_id = b.order_id AND m.product_id = b.product_id
		WHERE (b.quantity = m.quantity) IS NOT TRUE`,
	"a refund and the orders that it is of": `
		SELECT format('order %s is %s: %s of %s won went back, by its refunds %s', o.id, o.state, o.refunded_won, o.due_won, r.sum)
		FROM ordering.orders o LEFT JOIN (
			SELECT order_id, sum(items_won + shipping_won - kept_won) FROM ordering.refunds WHERE state = 'done' GROUP BY 1) r ON r.order_id = o.id
		WHERE o.refunded_won <> coalesce(r.sum, 0)`,
	"points taken back, and not for what was refused": `
		SELECT format('refund %s of order %s is %s, its take-back %s', f.id, f.order_id, f.state, t.state)
		FROM accounts.point_take_backs t LEFT JOIN ordering.refunds f ON f.id = t.refund_id
		WHERE CASE f.state WHEN 'done' THEN t.state = 'taken' WHEN 'refused' THEN t.state = 'undone' END IS NOT TRUE`,
	"the count of sales": `
		SELECT format('product %s: counted %s, sold %s', p.id, p.sales_count, m.sum)
		FROM catalog.products p LEFT JOIN (
			SELECT s.product_id, -sum(m.quantity) AS sum FROM catalog.stock_movements m JOIN catalog.pools s ON s.id = m.pool_id
			WHERE m.kind IN ('sell', 'restock', 'return') GROUP BY 1) m ON m.product_id = p.id
		WHERE p.sales_count <> coalesce(m.sum, 0)`,
	"what an account has bought": `
		SELECT format('account %s: %s of %s counted, %s ordered', coalesce(q.account_id, l.account_id), q.quantity, coalesce(q.product_id, l.product_id), l.sum)
		FROM ordering.purchase_quotas q FULL JOIN (
			SELECT o.account_id, coalesce(o.drop_id, l.product_id) AS product_id, sum(l.quantity) FROM ordering.orders o JOIN ordering.order_lines l ON l.order_id = o.id
			WHERE o.state NOT IN ('rejected', 'expired', 'canceled', 'refunded') GROUP BY 1, 2) l
			ON l.account_id = q.account_id AND l.product_id = q.product_id
		WHERE coalesce(q.quantity, 0) <> coalesce(l.sum, 0)`,
	"two unpaid orders at most": `
		SELECT format('account %s has %s', account_id, count(*)) FROM ordering.orders WHERE state = 'awaiting_payment' GROUP BY account_id HAVING count(*) > 2`,
	"an order's timeline": `
		SELECT format('order %s is %s at step %s: step %s leads from %s to %s', o.id, o.state, o.step, t.step, t.from_state, t.to_state)
		FROM (SELECT *, lag(to_state, 1, '') OVER w AS before, row_number() OVER w AS n, lead(step) OVER w IS NULL AS last
			FROM ordering.order_timeline WINDOW w AS (PARTITION BY order_id ORDER BY step)) t JOIN ordering.orders o ON o.id = t.order_id
		WHERE t.step <> t.n OR t.from_state <> t.before OR t.last AND (t.to_state <> o.state OR t.step <> o.step)`,
	"one capture, and the ledger": `
		SELECT format('payment of %s is %s: %s of %s given back; ledger: %s captures of %s, back %s; strays %s, back %s', p.order_id, p.state, p.refunded_won, p.amount_won,
			l.captures, l.captured, l.back, l.strays, l.strays_back)
		FROM payments.payments p LEFT JOIN LATERAL (
			SELECT count(*) FILTER (WHERE kind = 'capture') AS captures,
				coalesce(sum(amount_won) FILTER (WHERE kind = 'capture' AND credit_account = 'orders'), 0) AS captured,
				coalesce(sum(amount_won) FILTER (WHERE kind = 'refund' AND debit_account = 'orders'), 0) AS back,
				coalesce(sum(amount_won) FILTER (WHERE kind = 'capture' AND credit_account = 'strays'), 0) AS strays,
				coalesce(sum(amount_won) FILTER (WHERE kind = 'refund' AND debit_account = 'strays'), 0) AS strays_back
			FROM payments.ledger WHERE order_id = p.order_id) l ON true
		WHERE l.captures > 1 OR l.captured <> CASE p.state WHEN 'captured' THEN p.amount_won ELSE 0 END OR l.back <> p.refunded_won OR l.strays <> l.strays_back`,
	"an order and its coupon": `
		SELECT format('order %s is %s, its coupon %s, its redemption %s of %s', o.id, o.state, o.coupon_id, r.state, r.coupon_id)
		FROM ordering.orders o LEFT JOIN coupons.redemptions r ON r.order_id = o.id
		WHERE CASE
			WHEN o.coupon_id IS NULL THEN coalesce(r.state, 'released') = 'released'
			WHEN o.state = 'awaiting_payment' THEN r.state = 'held' AND r.coupon_id = o.coupon_id AND r.discount_won = o.discount_won
			WHEN o.state IN ('paid', 'preparing', 'shipping', 'delivered', 'confirmed') THEN r.state = 'used' AND r.coupon_id = o.coupon_id AND r.discount_won = o.discount_won
			ELSE r.state = 'released'
		END IS NOT TRUE`,
	"an order and its points": `
		SELECT format('order %s is %s with %s points, its hold %s of %s', o.id, o.state, o.points_won, h.state, h.points)
		FROM ordering.orders o LEFT JOIN accounts.point_holds h ON h.order_id = o.id
		WHERE CASE
			WHEN o.points_won = 0 THEN coalesce(h.state, 'released') = 'released'
			WHEN o.state = 'awaiting_payment' THEN h.state = 'held' AND h.points = o.points_won
			WHEN o.state IN ('paid', 'preparing', 'shipping', 'delivered', 'confirmed', 'refunded') THEN h.state = 'used' AND h.points = o.points_won
			ELSE h.state = 'released'
		END IS NOT TRUE`,
	"points and their ledger": `
		SELECT format('account %s: balance %s, held %s; entries %s, open holds %s', b.account_id, b.balance, b.held, e.sum, h.sum)
		FROM accounts.point_balances b
		LEFT JOIN (SELECT account_id, sum(points) FROM accounts.point_entries GROUP BY 1) e USING (account_id)
		LEFT JOIN (SELECT account_id, sum(points) FROM accounts.point_holds WHERE state = 'held' GROUP BY 1) h USING (account_id)
		WHERE b.balance <> coalesce(e.sum, 0) OR b.held <> coalesce(h.sum, 0) OR b.held > b.balance`,
	"earned once": `
		SELECT format('order %s is %s: %s entries', o.id, o.state, count(e.id)) FROM ordering.orders o LEFT JOIN accounts.point_entries e ON e.order_id = o.id AND e.kind = 'earn'
		WHERE o.state = 'confirmed' AND o.items_won - o.discount_won - o.points_won - o.returned_won >= 100 GROUP BY o.id HAVING count(e.id) <> 1`,
	"a coupon for one order": `
		SELECT format('coupon %s: %s orders', coupon_id, count(*)) FROM coupons.redemptions WHERE state IN ('held', 'used') GROUP BY coupon_id HAVING count(*) > 1`,
	"coupons redeemed": `
		SELECT format('campaign %s: %s counted, %s redeemed', c.campaign_id, c.redeemed, count(r.order_id))
		FROM coupons.counters c LEFT JOIN coupons.redemptions r ON r.campaign_id = c.campaign_id AND r.state IN ('held', 'used')
		GROUP BY c.campaign_id HAVING c.redeemed <> count(r.order_id)`,
	"told once": `
		SELECT format('%s of %s: %s notifications', o.type, o.key, count(n.id))
		FROM ordering.outbox o LEFT JOIN accounts.notifications n ON n.event_id = o.event_id
		WHERE o.type IN ('` + strings.Join(toldOf, "', '") + `') AND o.event_id NOT IN (SELECT event_id FROM public.dropped) GROUP BY o.event_id, o.type, o.key HAVING count(n.id) <> 1`,
	"told of a restock once": `
		SELECT format('%s of %s: %s notifications of %s', o.type, o.data ->> 'product_id', count(n.id), a.id)
		FROM catalog.outbox o CROSS JOIN LATERAL json_array_elements_text(o.data -> 'account_ids') a (id)
		LEFT JOIN accounts.notifications n ON n.event_id = o.event_id AND n.account_id = a.id::uuid
		WHERE o.type = 'catalog.restocked.v1' GROUP BY o.event_id, o.type, o.data ->> 'product_id', a.id HAVING count(n.id) <> 1`,
	"told of an order once": `
		SELECT format('order %s: %s notifications %s', params ->> 'order_id', count(*), kind) FROM accounts.notifications WHERE params ? 'order_id' AND kind <> 'order_refunded' GROUP BY params ->> 'order_id', kind HAVING count(*) > 1`,
	"an event of each change": `
		SELECT format('order %s: version %s, %s events up to %s', o.id, o.version, count(e.id), max(e.aggregate_version))
		FROM ordering.orders o LEFT JOIN ordering.outbox e ON e.key = o.id GROUP BY o.id HAVING o.version <> count(e.id) OR o.version <> coalesce(max(e.aggregate_version), 0)`,
	"an event of each change of a payment": `
		SELECT format('payment of %s: version %s, %s events up to %s', p.order_id, p.version, count(e.id), max(e.aggregate_version))
		FROM payments.payments p LEFT JOIN payments.outbox e ON e.key = p.order_id GROUP BY p.order_id HAVING p.version <> count(e.id) OR p.version <> coalesce(max(e.aggregate_version), 0)`,
	"coupons": `
		SELECT format('campaign %s: %s taken of %s, %s coupons', c.campaign_id, c.taken, c.quantity, count(k.id))
		FROM coupons.counters c LEFT JOIN coupons.coupons k ON k.campaign_id = c.campaign_id GROUP BY c.campaign_id HAVING c.taken <> count(k.id) OR c.taken > c.quantity`,
	"redeemed coupons": `
		SELECT format('campaign %s: %s redeemed, orders have %s', c.campaign_id, c.redeemed, count(r.order_id))
		FROM coupons.counters c LEFT JOIN coupons.redemptions r ON r.campaign_id = c.campaign_id AND r.state <> 'released'
		GROUP BY c.campaign_id HAVING c.redeemed <> count(r.order_id)`,
}
