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
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestPlace(t *testing.T) {
	t.Parallel()

	// original 45a, 46: the gateway was given a number that can be guessed, and the shopper its address by a message only.
	t.Run("HoldsEverythingAndAwaitsPayment", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt, socks := s.catalog.sell("린넨 셔츠", 12_900, 5), s.catalog.sell("양말", 3_000, 5)
		in := s.input(account, "k1", shirt, socks)
		in.Items[1].Quantity = 2
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)

		require.False(t, p.Replayed)
		require.EqualValues(t, ordering.StateAwaitingPayment, p.Order.State)
		require.EqualValues(t, 18_900, p.Order.ItemsWon)
		require.EqualValues(t, 3_000, p.Order.ShippingWon)
		require.EqualValues(t, 21_900, p.Order.TotalWon)
		require.Equal(t, start.Add(15*time.Minute), *p.Order.ExpiresAt)
		require.Regexp(t, `^S20261124[A-Z2-7]{16}$`, p.Order.Number)
		require.EqualValues(t, 21_900, p.Payment.AmountWon)
		require.NotEmpty(t, p.Payment.CheckoutURL)
		require.EqualValues(t, 4, s.catalog.leftOf(shirt))
		require.EqualValues(t, 3, s.catalog.leftOf(socks))
		d, err := s.Order(t.Context(), account, p.Order.ID)
		require.NoError(t, err)
		require.Equal(t, p.Order, stored(d).Order, "what was answered is what is stored")
		require.Len(t, d.Timeline, 2)
		s.check(t, account)
	})
	t.Run("ShippingIsFreeFromTwentyThousand", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		for price, shipping := range map[int64]int64{19_999: 3_000, 20_000: 0} {
			p := s.place(t, uuid.New(), s.catalog.sell("셔츠", price, 1))
			require.Equal(t, shipping, p.Order.ShippingWon, price)
		}
	})
	t.Run("OrderedItemsLeaveTheCart", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt, socks := s.catalog.sell("셔츠", 12_900, 5), s.catalog.sell("양말", 3_000, 5)
		_, err := s.PutInCart(t.Context(), account, shirt, 3)
		require.NoError(t, err)
		_, err = s.PutInCart(t.Context(), account, socks, 1)
		require.NoError(t, err)
		s.place(t, account, shirt, socks)
		cart, err := s.Cart(t.Context(), account)
		require.NoError(t, err)
		require.Len(t, cart.Lines, 1)
		require.EqualValues(t, 2, cart.Lines[0].Quantity)
	})
	t.Run("NothingToPay", func(t *testing.T) { // original 37: an amount of nothing was not handled
		t.Parallel()

		s, account := setup(t, func(p *app.Parts) { p.Config.ShippingWon = 0 }), uuid.New()
		p := s.place(t, account, s.catalog.sell("견본", 0, 1))
		require.EqualValues(t, ordering.StatePaid, p.Order.State)
		require.Nil(t, p.Payment)
		require.Nil(t, p.Order.ExpiresAt)
		require.Zero(t, s.payments.of(p.Order.ID).State, "no payment is made")
		s.check(t, account)

		c, err := s.Cancel(t.Context(), cancelation(account, p.Order.ID, "c1"))
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		s.check(t, account)
	})
	t.Run("BelowTheMinimum", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(p *app.Parts) { p.Config.ShippingWon = 0 })
		for price, want := range map[int64]error{1: ordering.ErrBelowMinimum, 99: ordering.ErrBelowMinimum, 100: nil} {
			_, err := s.Place(t.Context(), s.input(uuid.New(), "k", s.catalog.sell("단추", price, 1)))
			require.ErrorIs(t, err, want)
		}
	})
}

// original 37: the same product twice, quantities below one and negative amounts were taken, or answered 500.
func TestPlaceRefuses(t *testing.T) {
	t.Parallel()

	s := setup(t)
	shirt, stopped, hidden := s.catalog.sell("셔츠", 12_900, 100), s.catalog.sell("바지", 20_000, 100), s.catalog.sell("모자", 5_000, 100)
	dear := s.catalog.sell("다이아몬드", 1<<52, 100)
	s.catalog.change(stopped, func(o *catalog.Offer) { o.OnSale = false })
	s.catalog.hide(hidden)
	total := int64(1)
	for name, test := range map[string]struct {
		edit    func(in *app.PlaceInput)
		want    *fault.Error
		pointer string
		detail  string
	}{
		"NoLines":          {func(in *app.PlaceInput) { in.Items = nil }, web.ErrInvalid, "/items", ""},
		"TooManyLines":     {func(in *app.PlaceInput) { in.Items = make([]app.PlaceItem, 51) }, web.ErrInvalid, "/items", ""},
		"TheSameTwice":     {func(in *app.PlaceInput) { in.Items = append(in.Items, in.Items[0]) }, web.ErrInvalid, "/items/1/product_id", ""}, // medusa#16502
		"NoQuantity":       {func(in *app.PlaceInput) { in.Items[0].Quantity = 0 }, web.ErrInvalid, "/items/0/quantity", ""},
		"NegativeQuantity": {func(in *app.PlaceInput) { in.Items[0].Quantity = -1 }, web.ErrInvalid, "/items/0/quantity", ""},
		"LargeQuantity":    {func(in *app.PlaceInput) { in.Items[0].Quantity = 1000 }, web.ErrInvalid, "/items/0/quantity", ""},
		"UnknownProduct":   {func(in *app.PlaceInput) { in.Items[0].ProductID = uuid.New() }, web.ErrInvalid, "/items/0/product_id", ""},
		"HiddenProduct":    {func(in *app.PlaceInput) { in.Items[0].ProductID = hidden }, web.ErrInvalid, "/items/0/product_id", ""},
		"SaleStopped":      {func(in *app.PlaceInput) { in.Items[0].ProductID = stopped }, catalog.ErrNotOnSale, "/items/0", ""},
		"PriceChanged":     {func(in *app.PlaceInput) { in.Items[0].ExpectedPriceWon = 9_900 }, ordering.ErrPriceChanged, "/items/0/expected_price_won", "the price is 12900 won"},
		"TotalChanged":     {func(in *app.PlaceInput) { in.ExpectedTotalWon = &total }, ordering.ErrPriceChanged, "/expected_total_won", "the total is 15900 won"},
		"AnothersAddress":  {func(in *app.PlaceInput) { in.AddressID = uuid.New() }, accounts.ErrNoAddress, "/address_id", ""},
		"Overflow": {func(in *app.PlaceInput) {
			in.Items[0] = app.PlaceItem{ProductID: dear, Quantity: 999, ExpectedPriceWon: 1 << 52}
		}, ordering.ErrAmountOverflow, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			account := uuid.New()
			in := s.input(account, "k", shirt)
			test.edit(&in)
			_, err := s.Place(t.Context(), in)
			require.ErrorIs(t, err, test.want)
			if test.pointer != "" {
				f, _ := fault.As(err)
				require.Equal(t, test.pointer, f.Fields[0].Pointer)
				require.Contains(t, f.Fields[0].Detail, test.detail)
			}
			require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.orders WHERE account_id = $1`, account), "nothing is stored")
			_, err = s.Place(t.Context(), s.input(account, "k", shirt))
			require.NoError(t, err, "the key stays free")
		})
	}
}

func TestPlaceKeepsRefusals(t *testing.T) {
	t.Parallel()

	t.Run("OutOfStock", func(t *testing.T) { // medusa#16825: no orphan order, no reservation, no payment
		t.Parallel()

		s, account := setup(t), uuid.New()
		some, none := s.catalog.sell("셔츠", 12_900, 3), s.catalog.sell("양말", 3_000, 0)
		in := s.input(account, "k", some, none)
		_, first := s.Place(t.Context(), in)
		require.ErrorIs(t, first, catalog.ErrOutOfStock)
		f, _ := fault.As(first)
		require.Equal(t, []fault.Field{{Pointer: "/items/1", Detail: "not enough is left"}}, f.Fields)
		s.check(t, account)
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'rejected'`))
		require.EqualValues(t, 3, s.catalog.leftOf(some))
		require.Zero(t, s.bought(t, account, some), "quotas are given back")

		s.catalog.mu.Lock()
		s.catalog.left[none] = 10
		s.catalog.mu.Unlock()
		_, again := s.Place(t.Context(), in)
		require.Equal(t, first, again, "the key is bound to its refusal")
		_, err := s.Place(t.Context(), s.input(account, "k2", some, none))
		require.NoError(t, err)
	})
	t.Run("CheckedFirst", func(t *testing.T) { // nothing is stored, the key stays free, and who has ordered is still answered
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1)
		s.catalog.sure = true
		in := s.input(account, "k", shirt)
		_, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		_, err = s.Place(t.Context(), s.input(uuid.New(), "k", shirt))
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders`))
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err, "woocommerce#67354: a shopper is not kept out by what they hold")
		require.True(t, p.Replayed)
	})
	t.Run("Unpayable", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1)
		in := s.input(account, "k", shirt)
		s.payments.once("open.before", func(context.Context) error {
			return fault.New(fault.Invalid, "payments.amount", "too much to be paid at once")
		})
		_, first := s.Place(t.Context(), in)
		require.EqualError(t, first, "payments.amount: too much to be paid at once")
		_, again := s.Place(t.Context(), in)
		require.Equal(t, first, again)
		s.check(t, account)
		require.EqualValues(t, 1, s.catalog.leftOf(shirt))
		var id uuid.UUID
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT id FROM ordering.orders`).Scan(&id))
		require.Equal(t, payments.StateClosed, s.payments.of(id).State, "what comes late cannot be paid")
	})
	t.Run("AfterItsPaymentWasOpened", func(t *testing.T) { // whatever takes the goods away, a dead order cannot be paid
		t.Parallel()

		s, account := setup(t), uuid.New()
		in := s.input(account, "k", s.catalog.sell("셔츠", 12_900, 1))
		s.payments.once("open.after", func(context.Context) error { return errors.New("reset") })
		_, err := s.Place(t.Context(), in)
		require.ErrorIs(t, err, ordering.ErrNotPlaced)
		var id uuid.UUID
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT id FROM ordering.orders`).Scan(&id))
		s.catalog.release(id)
		_, err = s.Place(t.Context(), in)
		require.ErrorIs(t, err, catalog.ErrReservationReleased)
		require.Equal(t, payments.StateClosed, s.payments.of(id).State)
		s.check(t, account)
	})
	t.Run("ByTheJob", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 0)
		s.catalog.once("reserve.before", func(context.Context) error { return catalog.ErrBusy })
		in := s.input(account, "k", shirt)
		_, err := s.Place(t.Context(), in)
		require.ErrorIs(t, err, catalog.ErrBusy)
		s.clock.Advance(31 * time.Second)
		require.NoError(t, s.Recover(t.Context()), "a refusal is an end, not a failure")
		_, err = s.Place(t.Context(), in)
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		s.check(t, account)
	})
}

func TestPlaceRepeats(t *testing.T) {
	t.Parallel()

	t.Run("OtherBody", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		a, b := s.catalog.sell("셔츠", 12_900, 5), s.catalog.sell("바지", 22_900, 5)
		_, err := s.Place(t.Context(), s.input(account, "k", a))
		require.NoError(t, err)
		_, err = s.Place(t.Context(), s.input(account, "k", b))
		require.ErrorIs(t, err, idempotency.ErrReused)
		_, err = s.Place(t.Context(), s.input(uuid.New(), "k", b))
		require.NoError(t, err, "keys are an account's own")
	})
	t.Run("FiftyAtOnce", func(t *testing.T) { // spree PR#13938, original 36: a double click
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 100)
		in := s.input(account, "k", shirt)
		var wg sync.WaitGroup
		var fresh atomic.Int64
		orders := make([]uuid.UUID, 50)
		for i := range orders {
			wg.Go(func() {
				p, err := s.Place(t.Context(), in)
				if err != nil {
					t.Error(err)
					return
				}
				orders[i] = p.Order.ID
				if !p.Replayed {
					fresh.Add(1)
				}
				if p.Payment == nil {
					t.Error("a repeat cannot be paid")
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, fresh.Load())
		for _, id := range orders {
			require.Equal(t, orders[0], id)
		}
		require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders`))
		require.EqualValues(t, 99, s.catalog.leftOf(shirt))
		s.check(t, account)
	})
	t.Run("FirstStillRunning", func(t *testing.T) {
		t.Parallel()

		var waited time.Duration
		s, account := setup(t, hurry(&waited)), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		in := s.input(account, "k", shirt)
		s.catalog.once("reserve.after", func(context.Context) error { return catalog.ErrBusy })
		_, err := s.Place(t.Context(), in)
		require.ErrorIs(t, err, catalog.ErrBusy)

		s.exec(t, `UPDATE ordering.orders SET claimed_by = gen_random_uuid(), claimed_at = now()`)
		_, err = s.Place(t.Context(), in)
		require.ErrorIs(t, err, idempotency.ErrInProgress)
		require.Equal(t, 2*time.Second, waited)

		s.exec(t, `UPDATE ordering.orders SET claimed_at = now() - interval '6 seconds'`)
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err, "silent for five seconds: taken over")
		require.True(t, p.Replayed)
		s.check(t, account)
	})
	t.Run("TwoDriversOfOneOrder", func(t *testing.T) { // the first comes back from the dead after it was taken over
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		in := s.input(account, "k", shirt)
		s.payments.once("open.after", func(ctx context.Context) error {
			s.exec(t, `UPDATE ordering.orders SET claimed_at = now() - interval '6 seconds'`)
			p, err := s.Place(ctx, in)
			require.NoError(t, err)
			require.True(t, p.Replayed)
			return nil
		})
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateAwaitingPayment, p.Order.State)
		require.NotNil(t, p.Payment)
		s.check(t, account)
	})
	t.Run("AfterItsEnd", func(t *testing.T) { // vendure#3065: a definite state
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		in := s.input(account, "k", shirt)
		_, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateExpired, p.Order.State)
		require.Nil(t, p.Payment)
		require.True(t, p.Replayed)
	})
}
