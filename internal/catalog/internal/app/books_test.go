package app_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/db/migrations"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/books"
)

// older moves everything that is there an hour back, behind the next checkpoint.
const older = `
CREATE FUNCTION public.older(id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - 3600000), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid
$$;
UPDATE catalog.stock_movements SET id = older(id), order_id = older(order_id);
UPDATE catalog.reservations SET order_id = older(order_id);
UPDATE catalog.reservation_lines SET order_id = older(order_id);
DROP FUNCTION public.older;`

func (s *shop) exec(sql string) {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), sql)
	require.NoError(s.t, err)
}

// looked is what each invariant says from its checkpoint, or from the beginning, and the next checkpoints.
func (s *shop) looked(from map[string]string) (wrong map[string][]string, through map[string]string) {
	s.t.Helper()
	wrong, through = map[string][]string{}, map[string]string{}
	for _, i := range app.Books(s.service()) {
		found, err := i.Check(s.t.Context(), from[i.Name])
		require.NoError(s.t, err, i.Name)
		through[i.Name] = found.Through
		for _, m := range found.Wrong {
			wrong[i.Name] = append(wrong[i.Name], m.Subject)
		}
		slices.Sort(wrong[i.Name])
	}
	return wrong, through
}

// sound fails the test unless every invariant of the books holds.
func (s *shop) sound() {
	s.t.Helper()
	wrong, _ := s.looked(nil)
	require.Empty(s.t, wrong)
}

func TestBooks(t *testing.T) {
	t.Parallel()

	// medusa#16569 (T1): every entry to the stock at once.
	t.Run("BalanceAfterAnyWork", func(t *testing.T) {
		t.Parallel()

		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		s := owned(t)
		products := []uuid.UUID{s.product(30), s.product(30), s.product(3)}
		var from map[string]string
		for range 3 {
			work(s, random, products)
			for range 2 { // the second look meets what was too young for the first one's checkpoint
				var wrong map[string][]string
				wrong, from = s.looked(from)
				require.Empty(t, wrong)
			}
			s.exec(older)
			var wrong map[string][]string
			wrong, from = s.looked(nil)
			require.Empty(t, wrong)
		}
	})

	// A later seeding, or a transaction that took too long, puts rows behind the checkpoint: that is no mismatch.
	t.Run("WhatComesLateIsSound", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product := s.product(10)
		s.exec(older)
		_, from := s.looked(nil)
		s.exec(strings.ReplaceAll(`
			UPDATE catalog.pools SET on_hand = on_hand + 5 WHERE id = @product;
			INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, at) VALUES ('01800000-0000-7000-8000-000000000000', @product, 'receive', 5, now())`,
			"@product", "'"+product.String()+"'"))
		for range 2 {
			var wrong map[string][]string
			wrong, from = s.looked(from)
			require.Empty(t, wrong)
		}
	})

	// A shop that sold before its sales had a beginning: some are published, some on their way, some given back.
	t.Run("OfAShopFromBefore", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product, other := s.product(50), s.product(50)
		for i := range 3 {
			order := orderID()
			_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 2})
			require.NoError(t, err)
			s.use(order)
			if i == 1 {
				err := s.release(0, order)
				require.NoError(t, err)
				require.NoError(t, s.service().PublishChanges(t.Context()))
			}
		}
		s.exec(`
			UPDATE catalog.products SET sales_count = sales_count + 7;
			ALTER TABLE catalog.settlements DROP COLUMN asked_at;
			ALTER TABLE catalog.product_marks DROP COLUMN marked_at;
			ALTER TABLE catalog.products DROP COLUMN opening_sales`)
		migration, err := migrations.FS.ReadFile("0009_catalog_books.sql")
		require.NoError(t, err)
		s.exec(string(migration))
		for _, id := range []uuid.UUID{product, other} {
			require.EqualValues(t, 7, s.count(`SELECT opening_sales FROM catalog.products WHERE id = $1`, id))
		}
		s.sound()
		require.NoError(t, s.service().PublishChanges(t.Context()))
		s.sound()
	})

	// What is too much for one look is gone through by several, each from where the last one ended.
	t.Run("CatchUp", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product := s.product(20_000)
		s.exec(strings.ReplaceAll(`
			CREATE TABLE public.sold AS
			SELECT n, (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 7200000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id
			FROM generate_series(1, 12000) n;
			INSERT INTO catalog.reservations SELECT id, 'used', now(), now() FROM public.sold;
			INSERT INTO catalog.reservation_lines SELECT id, @product, @product, 1 FROM public.sold;
			INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, order_id, at) SELECT id, @product, 'sell', -1, id, now() FROM public.sold;
			UPDATE catalog.pools SET on_hand = on_hand - 12000;
			UPDATE catalog.products SET sales_count = 12000`, "@product", "'"+product.String()+"'"))
		s.sound()
		s.exec(`DELETE FROM catalog.reservation_lines WHERE order_id = (SELECT id FROM public.sold WHERE n = 11000)`)
		for _, i := range app.Books(s.service()) {
			if !strings.HasPrefix(i.Name, "holds.") {
				continue
			}
			var from string
			for look := range 3 {
				found, err := i.Check(books.Hurried(t.Context()), from)
				require.NoError(t, err)
				require.NotZero(t, found.Looked)
				require.Less(t, found.Looked, int64(12_000))
				require.NotEqual(t, from, found.Through, "it goes on")
				require.Equal(t, look == 2, len(found.Wrong) == 1, "%s, look %d: %v", i.Name, look, found.Wrong)
				from = found.Through
			}
		}
	})

	t.Run("OfADemoShop", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		require.NoError(t, seed.Fill(t.Context(), s.pool, 100, nil))
		wrong, from := s.looked(nil)
		require.Empty(t, wrong)
		require.NoError(t, seed.Fill(t.Context(), s.pool, 200, nil))
		require.NotZero(t, s.count(`SELECT sum(sales_count) FROM catalog.products`))
		for range 2 {
			wrong, from = s.looked(from)
			require.Empty(t, wrong)
		}
	})

	// One order in each state is behind the checkpoint, one after it. Whatever is wrong with the latter is found from there; what is
	// wrong with the former is found from the beginning, and from there where it says so.
	for name, c := range map[string]struct {
		sql  string
		want map[string]string // what is named, by invariant
		full bool              // from the beginning only
	}{
		"OnHandIsTooMuch":        {sql: `UPDATE catalog.pools SET on_hand = on_hand + 1 WHERE id = @product`, want: map[string]string{"stock.on_hand": "product"}},
		"AMovementIsLost":        {sql: `DELETE FROM catalog.stock_movements WHERE id = (SELECT id FROM catalog.stock_movements WHERE pool_id = @product AND kind = 'receive' ORDER BY id DESC LIMIT 1)`, want: map[string]string{"stock.on_hand": "product"}},
		"AMovementIsOldAndLost":  {sql: `DELETE FROM catalog.stock_movements WHERE id = (SELECT id FROM catalog.stock_movements WHERE pool_id = @product AND kind = 'receive' ORDER BY id LIMIT 1)`, want: map[string]string{"stock.on_hand": "product"}, full: true},
		"TwoErrorsCancelOut":     {sql: `UPDATE catalog.pools SET on_hand = on_hand + CASE WHEN id = @product THEN 1 ELSE -1 END`, want: map[string]string{"stock.on_hand": "other product"}},
		"TheMovementIsOfNoPool":  {sql: `INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, at) VALUES (@absent, @absent, 'receive', 1, now())`, want: map[string]string{"stock.on_hand": "absent"}},
		"ReservedIsTooMuch":      {sql: `UPDATE catalog.pools SET reserved = reserved + 1 WHERE id = @product`, want: map[string]string{"stock.reserved": "product"}},
		"ReservedIsTooLittle":    {sql: `UPDATE catalog.pools SET reserved = reserved - 1 WHERE id = @product`, want: map[string]string{"stock.reserved": "product"}},
		"TheHoldIsOfNoPool":      {sql: `INSERT INTO catalog.reservations VALUES (@absent, 'held', now(), now()); INSERT INTO catalog.reservation_lines VALUES (@absent, @absent, @absent, 1)`, want: map[string]string{"stock.reserved": "absent", "holds.lines": "absent"}},
		"Oversold":               {sql: `ALTER TABLE catalog.pools DROP CONSTRAINT pools_check; INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, at) VALUES (@absent, @product, 'adjust', -1000, now()); UPDATE catalog.pools SET on_hand = on_hand - 1000 WHERE id = @product`, want: map[string]string{"stock.left": "product"}},
		"ReservedIsNegative":     {sql: `ALTER TABLE catalog.pools DROP CONSTRAINT pools_check; UPDATE catalog.pools SET reserved = -1 WHERE id = @product`, want: map[string]string{"stock.left": "product", "stock.reserved": "product"}},
		"TheReservationIsLost":   {sql: `DELETE FROM catalog.reservations WHERE order_id = @used`, want: map[string]string{"holds.lines": "used", "holds.sold": "used"}},
		"TheLinesAreLost":        {sql: `DELETE FROM catalog.reservation_lines WHERE order_id = @used`, want: map[string]string{"holds.lines": "used", "holds.sold": "used"}},
		"TheLineIsOfAnother":     {sql: `UPDATE catalog.reservation_lines SET product_id = @other WHERE order_id = @used AND pool_id = @product`, want: map[string]string{"holds.lines": "used"}},
		"ASaleIsLost":            {sql: `DELETE FROM catalog.stock_movements WHERE order_id = @used AND pool_id = @product; UPDATE catalog.pools SET on_hand = on_hand + 2 WHERE id = @product; UPDATE catalog.products SET opening_sales = opening_sales + 2 WHERE id = @product`, want: map[string]string{"holds.sold": "used"}},
		"AllSalesAreLost":        {sql: `DELETE FROM catalog.stock_movements WHERE order_id = @used; UPDATE catalog.pools SET on_hand = on_hand + 2; UPDATE catalog.products SET opening_sales = opening_sales + 2`, want: map[string]string{"holds.sold": "used"}},
		"OneIsSoldTooMuch":       {sql: `UPDATE catalog.stock_movements SET quantity = quantity - 1 WHERE order_id = @used AND pool_id = @product; UPDATE catalog.pools SET on_hand = on_hand - 1 WHERE id = @product; UPDATE catalog.products SET sales_count = sales_count + 1 WHERE id = @product`, want: map[string]string{"holds.sold": "used"}},
		"SoldWhileHeld":          {sql: `UPDATE catalog.reservations SET state = 'held' WHERE order_id = @used; UPDATE catalog.pools SET reserved = reserved + 2`, want: map[string]string{"holds.sold": "used"}},
		"NotPutBack":             {sql: `DELETE FROM catalog.stock_movements WHERE order_id = @returned AND kind = 'restock'; UPDATE catalog.pools SET on_hand = on_hand - 2; UPDATE catalog.products SET sales_count = sales_count + 2`, want: map[string]string{"holds.sold": "returned"}},
		"PutBackTwice":           {sql: `DROP INDEX catalog.stock_movements_order_idx; INSERT INTO catalog.stock_movements SELECT @absent, pool_id, kind, quantity, reason, order_id, NULL, NULL, NULL, at FROM catalog.stock_movements WHERE order_id = @returned AND kind = 'restock' AND pool_id = @product; UPDATE catalog.pools SET on_hand = on_hand + 2 WHERE id = @product; UPDATE catalog.products SET opening_sales = opening_sales + 2 WHERE id = @product`, want: map[string]string{"holds.sold": "returned"}},
		"PutBackByHalf":          {sql: `DELETE FROM catalog.stock_movements WHERE order_id = @returned AND pool_id = @product; UPDATE catalog.products SET updated_at = now()`, want: map[string]string{"holds.sold": "returned"}},
		"ReturnedTooMuch":        {sql: `UPDATE catalog.stock_movements SET quantity = quantity + 2 WHERE order_id = @refunded AND kind = 'return' AND pool_id = @product; UPDATE catalog.pools SET on_hand = on_hand + 2 WHERE id = @product; UPDATE catalog.products SET opening_sales = opening_sales + 2 WHERE id = @product`, want: map[string]string{"holds.sold": "refunded"}},
		"ReturnedByNobody":       {sql: `DELETE FROM catalog.stock_movements WHERE order_id = @refunded AND kind = 'return' AND pool_id = @product`, want: map[string]string{"stock.on_hand": "product", "documents.sales": "product"}},
		"ReturnedAndPutBack":     {sql: `UPDATE catalog.reservations SET state = 'released' WHERE order_id = @refunded`, want: map[string]string{"holds.sold": "refunded"}},
		"SoldWithoutAnOrder":     {sql: `INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, order_id, at) VALUES (@absent, @product, 'sell', -1, @absent, now()); UPDATE catalog.pools SET on_hand = on_hand - 1 WHERE id = @product; UPDATE catalog.products SET sales_count = sales_count + 1 WHERE id = @product`, want: map[string]string{"holds.sold": "absent"}},
		"UsedLongAgoNotSold":     {sql: `UPDATE catalog.reservations SET state = 'used' WHERE order_id = @old; UPDATE catalog.pools SET reserved = reserved - 2`, want: map[string]string{"holds.sold": "old"}},
		"AnEventIsNotSettled":    {sql: `INSERT INTO catalog.settlements (order_id, action, asked_at) VALUES (@used, 'release', now() - interval '61 seconds')`, want: map[string]string{"settlements.done": "used"}},
		"AMarkIsNotPublished":    {sql: `INSERT INTO catalog.product_marks (product_id, marked_at) VALUES (@product, now() - interval '61 seconds')`, want: map[string]string{"documents.published": "product"}},
		"TheDocumentSoldTooMuch": {sql: `UPDATE catalog.products SET sales_count = sales_count + 1 WHERE id = @product`, want: map[string]string{"documents.sales": "product"}},
		"AMarkIsLost":            {sql: `DELETE FROM catalog.product_marks WHERE product_id = @product AND sold <> 0`, want: map[string]string{"documents.sales": "product"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			product, other := s.product(50), s.product(50)
			put := func() (used, returned, refunded uuid.UUID) {
				used, returned, refunded = orderID(), orderID(), orderID()
				for _, order := range []uuid.UUID{orderID(), used, returned, refunded} {
					_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 2}, catalog.Line{ProductID: other, Quantity: 2})
					require.NoError(t, err)
				}
				s.use(used)
				s.use(returned)
				err := s.release(0, returned)
				require.NoError(t, err)
				err = s.release(0, orderID()) // a tombstone
				require.NoError(t, err)
				s.use(refunded)
				s.refund(0, refunded, uuid.New(), ordering.ReturnedLine{ProductID: product, Quantity: 1}, ordering.ReturnedLine{ProductID: other, Quantity: 2})
				return used, returned, refunded
			}
			put()
			require.NoError(t, s.service().PublishChanges(t.Context()))
			s.exec(older)
			wrong, from := s.looked(nil)
			require.Empty(t, wrong)
			s.move(product, "receive", 1)
			used, returned, refunded := put()
			wrong, _ = s.looked(from)
			require.Empty(t, wrong)

			var old uuid.UUID
			err := s.pool.QueryRow(t.Context(), `SELECT order_id FROM catalog.reservations WHERE state = 'held' ORDER BY order_id LIMIT 1`).Scan(&old)
			require.NoError(t, err)
			ids := map[string]uuid.UUID{"product": product, "other": other, "used": used, "returned": returned, "refunded": refunded, "absent": orderID(), "old": old}
			sql := c.sql
			for name, id := range ids {
				sql = strings.ReplaceAll(sql, "@"+name, "'"+id.String()+"'")
			}
			s.exec(sql)
			want := map[string][]string{}
			for invariant, what := range c.want {
				for _, name := range strings.Fields(what) {
					want[invariant] = append(want[invariant], ids[name].String())
				}
				slices.Sort(want[invariant])
			}
			if c.full {
				wrong, _ = s.looked(from)
				require.Empty(t, wrong, "what is behind the checkpoint is not looked at")
				from = nil
			}
			wrong, _ = s.looked(from)
			require.Equal(t, want, wrong)
			wrong, _ = s.looked(nil)
			require.Equal(t, want, wrong, "from the beginning")
		})
	}
}

// work lets many orders come and go at once, in two instances, while an admin moves the stock.
func work(s *shop, random *rand.Rand, products []uuid.UUID) {
	s.t.Helper()
	var wg sync.WaitGroup
	var paidFor, gone []uuid.UUID
	for i := range 60 {
		order := orderID()
		var lines []catalog.Line
		for range 1 + random.IntN(2) {
			lines = append(lines, catalog.Line{ProductID: products[random.IntN(len(products))], Quantity: 1 + random.Int64N(2)})
		}
		switch random.IntN(4) {
		case 0:
			paidFor = append(paidFor, order)
		case 1:
			gone = append(gone, order)
		case 2:
			paidFor, gone = append(paidFor, order), append(gone, order)
		}
		product, by := products[random.IntN(len(products))], random.Int64N(7)-2
		wg.Go(func() { _, _ = s.reserve(i, order, lines...) })
		if by != 0 {
			wg.Go(func() { _, _, _ = s.tryMove(s.ctx, product, app.KindAdjust, by) })
		}
	}
	wg.Wait()
	for _, order := range paidFor {
		_ = s.hear(paid, order) // an order without a hold is parked
	}
	for i, order := range gone {
		wg.Go(func() { _ = s.release(i, order) })
	}
	for i := range 2 {
		wg.Go(func() { _ = s.instances[i].Settle(s.t.Context()) })
	}
	wg.Wait()
	require.NoError(s.t, s.service().Settle(s.t.Context()))
	if random.IntN(2) == 0 {
		require.NoError(s.t, s.service().PublishChanges(s.t.Context()))
	}
}
