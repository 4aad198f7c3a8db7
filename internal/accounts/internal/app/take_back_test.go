package app_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/ordering"
)

// takeBack asks for what the order had earned by goods for so much.
func (s *shop) takeBack(refund uuid.UUID, of ordering.Change, won int64) (accounts.TakenBack, error) {
	return s.service.TakeBack(s.t.Context(), accounts.TakeBackInput{RefundID: refund, OrderID: of.OrderID, AccountID: of.AccountID, Won: won})
}

func (s *shop) refused(of ordering.Change, refund uuid.UUID) {
	s.t.Helper()
	s.brings(ordering.RefundRefused{Change: of, Refund: ordering.Refund{RefundID: refund}})
}

func (s *shop) refunded(of ordering.Change, refund uuid.UUID, pointsBack int64) {
	s.t.Helper()
	s.brings(ordering.Refunded{Change: of, Refund: ordering.Refund{RefundID: refund, PointsBack: pointsBack}})
}

func TestTakeBack(t *testing.T) {
	t.Parallel()

	t.Run("WhatTheGoodsHadEarned", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(0)
		c := s.buys(id, 250)
		require.Equal(t, points{2, 0}, s.points(id))
		a, b := uuid.New(), uuid.New()
		for range 2 {
			got, err := s.takeBack(a, c, 149)
			require.NoError(t, err)
			require.Equal(t, accounts.TakenBack{RefundID: a, Owed: 1, Taken: 1}, got, "250 earn 2, 101 earn 1")
		}
		got, err := s.another().service.TakeBack(t.Context(), accounts.TakeBackInput{RefundID: b, OrderID: c.OrderID, AccountID: id, Won: 101})
		require.NoError(t, err)
		require.Equal(t, accounts.TakenBack{RefundID: b, Owed: 1, Taken: 1}, got)
		require.Equal(t, points{0, 0}, s.points(id))
		require.Equal(t, []string{"earn 2", "take_back -1", "take_back -1"}, s.kinds(id))
		l, err := s.service.LedgerOf(t.Context(), id, nil, 3)
		require.NoError(t, err)
		require.Equal(t, []*uuid.UUID{&b, &a, nil}, []*uuid.UUID{l.Entries[0].RefundID, l.Entries[1].RefundID, l.Entries[2].RefundID})
		s.sound()
	})

	t.Run("AsFarAsTheAccountHasIt", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(5)
		c := s.buys(id, 10_000) // earns 100
		_, err := s.hold(uuid.New(), id, 60)
		require.NoError(t, err)
		got, err := s.takeBack(uuid.New(), c, 10_000)
		require.NoError(t, err)
		require.EqualValues(t, []int64{100, 45}, []int64{got.Owed, got.Taken}, "what an open order holds is not taken")
		require.Equal(t, points{60, 60}, s.points(id))
		later := s.buys(id, 100)
		require.NoError(t, s.tryGrant(t.Context(), id, -1, "k"))
		got, err = s.takeBack(uuid.New(), later, 100)
		require.NoError(t, err)
		require.EqualValues(t, []int64{1, 0}, []int64{got.Owed, got.Taken})
		require.Equal(t, []string{"grant 5", "earn 100", "take_back -45", "earn 1", "revoke -1"}, s.kinds(id), "what is nothing is no entry")
		s.sound()
	})

	t.Run("RefusesWhatIsNot", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, other := s.rich(0), s.rich(7)
		early := orderOf(uuid.New(), id, 0)
		refund := uuid.New()
		_, err := s.takeBack(refund, early, 100)
		require.ErrorIs(t, err, accounts.ErrNoPurchase, "not yet")
		c := s.buys(id, 10_000)
		for _, won := range []int64{0, -1} {
			_, err = s.takeBack(refund, c, won)
			require.ErrorIs(t, err, accounts.ErrBadTakeBack)
		}
		_, err = s.takeBack(refund, c, 10_001)
		require.ErrorIs(t, err, accounts.ErrTakeBackTooMuch)
		astray := c
		astray.AccountID = other
		_, err = s.takeBack(refund, astray, 100)
		require.ErrorIs(t, err, accounts.ErrNoPurchase)

		_, err = s.takeBack(refund, c, 6000)
		require.NoError(t, err)
		_, err = s.takeBack(refund, c, 5999)
		require.ErrorIs(t, err, accounts.ErrTakeBackDiffers)
		_, err = s.takeBack(uuid.New(), c, 4001)
		require.ErrorIs(t, err, accounts.ErrTakeBackTooMuch)
		require.Equal(t, []string{"earn 100", "take_back -60"}, s.kinds(id))
		require.Equal(t, points{7, 0}, s.points(other))
		s.sound()
	})

	t.Run("AClosedAccountOwesNothing", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		c, before := s.buys(id, 10_000), uuid.New()
		_, err := s.takeBack(before, c, 4000)
		require.NoError(t, err)
		s.ask("DELETE", "/v1/me", own.Access, nil).Is(204)
		late := s.buys(id, 5000)
		for _, of := range []ordering.Change{c, late} {
			refund := uuid.New()
			for range 2 {
				got, err := s.takeBack(refund, of, 5000)
				require.NoError(t, err)
				require.Equal(t, accounts.TakenBack{RefundID: refund}, got)
			}
			s.refused(of, refund)
		}
		got, err := s.takeBack(before, c, 4000)
		require.NoError(t, err)
		require.EqualValues(t, 40, got.Taken)
		s.refused(c, before)
		require.Equal(t, []string{"earn 100", "take_back -40", "undo_take_back 40"}, s.kinds(id))
		s.sound()
	})

	t.Run("ARefusedRefundIsUndone", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(0)
		c, refund := s.buys(id, 10_000), uuid.New()
		_, err := s.takeBack(refund, c, 10_000)
		require.NoError(t, err)
		s.refused(c, uuid.New()) // of one that took nothing back
		e := ordering.RefundRefused{Change: c, Refund: ordering.Refund{RefundID: refund}}
		s.hear(envelope(e), envelope(e))
		require.NoError(t, s.service.SettlePoints(t.Context()))
		s.refused(c, refund)
		require.Equal(t, points{100, 0}, s.points(id))
		_, err = s.takeBack(refund, c, 10_000)
		require.ErrorIs(t, err, accounts.ErrTakeBackUndone)
		again, err := s.takeBack(uuid.New(), c, 10_000)
		require.NoError(t, err)
		require.EqualValues(t, 100, again.Taken)
		require.Equal(t, []string{"earn 100", "take_back -100", "undo_take_back 100", "take_back -100"}, s.kinds(id))
		s.sound()
	})

	t.Run("WhatCameBackDoesNotCountForTheTier", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(0)
		c := s.buys(id, 1_000_000)
		require.Equal(t, accounts.Gold, s.tier(id))
		refund := uuid.New()
		_, err := s.takeBack(refund, c, 1)
		require.NoError(t, err)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Silver, s.tier(id))
		s.refused(c, refund)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Gold, s.tier(id))
		_, err = s.takeBack(uuid.New(), c, 1_000_000)
		require.NoError(t, err)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Bronze, s.tier(id))
		s.clock.Advance(366 * 24 * time.Hour)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Bronze, s.tier(id))
	})

	t.Run("WhatCameBackBeforeIsNotConfirmed", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(0)
		c := orderOf(uuid.New(), id, 0)
		c.ReturnedWon = 18_000
		s.confirmed(c)
		require.Equal(t, []string{"earn 200"}, s.kinds(id), "a hundredth of 38,000 - 18,000")
		_, err := s.takeBack(uuid.New(), c, 20_001)
		require.ErrorIs(t, err, accounts.ErrTakeBackTooMuch)
		c.OrderID, c.ReturnedWon = uuid.New(), 38_000
		s.confirmed(c)
		_, err = s.takeBack(uuid.New(), c, 1)
		require.ErrorIs(t, err, accounts.ErrNoPurchase)
	})

	t.Run("AgainstHoldsAndEachOther", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		instances := []*shop{s, s.another()}
		id := s.rich(0)
		c := s.buys(id, 10_000) // earns 100
		refunds := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
		together(60, func(i int) error {
			service := instances[i%2].service
			if i%3 == 0 {
				_, err := service.Hold(t.Context(), accounts.HoldInput{OrderID: uuid.New(), AccountID: id, Points: 7})
				if err != nil && !errors.Is(err, accounts.ErrNotEnoughPoints) {
					t.Error(err)
				}
				return nil
			}
			_, err := service.TakeBack(t.Context(), accounts.TakeBackInput{RefundID: refunds[i%len(refunds)], OrderID: c.OrderID, AccountID: id, Won: 3333})
			if err != nil {
				t.Error(err)
			}
			return nil
		})
		require.Equal(t, 2, s.count(`SELECT count(*) FROM accounts.point_take_backs`), "refunds of a third each")
		require.Equal(t, 6666, s.count(`SELECT returned_won FROM accounts.purchases`))
		s.sound()
	})
}

func TestReturn(t *testing.T) {
	t.Parallel()

	t.Run("BringsBackWhatPaidForTheGoods", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		require.NoError(t, s.tryGrant(t.Context(), id, 500, "k"))
		c := orderOf(uuid.New(), id, 500)
		_, err := s.hold(c.OrderID, id, 500)
		require.NoError(t, err)
		s.paid(c)
		a, b := uuid.New(), uuid.New()
		first := ordering.Refunded{Change: c, Refund: ordering.Refund{RefundID: a, PointsBack: 200}}
		s.hear(envelope(first), envelope(first))
		require.NoError(t, s.service.SettlePoints(t.Context()))
		s.refunded(c, a, 200)
		s.refunded(c, uuid.New(), 0)
		require.Equal(t, points{200, 0}, s.points(id))
		s.refunded(c, b, 300)
		require.Equal(t, []string{"grant 500", "use -500", "return 200", "return 300"}, s.kinds(id))
		held, err := s.hold(c.OrderID, id, 500)
		require.NoError(t, err)
		require.Equal(t, accounts.Used, held.State, "it stays so")
		list := itemsOf[app.PointEntry](s.ask("GET", "/v1/me/points?limit=1", own.Access, nil))
		require.Equal(t, []any{"return", &b}, []any{list[0].Kind, list[0].RefundID})
		require.Contains(t, itemsOf[app.Notification](s.ask("GET", "/v1/me/notifications", own.Access, nil))[0].Body, ", 300포인트 (주문번호 SASA-1)")
		s.sound()
	})

	t.Run("NeverMoreThanPaidForThem", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(500)
		c := orderOf(uuid.New(), id, 300)
		require.ErrorIs(t, s.tryHear(t.Context(), ordering.Refunded{Change: c, Refund: ordering.Refund{RefundID: uuid.New(), PointsBack: 1}}), accounts.ErrNoPointHold)
		_, err := s.hold(c.OrderID, id, 300)
		require.NoError(t, err)
		s.refunded(c, uuid.New(), 1)
		require.Equal(t, points{500, 300}, s.points(id), "it is not spent")
		s.paid(c)
		s.refunded(c, uuid.New(), 200)
		s.refunded(c, uuid.New(), 101)
		require.Equal(t, points{400, 0}, s.points(id))
		require.Contains(t, s.log.String(), "a refund brings back points that did not pay for its order")
		s.sound()
	})
}
