package app_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog"
)

func TestSettle(t *testing.T) {
	t.Parallel()

	t.Run("PaidIsSold", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		a, b := s.product(20), s.product(30)
		order := uuid.New()
		_, err := s.reserve(0, order, catalog.Line{ProductID: a, Quantity: 2}, catalog.Line{ProductID: b, Quantity: 3})
		require.NoError(t, err)
		for range 3 { // at least once, so more than once
			s.use(order)
		}
		require.Equal(t, stock{18, 0}, s.stock(a))
		require.Equal(t, stock{27, 0}, s.stock(b))
		require.EqualValues(t, 2, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE order_id = $1 AND kind = 'sell'`, order))
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.EqualValues(t, 2, s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, a))
		require.EqualValues(t, 3, s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, b))
		s.books()

		for range 2 { // canceled before it was sent
			require.NoError(t, s.hear(canceled, order))
			require.NoError(t, s.service().Settle(t.Context()))
		}
		require.Equal(t, stock{20, 0}, s.stock(a))
		require.EqualValues(t, 2, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE order_id = $1 AND kind = 'restock'`, order))
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.Zero(t, s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, a))
		s.books()
	})

	t.Run("EndedGivesBack", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		for _, event := range []string{rejected, expired, canceled} {
			order := uuid.New()
			_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 4})
			require.NoError(t, err)
			require.NoError(t, s.hear(event, order))
			require.NoError(t, s.service().Settle(t.Context()))
			require.Equal(t, stock{10, 0}, s.stock(product))
			_, err = s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 4})
			require.ErrorIs(t, err, catalog.ErrReservationReleased)
		}
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.stock_movements`), "what was only held is not in the ledger")
		s.books()
	})

	t.Run("PaidWithoutAHoldIsParked", func(t *testing.T) {
		t.Parallel()

		require.ErrorIs(t, setup(t).hear(paid, uuid.New()), catalog.ErrNoReservation)
	})

	t.Run("ManyAtOnceInTwoPlaces", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		products := []uuid.UUID{s.product(2000), s.product(2000)}
		var wg sync.WaitGroup
		orders := make([]uuid.UUID, 600)
		for i := range orders {
			orders[i] = uuid.New()
			wg.Go(func() {
				a, b := products[i%2], products[(i+1)%2]
				if _, err := s.reserve(i, orders[i], catalog.Line{ProductID: a, Quantity: 1}, catalog.Line{ProductID: b, Quantity: 1}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// What the bus does: many events in one transaction.
		require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO catalog.settlements (order_id, action) SELECT unnest($1::uuid[]), 'use'`, orders)
			return err
		}))
		for i := range 4 { // settlers, while half of the orders are given up by a call
			wg.Go(func() {
				if err := s.instances[i%2].Settle(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range 300 {
			wg.Go(func() {
				if _, err := s.release(i, orders[i*2]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, stock{1700, 0}, s.stock(products[0]))
		require.Equal(t, stock{1700, 0}, s.stock(products[1]))
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.settlements`))
		s.books()
	})
}

// TestHoldsAgainstModel plays calls and events in any order against a map.
func TestHoldsAgainstModel(t *testing.T) {
	t.Parallel()

	s := setup(t)
	type modelOrder struct {
		state string
		lines map[uuid.UUID]int64
	}
	rapid.Check(t, func(rt *rapid.T) {
		products := []uuid.UUID{s.product(12), s.product(5)}
		model := map[uuid.UUID]*stock{products[0]: {12, 0}, products[1]: {5, 0}}
		orders := map[uuid.UUID]*modelOrder{}
		ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
		anyOrder := rapid.SampledFrom(ids)
		settle := func(rt *rapid.T, event string, id uuid.UUID) {
			if err := s.hear(event, id); err != nil {
				rt.Fatalf("hear %s: %v", event, err)
			}
			if err := s.service().Settle(t.Context()); err != nil {
				rt.Fatalf("settle: %v", err)
			}
		}
		end := func(id uuid.UUID) {
			o := orders[id]
			if o == nil {
				orders[id] = &modelOrder{state: "released"}
				return
			}
			for p, q := range o.lines {
				switch o.state {
				case "held":
					model[p].reserved -= q
				case "used":
					model[p].onHand += q
				}
			}
			o.state = "released"
		}
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": func(rt *rapid.T) {
				id := anyOrder.Draw(rt, "order")
				lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) catalog.Line {
					return catalog.Line{ProductID: rapid.SampledFrom(products).Draw(rt, "product"), Quantity: rapid.Int64Range(1, 6).Draw(rt, "quantity")}
				}), 1, 3).Draw(rt, "lines")
				want, o := error(nil), orders[id]
				if o == nil {
					sum := map[uuid.UUID]int64{}
					for _, l := range lines {
						sum[l.ProductID] += l.Quantity
					}
					for p, q := range sum {
						if model[p].onHand-model[p].reserved < q {
							want = catalog.ErrOutOfStock
						}
					}
					if want == nil {
						o = &modelOrder{state: "held", lines: sum}
						orders[id] = o
						for p, q := range sum {
							model[p].reserved += q
						}
					}
				} else if o.state == "released" {
					want = catalog.ErrReservationReleased
				}
				got, err := s.reserve(rapid.IntRange(0, 1).Draw(rt, "instance"), id, lines...)
				if !errors.Is(err, want) || want == nil && (err != nil || string(got.State) != o.state) {
					rt.Fatalf("reserve: %v %v, want %v", got, err, want)
				}
			},
			"release": func(rt *rapid.T) {
				id := anyOrder.Draw(rt, "order")
				if _, err := s.release(rapid.IntRange(0, 1).Draw(rt, "instance"), id); err != nil {
					rt.Fatalf("release: %v", err)
				}
				end(id)
			},
			"expired": func(rt *rapid.T) {
				id := anyOrder.Draw(rt, "order")
				settle(rt, expired, id)
				end(id)
			},
			"paid": func(rt *rapid.T) {
				known := slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return orders[id] == nil })
				if len(known) == 0 {
					return
				}
				id := rapid.SampledFrom(known).Draw(rt, "order")
				settle(rt, paid, id)
				if o := orders[id]; o.state == "held" {
					o.state = "used"
					for p, q := range o.lines {
						model[p].reserved -= q
						model[p].onHand -= q
					}
				}
			},
			"move": func(rt *rapid.T) {
				p := rapid.SampledFrom(products).Draw(rt, "product")
				by := rapid.Int64Range(-6, 6).Filter(func(n int64) bool { return n != 0 }).Draw(rt, "by")
				_, _, err := s.tryMove(s.ctx, p, "adjust", by)
				if model[p].onHand+by < model[p].reserved {
					if !errors.Is(err, catalog.ErrStockBelowReserved) {
						rt.Fatalf("move below what is reserved: %v", err)
					}
					return
				}
				if err != nil {
					rt.Fatalf("move: %v", err)
				}
				model[p].onHand += by
			},
			"": func(rt *rapid.T) {
				for _, p := range slices.Collect(maps.Keys(model)) {
					if got := s.stock(p); got != *model[p] {
						rt.Fatalf("%s: %v, want %v", p, got, *model[p])
					}
				}
				s.books()
			},
		})
	})
}

func TestProductChanged(t *testing.T) {
	t.Parallel()

	s := setup(t)
	product := s.product(40)
	publish := func() {
		t.Helper()
		require.NoError(t, s.service().PublishChanges(t.Context()))
	}
	versions := func() string {
		t.Helper()
		var version, docVersion, events int64
		err := s.pool.QueryRow(t.Context(), `
			SELECT p.version, p.doc_version, (SELECT count(*) FROM catalog.outbox WHERE key = p.id)
			FROM catalog.products p WHERE p.id = $1`, product).Scan(&version, &docVersion, &events)
		require.NoError(t, err)
		require.Equal(t, version, events, "each version is an event")
		return fmt.Sprint(version, docVersion)
	}
	publish()
	before := versions()

	_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 5})
	require.NoError(t, err)
	publish()
	require.Equal(t, before, versions(), "35 of 40 left: shoppers see no change")

	for range 10 { // one after the other, past the line at 10 and the one at 0
		_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 3})
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.product_marks WHERE product_id = $1`, product))
	_, err = s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 5})
	require.NoError(t, err)
	require.EqualValues(t, 2, s.count(`SELECT count(*) FROM catalog.product_marks WHERE product_id = $1`, product))
	publish()
	after := versions()
	require.NotEqual(t, before, after)
	require.Equal(t, "4 4", after, "made, published, restocked, and once for low and sold out together")
	publish()
	require.Equal(t, after, versions())

	var event, contiguous string
	err = s.pool.QueryRow(t.Context(), `SELECT data::text, (SELECT string_agg(aggregate_version::text, ' ' ORDER BY id) FROM catalog.outbox WHERE key = $1)
		FROM catalog.outbox WHERE key = $1 ORDER BY id DESC LIMIT 1`, product).Scan(&event, &contiguous)
	require.NoError(t, err)
	require.Equal(t, "1 2 3 4", contiguous)
	require.JSONEq(t, fmt.Sprintf(`{"product_id":%q,"version":4,"doc_version":4,"at":"2026-01-02T03:04:05.678Z"}`, product), event)
}
