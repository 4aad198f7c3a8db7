package main

import (
	"fmt"

	"github.com/sasapick/shop/internal/platform/config"
)

// violations says of each invariant of the shop's books how it is broken, by hand and past the code that keeps it.
var violations = map[string]string{
	"accounts.accounts.erased": `UPDATE accounts.accounts SET state = 'closed', email = NULL, name = '', password_hash = '', closed_at = now()
		WHERE id = (SELECT account_id FROM accounts.addresses LIMIT 1)`,
	"accounts.accounts.events":      `UPDATE accounts.accounts SET version = version + 1 WHERE role = 'admin'`,
	"accounts.addresses.default":    `DROP INDEX accounts.addresses_default_idx; UPDATE accounts.addresses SET is_default = true`,
	"accounts.admins.one":           `UPDATE accounts.accounts SET role = 'manager' WHERE role = 'admin'`,
	"accounts.notifications.events": `DELETE FROM accounts.inbox WHERE event_id = (SELECT event_id FROM accounts.notifications LIMIT 1)`,
	"accounts.notifications.once": `INSERT INTO accounts.notifications
		SELECT gen_random_uuid(), account_id, gen_random_uuid(), kind, params, created_at FROM accounts.notifications LIMIT 1`,
	"accounts.points.balance": `INSERT INTO accounts.point_balances (account_id, balance) VALUES (gen_random_uuid(), 1)`,
	"accounts.points.held":    `INSERT INTO accounts.point_holds VALUES (gen_random_uuid(), gen_random_uuid(), 1, 'held', now(), now())`,
	"accounts.points.orders":  `INSERT INTO accounts.point_holds VALUES (gen_random_uuid(), gen_random_uuid(), 1, 'used', now(), now())`,
	"accounts.points.settled": `INSERT INTO accounts.point_settlements (order_id, account_id, action, at, asked_at)
		VALUES (gen_random_uuid(), gen_random_uuid(), 'use', now(), now() - interval '2 minutes')`,
	"accounts.points.taken_back": `INSERT INTO accounts.point_take_backs VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 1, 0, 0, 'taken', now(), now())`,
	"accounts.tiers.sum":         `UPDATE accounts.accounts SET tier = 'vip'`,

	"accounts.sessions.chain":   `UPDATE accounts.refresh_tokens SET used_at = issued_at`,
	"accounts.sessions.revoked": `UPDATE accounts.sessions SET ended_at = now() WHERE id = (SELECT id FROM accounts.sessions WHERE ended_at IS NULL LIMIT 1)`,

	"catalog.alerts.looked":       `INSERT INTO catalog.restock_looks (product_id, asked_at) SELECT id, now() - interval '2 minutes' FROM catalog.products`,
	"catalog.alerts.told":         `DELETE FROM catalog.product_marks; INSERT INTO catalog.restock_alerts SELECT id, gen_random_uuid(), now() FROM catalog.products`,
	"catalog.documents.published": `INSERT INTO catalog.product_marks (product_id, marked_at) SELECT id, now() - interval '2 minutes' FROM catalog.products`,
	"catalog.documents.sales":     `UPDATE catalog.products SET sales_count = sales_count + 1`,
	"catalog.drops.closed":        aDrop + `UPDATE catalog.drops SET closed = true`,
	"catalog.drops.shifts":        aDrop + `DELETE FROM catalog.stock_movements WHERE drop_id IS NOT NULL AND pool_id <> drop_id`,
	"catalog.drops.sum":           aDrop + `UPDATE catalog.drops SET quantity = quantity + 1`,
	"catalog.holds.lines":         `DELETE FROM catalog.reservation_lines`,
	"catalog.holds.sold":          `DELETE FROM catalog.stock_movements WHERE kind = 'sell'`,
	"catalog.images.thumbnails": `INSERT INTO catalog.images (id, product_id, name, content_hash, width, height, size_bytes, position, created_at)
		SELECT gen_random_uuid(), id, 'planted', '', 1, 1, 1, 0, now() - interval '11 minutes' FROM catalog.products LIMIT 1`,
	"catalog.images.told":      `UPDATE catalog.products SET image_urls = '{planted}' WHERE id = (SELECT id FROM catalog.products LIMIT 1)`,
	"catalog.settlements.done": `INSERT INTO catalog.settlements (order_id, action, asked_at) SELECT order_id, 'release', now() - interval '2 minutes' FROM catalog.reservations`,
	"catalog.stock.left":       `ALTER TABLE catalog.pools DROP CONSTRAINT pools_check; UPDATE catalog.pools SET reserved = on_hand + 1`,
	"catalog.stock.on_hand":    `UPDATE catalog.pools SET on_hand = on_hand + 1`,
	"catalog.stock.reserved":   `UPDATE catalog.pools SET reserved = reserved + 1`,

	"coupons.campaigns.log":   `UPDATE coupons.campaigns SET version = version + 1`,
	"coupons.claims.events":   `DELETE FROM coupons.outbox WHERE id = (SELECT max(id) FROM coupons.outbox)`,
	"coupons.claims.limit":    `ALTER TABLE coupons.counters DROP CONSTRAINT counters_never_oversold; UPDATE coupons.counters SET quantity = 1`,
	"coupons.claims.one_each": `ALTER TABLE coupons.coupons DROP CONSTRAINT coupons_one_per_account; UPDATE coupons.coupons SET account_id = (SELECT account_id FROM coupons.coupons LIMIT 1)`,
	"coupons.claims.taken":    `DELETE FROM coupons.coupons WHERE id = (SELECT id FROM coupons.coupons LIMIT 1)`,

	"coupons.redemptions.counted":   `UPDATE coupons.counters SET redeemed = redeemed + 1 WHERE redeemed < taken`,
	"coupons.redemptions.one_order": `DROP INDEX coupons.redemptions_open_idx;` + redemption("gen_random_uuid()", "id", "account_id", 1) + redemption("gen_random_uuid()", "id", "account_id", 1),
	"coupons.redemptions.owners":    redemption("gen_random_uuid()", "id", "gen_random_uuid()", 1),
	"coupons.redemptions.terms":     redemption("gen_random_uuid()", "id", "account_id", 1001),
	"coupons.settlements.done":      `INSERT INTO coupons.settlements (order_id, action, asked_at) VALUES (gen_random_uuid(), 'release', now() - interval '2 minutes')`,
	"coupons.welcomes.done":         `INSERT INTO coupons.newcomers (account_id, at) VALUES (gen_random_uuid(), now() - interval '2 minutes')`,

	"ordering.coupons.open":       redemption("gen_random_uuid()", "id", "account_id", 1) + `UPDATE coupons.redemptions SET state = 'held' WHERE discount_won = 1`,
	"ordering.coupons.orders":     `UPDATE coupons.redemptions SET state = 'released' WHERE state = 'used'`,
	"ordering.points.open":        `INSERT INTO accounts.point_holds VALUES (gen_random_uuid(), gen_random_uuid(), 1, 'held', now(), now())`,
	"ordering.points.orders":      `UPDATE accounts.point_holds SET state = 'released' WHERE state = 'used'`,
	"ordering.preorders.canceled": `UPDATE ordering.preorders SET state = 'canceled', cancel_reason = 'planted', wound_up_at = now()`,
	"ordering.preorders.limits":   `UPDATE ordering.order_lines SET quantity = 999 WHERE order_id IN (SELECT id FROM ordering.orders WHERE kind = 'preorder')`,
	"ordering.holds.open":         `DELETE FROM ordering.orders WHERE state = 'awaiting_payment'`,
	"ordering.holds.orders":       `UPDATE catalog.reservations SET state = 'released' WHERE state = 'used'`,
	"ordering.money.orders":       `UPDATE payments.ledger SET amount_won = amount_won + 1, at = at - interval '1 hour'`,
	"ordering.orders.canceling":   `UPDATE ordering.orders SET state = 'canceling', former_state = 'paid', attend_at = now(), updated_at = now() - interval '2 hours' WHERE state = 'paid'`,
	"ordering.orders.events":      `DELETE FROM ordering.outbox WHERE aggregate_version = 1`,
	"ordering.orders.pending":     `UPDATE ordering.orders SET state = 'pending', created_at = created_at - interval '1 hour' WHERE state = 'awaiting_payment'`,
	"ordering.orders.refunds":     `UPDATE ordering.orders SET refunded_won = 1 WHERE due_won > 0`,
	"ordering.orders.sums":        `DELETE FROM ordering.order_lines`,
	"ordering.orders.timeline":    `DELETE FROM ordering.order_timeline WHERE step = 2`,
	"ordering.orders.transitions": `UPDATE ordering.order_timeline SET to_state = 'paid' WHERE step = 1`,
	"ordering.orders.unpaid":      `UPDATE ordering.orders SET expires_at = now() - interval '1 hour' WHERE state = 'awaiting_payment'`,
	"ordering.refunds.age": `INSERT INTO ordering.refunds
			(id, order_id, state, whole, restock, reason, items_won, shipping_won, points, asked_by, idempotency_key, request_hash, requested_at, attend_at)
		SELECT gen_random_uuid(), id, 'sent', false, false, 'planted', 0, 0, 0, id, 'planted', '', now() - interval '2 days', now() FROM ordering.orders LIMIT 1`,
	"ordering.quotas.sum": `UPDATE ordering.purchase_quotas SET quantity = quantity + 1`,

	"payments.attempts.answered":      `UPDATE payments.attempts SET state = 'sent', next_at = now() - interval '1 hour'`,
	"payments.attempts.one_in_flight": `UPDATE payments.attempts SET state = 'sent';` + secondAttempt,
	"payments.attempts.undisputed":    `UPDATE payments.attempts SET state = 'disputed', code = 'SHOP_OTHER_AMOUNT'`,
	"payments.ledger.balance": `INSERT INTO payments.ledger (order_id, kind, source_id, debit_account, credit_account, amount_won, at)
		SELECT order_id, 'refund', gen_random_uuid(), 'strays', 'toss', 1, at FROM payments.ledger LIMIT 1`,
	"payments.ledger.sum":         `ALTER TABLE payments.ledger DROP CONSTRAINT ledger_debit_account_check; UPDATE payments.ledger SET debit_account = 'nowhere'`,
	"payments.orders.paid_once":   secondAttempt,
	"payments.payments.attempt":   `UPDATE payments.attempts SET state = 'declined'`,
	"payments.payments.closed":    `UPDATE payments.payments SET expires_at = now() - interval '2 hours' WHERE state = 'open'`,
	"payments.payments.ledger":    `UPDATE payments.ledger SET amount_won = amount_won + 1`,
	"payments.refunds.age":        `UPDATE payments.refunds SET state = 'sent', requested_at = now() - interval '2 days'`,
	"payments.refunds.ledger":     `UPDATE payments.refunds SET state = 'refused'`,
	"payments.strays.returned":    secondAttempt,
	"payments.webhooks.processed": `INSERT INTO payments.webhooks (transmission_id, received_at, body, next_at) VALUES ('t-1', now() - interval '2 hours', '{}', now())`,

	"platform.leases.end": `INSERT INTO platform.leases VALUES ('planted', 'nobody', 1, 'infinity')`,

	"queue.rooms.events": `UPDATE queue.rooms SET version = version + 1, updated_at = now()`,
	"queue.rooms.gates":  `DELETE FROM queue.rooms`,
	"queue.rooms.log":    `UPDATE queue.rooms SET version = version + 1`,
}

// aDrop sets a piece of a product apart, as it should be.
const aDrop = `
	CREATE TABLE public.planted AS SELECT gen_random_uuid() AS id, id AS product_id FROM catalog.pools WHERE on_hand > reserved AND drop_id IS NULL LIMIT 1;
	UPDATE catalog.pools SET on_hand = on_hand - 1 WHERE id = (SELECT product_id FROM public.planted);
	INSERT INTO catalog.pools (id, product_id, drop_id, on_hand) SELECT id, product_id, id, 1 FROM public.planted;
	INSERT INTO catalog.drops (id, product_id, quantity, starts_at, ends_at, revision) SELECT id, product_id, 1, now(), 'infinity', 1 FROM public.planted;
	INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, drop_id, at)
	SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7000800000000000000' || n)::uuid,
	       CASE n WHEN 0 THEN id ELSE product_id END, 'set_aside', 1 - 2 * n, id, now() FROM public.planted, generate_series(0, 1) n;`

// secondAttempt is one more payment of each order, in the state of its first.
const secondAttempt = `INSERT INTO payments.attempts (id, order_id, number, payment_key, account_id, idempotency_key, request_hash, toss_key, state, sent_at, next_at)
	SELECT gen_random_uuid(), order_id, 7, 'other-' || payment_key, account_id, 'other-' || idempotency_key, request_hash, 'other-' || toss_key, state, sent_at, next_at
	FROM payments.attempts`

// redemption is one of a coupon that is there, told with SQL.
func redemption(order, coupon, account string, won int) string {
	return fmt.Sprintf(`
		INSERT INTO coupons.redemptions (order_id, coupon_id, campaign_id, account_id, discount_won, state, created_at, updated_at)
		SELECT %s, %s, campaign_id, %s, %d, 'used', now(), now() FROM coupons.coupons ORDER BY id LIMIT 1;`, order, coupon, account, won)
}

func init() {
	for _, m := range config.Modules {
		violations[m+".events.versions"] = fmt.Sprintf(`
			INSERT INTO %[1]s.outbox (event_id, type, key, aggregate_version, occurred_at, published_at, data)
			VALUES (gen_random_uuid(), '%[1]s.planted.v1', (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid, 2, now(), now(), '{}')`, m)
		violations[m+".events.published"] = fmt.Sprintf(`
			INSERT INTO %[1]s.outbox (event_id, type, key, aggregate_version, occurred_at, data)
			VALUES (gen_random_uuid(), '%[1]s.planted.v1', gen_random_uuid(), 1, now() - interval '2 minutes', '{}')`, m)
		violations[m+".events.parked"] = fmt.Sprintf(`
			INSERT INTO %[1]s.parked (event_id, source, type, key, aggregate_version, occurred_at, data, reason, parked_at)
			VALUES (gen_random_uuid(), 'ordering', 'ordering.paid.v1', gen_random_uuid(), 1, now(), '', 'planted', now() - interval '2 days')`, m)
	}
	for _, m := range []string{"accounts", "catalog", "coupons", "ordering"} { // who hear others
		violations[m+".events.heard"] = `DELETE FROM ` + m + `.inbox`
	}
}
