package app_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

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

	// PrestaShop#19100 (T29): pieces stayed reserved for orders that had ended. original 31: giving back twice added twice.
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
				if err := s.release(i, orders[i*2]); err != nil {
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
