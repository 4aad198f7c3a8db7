package app_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/bus"
)

// The bus hears of many refunds in one transaction, in the order in which they came, and holds the orders of all of them. Their
// shoppers order and cancel meanwhile as if it were not there: nobody waits for a lock, so nobody can wait for ever
// (magento2#39417: lock order differs, and orders are lost to deadlocks).
func TestNobodyWaitsForTheBus(t *testing.T) {
	t.Parallel()

	s := setup(t)
	shirt := s.catalog.sell("셔츠", 12_900, 100)
	accounts := make([]uuid.UUID, 4)
	refunded, kept := make([]uuid.UUID, len(accounts)), make([]uuid.UUID, len(accounts))
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
	for i := range accounts {
		accounts[i] = uuid.New()
		refunded[i], kept[i] = s.paid(t, accounts[i], shirt), s.paid(t, accounts[i], shirt)
		_, err := s.Cancel(t.Context(), cancelation(accounts[i], refunded[i], "c"))
		require.NoError(t, err)
	}

	tx, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	for _, i := range []int{3, 0, 2, 1} {
		s.payments.set(refunded[i], func(p *payments.Payment) { p.RefundedWon = p.AmountWon })
		require.NoError(t, s.hearIn(t, tx, payments.Refunded{OrderID: refunded[i], Version: 2, RefundID: uuid.New(), AmountWon: 12_900}))
	}
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateDone }
	var wg sync.WaitGroup
	for i, account := range accounts {
		wg.Go(func() {
			if _, err := s.Place(t.Context(), s.input(account, "more", shirt)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if c, err := s.Cancel(t.Context(), cancelation(account, kept[i], "d")); err != nil || c.Order.State != string(ordering.StateCanceled) {
				t.Error(c.Order.State, err)
			}
		})
	}
	wg.Wait() // while the bus has not committed
	if err := s.ReturnQuotas(t.Context()); err != nil {
		t.Error(err)
	}
	require.NoError(t, tx.Commit(t.Context()))
	for i, account := range accounts {
		require.Equal(t, ordering.StateCanceled, s.state(t, refunded[i]))
		require.Equal(t, 1, s.bought(t, account, shirt))
		s.check(t, account)
	}
}

// hearIn delivers an event in a transaction that holds others.
func (s *shop) hearIn(t tester, tx pgx.Tx, e payments.Refunded) error {
	t.Helper()
	data, err := json.Marshal(e)
	require.NoError(t, err)
	for _, sub := range app.Subscriptions(s.Service) {
		if sub.Type == e.EventType() {
			return sub.Handle(t.Context(), tx, bus.Envelope{ID: uuid.New(), Source: sub.Source, Type: sub.Type, Key: e.OrderID, Data: data})
		}
	}
	return nil
}
