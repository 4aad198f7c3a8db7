package app_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
)

// redeemed is what the campaign counts.
func (s shop) redeemed(campaign uuid.UUID) int64 {
	s.t.Helper()
	return s.count(`SELECT redeemed FROM coupons.counters WHERE campaign_id = $1`, campaign)
}

// orderID is one as ordering makes them.
func orderID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func TestRedeem(t *testing.T) {
	t.Parallel()

	t.Run("IsRepeatable", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 2)
		c, order := s.have(s.campaign.ID), orderID()
		for i := range 3 {
			got, err := s.redeem(i, order, c)
			require.NoError(t, err)
			require.Equal(t, coupons.Redemption{OrderID: order, CouponID: c.ID, State: coupons.Held, DiscountWon: 1000}, got)
		}
		require.EqualValues(t, 1, s.redeemed(s.campaign.ID))
		_, err := s.redeem(1, orderID(), c)
		require.ErrorIs(t, err, coupons.ErrNotApplicable)
		s.sound()
	})

	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 3)
		c := s.have(s.campaign.ID)
		over := s.have(s.campaign.ID)
		for name, r := range map[string]struct {
			in   coupons.RedeemInput
			want error
		}{
			"AnothersCoupon": {coupons.RedeemInput{AccountID: uuid.New(), CouponID: c.ID, DiscountWon: 1000}, coupons.ErrNoCoupon},
			"NoCoupon":       {coupons.RedeemInput{AccountID: c.AccountID, CouponID: uuid.New(), DiscountWon: 1000}, coupons.ErrNoCoupon},
			"TooMuch":        {coupons.RedeemInput{AccountID: c.AccountID, CouponID: c.ID, DiscountWon: 1001}, coupons.ErrNotApplicable},
			"Nothing":        {coupons.RedeemInput{AccountID: c.AccountID, CouponID: c.ID}, coupons.ErrNotApplicable},
			"Negative":       {coupons.RedeemInput{AccountID: c.AccountID, CouponID: c.ID, DiscountWon: -1}, coupons.ErrNotApplicable},
		} {
			r.in.OrderID = orderID()
			_, err := s.instances[0].Redeem(t.Context(), r.in)
			require.ErrorIs(t, err, r.want, name)
		}
		s.exec(`UPDATE coupons.campaigns SET usable_until = clock_timestamp()`)
		_, err := s.redeem(0, orderID(), over)
		require.ErrorIs(t, err, coupons.ErrNotApplicable)
		require.Zero(t, s.count(`SELECT count(*) FROM coupons.redemptions`), "refusals write nothing")
		require.Zero(t, s.redeemed(s.campaign.ID))
	})

	t.Run("FollowsTheOrder", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 5)
		state := func(order uuid.UUID) coupons.RedemptionState {
			got, err := s.instances[1].Redemptions(t.Context(), coupons.RedemptionsInput{OrderIDs: []uuid.UUID{order, orderID()}})
			require.NoError(t, err)
			require.Len(t, got.Items, 1)
			return got.Items[0].State
		}
		c, first := s.have(s.campaign.ID), orderID()
		_, err := s.redeem(0, first, c)
		require.NoError(t, err)
		for range 2 { // at least once, so more than once
			s.settle(paid, first)
		}
		require.Equal(t, coupons.Used, state(first))
		require.EqualValues(t, 1, s.redeemed(s.campaign.ID))
		s.sound()

		for range 2 { // canceled before it was sent: it comes back
			s.settle(canceled, first)
		}
		require.Equal(t, coupons.Released, state(first))
		require.Zero(t, s.redeemed(s.campaign.ID))
		_, err = s.redeem(0, first, c)
		require.ErrorIs(t, err, coupons.ErrReleased)

		for _, event := range []string{rejected, expired, canceled} {
			order := orderID()
			_, err = s.redeem(0, order, c)
			require.NoError(t, err, "it can be used again")
			s.settle(event, order)
			s.settle(paid, order) // too late
			require.Equal(t, coupons.Released, state(order))
		}
		require.Zero(t, s.redeemed(s.campaign.ID))
		s.sound()
	})

	t.Run("ComeBackWithAllOfTheGoods", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		c, order := s.have(s.campaign.ID), orderID()
		_, err := s.redeem(0, order, c)
		require.NoError(t, err)
		s.settle(paid, order)
		s.settle(refundedInPart, order)
		require.EqualValues(t, 1, s.redeemed(s.campaign.ID))
		for range 2 {
			s.settle(refunded, order)
		}
		require.Zero(t, s.redeemed(s.campaign.ID))
		_, err = s.redeem(0, orderID(), c)
		require.NoError(t, err)
		s.sound()
	})

	t.Run("NeverAfterItsRelease", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		c, order := s.have(s.campaign.ID), orderID()
		s.settle(expired, order)
		_, err := s.redeem(0, order, c)
		require.ErrorIs(t, err, coupons.ErrReleased)
		got, err := s.instances[0].Redemptions(t.Context(), coupons.RedemptionsInput{OrderIDs: []uuid.UUID{order}})
		require.NoError(t, err)
		require.Equal(t, []coupons.Redemption{{OrderID: order, State: coupons.Released}}, got.Items)
		_, err = s.redeem(0, orderID(), c)
		require.NoError(t, err)
		s.sound()
	})

	// The tombstone comes while the redemption is between its two round trips: one of the two sees the other.
	t.Run("NeverAfterAReleaseThatComesInBetween", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		c, order := s.have(s.campaign.ID), orderID()
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `INSERT INTO coupons.redemptions (order_id, discount_won, state, created_at, updated_at)
			VALUES ($1, 0, 'released', now(), now())`, order)
		require.NoError(t, err)
		told := make(chan error, 1)
		go func() {
			_, err := s.redeem(0, order, c)
			told <- err
		}()
		s.awaitWaiting()
		require.NoError(t, tx.Commit(t.Context()))
		require.ErrorIs(t, <-told, coupons.ErrReleased)
		require.Zero(t, s.redeemed(s.campaign.ID))
		s.sound()
	})

	t.Run("APaidOrderWithoutACouponCostsNothing", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		s.hear(paid, orderID())
		require.Zero(t, s.count(`SELECT count(*) FROM coupons.settlements`))
		require.NoError(t, s.instances[0].Settle(t.Context()))
		require.Zero(t, s.count(`SELECT count(*) FROM coupons.redemptions`))
	})

	t.Run("AreListed", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 10)
		var held []uuid.UUID
		for i := range 5 {
			order := orderID()
			_, err := s.redeem(0, order, s.have(s.campaign.ID))
			require.NoError(t, err)
			if i%2 == 0 {
				held = append(held, order)
			} else {
				s.settle(paid, order)
			}
		}
		var listed []uuid.UUID
		after := uuid.Nil
		for {
			page, err := s.instances[0].OpenRedemptions(t.Context(), coupons.OpenRedemptionsInput{After: after, Limit: 2})
			require.NoError(t, err)
			if len(page.Items) == 0 {
				break
			}
			for _, r := range page.Items {
				require.Equal(t, coupons.Held, r.State)
				after = r.OrderID
				listed = append(listed, after)
			}
		}
		require.Equal(t, held, listed)
		_, err := s.instances[0].OpenRedemptions(t.Context(), coupons.OpenRedemptionsInput{Limit: 1001})
		require.ErrorIs(t, err, coupons.ErrTooManyOrders)
		_, err = s.instances[0].Redemptions(t.Context(), coupons.RedemptionsInput{OrderIDs: make([]uuid.UUID, 1001)})
		require.ErrorIs(t, err, coupons.ErrTooManyOrders)
	})

	t.Run("AFlightAnswersEachByItself", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 5)
		a, b := s.have(s.campaign.ID), s.have(s.campaign.ID)
		dead, first, second, third := orderID(), orderID(), orderID(), orderID()
		s.settle(rejected, dead)
		in := func(order uuid.UUID, c coupons.Coupon) coupons.RedeemInput {
			return coupons.RedeemInput{OrderID: order, AccountID: c.AccountID, CouponID: c.ID, DiscountWon: 1000}
		}
		flight := []coupons.RedeemInput{in(dead, a), in(first, a), in(second, a), in(first, a), in(third, b)}
		for range 2 { // again, as after a lost connection
			results, err := s.instances[0].FlyRedeem(t.Context(), flight)
			require.NoError(t, err)
			for i, want := range []error{coupons.ErrReleased, nil, coupons.ErrNotApplicable, nil, nil} {
				require.ErrorIs(t, results[i].Err, want, "order %d", i)
			}
			require.Equal(t, results[1], results[3])
		}
		require.EqualValues(t, 2, s.redeemed(s.campaign.ID))
		s.sound()
	})
}

func TestQuote(t *testing.T) {
	t.Parallel()

	s := setup(t, 10)
	account := uuid.New()
	shoes := uuid.New()
	claim := func(d app.Discount, settings app.Settings) coupons.Coupon {
		t.Helper()
		settings.Name, settings.Quantity, settings.StartsAt = "A coupon", 10, longAgo
		if settings.EndsAt.IsZero() {
			settings.EndsAt = farAway
		}
		c, err := s.claim(0, s.make(app.New{Settings: settings, Terms: app.Terms{Discount: d}}).ID, account)
		require.NoError(t, err)
		return c
	}
	small := claim(app.Discount{AmountWon: 500}, app.Settings{})
	tenth := claim(app.Discount{Percent: 10, MinimumWon: 20_000}, app.Settings{})
	later := claim(app.Discount{AmountWon: 2500}, app.Settings{UsableUntil: farAway.Add(48 * time.Hour)})
	sooner := claim(app.Discount{AmountWon: 2500}, app.Settings{UsableUntil: farAway.Add(24 * time.Hour)})
	narrow := claim(app.Discount{AmountWon: 9000, AppliesTo: app.Categories, AppliesIDs: []uuid.UUID{shoes}}, app.Settings{})
	lines := []coupons.Line{{ProductID: uuid.New(), Quantity: 2, UnitPriceWon: 15_000}, {ProductID: uuid.New(), Quantity: 1, UnitPriceWon: 1}}
	quoted := func(instance int, lines []coupons.Line) (ids []uuid.UUID) {
		t.Helper()
		got, err := s.instances[instance].Quote(t.Context(), coupons.QuoteInput{AccountID: account, Lines: lines})
		require.NoError(t, err)
		for _, q := range got.Items {
			require.Len(t, q.LineDiscountsWon, len(lines))
			ids = append(ids, q.CouponID)
		}
		return ids
	}
	one := func(id uuid.UUID) (coupons.Quotes, error) {
		return s.instances[1].Quote(t.Context(), coupons.QuoteInput{AccountID: account, CouponID: id, Lines: lines})
	}

	for range 2 { // from the database, and from memory
		require.Equal(t, []uuid.UUID{tenth.ID, sooner.ID, later.ID, small.ID}, quoted(0, lines), "the best first; then what ends first")
	}
	lines[0].CategoryIDs = []uuid.UUID{uuid.New(), shoes}
	require.Equal(t, narrow.ID, quoted(1, lines)[0])
	lines[0].CategoryIDs = nil

	got, err := one(tenth.ID)
	require.NoError(t, err)
	require.Equal(t, []coupons.Quote{{
		CouponID: tenth.ID, CampaignID: tenth.CampaignID, Name: "A coupon", DiscountWon: 3000, LineDiscountsWon: []int64{2999, 1},
		UsableUntil: farAway.Add(30 * 24 * time.Hour),
	}}, got.Items)
	_, err = one(narrow.ID)
	require.ErrorIs(t, err, coupons.ErrNotApplicable)
	require.ErrorContains(t, err, "it applies to nothing")
	_, err = one(uuid.New())
	require.ErrorIs(t, err, coupons.ErrNoCoupon)
	_, err = one(s.have(s.campaign.ID).ID)
	require.ErrorIs(t, err, coupons.ErrNoCoupon, "it is somebody else's")
	_, err = s.instances[0].Quote(t.Context(), coupons.QuoteInput{AccountID: account})
	require.ErrorIs(t, err, coupons.ErrBadLines)

	// What an order has, and what is over, is left out.
	order := orderID()
	_, err = s.instances[0].Redeem(t.Context(), coupons.RedeemInput{OrderID: order, AccountID: account, CouponID: tenth.ID, DiscountWon: 3000})
	require.NoError(t, err)
	s.exec(`UPDATE coupons.campaigns SET usable_until = clock_timestamp() WHERE id = $1`, sooner.CampaignID)
	require.Equal(t, []uuid.UUID{later.ID, small.ID}, quoted(0, lines))
	for _, id := range []uuid.UUID{tenth.ID, sooner.ID} {
		_, err = one(id)
		require.ErrorIs(t, err, coupons.ErrNotApplicable)
	}
	states := map[uuid.UUID]app.HeldState{}
	list := func() map[uuid.UUID]app.HeldState {
		mine, err := s.instances[0].CouponsOf(t.Context(), account, pageOf(100))
		require.NoError(t, err)
		for _, c := range mine.Items {
			states[c.ID] = c.State
			require.Equal(t, c.ID == tenth.ID, c.OrderID != nil && *c.OrderID == order)
		}
		return states
	}
	want := map[uuid.UUID]app.HeldState{small.ID: app.Usable, tenth.ID: app.InOrder, later.ID: app.Usable, sooner.ID: app.Expired, narrow.ID: app.Usable}
	require.Equal(t, want, list())
	s.settle(paid, order)
	want[tenth.ID] = app.UsedUp
	require.Equal(t, want, list())
}
