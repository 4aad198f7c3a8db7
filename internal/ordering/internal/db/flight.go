package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/pg"
)

// The names by which the module knows its rows.
type (
	Order    = OrderingOrder
	Refund   = OrderingRefund
	Line     = OrderingOrderLine
	Moment   = OrderingOrderTimeline
	Preorder = OrderingPreorder
	CartLine = OrderingCartLine
)

// Flight runs one transaction in two round trips: look is sent with BEGIN, what write queues is sent with COMMIT. It returns
// after the server has committed. When write queues nothing, the transaction ends without a change.
func Flight(ctx context.Context, pool *pgxpool.Pool, look *pgx.Batch, write func() (*pgx.Batch, error)) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer pg.GiveBack(ctx, conn)

	begin := &pgx.Batch{}
	begin.Queue("BEGIN")
	begin.QueuedQueries = append(begin.QueuedQueries, look.QueuedQueries...)
	if err := conn.SendBatch(ctx, begin).Close(); err != nil {
		return err
	}
	end, err := write()
	if err != nil {
		return err
	}
	pg.QueueCommit(end)
	return conn.SendBatch(ctx, end).Close()
}

// Request is what names an order before it has an id.
type Request struct {
	AccountID uuid.UUID
	Operation string
	Key       string
}

// Bought names a counter of purchase_quotas: how many pieces of a product an account has or, under the drop's id, of a drop.
type Bought struct {
	AccountID uuid.UUID
	ProductID uuid.UUID
}

// Quota is how much is added to such a counter.
type Quota struct {
	Bought
	Quantity int64
}

// Seen is what has to be known of shoppers before their orders are taken. It is true while their locks are held.
type Seen struct {
	Orders map[Request]uuid.UUID
	Unpaid map[uuid.UUID]int64
	Bought map[Bought]int64
	Lapsed map[Bought]int64 // orders of drops that were not paid in time
}

const (
	// An index is right here however young the statistics are, and a planner that thinks otherwise costs a scan per flight.
	preferIndexes = `SET LOCAL enable_seqscan = off`

	makeShoppers = `
INSERT INTO ordering.shoppers (account_id) SELECT a FROM unnest($1::uuid[]) AS a ORDER BY a ON CONFLICT DO NOTHING`

	lockShoppers = `
SELECT 1 FROM ordering.shoppers WHERE account_id = ANY($1::uuid[]) ORDER BY account_id FOR UPDATE`

	ordersOfRequests = `
SELECT o.account_id, o.operation, o.idempotency_key, o.id
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (account_id, operation, idempotency_key)
JOIN ordering.orders o USING (account_id, operation, idempotency_key)`

	unpaidOfShoppers = `
SELECT account_id, count(*) FROM ordering.orders
WHERE account_id = ANY($1::uuid[]) AND unpaid GROUP BY account_id`

	boughtByShoppers = `
SELECT q.account_id, q.product_id, q.quantity
FROM unnest($1::uuid[], $2::uuid[]) AS w (account_id, product_id)
JOIN ordering.purchase_quotas q USING (account_id, product_id)
UNION ALL
SELECT r.account_id, COALESCE(o.drop_id, l.product_id), -l.quantity
FROM ordering.quota_returns r JOIN ordering.order_lines l USING (order_id) JOIN ordering.orders o ON o.id = r.order_id
WHERE r.account_id = ANY($3::uuid[])`

	lapsedOfShoppers = `
SELECT w.account_id, w.drop_id, (SELECT count(*) FROM ordering.orders o WHERE o.drop_id = w.drop_id AND o.account_id = w.account_id AND o.state = 'expired')
FROM unnest($1::uuid[], $2::uuid[]) AS w (account_id, drop_id)`
)

// OrdersOfRequests finds the orders of those requests that have one.
func OrdersOfRequests(ctx context.Context, db DBTX, requests []Request) (map[Request]uuid.UUID, error) {
	accounts, operations, keys := columns(requests)
	rows, err := db.Query(ctx, ordersOfRequests, accounts, operations, keys)
	if err != nil {
		return nil, err
	}
	return ordersBy(rows)
}

func columns(requests []Request) (accounts []uuid.UUID, operations, keys []string) {
	n := len(requests)
	accounts, operations, keys = make([]uuid.UUID, n), make([]string, n), make([]string, n)
	for i, r := range requests {
		accounts[i], operations[i], keys[i] = r.AccountID, r.Operation, r.Key
	}
	return accounts, operations, keys
}

func ordersBy(rows pgx.Rows) (map[Request]uuid.UUID, error) {
	orders := map[Request]uuid.UUID{}
	var r Request
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&r.AccountID, &r.Operation, &r.Key, &id}, func() error {
		orders[r] = id
		return nil
	})
	return orders, err
}

// LookAtShoppers locks the shoppers, in order, and then reads what they have. Each account is named once, and so is each of bought; drops
// are those of bought that are of a drop.
func LookAtShoppers(accounts []uuid.UUID, requests []Request, bought, drops []Bought) (*pgx.Batch, *Seen) {
	seen := &Seen{Unpaid: map[uuid.UUID]int64{}, Bought: map[Bought]int64{}, Lapsed: map[Bought]int64{}}
	b := &pgx.Batch{}
	b.Queue(preferIndexes)
	b.Queue(makeShoppers, accounts)
	b.Queue(lockShoppers, accounts)

	requesters, operations, keys := columns(requests)
	b.Queue(ordersOfRequests, requesters, operations, keys).Query(func(rows pgx.Rows) (err error) {
		seen.Orders, err = ordersBy(rows)
		return err
	})
	b.Queue(unpaidOfShoppers, accounts).Query(func(rows pgx.Rows) error {
		var account uuid.UUID
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&account, &n}, func() error {
			seen.Unpaid[account] = n
			return nil
		})
		return err
	})
	counted := func(into map[Bought]int64) func(rows pgx.Rows) error {
		return func(rows pgx.Rows) error {
			var w Bought
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&w.AccountID, &w.ProductID, &n}, func() error {
				into[w] += n
				return nil
			})
			return err
		}
	}
	buyers, products := pairs(bought)
	b.Queue(boughtByShoppers, buyers, products, accounts).Query(counted(seen.Bought))
	if len(drops) > 0 {
		buyers, ids := pairs(drops)
		b.Queue(lapsedOfShoppers, buyers, ids).Query(counted(seen.Lapsed))
	}
	return b, seen
}

func pairs(all []Bought) (accounts, products []uuid.UUID) {
	accounts, products = make([]uuid.UUID, len(all)), make([]uuid.UUID, len(all))
	for i, w := range all {
		accounts[i], products[i] = w.AccountID, w.ProductID
	}
	return accounts, products
}

const (
	insertOrders = `
INSERT INTO ordering.orders (id, number, account_id, state, items_won, shipping_won, total_won, due_won,
    recipient, phone, zipcode, line1, line2, operation, idempotency_key, request_hash,
    claimed_by, claimed_at, attend_at, created_at, updated_at, kind, drop_id, coupon_id, discount_won, points_won)
SELECT id, number, account_id, 'pending', items_won, shipping_won, total_won, due_won,
    recipient, phone, zipcode, line1, line2, operation, idempotency_key, request_hash,
    claimed_by, now(), attend_at, created_at, created_at, kind, NULLIF(drop_id, '00000000-0000-0000-0000-000000000000'),
    NULLIF(coupon_id, '00000000-0000-0000-0000-000000000000'), discount_won, points_won
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[],
    $16::uuid[], $17::timestamptz[], $18::timestamptz[], $19::text[], $20::uuid[], $21::uuid[], $22::bigint[], $23::bigint[])
  AS o (id, number, account_id, items_won, shipping_won, total_won, due_won,
    recipient, phone, zipcode, line1, line2, operation, idempotency_key, request_hash, claimed_by, attend_at, created_at,
    kind, drop_id, coupon_id, discount_won, points_won)`

	insertLines = `
INSERT INTO ordering.order_lines (order_id, position, product_id, name, brand, quantity, unit_price_won, discount_won)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[])`

	insertMoments = `
INSERT INTO ordering.order_timeline (order_id, step, at, from_state, to_state, actor_kind, actor_id)
SELECT order_id, step, at, from_state, to_state, actor_kind, NULLIF(actor_id, '00000000-0000-0000-0000-000000000000')
FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::uuid[])
  AS m (order_id, step, at, from_state, to_state, actor_kind, actor_id)`

	raiseQuotas = `
INSERT INTO ordering.purchase_quotas (account_id, product_id, quantity)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
ON CONFLICT (account_id, product_id) DO UPDATE SET quantity = purchase_quotas.quantity + EXCLUDED.quantity`

	placeOrders = `
WITH locked AS MATERIALIZED (
    SELECT id, state FROM ordering.orders WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
)
UPDATE ordering.orders o SET state = i.state, version = o.version + 1, step = o.step + 1, updated_at = $4,
    expires_at = i.expires_at, attend_at = i.expires_at, claimed_by = NULL, claimed_at = NULL
FROM locked l, unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS i (id, state, expires_at)
WHERE l.state = 'pending' AND o.id = l.id AND i.id = l.id
RETURNING o.id, o.version, o.step`
)

// QueueOrders inserts pending orders with their lines, which the caller has claimed, and stepped to 1 in the timeline.
func QueueOrders(b *pgx.Batch, orders []Order, lines []Line) {
	n := len(orders)
	ids, numbers, accounts := make([]uuid.UUID, n), make([]string, n), make([]uuid.UUID, n)
	items, shipping, total, due := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	recipients, phones, zipcodes := make([]string, n), make([]string, n), make([]string, n)
	line1, line2 := make([]string, n), make([]string, n)
	operations, keys, hashes := make([]string, n), make([]string, n), make([][]byte, n)
	claimants, attend, created := make([]uuid.UUID, n), make([]time.Time, n), make([]time.Time, n)
	kinds, drops, coupons := make([]string, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	discounts, points := make([]int64, n), make([]int64, n)
	for i, o := range orders {
		ids[i], numbers[i], accounts[i] = o.ID, o.Number, o.AccountID
		items[i], shipping[i], total[i], due[i] = o.ItemsWon, o.ShippingWon, o.TotalWon, o.DueWon
		recipients[i], phones[i], zipcodes[i] = o.Recipient, o.Phone, o.Zipcode
		line1[i], line2[i] = o.Line1, o.Line2
		operations[i], keys[i], hashes[i] = o.Operation, o.IdempotencyKey, o.RequestHash
		claimants[i], attend[i], created[i] = *o.ClaimedBy, *o.AttendAt, o.CreatedAt
		kinds[i], drops[i], coupons[i] = o.Kind, orZero(o.DropID), orZero(o.CouponID) // pgx is slow with arrays of pointers
		discounts[i], points[i] = o.DiscountWon, o.PointsWon
	}
	b.Queue(insertOrders, ids, numbers, accounts, items, shipping, total, due, recipients, phones, zipcodes, line1, line2,
		operations, keys, hashes, claimants, attend, created, kinds, drops, coupons, discounts, points)

	n = len(lines)
	orderIDs, positions, products := make([]uuid.UUID, n), make([]int32, n), make([]uuid.UUID, n)
	names, brands, quantities := make([]string, n), make([]string, n), make([]int64, n)
	prices, off := make([]int64, n), make([]int64, n)
	for i, l := range lines {
		orderIDs[i], positions[i], products[i] = l.OrderID, l.Position, l.ProductID
		names[i], brands[i], quantities[i] = l.Name, l.Brand, l.Quantity
		prices[i], off[i] = l.UnitPriceWon, l.DiscountWon
	}
	b.Queue(insertLines, orderIDs, positions, products, names, brands, quantities, prices, off)
}

func orZero(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// QueueMoments inserts rows of timelines.
func QueueMoments(b *pgx.Batch, moments []Moment) {
	n := len(moments)
	ids, steps, ats := make([]uuid.UUID, n), make([]int32, n), make([]time.Time, n)
	from, to, kinds, actors := make([]string, n), make([]string, n), make([]string, n), make([]uuid.UUID, n)
	for i, m := range moments {
		ids[i], steps[i], ats[i] = m.OrderID, m.Step, m.At
		from[i], to[i], kinds[i] = m.FromState, m.ToState, m.ActorKind
		actors[i] = orZero(m.ActorID)
	}
	b.Queue(insertMoments, ids, steps, ats, from, to, kinds, actors)
}

// QueueQuotas adds to the counters. Each is named once, and the locks of their shoppers are held.
func QueueQuotas(b *pgx.Batch, quotas []Quota) {
	n := len(quotas)
	accounts, products, quantities := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]int64, n)
	for i, q := range quotas {
		accounts[i], products[i], quantities[i] = q.AccountID, q.ProductID, q.Quantity
	}
	b.Queue(raiseQuotas, accounts, products, quantities)
}

// Placed is an order as it stands after [QueuePlaced].
type Placed struct {
	ID      uuid.UUID
	Version int64
	Step    int32
}

// QueuePlaced ends the placing of those orders that are still pending, and calls moved for each. An order that has nothing to
// be paid has no expiry.
func QueuePlaced(b *pgx.Batch, at time.Time, ids []uuid.UUID, states []string, expiries []*time.Time, moved func(Placed)) {
	b.Queue(preferIndexes)
	b.Queue(placeOrders, ids, states, expiries, at).Query(func(rows pgx.Rows) error {
		var p Placed
		_, err := pgx.ForEachRow(rows, []any{&p.ID, &p.Version, &p.Step}, func() error {
			moved(p)
			return nil
		})
		if err != nil {
			return fmt.Errorf("end the placing: %w", err)
		}
		return nil
	})
}
