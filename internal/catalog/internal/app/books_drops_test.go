package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
)

// A drop is behind the checkpoint, an open one and a closed one after it. What is wrong with these is found from there and from the
// beginning; what is wrong with the first one, which is closed, from the beginning.
func TestBooksOfDrops(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		sql  string
		want map[string]string // what is named, by invariant
		full bool              // from the beginning only
	}{
		"ItSaysTooMuch":            {sql: `UPDATE catalog.drops SET quantity = quantity + 1 WHERE id = @open`, want: map[string]string{"drops.sum": "open"}},
		"ItSaysTooLittle":          {sql: `UPDATE catalog.drops SET quantity = quantity - 1 WHERE id = @open`, want: map[string]string{"drops.sum": "open"}},
		"AClosedOneSaysTooMuch":    {sql: `UPDATE catalog.drops SET returned = returned - 1 WHERE id = @closed`, want: map[string]string{"drops.sum": "closed"}},
		"AnOldOneSaysTooMuch":      {sql: `UPDATE catalog.drops SET returned = returned - 1 WHERE id = @old`, want: map[string]string{"drops.sum": "old"}, full: true},
		"ASaleIsNotOnHand":         {sql: `UPDATE catalog.pools SET on_hand = on_hand - 1 WHERE id = @open`, want: map[string]string{"drops.sum": "open", "stock.on_hand": "open"}},
		"ReservedIsTooMuch":        {sql: `UPDATE catalog.pools SET reserved = reserved + 1 WHERE id = @open`, want: map[string]string{"stock.reserved": "open"}},
		"Oversold":                 {sql: `ALTER TABLE catalog.pools DROP CONSTRAINT pools_check; UPDATE catalog.pools SET reserved = 7 WHERE id = @open`, want: map[string]string{"stock.reserved": "open", "stock.left": "open"}},
		"TheOldHasPiecesAgain":     {sql: `UPDATE catalog.pools SET on_hand = on_hand + 1 WHERE id = @old; UPDATE catalog.drops SET returned = returned - 1 WHERE id = @old; INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, at) VALUES (@absent, @old, 'receive', 1, now())`, want: map[string]string{"drops.closed": "old"}},
		"ClosedAndNotEmptied":      {sql: `UPDATE catalog.drops SET closed = true WHERE id = @open`, want: map[string]string{"drops.closed": "open"}},
		"PiecesFromNowhere":        {sql: `DELETE FROM catalog.stock_movements WHERE drop_id = @open AND pool_id = @product; UPDATE catalog.pools SET on_hand = on_hand + 8 WHERE id = @product`, want: map[string]string{"drops.shifts": "open"}},
		"PiecesOfAnother":          {sql: `UPDATE catalog.stock_movements SET pool_id = @other WHERE drop_id = @open AND pool_id = @product; UPDATE catalog.pools SET on_hand = on_hand + CASE id WHEN @other THEN -8 ELSE 8 END WHERE id IN (@product, @other)`, want: map[string]string{"drops.shifts": "open"}},
		"PiecesOfAnotherBesides":   {sql: `INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, drop_id, at) VALUES (@absent, @other, 'set_aside', -1, @open, now()); UPDATE catalog.pools SET on_hand = on_hand - 1 WHERE id = @other`, want: map[string]string{"drops.shifts": "open"}},
		"AnOldOneGaveNothingBack":  {sql: `DELETE FROM catalog.stock_movements WHERE drop_id = @old AND pool_id = @product AND kind = 'set_back'; UPDATE catalog.pools SET on_hand = on_hand - 6 WHERE id = @product`, want: map[string]string{"drops.shifts": "old"}, full: true},
		"TheDropIsLost":            {sql: `DELETE FROM catalog.drops WHERE id = @open`, want: map[string]string{"drops.sum": "open", "drops.shifts": "open"}},
		"TheDropIsOfAnother":       {sql: `UPDATE catalog.drops SET product_id = @other WHERE id = @open`, want: map[string]string{"drops.sum": "open", "drops.shifts": "open"}},
		"ThePoolIsGeneralByItself": {sql: `UPDATE catalog.pools SET drop_id = @absent WHERE id = @open`, want: map[string]string{"drops.sum": "open"}},
		"TheLineIsOfAnother":       {sql: `UPDATE catalog.reservation_lines SET product_id = @other WHERE order_id = @used`, want: map[string]string{"holds.lines": "used"}},
		"ASaleIsLost":              {sql: `DELETE FROM catalog.stock_movements WHERE order_id = @used; UPDATE catalog.pools SET on_hand = on_hand + 2 WHERE id = @open; UPDATE catalog.products SET opening_sales = opening_sales + 2 WHERE id = @product`, want: map[string]string{"holds.sold": "used"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			product, other := s.product(50), s.product(50)
			// put sells two pieces of a drop of eight, has two given back and two held, and closes it.
			put := func(closed bool) (drop, used uuid.UUID) {
				drop = s.drop(product, 8)
				used = orderID()
				returned, gone := orderID(), orderID()
				for _, order := range []uuid.UUID{used, returned, gone} {
					_, err := s.reserveDrop(0, order, drop, catalog.Line{ProductID: product, Quantity: 2})
					require.NoError(t, err)
				}
				s.use(used)
				s.use(returned)
				if closed {
					_, err := s.close(0, drop)
					require.NoError(t, err)
				}
				require.NoError(t, s.release(0, returned))
				require.NoError(t, s.release(1, gone))
				if !closed {
					_, err := s.reserveDrop(0, orderID(), drop, catalog.Line{ProductID: product, Quantity: 2})
					require.NoError(t, err)
				}
				return drop, used
			}
			old, _ := put(true)
			require.NoError(t, s.service().PublishChanges(t.Context()))
			s.exec(older)
			wrong, from := s.looked(nil)
			require.Empty(t, wrong)
			closed, _ := put(true)
			open, used := put(false)
			wrong, _ = s.looked(from)
			require.Empty(t, wrong)

			ids := map[string]uuid.UUID{"product": product, "other": other, "open": open, "closed": closed, "old": old, "used": used, "absent": orderID()}
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
				require.NotContains(t, wrong, "drops.sum", "what is behind the checkpoint is not looked at")
				require.NotContains(t, wrong, "drops.shifts")
				from = nil
			}
			wrong, _ = s.looked(from)
			require.Equal(t, want, wrong)
			wrong, _ = s.looked(nil)
			require.Equal(t, want, wrong, "from the beginning")
		})
	}
}
