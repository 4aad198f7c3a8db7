package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/platform/web"
)

// original 48: a coupon never took anything off an order; 37: points beyond the total made an amount negative.
func TestDiscounts(t *testing.T) {
	t.Parallel()

	t.Run("TakeOff", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		in := s.reduced(account, "k", s.catalog.sell("셔츠", 12_900, 5), s.catalog.sell("양말", 3_000, 5))
		total := int64(16_900)
		in.ExpectedTotalWon = &total
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, 15_900, p.Order.ItemsWon)
		require.EqualValues(t, 2_000, p.Order.DiscountWon)
		require.EqualValues(t, 3_000, p.Order.ShippingWon)
		require.EqualValues(t, 16_900, p.Order.TotalWon)
		require.EqualValues(t, 500, p.Order.PointsWon)
		require.EqualValues(t, 16_400, p.Order.DueWon)
		require.EqualValues(t, 16_400, p.Payment.AmountWon)
		require.Equal(t, []int64{2_000, 0}, []int64{p.Lines[0].DiscountWon, p.Lines[1].DiscountWon})
		d, err := s.Order(t.Context(), account, p.Order.ID)
		require.NoError(t, err)
		require.Equal(t, p.Order, stored(d).Order, "what was answered is what is stored")
		require.Equal(t, p.Lines, d.Lines)
		require.Equal(t, coupons.Held, s.coupons.of(p.Order.ID))
		require.Equal(t, accounts.Held, s.points.of(p.Order.ID))

		_, err = s.Confirm(t.Context(), confirmation(p, "k"))
		require.NoError(t, err)
		s.check(t, account)
		require.Equal(t, coupons.Used, s.coupons.of(p.Order.ID))
		require.Equal(t, accounts.Used, s.points.of(p.Order.ID))
	})
	t.Run("ComeBackFromTheDead", func(t *testing.T) {
		t.Parallel()

		s, account := setup(t), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 5)
		in := s.reduced(account, "k", shirt)
		_, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		again := s.input(account, "k2", shirt)
		again.CouponID = in.CouponID
		_, err = s.Place(t.Context(), again)
		require.ErrorIs(t, err, coupons.ErrNotApplicable, "one order has it")
		s.clock.Advance(16 * time.Minute)
		require.NoError(t, s.Expire(t.Context()))
		s.check(t, account)
		require.EqualValues(t, 1_000, s.points.spendable(account))
		_, err = s.Place(t.Context(), again)
		require.NoError(t, err)
	})
	t.Run("PayForEverything", func(t *testing.T) { // nothing is due: it is paid at once, and no payment is made
		t.Parallel()

		s, account := setup(t), uuid.New()
		s.points.grant(account, 15_900)
		in := s.input(account, "k", s.catalog.sell("셔츠", 12_900, 5))
		in.PointsWon = 15_900
		p, err := s.Place(t.Context(), in)
		require.NoError(t, err)
		require.EqualValues(t, ordering.StatePaid, p.Order.State)
		require.Zero(t, p.Order.DueWon)
		require.Zero(t, s.payments.of(p.Order.ID).State)
		s.check(t, account)
		c, err := s.Cancel(t.Context(), cancelation(account, p.Order.ID, "c"))
		require.NoError(t, err)
		require.EqualValues(t, ordering.StateCanceled, c.Order.State)
		s.check(t, account)
		require.EqualValues(t, 15_900, s.points.spendable(account))
	})
	for name, test := range map[string]struct {
		edit func(s *shop, in *app.PlaceInput)
		want error
	}{
		"MorePointsThanTheTotal": {func(_ *shop, in *app.PlaceInput) { in.PointsWon = 13_901 }, web.ErrInvalid},
		"MorePointsThanThereAre": {func(_ *shop, in *app.PlaceInput) { in.PointsWon = 1_001 }, accounts.ErrNotEnoughPoints},
		"TooLittleIsLeftToPay": {func(s *shop, in *app.PlaceInput) {
			s.points.grant(in.AccountID, 20_000)
			in.PointsWon = 13_801
		}, ordering.ErrBelowMinimum},
		"NoSuchCoupon":      {func(_ *shop, in *app.PlaceInput) { in.CouponID = uuid.New() }, coupons.ErrNotApplicable},
		"AnothersCoupon":    {func(s *shop, in *app.PlaceInput) { in.CouponID = s.coupons.give(uuid.New(), 1_000) }, coupons.ErrNotApplicable},
		"TheTotalIsAnother": {func(_ *shop, in *app.PlaceInput) { in.ExpectedTotalWon = new(int64(15_900)) }, ordering.ErrPriceChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s, account := setup(t), uuid.New()
			in := s.reduced(account, "k", s.catalog.sell("셔츠", 12_900, 5))
			test.edit(s, &in)
			_, err := s.Place(t.Context(), in)
			require.ErrorIs(t, err, test.want)
			require.Zero(t, s.count(t, `SELECT count(*) FROM ordering.orders`), "refused before anything is stored")
		})
	}
	t.Run("AreGoneInTheLastMoment", func(t *testing.T) { // the order is rejected, and its key answers that for good
		t.Parallel()

		for point, of := range map[string]func(s *shop) *points{
			"redeem.before": func(s *shop) *points { return &s.coupons.points }, "hold.before": func(s *shop) *points { return &s.points.points },
		} {
			s, account := setup(t), uuid.New()
			shirt := s.catalog.sell("셔츠", 12_900, 5)
			in := s.reduced(account, "k", shirt)
			gone := map[string]error{"redeem.before": coupons.ErrNoCoupon, "hold.before": accounts.ErrNotEnoughPoints}[point]
			told := map[string]error{"redeem.before": coupons.ErrNotApplicable, "hold.before": accounts.ErrNotEnoughPoints}[point]
			of(s).once(point, func(context.Context) error { return gone })
			for range 2 {
				_, err := s.Place(t.Context(), in)
				require.ErrorIs(t, err, told)
			}
			require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.orders WHERE state = 'rejected'`))
			s.check(t, account)
			require.EqualValues(t, 5, s.catalog.leftOf(shirt))
			require.EqualValues(t, 1_000, s.points.spendable(account))
		}
	})
}

func TestQuoteTakesTheBestCoupon(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	_, err := s.PutInCart(t.Context(), account, s.catalog.sell("셔츠", 12_900, 5), 1)
	require.NoError(t, err)
	s.coupons.give(account, 1_000)
	best := s.coupons.give(account, 3_000)
	s.points.grant(account, 700)
	q, err := s.Quote(t.Context(), account)
	require.NoError(t, err)
	require.Equal(t, best, q.Coupon.CouponID)
	require.EqualValues(t, 700, q.Points)
	require.EqualValues(t, 12_900, app.TotalOf(q))

	down := func(context.Context) error { return errors.New("connection refused") }
	s.coupons.once("quote", down)
	s.accounts.once("account", down)
	q, err = s.Quote(t.Context(), account)
	require.NoError(t, err, "without an answer of theirs the price is right all the same")
	require.Nil(t, q.Coupon)
	require.Zero(t, q.Points)
	require.EqualValues(t, 15_900, app.TotalOf(q))
}
