package app_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
)

// hearRefund says that goods of the order came back, and can be sold again.
func (s *shop) hearRefund(order, refund uuid.UUID, returned ...ordering.ReturnedLine) error {
	s.t.Helper()
	return s.hearRefunded(ordering.Refunded{Change: ordering.Change{OrderID: order}, Refund: ordering.Refund{RefundID: refund, Restock: true, Returned: returned}})
}

func (s *shop) hearRefunded(e ordering.Refunded) error {
	s.t.Helper()
	data, err := json.Marshal(e)
	require.NoError(s.t, err)
	subs := app.Subscriptions(s.service())
	sub := subs[slices.IndexFunc(subs, func(sub bus.Subscription) bool { return sub.Type == e.EventType() })]
	return pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error {
		return sub.Handle(s.t.Context(), tx, bus.Envelope{Type: e.EventType(), Key: e.OrderID, Data: data})
	})
}

func (s *shop) refund(instance int, order, refund uuid.UUID, returned ...ordering.ReturnedLine) {
	s.t.Helper()
	require.NoError(s.t, s.hearRefund(order, refund, returned...))
	require.NoError(s.t, s.instances[instance%2].Settle(s.t.Context()))
}

func TestReturns(t *testing.T) {
	t.Parallel()

	back := func(product uuid.UUID, quantity int64) ordering.ReturnedLine {
		return ordering.ReturnedLine{ProductID: product, Quantity: quantity}
	}
	// bought is a shop that has sold three of the first product, and its last one of the other, to one order.
	bought := func(t *testing.T) (s *shop, order, product, other uuid.UUID) {
		t.Helper()
		s, order = owned(t), orderID()
		product, other = s.product(10), s.product(1)
		_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 3}, catalog.Line{ProductID: other, Quantity: 1})
		require.NoError(t, err)
		s.use(order)
		return s, order, product, other
	}

	t.Run("GoBackOnHand", func(t *testing.T) {
		t.Parallel()

		s, order, product, other := bought(t)
		check := func() error {
			_, err := s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{{ProductID: other, Quantity: 1}}})
			return err
		}
		require.ErrorIs(t, check(), catalog.ErrOutOfStock)
		first, second := uuid.New(), uuid.New()
		s.refund(0, order, first, back(product, 1), back(other, 1), back(product, 1))
		require.Equal(t, []stock{{9, 0}, {1, 0}}, []stock{s.stock(product), s.stock(other)})
		require.NoError(t, check(), "what comes back here is on sale at once")
		s.refund(1, order, second, back(product, 1))
		require.Equal(t, stock{10, 0}, s.stock(product))
		require.EqualValues(t, 3, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE order_id = $1 AND kind = 'return'`, order))
		held, err := s.service().Holds(t.Context(), catalog.HoldsInput{OrderIDs: []uuid.UUID{order}})
		require.NoError(t, err)
		require.Equal(t, catalog.Used, held.Items[0].State, "it stays so")
		s.sound()
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.Zero(t, s.count(`SELECT sum(sales_count) FROM catalog.products`))
		s.sound()
	})

	t.Run("OnceForEachRefund", func(t *testing.T) {
		t.Parallel()

		s, order, product, other := bought(t)
		refund := uuid.New()
		for range 2 {
			require.NoError(t, s.hearRefund(order, refund, back(product, 1), back(other, 1)))
		}
		require.NoError(t, s.service().Settle(t.Context()))
		s.refund(1, order, refund, back(product, 1), back(other, 1))
		require.Equal(t, []stock{{8, 0}, {1, 0}}, []stock{s.stock(product), s.stock(other)})
		s.sound()
	})

	t.Run("OnlyWhatCanBeSoldAgain", func(t *testing.T) {
		t.Parallel()

		s, order, product, _ := bought(t)
		e := ordering.Refunded{Change: ordering.Change{OrderID: order}, Refund: ordering.Refund{RefundID: uuid.New(), Returned: []ordering.ReturnedLine{back(product, 1)}}}
		require.NoError(t, s.hearRefunded(e))
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.settlements`))
	})

	t.Run("NeverMoreThanWasBought", func(t *testing.T) {
		t.Parallel()

		s, order, product, other := bought(t)
		strange, unpaid := s.product(5), orderID()
		_, err := s.reserve(0, unpaid, catalog.Line{ProductID: product, Quantity: 1})
		require.NoError(t, err)
		s.refund(0, order, uuid.New(), back(product, 2))
		s.refund(0, order, uuid.New(), back(product, 2), back(strange, 1), back(other, 2))
		s.refund(0, unpaid, uuid.New(), back(product, 1))
		require.Equal(t, []stock{{9, 1}, {0, 0}, {5, 0}}, []stock{s.stock(product), s.stock(other), s.stock(strange)})
		require.ErrorIs(t, s.hearRefund(orderID(), uuid.New(), back(product, 1)), catalog.ErrNoReservation)
		s.sound()
	})

	t.Run("OfADropGoWhereItsPiecesGo", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product, drop, order := s.product(10), uuid.New(), orderID()
		_, err := s.service().SetDrop(t.Context(), setting(drop, product, 4))
		require.NoError(t, err)
		_, err = s.reserveDrop(0, order, drop, catalog.Line{ProductID: product, Quantity: 3})
		require.NoError(t, err)
		s.use(order)
		s.refund(0, order, uuid.New(), back(product, 1))
		require.Equal(t, []stock{{6, 0}, {2, 0}}, []stock{s.stock(product), s.stock(drop)}, "it is open")
		_, err = s.close(0, drop)
		require.NoError(t, err)
		s.refund(1, order, uuid.New(), back(product, 2))
		require.Equal(t, []stock{{10, 0}, {0, 0}}, []stock{s.stock(product), s.stock(drop)})
		s.sound()
	})
}
