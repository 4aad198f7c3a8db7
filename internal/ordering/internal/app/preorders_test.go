package app_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

// drop is a pre-order of some pieces that is open for an hour from now on, and released in a week.
func (s *shop) drop(t tester, quantity int64, perCustomer int32) app.Preorder {
	t.Helper()
	product := s.catalog.sell("한정판 운동화", 129_000, quantity+10)
	now := s.clock.Now()
	p, err := s.CreatePreorder(t.Context(), app.PreorderSettings{
		ProductID: product, Title: "한정판", Quantity: quantity, PerCustomer: perCustomer, StartsAt: now, EndsAt: now.Add(time.Hour), ReleasesAt: now.Add(7 * 24 * time.Hour),
	})
	require.NoError(t, err)
	return p
}

func preorder(account uuid.UUID, p app.Preorder, key string) app.PreorderInput {
	return app.PreorderInput{AccountID: account, AddressID: account, PreorderID: p.ID, Quantity: 1, Key: idempotency.Of(key, "/v1/preorders/"+p.ID.String()+"/orders", "x")}
}

// order is an order of the drop that awaits its payment.
func (s *shop) order(t tester, account uuid.UUID, p app.Preorder) app.Placement {
	t.Helper()
	placed, err := s.PlacePreorder(t.Context(), preorder(account, p, uuid.NewString()))
	require.NoError(t, err)
	return placed
}

func (s *shop) buys(t tester, account uuid.UUID, p app.Preorder) app.Placement {
	t.Helper()
	placed := s.order(t, account, p)
	_, err := s.Confirm(t.Context(), confirmation(placed, uuid.NewString()))
	require.NoError(t, err)
	return placed
}

func TestPreorders(t *testing.T) {
	t.Parallel()

	t.Run("AreOrdered", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		d := s.drop(t, 3, 1)
		require.EqualValues(t, 10, s.catalog.leftOf(d.ProductID), "set aside")
		in := preorder(account, d, "k")
		p, err := s.PlacePreorder(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateAwaitingPayment, p.Order.State)
		require.EqualValues(t, ordering.KindPreorder, p.Order.Kind)
		require.Equal(t, d.ID, *p.Order.DropID)
		require.Equal(t, start.Add(5*time.Minute), *p.Order.ExpiresAt, "others wait for the piece")
		require.True(t, s.payments.opened[p.Order.ID].NoDeposit)
		require.EqualValues(t, 129_000, p.Order.DueWon)
		again, err := s.PlacePreorder(t.Context(), in)
		require.NoError(t, err)
		require.True(t, again.Replayed)
		require.Equal(t, p.Order.ID, again.Order.ID, "original 22, 27: a double click was two orders")
		s.clock.Advance(2 * time.Second)
		seen, err := s.Preorder(t.Context(), d.ID)
		require.NoError(t, err)
		require.EqualValues(t, 2, seen.Drop.Left)
		require.Equal(t, app.PreorderOpen, seen.StateNow())
		s.check(t, account)
	})
	// original 22: more than the quantity passed, because the set was written outside the lock.
	t.Run("NeverOversell", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		d := s.drop(t, 10, 1)
		var sold, out atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				switch _, err := s.PlacePreorder(t.Context(), preorder(uuid.New(), d, "k")); {
				case err == nil:
					sold.Add(1)
				case errors.Is(err, ordering.ErrPreorderSoldOut):
					out.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 10, sold.Load())
		require.EqualValues(t, 90, out.Load())
		require.EqualValues(t, 10, s.catalog.leftOf(d.ProductID), "original 25: the others' pieces are not a drop's, nor the other way round")
	})
	t.Run("HaveALimitOfTheirOwn", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		d := s.drop(t, 10, 1)
		s.catalog.change(d.ProductID, func(o *catalog.Offer) { o.LimitPerCustomer = 1 })
		s.place(t, account, d.ProductID)
		s.order(t, account, d)
		_, err := s.PlacePreorder(t.Context(), preorder(account, d, "k"))
		require.ErrorIs(t, err, ordering.ErrPreorderLimit)
		in := preorder(uuid.New(), d, "k")
		in.Quantity = 2
		_, err = s.PlacePreorder(t.Context(), in)
		require.ErrorIs(t, err, ordering.ErrPreorderLimit)
		s.check(t, account)
	})
	t.Run("LimitHoldsUnderABurst", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		d := s.drop(t, 10, 1)
		var sold atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := s.PlacePreorder(t.Context(), preorder(account, d, uuid.NewString())); err == nil {
					sold.Add(1)
				} else if !errors.Is(err, ordering.ErrPreorderLimit) && !errors.Is(err, ordering.ErrTooManyUnpaid) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, sold.Load())
		s.check(t, account)
	})
	// original 60: the window was local time without a zone; here it is an instant, and the database's clock decides.
	t.Run("OpenAndCloseByTheClock", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		d := s.drop(t, 10, 5)
		s.clock.Advance(-10 * time.Second)
		for range 2 {
			_, err := s.PlacePreorder(t.Context(), preorder(account, d, "early"))
			require.ErrorIs(t, err, ordering.ErrPreorderNotOpen)
		}
		require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.orders`), "who comes far too early costs no row")
		s.clock.Advance(9 * time.Second)
		_, err := s.PlacePreorder(t.Context(), preorder(account, d, "nearly"))
		require.ErrorIs(t, err, ordering.ErrPreorderNotOpen, "the catalog's word")
		s.clock.Advance(time.Second)
		s.order(t, account, d)
		s.clock.Advance(2 * time.Hour)
		_, err = s.PlacePreorder(t.Context(), preorder(account, d, "late"))
		require.ErrorIs(t, err, ordering.ErrPreorderNotOpen)
	})
	// original 24: an order that failed, or was never paid, kept its slot for ever.
	t.Run("LapseAndGoToTheNext", func(t *testing.T) {
		t.Parallel()

		s, idle, next := setup(t), uuid.New(), uuid.New()
		d := s.drop(t, 1, 1)
		for range 2 {
			s.order(t, idle, d)
			s.clock.Advance(2 * time.Second)
			_, err := s.PlacePreorder(t.Context(), preorder(next, d, uuid.NewString()))
			require.ErrorIs(t, err, ordering.ErrPreorderSoldOut)
			s.clock.Advance(5 * time.Minute)
			require.NoError(t, s.Expire(t.Context()))
			s.check(t, idle)
		}
		_, err := s.PlacePreorder(t.Context(), preorder(idle, d, "k"))
		require.ErrorIs(t, err, ordering.ErrPreorderForfeited, "who lets it expire twice is out")
		s.buys(t, next, d)
		s.check(t, next)
	})
	t.Run("AreNotShippedBeforeTheirRelease", func(t *testing.T) {
		t.Parallel()

		s, boss := setup(t), uuid.New()
		p := s.buys(t, uuid.New(), s.drop(t, 1, 1))
		_, err := s.Prepare(t.Context(), boss, p.Order.ID)
		require.NoError(t, err)
		_, err = s.Ship(t.Context(), boss, p.Order.ID, "CJ", "1")
		require.ErrorIs(t, err, ordering.ErrNotReleased)
		s.clock.Advance(7 * 24 * time.Hour)
		_, err = s.Ship(t.Context(), boss, p.Order.ID, "CJ", "1")
		require.NoError(t, err)
	})
	// original 26: whether the address was the shopper's was asked after the shopper had been told that all was well.
	t.Run("NeedAnAddressOfTheShoppers", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		in := preorder(uuid.New(), s.drop(t, 1, 1), "k")
		in.AddressID = uuid.New()
		_, err := s.PlacePreorder(t.Context(), in)
		require.ErrorIs(t, err, accounts.ErrNoAddress)
		require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.orders`))
	})
	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		_, err := s.PlacePreorder(t.Context(), preorder(uuid.New(), app.Preorder{}, "k"))
		require.ErrorIs(t, err, ordering.ErrNoPreorder)
		d := s.drop(t, 1, 1)
		d.ID = uuid.New()
		_, err = s.PlacePreorder(t.Context(), preorder(uuid.New(), d, "k"))
		require.ErrorIs(t, err, ordering.ErrNoPreorder)
	})
}

// original 25: canceling a drop left its orders as they were.
func TestPreorderIsCalledOff(t *testing.T) {
	t.Parallel()

	t.Run("AndEverybodyGetsTheirMoneyBack", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		d := s.drop(t, 200, 1)
		var orders []app.Placement
		for i := range 120 {
			if i%4 == 0 {
				orders = append(orders, s.order(t, uuid.New(), d))
			} else {
				orders = append(orders, s.buys(t, uuid.New(), d))
			}
		}
		s.relay(t)
		_, err := s.CancelPreorder(t.Context(), d.ID, "the maker cannot deliver")
		require.NoError(t, err)
		_, err = s.PlacePreorder(t.Context(), preorder(uuid.New(), d, "k"))
		require.Error(t, err)

		// It dies again and again on the way, and what it has done is done.
		for n := range 20 {
			var asked atomic.Int64
			s.payments.always("refund.before", func(ctx context.Context) error {
				if asked.Add(1) > int64(30+n) {
					return errors.New("connection reset by peer")
				}
				return ctx.Err()
			})
			_ = s.FinishPreorders(t.Context())
			s.payments.never("refund.before")
			s.clock.Advance(time.Minute)
			require.NoError(t, s.FinishCancelations(t.Context()))
		}
		require.NoError(t, s.FinishPreorders(t.Context()))
		require.NoError(t, s.FinishCancelations(t.Context()))
		for _, p := range orders {
			require.Equal(t, ordering.StateCanceled, s.state(t, p.Order.ID))
			if s.payments.of(p.Order.ID).State == payments.StateCaptured {
				require.Equal(t, 1, s.payments.returned[p.Order.ID])
			}
			s.check(t, p.Order.AccountID)
		}
		seen, err := s.Preorder(t.Context(), d.ID)
		require.NoError(t, err)
		require.NotNil(t, seen.WoundUpAt)
		require.Equal(t, app.PreorderCanceled, seen.StateNow())
		require.EqualValues(t, 210, s.catalog.leftOf(d.ProductID), "every piece is for sale again")
		_, err = s.PlacePreorder(t.Context(), preorder(uuid.New(), d, "k2"))
		require.ErrorIs(t, err, ordering.ErrPreorderCanceled)
		_, err = s.CancelPreorder(t.Context(), d.ID, "again")
		require.NoError(t, err)
	})
	t.Run("AskingForEachRefundOnce", func(t *testing.T) { // what the gateway refuses is a person's
		t.Parallel()

		s := setup(t)
		d := s.drop(t, 2, 1)
		p := s.buys(t, uuid.New(), d)
		s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateRefused }
		_, err := s.CancelPreorder(t.Context(), d.ID, "x")
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, s.FinishPreorders(t.Context()))
			s.clock.Advance(time.Minute)
		}
		require.Equal(t, ordering.StatePaid, s.state(t, p.Order.ID))
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.cancel_requests WHERE asked_by = $1`, d.ID))
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.order_timeline WHERE order_id = $1 AND note LIKE 'alert:%'`, p.Order.ID))
	})
	t.Run("WhileOneIsBeingPaid", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		d := s.drop(t, 2, 1)
		s.payments.gateway = func(payments.Payment) payments.State { return payments.StateConfirming }
		p := s.order(t, account, d)
		_, err := s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		_, err = s.CancelPreorder(t.Context(), d.ID, "x")
		require.NoError(t, err)
		require.NoError(t, s.FinishPreorders(t.Context()))
		seen, err := s.Preorder(t.Context(), d.ID)
		require.NoError(t, err)
		require.Nil(t, seen.WoundUpAt)
		s.clock.Advance(15 * time.Second)
		s.payments.set(p.Order.ID, func(p *payments.Payment) { p.State = payments.StateCaptured })
		s.hear(t, payments.Captured{OrderID: p.Order.ID, Version: 1, AmountWon: p.Order.DueWon})
		require.NoError(t, s.FinishPreorders(t.Context()))
		require.Equal(t, ordering.StateCanceled, s.state(t, p.Order.ID))
		s.check(t, account)
	})
}

func TestPreorderIsMade(t *testing.T) {
	t.Parallel()

	settings := func(s *shop) app.PreorderSettings {
		now := s.clock.Now()
		return app.PreorderSettings{
			ProductID: s.catalog.sell("운동화", 129_000, 10), Title: " 한정판 ", Quantity: 10, PerCustomer: 1,
			StartsAt: now, EndsAt: now.Add(time.Hour), ReleasesAt: now,
		}
	}
	t.Run("NotWithMoreThanThereIs", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		in := settings(s)
		in.Quantity = 11
		_, err := s.CreatePreorder(t.Context(), in)
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.preorders`))
	})
	t.Run("ADraftThatWasLeftIsGivenUp", func(t *testing.T) {
		t.Parallel()

		for _, point := range []string{"set_drop.before", "set_drop.after"} {
			s := setup(t)
			in := settings(s)
			s.catalog.once(point, func(context.Context) error { return errors.New("reset") })
			_, err := s.CreatePreorder(t.Context(), in)
			require.Error(t, err)
			page, err := s.Preorders(t.Context(), web.PageQuery{Limit: 10})
			require.NoError(t, err)
			require.Empty(t, page.Items, "nobody sees a draft")
			require.NoError(t, s.FinishPreorders(t.Context()))
			require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.preorders`), "it may still be under way")
			s.clock.Advance(2 * time.Minute)
			require.NoError(t, s.FinishPreorders(t.Context()))
			require.NoError(t, s.FinishPreorders(t.Context()))
			require.EqualValues(t, 10, s.catalog.leftOf(in.ProductID), point)
			page, err = s.Preorders(t.Context(), web.PageQuery{Limit: 10})
			require.NoError(t, err)
			require.Empty(t, page.Items)
			s.clock.Advance(2 * time.Hour)
			require.NoError(t, s.FinishPreorders(t.Context()))
			require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.preorders`))
		}
	})
	t.Run("NotByWhoeverWakesUpTooLate", func(t *testing.T) { // its pieces are set aside after the job has given it up
		t.Parallel()

		s := setup(t)
		in := settings(s)
		s.catalog.once("set_drop.before", func(context.Context) error {
			s.clock.Advance(2 * time.Minute)
			require.NoError(t, s.FinishPreorders(t.Context()))
			require.NoError(t, s.FinishPreorders(t.Context()))
			return nil
		})
		_, err := s.CreatePreorder(t.Context(), in)
		require.Error(t, err)
		require.EqualValues(t, 10, s.catalog.leftOf(in.ProductID))
	})
	t.Run("AndGivesBackWhatIsLeftAtItsEnd", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		in := settings(s)
		p, err := s.CreatePreorder(t.Context(), in)
		require.NoError(t, err)
		kept := s.buys(t, uuid.New(), p)
		p, err = s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{EndsAt: new(in.EndsAt.Add(time.Hour))})
		require.NoError(t, err)
		s.clock.Advance(2*time.Hour + 30*time.Minute)
		require.NoError(t, s.FinishPreorders(t.Context()))
		require.Zero(t, s.catalog.leftOf(p.ProductID), "its end was moved, and may be moved again")
		s.clock.Advance(time.Hour)
		require.NoError(t, s.FinishPreorders(t.Context()))
		require.EqualValues(t, 9, s.catalog.leftOf(p.ProductID))
		require.Equal(t, ordering.StatePaid, s.state(t, kept.Order.ID))
		_, err = s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Title: new("late")})
		require.ErrorIs(t, err, catalog.ErrDropClosed)
	})
	t.Run("AndEditedByOneOfTwo", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		p, err := s.CreatePreorder(t.Context(), settings(s))
		require.NoError(t, err)
		s.catalog.once("set_drop.before", func(context.Context) error {
			_, err := s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Quantity: new(int64(8))})
			require.NoError(t, err)
			return nil
		})
		_, err = s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Quantity: new(int64(7))})
		require.ErrorIs(t, err, web.ErrStale)
		seen, err := s.Preorder(t.Context(), p.ID)
		require.NoError(t, err)
		require.EqualValues(t, 8, seen.Drop.Quantity, "who was told that he is late has changed nothing")
		require.EqualValues(t, 2, seen.Version)
	})
	t.Run("AndAnEditThatWasBrokenOffIsFinished", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		p, err := s.CreatePreorder(t.Context(), settings(s))
		require.NoError(t, err)
		s.catalog.once("set_drop.after", func(context.Context) error { return errors.New("reset") })
		_, err = s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Quantity: new(int64(8))})
		require.Error(t, err)
		_, err = s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Quantity: new(int64(7))})
		require.ErrorIs(t, err, web.ErrStale, "it is not as it was read")
		seen, err := s.Preorder(t.Context(), p.ID)
		require.NoError(t, err)
		require.EqualValues(t, 2, seen.Version)
		require.Equal(t, 2, s.count(t, `SELECT count(*) FROM ordering.audit_log WHERE subject = $1`, p.ID.String()), "and it is in the log")
		seen, err = s.EditPreorder(t.Context(), p.ID, seen.ETag(), app.PreorderEdit{Quantity: new(int64(7))})
		require.NoError(t, err)
		require.EqualValues(t, 7, seen.Drop.Quantity)
	})
	t.Run("AndEdited", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		p, err := s.CreatePreorder(t.Context(), settings(s))
		require.NoError(t, err)
		require.Equal(t, "한정판", p.Title)
		edited, err := s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Quantity: new(int64(8)), PerCustomer: new(int32(2))})
		require.NoError(t, err)
		require.EqualValues(t, 8, edited.Drop.Quantity)
		require.EqualValues(t, 2, s.catalog.leftOf(p.ProductID))
		_, err = s.EditPreorder(t.Context(), p.ID, p.ETag(), app.PreorderEdit{Quantity: new(int64(7))})
		require.ErrorIs(t, err, web.ErrStale)
		s.order(t, uuid.New(), edited)
		_, err = s.EditPreorder(t.Context(), p.ID, edited.ETag(), app.PreorderEdit{Quantity: new(int64(0))})
		require.ErrorIs(t, err, catalog.ErrDropBelowTaken, "original 25: it could be lowered below what was taken")
		_, err = s.EditPreorder(t.Context(), p.ID, edited.ETag(), app.PreorderEdit{PerCustomer: new(int32(1))})
		require.ErrorIs(t, err, ordering.ErrBadPreorder)
		_, err = s.EditPreorder(t.Context(), p.ID, edited.ETag(), app.PreorderEdit{EndsAt: new(s.clock.Now().Add(-time.Hour))})
		require.ErrorIs(t, err, ordering.ErrBadPreorder)
		require.Equal(t, 2, s.count(t, `SELECT count(*) FROM ordering.audit_log WHERE subject = $1`, p.ID.String()))
	})
}
