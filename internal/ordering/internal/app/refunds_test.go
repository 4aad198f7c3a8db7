package app_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/bus"
)

// The bus hears of two refunds of a shopper in one transaction, while the shopper asks how the second one is: each waits for what the
// other has locked. Whichever the database breaks off, the shopper is answered.
func TestCancelGivesWayToTheBusAndComesBack(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 5)
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
	orders := []uuid.UUID{s.paid(t, account, shirt), s.paid(t, account, shirt)}
	for _, id := range orders {
		c, err := s.Cancel(t.Context(), cancelation(account, id, id.String()))
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceling, c.Order.State)
	}
	for _, id := range orders {
		s.payments.set(id, func(p *payments.Payment) {
			r := *p.Refund
			r.State = payments.RefundStateDone
			p.Refund, p.RefundedWon = &r, p.AmountWon
		})
	}

	tx, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	hear := func(tx pgx.Tx, id uuid.UUID) error {
		e := payments.Refunded{OrderID: id, Version: 2, RefundID: uuid.New(), AmountWon: 12_900}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		for _, sub := range app.Subscriptions(s.Service) {
			if sub.Type == e.EventType() {
				return sub.Handle(t.Context(), tx, bus.Envelope{ID: uuid.New(), Source: sub.Source, Type: sub.Type, Key: id, Data: data})
			}
		}
		return nil
	}
	first := hear(tx, orders[0])
	var c app.Cancelation
	var canceled error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, canceled = s.Cancel(t.Context(), cancelation(account, orders[1], orders[1].String()))
	}()
	waits := false
	for until := time.Now().Add(900 * time.Millisecond); !waits && time.Now().Before(until); {
		waits = s.count(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
	}
	second := hear(tx, orders[1])
	if second == nil {
		second = tx.Commit(t.Context())
	} else {
		_ = tx.Rollback(t.Context())
	}
	<-done
	require.True(t, waits)
	require.NoError(t, first)
	if second != nil { // the bus tries again
		for _, id := range orders {
			require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error { return hear(tx, id) }))
		}
	}
	require.NoError(t, canceled)
	require.EqualValues(t, ordering.StateCanceled, c.Order.State)
	s.check(t, account)
}
