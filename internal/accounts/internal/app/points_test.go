package app_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// byAdmin is the context of an admin who is nobody.
func byAdmin(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Principal{AccountID: uuid.UUID{15: 1}, Role: auth.Admin})
}

func (s *shop) tryGrant(ctx context.Context, account uuid.UUID, points int64, key string) error {
	_, _, err := s.service.Grant(byAdmin(ctx), app.GrantInput{
		AccountID: account, Points: points, Reason: "a late parcel", Key: idempotency.Of(key, account.String(), points),
	})
	return err
}

// rich signs up somebody with so many points.
func (s *shop) rich(points int64) uuid.UUID {
	s.t.Helper()
	id, _ := s.shopper(uuid.NewString() + "@example.com")
	if points > 0 {
		require.NoError(s.t, s.tryGrant(s.t.Context(), id, points, uuid.NewString()))
	}
	return id
}

func (s *shop) hold(order, account uuid.UUID, points int64) (accounts.PointHold, error) {
	return s.service.Hold(s.t.Context(), accounts.HoldInput{OrderID: order, AccountID: account, Points: points})
}

// orderOf is an order of 39,000 won of which points pay some.
func orderOf(id, account uuid.UUID, points int64) ordering.Change {
	c := order(account)
	c.OrderID, c.ItemsWon, c.DiscountWon, c.PointsWon, c.ShippingWon = id, 39000, 1000, points, 3000
	c.TotalWon, c.DueWon = 41000, 41000-points
	return c
}

// brings brings an event to the module, and does what it asks for.
func (s *shop) brings(e outbox.Event) {
	s.t.Helper()
	s.hear(envelope(e))
	require.NoError(s.t, s.service.SettlePoints(s.t.Context()))
}

func (s *shop) paid(c ordering.Change)      { s.t.Helper(); s.brings(ordering.Paid{Change: c}) }
func (s *shop) canceled(c ordering.Change)  { s.t.Helper(); s.brings(ordering.Canceled{Change: c}) }
func (s *shop) confirmed(c ordering.Change) { s.t.Helper(); s.brings(ordering.Confirmed{Change: c}) }

type points struct{ balance, held int64 }

func (s *shop) points(account uuid.UUID) points {
	s.t.Helper()
	l, err := s.service.LedgerOf(s.t.Context(), account, nil, 1)
	require.NoError(s.t, err)
	return points{l.Balance, l.Held}
}

// kinds are the entries of an account, the first first.
func (s *shop) kinds(account uuid.UUID) (kinds []string) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT kind || ' ' || points FROM accounts.point_entries WHERE account_id = $1 ORDER BY id`, account)
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var kind string
		require.NoError(s.t, rows.Scan(&kind))
		kinds = append(kinds, kind)
	}
	require.NoError(s.t, rows.Err())
	return kinds
}

// sound fails the test unless the ledger and the open holds add up to the balances.
func (s *shop) sound() {
	s.t.Helper()
	require.Zero(s.t, s.count(`
		SELECT count(*) FROM accounts.point_balances b
		WHERE b.balance <> coalesce((SELECT sum(points) FROM accounts.point_entries e WHERE e.account_id = b.account_id), 0)
		   OR b.held <> coalesce((SELECT sum(points) FROM accounts.point_holds h WHERE h.account_id = b.account_id AND h.state = 'held'), 0)
		   OR b.held < 0 OR b.balance < b.held`), "balances that are not the sum of their entries, or of their holds")
}

func TestHold(t *testing.T) {
	t.Parallel()

	t.Run("SetsPointsAside", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, order := s.rich(1000), uuid.New()
		held, err := s.hold(order, id, 700)
		require.NoError(t, err)
		require.Equal(t, accounts.PointHold{OrderID: order, State: accounts.Held, Points: 700}, held)
		require.Equal(t, points{1000, 700}, s.points(id))
		again, err := s.another().hold(order, id, 700)
		require.NoError(t, err)
		require.Equal(t, held, again)
		require.Equal(t, points{1000, 700}, s.points(id))

		_, err = s.hold(uuid.New(), id, 301)
		require.ErrorIs(t, err, accounts.ErrNotEnoughPoints)
		_, err = s.hold(uuid.New(), id, 300)
		require.NoError(t, err)
		account, err := s.service.Account(t.Context(), accounts.AccountInput{AccountID: id})
		require.NoError(t, err)
		require.Zero(t, account.Points, "what can be spent")
		s.sound()
	})

	t.Run("RefusesWhatIsNone", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		for _, none := range []int64{0, -1, -1000} {
			_, err := s.hold(uuid.New(), s.rich(1000), none)
			require.ErrorIs(t, err, accounts.ErrBadPoints)
		}
		_, err := s.hold(uuid.New(), uuid.New(), 1)
		require.ErrorIs(t, err, accounts.ErrNoAccount)
		_, err = s.hold(uuid.New(), s.rich(0), 1)
		require.ErrorIs(t, err, accounts.ErrNotEnoughPoints)
	})

	t.Run("AClosedAccountHoldsNothing", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		require.NoError(t, s.tryGrant(t.Context(), id, 1000, "k"))
		early := uuid.New()
		_, err := s.hold(early, id, 100)
		require.NoError(t, err)
		s.ask("DELETE", "/v1/me", own.Access, nil).Is(204)
		_, err = s.hold(uuid.New(), id, 100)
		require.ErrorIs(t, err, accounts.ErrNoAccount)
		again, err := s.hold(early, id, 100)
		require.NoError(t, err)
		require.Equal(t, accounts.Held, again.State, "what it held before follows its order")
		s.confirmed(orderOf(uuid.New(), id, 0))
		require.Equal(t, []string{"grant 1000"}, s.kinds(id), "nothing is earned")
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.purchases`))
		require.ErrorIs(t, s.tryGrant(t.Context(), id, 1000, "l"), accounts.ErrNoAccount)
		s.paid(orderOf(early, id, 100))
		s.canceled(orderOf(early, id, 100))
		require.Equal(t, []string{"grant 1000", "use -100", "return 100"}, s.kinds(id))
		s.sound()
	})

	t.Run("AskedForTwiceInOneFlight", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, order := s.rich(100), uuid.New()
		for _, err := range together(50, func(int) error { _, err := s.hold(order, id, 60); return err }) {
			require.NoError(t, err)
		}
		require.Equal(t, points{100, 60}, s.points(id))
	})

	// It cannot be, and does no harm.
	t.Run("AskedForByTwoAccounts", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		instances, people := []*shop{s, s.another()}, []uuid.UUID{s.rich(100), s.rich(100)}
		for range 20 {
			order := uuid.New()
			for _, err := range together(4, func(i int) error { _, err := instances[i/2].hold(order, people[i%2], 5); return err }) {
				require.NoError(t, err)
			}
		}
		require.EqualValues(t, 100, s.points(people[0]).held+s.points(people[1]).held)
		s.sound()
	})

	t.Run("NeverSpendsMoreThanThereIs", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		instances := []*shop{s, s.another()}
		id, other := s.rich(1000), s.rich(10)
		errs := together(300, func(i int) error {
			account := id
			if i%10 == 0 {
				account = other
			}
			_, err := instances[i%2].hold(uuid.New(), account, 10)
			return err
		})
		counts := map[error]int{}
		for _, err := range errs {
			switch {
			case errors.Is(err, accounts.ErrNotEnoughPoints):
				counts[accounts.ErrNotEnoughPoints]++
			default:
				counts[err]++
			}
		}
		require.Equal(t, map[error]int{nil: 101, accounts.ErrNotEnoughPoints: 199}, counts)
		require.Equal(t, points{1000, 1000}, s.points(id))
		require.Equal(t, points{10, 10}, s.points(other))
		s.sound()
	})

	t.Run("AreToldForTheAudit", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(100)
		ids := []uuid.UUID{uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())}
		for _, order := range ids[:3] {
			_, err := s.hold(order, id, 10)
			require.NoError(t, err)
		}
		s.paid(orderOf(ids[1], id, 10))
		s.canceled(orderOf(ids[3], id, 10))
		holds, err := s.service.Holds(t.Context(), accounts.HoldsInput{OrderIDs: append(ids, uuid.New())})
		require.NoError(t, err)
		require.Equal(t, []accounts.PointHold{
			{OrderID: ids[0], State: accounts.Held, Points: 10},
			{OrderID: ids[1], State: accounts.Used, Points: 10},
			{OrderID: ids[2], State: accounts.Held, Points: 10},
			{OrderID: ids[3], State: accounts.Released},
		}, holds.Items)
		var open []uuid.UUID
		for after := (uuid.UUID{}); ; {
			page, err := s.service.OpenHolds(t.Context(), accounts.OpenHoldsInput{After: after, Limit: 1})
			require.NoError(t, err)
			if len(page.Items) == 0 {
				break
			}
			after = page.Items[0].OrderID
			open = append(open, after)
		}
		require.Equal(t, []uuid.UUID{ids[0], ids[2]}, open)
		_, err = s.service.Holds(t.Context(), accounts.HoldsInput{OrderIDs: make([]uuid.UUID, 1001)})
		require.ErrorIs(t, err, accounts.ErrTooManyHolds)
		for _, limit := range []int{0, 1001} {
			_, err = s.service.OpenHolds(t.Context(), accounts.OpenHoldsInput{Limit: limit})
			require.ErrorIs(t, err, accounts.ErrTooManyHolds)
		}
	})
}

func TestSettlePoints(t *testing.T) {
	t.Parallel()

	t.Run("FollowsTheOrder", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, a, b := s.rich(1000), uuid.New(), uuid.New()
		_, err := s.hold(a, id, 300)
		require.NoError(t, err)
		_, err = s.hold(b, id, 400)
		require.NoError(t, err)
		s.paid(orderOf(a, id, 300))
		s.paid(orderOf(a, id, 300))
		require.Equal(t, points{700, 400}, s.points(id))
		s.canceled(orderOf(b, id, 400))
		s.canceled(orderOf(b, id, 400))
		require.Equal(t, points{700, 0}, s.points(id))
		s.canceled(orderOf(a, id, 300))
		s.canceled(orderOf(a, id, 300))
		require.Equal(t, points{1000, 0}, s.points(id))
		require.Equal(t, []string{"grant 1000", "use -300", "return 300"}, s.kinds(id))
		for _, order := range []uuid.UUID{a, b} {
			_, err = s.hold(order, id, 1)
			require.ErrorIs(t, err, accounts.ErrPointsReleased, "what is given back stays so")
		}
		s.paid(orderOf(a, id, 300))
		require.Equal(t, points{1000, 0}, s.points(id), "too late")
		s.sound()
	})

	for name, event := range map[string]func(c ordering.Change) outbox.Event{
		"Rejected": func(c ordering.Change) outbox.Event { return ordering.Rejected{Change: c} },
		"Expired":  func(c ordering.Change) outbox.Event { return ordering.Expired{Change: c} },
		"Canceled": func(c ordering.Change) outbox.Event { return ordering.Canceled{Change: c} },
	} {
		t.Run("AHoldAfterItsOrderWas"+name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			id, late := s.rich(1000), uuid.New()
			s.brings(event(orderOf(late, id, 300)))
			_, err := s.hold(late, id, 300)
			require.ErrorIs(t, err, accounts.ErrPointsReleased)
			require.Equal(t, points{1000, 0}, s.points(id))
		})
	}

	t.Run("AnOrderWithoutPointsAsksForNothing", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(1000)
		s.paid(orderOf(uuid.New(), id, 0))
		s.canceled(orderOf(uuid.New(), id, 0))
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.point_holds`))
	})

	t.Run("PaidWithPointsThatItDoesNotHold", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		require.ErrorIs(t, s.tryHear(t.Context(), ordering.Paid{Change: orderOf(uuid.New(), s.rich(10), 10)}), accounts.ErrNoPointHold)
	})

	t.Run("EarnsOnce", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, order := s.rich(500), uuid.New()
		s.confirmed(orderOf(order, id, 500))
		s.confirmed(orderOf(order, id, 500))
		require.Equal(t, []string{"grant 500", "earn 375"}, s.kinds(id), "a hundredth of 39,000 - 1,000 - 500")
		small := orderOf(uuid.New(), id, 0)
		small.ItemsWon, small.DiscountWon = 199, 0
		s.confirmed(small)
		small.OrderID, small.ItemsWon = uuid.New(), 99
		s.confirmed(small)
		small.OrderID, small.DiscountWon = uuid.New(), 200
		s.confirmed(small)
		require.Equal(t, []string{"grant 500", "earn 375", "earn 1"}, s.kinds(id), "rounded down, never negative")
		require.Equal(t, 3, s.count(`SELECT count(*) FROM accounts.purchases`))
		s.sound()
	})

	t.Run("ManyInOneFlight", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		people := []uuid.UUID{s.rich(10_000), s.rich(10_000)}
		var last ordering.Change
		for i := range 40 {
			c := orderOf(uuid.New(), people[i%2], 10)
			_, err := s.hold(c.OrderID, c.AccountID, 10)
			require.NoError(t, err)
			s.hear(envelope(ordering.Paid{Change: c}))
			switch i % 4 {
			case 0:
				s.hear(envelope(ordering.Canceled{Change: c}))
			case 1:
				s.hear(envelope(ordering.Confirmed{Change: c}), envelope(ordering.Confirmed{Change: c}))
			}
			last = c
		}
		for _, err := range together(3, func(int) error { return s.service.SettlePoints(t.Context()) }) {
			require.NoError(t, err)
		}
		s.canceled(last)
		require.Equal(t, points{10_000 - 10*10, 0}, s.points(people[0]))
		require.Equal(t, points{10_000 - 19*10 + 10*379, 0}, s.points(people[1]))
		s.sound()
	})

	// A hold and its release race; whoever wins, what is held is what open holds say.
	t.Run("AgainstHolds", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		instances := []*shop{s, s.another()}
		id := s.rich(1000)
		var wg sync.WaitGroup
		for i := range 60 {
			c := orderOf(uuid.New(), id, 10)
			wg.Go(func() {
				if _, err := instances[i%2].hold(c.OrderID, id, 10); err != nil && !errors.Is(err, accounts.ErrPointsReleased) {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := s.tryHear(t.Context(), ordering.Expired{Change: c}); err != nil {
					t.Error(err)
				}
				if err := instances[(i+1)%2].service.SettlePoints(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.NoError(t, s.service.SettlePoints(t.Context()))
		require.Equal(t, points{1000, 0}, s.points(id))
		require.Equal(t, 60, s.count(`SELECT count(*) FROM accounts.point_holds WHERE state = 'released'`))
		s.sound()
	})
}

func TestGrant(t *testing.T) {
	t.Parallel()

	t.Run("ByAnAdmin", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		boss, own := s.admin("boss@example.com")
		_, manager := s.manager("manager@example.com")
		id, shopper := s.shopper("jieun@example.com")
		grant := func(token string, points int, key string) answer {
			return s.askFrom("203.0.113.7:1", "POST", at(id, "/points"), token, map[string]any{"points": points, "reason": "a late parcel"}, "Idempotency-Key", key)
		}
		grant(shopper.Access, 10, "k").Says(403, "auth.forbidden")
		grant(manager.Access, 10, "k").Says(403, "auth.forbidden")
		a := grant(own.Access, 1000, "k").Is(201)
		require.Equal(t, "grant", a.Body["kind"])
		require.Equal(t, boss.String(), a.Body["actor_id"])
		again := grant(own.Access, 1000, "k").Is(201)
		require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
		require.Equal(t, a.Body, again.Body)
		grant(own.Access, 1001, "k").Says(422, "idempotency.key_reused")
		grant(own.Access, 0, "z").Is(422)
		_, err := s.hold(uuid.New(), id, 600)
		require.NoError(t, err)
		grant(own.Access, -401, "l").Says(409, "accounts.not_enough_points")
		require.Equal(t, "revoke", grant(own.Access, -400, "m").Is(201).Body["kind"])
		require.Equal(t, points{600, 600}, s.points(id))
		require.Equal(t, []string{"points.grant", "points.revoke"}, s.audited(id))

		mine := s.ask("GET", "/v1/me/points?limit=1", shopper.Access, nil).Is(200)
		require.NotContains(t, mine.Raw, boss.String(), "who did it is not the shopper's")
		var page, next app.PointsBody
		mine.Into(&page)
		require.Equal(t, []int64{600, 600, 0}, []int64{page.Balance, page.Held, page.Spendable})
		require.EqualValues(t, -400, page.Items[0].Points)
		s.ask("GET", "/v1/me/points?limit=1&cursor="+page.Next, shopper.Access, nil).Is(200).Into(&next)
		require.EqualValues(t, 1000, next.Items[0].Points)
		require.Empty(t, next.Next)
		require.Len(t, itemsOf[app.EntryForAdmins](s.ask("GET", at(id, "/points"), manager.Access, nil)), 2)
		s.ask("GET", at(uuid.New(), "/points"), manager.Access, nil).Says(404, "accounts.no_account")
		s.sound()
	})

	t.Run("SameKeyMovesOnce", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		people := []uuid.UUID{s.rich(0), s.rich(0)}
		granted := 0
		for i, err := range together(20, func(i int) error { return s.tryGrant(t.Context(), people[i%2], 10, "one") }) {
			if err == nil {
				granted++
			} else {
				require.ErrorIs(t, err, idempotency.ErrReused, fmt.Sprint(i))
			}
		}
		require.Equal(t, 10, granted, "one account's")
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.point_entries`))
		s.sound()
	})

	t.Run("NeverBelowWhatIsHeld", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(100)
		for _, err := range together(40, func(i int) (err error) {
			if i%2 == 0 {
				_, err = s.hold(uuid.New(), id, 10)
			} else {
				err = s.tryGrant(t.Context(), id, -10, fmt.Sprint(i))
			}
			return err
		}) {
			if err != nil {
				require.ErrorIs(t, err, accounts.ErrNotEnoughPoints)
			}
		}
		got := s.points(id)
		require.Equal(t, got.balance, got.held, "40 came for at most 10: all that is left is held")
		s.sound()
	})
}
