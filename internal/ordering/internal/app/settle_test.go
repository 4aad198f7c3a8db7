package app_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/fault"
)

func TestConfirm(t *testing.T) {
	t.Parallel()

	t.Run("PaidAtOnceAndOnce", func(t *testing.T) { // medusa#13301, saleor#19220, vendure#2620: confirm and event, in any order
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		p := s.place(t, account, shirt)
		c, err := s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		require.True(t, c.Settled)
		require.Equal(t, ordering.StatePaid, c.State)
		require.Equal(t, start, *c.ApprovedAt)
		captured := payments.Captured{OrderID: p.Order.ID, Version: 2, AmountWon: p.Order.DueWon, At: start}
		s.hear(t, captured)
		s.hear(t, captured)
		again, err := s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		require.True(t, again.Replayed)
		require.Equal(t, ordering.StatePaid, again.State)
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.outbox WHERE type = 'ordering.paid.v1'`))
		s.check(t, account)

		q := s.place(t, account, shirt)
		s.payments.set(q.Order.ID, func(p *payments.Payment) { p.State = payments.StateCaptured })
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := s.tryHear(t.Context(), payments.Captured{OrderID: q.Order.ID, Version: 2}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 2, s.count(t, `SELECT count(*) FROM ordering.outbox WHERE type = 'ordering.paid.v1'`))
		s.check(t, account)
	})
	t.Run("NotAnsweredYet", func(t *testing.T) { // ps_checkout PR#1546: told of a failure that was none, the buyer paid twice (PrestaShop)
		t.Parallel()

		s, account := setup(t), uuid.New()
		s.payments.gateway = func(payments.Payment) payments.State { return payments.StateConfirming }
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		c, err := s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		require.False(t, c.Settled)
		require.Equal(t, ordering.StateAwaitingPayment, c.State)
		_, err = s.Confirm(t.Context(), confirmation(p, "k2"))
		require.ErrorIs(t, err, payments.ErrInProgress)

		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateCaptured })
		s.hear(t, payments.Captured{OrderID: p.Order.ID, Version: 2})
		c, err = s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		require.Equal(t, ordering.StatePaid, c.State)
	})
	t.Run("Deposit", func(t *testing.T) { // a bank account to pay into, until a day of its own
		t.Parallel()

		s, account := setup(t), uuid.New()
		s.payments.gateway = func(payments.Payment) payments.State { return payments.StateConfirming }
		due := start.Add(72 * time.Hour)
		for _, told := range []string{"at once", "later"} {
			p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
			wait := func(p *payments.Payment) { p.DepositDueAt = &due }
			if told == "at once" {
				s.payments.set(p.Order.ID, wait)
			}
			_, err := s.Confirm(t.Context(), confirmation(p, uuid.NewString()))
			require.NoError(t, err)
			s.payments.set(p.Order.ID, wait)
			s.clock.Advance(16 * time.Minute)
			require.NoError(t, s.Expire(t.Context()))
			d, err := s.Order(t.Context(), account, p.Order.ID)
			require.NoError(t, err)
			require.True(t, due.Equal(*d.Order.ExpiresAt), told)
			require.EqualValues(t, ordering.StateAwaitingPayment, d.Order.State)
		}
		require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.orders WHERE attend_at < $1`, due), "nobody looks before that day")
		s.check(t, account)
	})
	t.Run("Faults", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		in := confirmation(p, "k")
		in.AmountWon--
		_, err := s.Confirm(t.Context(), in)
		require.ErrorIs(t, err, payments.ErrAmountMismatch)
		in = confirmation(p, "k")
		in.AccountID = uuid.New()
		_, err = s.Confirm(t.Context(), in)
		require.ErrorIs(t, err, payments.ErrNoPayment)
		s.payments.gateway = func(payments.Payment) payments.State { return payments.StateOpen }
		_, err = s.Confirm(t.Context(), confirmation(p, "k"))
		require.ErrorIs(t, err, payments.ErrDeclined)
		require.Equal(t, ordering.StateAwaitingPayment, s.state(t, p.Order.ID), "another card may be tried")
	})
	t.Run("CrashAfterTheCapture", func(t *testing.T) { // saleor#10925: the money is in and nobody wrote it down
		t.Parallel()

		s, account := setup(t), uuid.New()
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateCaptured })
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, ordering.StatePaid, s.state(t, p.Order.ID), "captured: not expired")
		s.check(t, account)
	})
	t.Run("CapturedBeforeThePlacingWasFinished", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		in := s.input(account, "k", s.catalog.sell("셔츠", 12_900, 5))
		s.payments.once("open.after", func(context.Context) error { return errors.New("reset") })
		_, err := s.Place(t.Context(), in)
		require.Error(t, err)
		var id uuid.UUID
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT id FROM ordering.orders`).Scan(&id))
		s.payments.set(id, func(p *payments.Payment) { p.State = payments.StateCaptured })
		s.hear(t, payments.Captured{OrderID: id, Version: 1})
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StatePaid, p.Order.State)
		s.check(t, account)
	})
	t.Run("CapturedForADeadOrder", func(t *testing.T) { // saleor PR#9504, vendure#3065, woocommerce gateway-stripe PR#5720, original 39: it stays dead
		t.Parallel()

		s, account := setup(t), uuid.New()
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State, p.RefundedWon = payments.StateCaptured, p.AmountWon })
		s.hear(t, payments.Captured{OrderID: p.Order.ID, Version: 3, AmountWon: p.Order.DueWon})
		s.hear(t, payments.Refunded{OrderID: p.Order.ID, Version: 4, AmountWon: p.Order.DueWon})
		require.Equal(t, ordering.StateExpired, s.state(t, p.Order.ID))
		s.check(t, account)
		d, err := s.Order(t.Context(), uuid.Nil, p.Order.ID)
		require.NoError(t, err)
		require.Contains(t, d.Timeline[len(d.Timeline)-1].Note, "15900 won came after the order had ended")
	})
	t.Run("UnknownOrder", func(t *testing.T) {
		t.Parallel()

		err := setup(t).tryHear(t.Context(), payments.Captured{OrderID: uuid.New(), Version: 1})
		require.ErrorIs(t, err, ordering.ErrNoOrder, "a fault parks the event")
		_, ok := fault.As(err)
		require.True(t, ok)
	})
}

func TestExpire(t *testing.T) {
	t.Parallel()

	t.Run("OnlyWhatIsDue", func(t *testing.T) { // PrestaShop#19100, original 42: what nobody paid was held for ever
		t.Parallel()

		s, account, other := setup(t), uuid.New(), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		old := s.place(t, account, shirt)
		s.clock.Advance(10 * time.Minute)
		young := s.place(t, other, shirt)
		s.clock.Advance(5 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, ordering.StateExpired, s.state(t, old.Order.ID))
		require.Equal(t, ordering.StateAwaitingPayment, s.state(t, young.Order.ID))
		s.check(t, account)
		s.check(t, other)
		require.EqualValues(t, 4, s.catalog.leftOf(shirt))
	})
	t.Run("NotWhileTheGatewayIsAsked", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		s.payments.gateway = func(payments.Payment) payments.State { return payments.StateConfirming }
		p := s.place(t, account, s.catalog.sell("셔츠", 12_900, 5))
		_, err := s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, ordering.StateAwaitingPayment, s.state(t, p.Order.ID))
		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateOpen }) // declined at last
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, ordering.StateAwaitingPayment, s.state(t, p.Order.ID), "put off")
		s.clock.Advance(time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, ordering.StateExpired, s.state(t, p.Order.ID))
		s.check(t, account)
	})
	t.Run("AnOutageStopsNobodyElse", func(t *testing.T) {
		t.Parallel()

		s, a, b := setup(t), uuid.New(), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		s.place(t, a, shirt)
		s.place(t, b, shirt)
		s.payments.once("close", func(context.Context) error { return errors.New("reset") })
		s.clock.Advance(16 * time.Minute)
		require.Error(t, s.Expire(t.Context()))
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'expired'`))
		s.clock.Advance(time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, 2, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'expired'`))
	})
	t.Run("MoreThanABatch", func(t *testing.T) { // and those that cannot be ended do not keep the others from it
		t.Parallel()

		s, account := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid = 1000 }), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1000)
		for i := range 230 {
			p := s.place(t, account, shirt)
			if i < 110 {
				s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateConfirming })
			}
		}
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		require.Equal(t, 120, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'expired'`))
		s.check(t, account)
	})
	t.Run("AgainstConfirm", func(t *testing.T) { // whoever is first at payments wins, and ordering says the same
		t.Parallel()

		s := setup(t)
		shirt := s.catalog.sell("셔츠", 12_900, 100)
		for range 20 {
			account := uuid.New()
			p := s.place(t, account, shirt)
			s.clock.Advance(16 * time.Minute)
			var confirmed, expired error
			var wg sync.WaitGroup
			wg.Go(func() { _, confirmed = s.Confirm(t.Context(), confirmation(p, uuid.NewString())) })
			wg.Go(func() { expired = s.Expire(t.Context()) })
			wg.Wait()
			require.NoError(t, expired)
			if confirmed == nil {
				require.Equal(t, ordering.StatePaid, s.state(t, p.Order.ID))
			} else {
				require.ErrorIs(t, confirmed, payments.ErrOrderClosed)
				require.Equal(t, ordering.StateExpired, s.state(t, p.Order.ID))
			}
			s.check(t, account)
		}
	})
}
