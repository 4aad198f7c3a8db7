package app_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// buys confirms an order of goods for so much, and reviews who is due.
func (s *shop) buys(account uuid.UUID, won int64) ordering.Change {
	s.t.Helper()
	c := orderOf(uuid.Must(uuid.NewV7()), account, 0)
	c.ItemsWon, c.DiscountWon, c.At = won, 0, s.clock.Now()
	s.confirmed(c)
	require.NoError(s.t, s.service.ReviewTiers(s.t.Context()))
	return c
}

func (s *shop) tier(account uuid.UUID) accounts.Tier {
	s.t.Helper()
	a, err := s.service.Account(s.t.Context(), accounts.AccountInput{AccountID: account})
	require.NoError(s.t, err)
	return a.Tier
}

func (s *shop) setTier(token string, name accounts.Tier, fromWon, permille int64) answer {
	s.t.Helper()
	for _, t := range itemsOf[struct{ Name, ETag string }](s.ask("GET", "/admin/tiers", token, nil)) {
		if t.Name == string(name) {
			return s.askFrom("203.0.113.7:1", "PUT", "/admin/tiers/"+t.Name, token, map[string]any{"from_won": fromWon, "earn_permille": permille}, "If-Match", t.ETag)
		}
	}
	s.t.Fatalf("there is no tier %s", name)
	return answer{}
}

// watch sees what is sent to the database, and can hold it up.
type watch struct{ seen func(sql string) }

func (w watch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.seen(d.SQL)
	return ctx
}

func (watch) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// watched is a shop that says what it sends.
func watched(t *testing.T, seen func(sql string)) *shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "accounts", Tracer: watch{seen}})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return instance(t, pool, clock.NewManual(began), options{config: generous()})
}

func TestTiers(t *testing.T) {
	t.Parallel()

	t.Run("FollowPurchases", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		require.Equal(t, accounts.Bronze, s.tier(id))
		s.buys(id, 299_999)
		require.Equal(t, accounts.Bronze, s.tier(id))
		last := s.buys(id, 1)
		require.Equal(t, accounts.Silver, s.tier(id))
		s.confirmed(last)
		s.buys(id, 700_000)
		require.Equal(t, accounts.Gold, s.tier(id))
		s.buys(id, 5_000_000)
		require.Equal(t, accounts.VIP, s.tier(id))
		require.Equal(t, []string{"earn 2999", "earn 10500", "earn 100000"}, s.kinds(id), "at the rate of the tier before; a won earns nothing")
		require.Equal(t, []string{"accounts.registered.v1", "accounts.tier_changed.v1", "accounts.tier_changed.v1", "accounts.tier_changed.v1"}, s.published(id))

		me := s.ask("GET", "/v1/me", own.Access, nil).Is(200)
		require.Equal(t, "vip", me.Body["tier"])
		require.Equal(t, "113499", fmt.Sprint(me.Body["points"]))
		var told []string
		for _, n := range itemsOf[app.Notification](s.ask("GET", "/v1/me/notifications", own.Access, nil)) {
			require.Nil(t, n.OrderID)
			told = append(told, n.Kind+": "+n.Title+": "+n.Body)
		}
		require.Equal(t, []string{
			"tier_changed: 회원 등급이 올랐습니다: 골드 → VIP", "tier_changed: 회원 등급이 올랐습니다: 실버 → 골드", "tier_changed: 회원 등급이 올랐습니다: 브론즈 → 실버",
		}, told)
		english := s.askFrom("203.0.113.7:1", "GET", "/v1/me/notifications?limit=1", own.Access, nil, "Accept-Language", "en")
		require.Equal(t, "Your tier has risen", itemsOf[app.Notification](english)[0].Title)
		s.sound()
	})

	t.Run("Age", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(0)
		s.buys(id, 1_000_000)
		s.clock.Advance(100 * 24 * time.Hour)
		s.buys(id, 400_000)
		require.Equal(t, accounts.Gold, s.tier(id))
		s.clock.Advance(265*24*time.Hour - time.Second)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Gold, s.tier(id))
		s.clock.Advance(time.Second)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Silver, s.tier(id))
		s.clock.Advance(100 * 24 * time.Hour)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Bronze, s.tier(id))
		require.Equal(t, 3, s.count(`SELECT count(*) FROM accounts.notifications WHERE account_id = $1 AND kind = 'tier_changed'`, id))
		require.Len(t, s.published(id), 4)
	})

	t.Run("ConfirmedLateButLongAgo", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id := s.rich(0)
		c := orderOf(uuid.New(), id, 0)
		c.ItemsWon, c.At = 5_000_000, s.clock.Now().Add(-366*24*time.Hour)
		s.confirmed(c)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Bronze, s.tier(id))
	})

	t.Run("ReviewedByTwoAtOnce", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		other := s.another()
		var people []uuid.UUID
		for range 5 {
			id := s.rich(0)
			people = append(people, id)
			for range 4 {
				c := orderOf(uuid.New(), id, 0)
				c.ItemsWon, c.At = 100_000, s.clock.Now()
				s.hear(envelope(ordering.Confirmed{Change: c}))
			}
		}
		for _, err := range together(8, func(i int) error {
			service := []*app.Service{s.service, other.service}[i%2]
			if i < 4 {
				return service.SettlePoints(t.Context())
			}
			return service.ReviewTiers(t.Context())
		}) {
			require.NoError(t, err)
		}
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		for _, id := range people {
			require.Equal(t, accounts.Silver, s.tier(id))
			require.Len(t, s.published(id), 2)
		}
		s.sound()
	})

	t.Run("BoughtWhileItIsReviewed", func(t *testing.T) {
		t.Parallel()
		var meanwhile atomic.Pointer[func()]
		s := watched(t, func(sql string) {
			if strings.Contains(sql, "name: SetReviews ") {
				if buy := meanwhile.Swap(nil); buy != nil {
					(*buy)()
				}
			}
		})
		id := s.rich(0)
		buy := func() {
			c := orderOf(uuid.New(), id, 0)
			c.ItemsWon, c.At = 200_000, s.clock.Now()
			s.confirmed(c)
		}
		buy()
		meanwhile.Store(&buy)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Nil(t, meanwhile.Load())
		require.Equal(t, accounts.Silver, s.tier(id))
	})

	t.Run("AreSetByAdmins", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, boss := s.admin("boss@example.com")
		_, manager := s.manager("manager@example.com")
		id := s.rich(0)
		s.buys(id, 500_000)
		require.Equal(t, accounts.Silver, s.tier(id))

		s.setTier(manager.Access, accounts.Silver, 600_000, 15).Says(403, "auth.forbidden")
		s.setTier(boss.Access, accounts.Silver, 600_000, 15).Is(200)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Bronze, s.tier(id))
		s.setTier(boss.Access, accounts.Gold, 600_000, 20).Says(422, "accounts.tiers_not_ascending")
		s.setTier(boss.Access, accounts.Silver, 1_000_000, 15).Says(422, "accounts.tiers_not_ascending")
		s.setTier(boss.Access, accounts.Silver, 0, 15).Says(422, "accounts.tiers_not_ascending")
		s.setTier(boss.Access, accounts.Silver, 600_000, 21).Says(422, "accounts.tiers_not_ascending")
		s.setTier(boss.Access, accounts.Bronze, 1, 10).Says(422, "accounts.tiers_not_ascending")
		s.setTier(boss.Access, accounts.Silver, 600_000, 1001).Is(422)
		s.setTier(boss.Access, accounts.Bronze, 0, 0).Is(200)
		s.buys(id, 50_000)
		require.Equal(t, []string{"earn 5000"}, s.kinds(id), "bronze earns nothing any more")
		s.setTier(boss.Access, accounts.Silver, 550_000, 15).Is(200)
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.Equal(t, accounts.Silver, s.tier(id))

		body := map[string]any{"from_won": 1, "earn_permille": 15}
		s.askFrom("203.0.113.7:1", "PUT", "/admin/tiers/silver", boss.Access, body, "If-Match", `"old"`).Says(412, "conflict.stale")
		s.ask("PUT", "/admin/tiers/silver", boss.Access, body).Is(428)
		s.askFrom("203.0.113.7:1", "PUT", "/admin/tiers/platinum", boss.Access, body, "If-Match", `"old"`).Says(404, "accounts.no_tier")
		require.Equal(t, 3, s.count(`SELECT count(*) FROM accounts.audit_log WHERE action = 'tiers.update'`))
	})

	// Each alone would be in order, both together would not.
	t.Run("AscendWhoeverSetsThem", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		rules := func() map[string]db.AccountsTier {
			all, err := s.service.TierRules(t.Context())
			require.NoError(t, err)
			byName := map[string]db.AccountsTier{}
			for _, r := range all {
				byName[r.Name] = r
			}
			return byName
		}
		set := func(of db.AccountsTier, fromWon int64) error {
			_, err := s.service.SetTierRule(byAdmin(t.Context()), accounts.Tier(of.Name), app.TierETag(of), app.TierRule{FromWon: fromWon, EarnPermille: of.EarnPermille})
			return err
		}
		for range 10 {
			before := rules()
			errs := together(2, func(i int) error {
				if i == 0 {
					return set(before["silver"], 900_000)
				}
				return set(before["gold"], 400_000)
			})
			require.ElementsMatch(t, []bool{true, false}, []bool{errs[0] == nil, errs[1] == nil}, "%v", errs)
			after := rules()
			require.Less(t, after["silver"].FromWon, after["gold"].FromWon)
			require.NoError(t, set(after["silver"], 300_000))
			require.NoError(t, set(after["gold"], 1_000_000))
		}
	})
}
