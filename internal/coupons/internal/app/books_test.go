package app_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// older moves everything that is there an hour back, behind the next checkpoint.
const older = `
CREATE FUNCTION public.older(id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - 3600000), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid
$$;
UPDATE coupons.coupons SET id = older(id);
UPDATE coupons.redemptions SET order_id = older(order_id), coupon_id = older(coupon_id);
UPDATE coupons.outbox SET key = older(key), event_id = older(event_id);
DROP FUNCTION public.older;`

// owned is a shop whose tables the test may break.
func owned(t testing.TB, quantity int64) shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "coupons"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return setupOn(t, pool, quantity)
}

// looked is what each invariant says from its checkpoint, or from the beginning, and the next checkpoints.
func looked(t testing.TB, s *app.Service, from map[string]string) (wrong map[string][]string, through map[string]string) {
	t.Helper()
	wrong, through = map[string][]string{}, map[string]string{}
	for _, i := range app.Books(s) {
		found, err := i.Check(t.Context(), from[i.Name])
		require.NoError(t, err, i.Name)
		through[i.Name] = found.Through
		for _, m := range found.Wrong {
			wrong[i.Name] = append(wrong[i.Name], m.Subject)
		}
		slices.Sort(wrong[i.Name])
	}
	return wrong, through
}

// planted is a statement with ids in it: several statements at once take no parameters.
func planted(sql string, ids map[string]string) string {
	for name, id := range ids {
		sql = strings.ReplaceAll(sql, "@"+name, "'"+id+"'")
	}
	return sql
}

func TestBooks(t *testing.T) {
	t.Parallel()

	t.Run("BalanceAfterAnyWork", func(t *testing.T) {
		t.Parallel()

		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		s := owned(t, 1+random.Int64N(30))
		other := s.create(app.Settings{Name: "Second", Quantity: 50, StartsAt: longAgo, EndsAt: farAway})
		ctx := auth.With(t.Context(), auth.Principal{AccountID: uuid.New(), Role: auth.Manager})
		accounts := make([]uuid.UUID, 40)
		for i := range accounts {
			accounts[i] = uuid.New()
		}
		var from map[string]string
		for range 3 {
			var wg sync.WaitGroup
			for i := range 80 {
				campaign, account := s.campaign.ID, accounts[random.IntN(len(accounts))]
				if random.IntN(3) == 0 {
					campaign = other.ID
				}
				dice := random.IntN(6)
				wg.Go(func() {
					c, err := s.claim(i, campaign, account)
					if err != nil {
						return
					}
					order := uuid.Must(uuid.NewV7())
					if dice < 4 {
						_, _ = s.redeem(i, order, c)
					}
					if event := []string{paid, canceled, expired, "", "", rejected}[dice]; event != "" {
						if err := s.tryHear(t.Context(), event, order); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, s.instances[0].Settle(t.Context()))
			quantity := other.Quantity + 1
			var err error
			other, err = s.instances[0].Edit(ctx, other.ID, other.ETag(), app.Edit{Quantity: &quantity})
			require.NoError(t, err)

			for range 2 { // the second look meets what was too young for the first one's checkpoint
				var wrong map[string][]string
				wrong, from = looked(t, s.instances[0], from)
				require.Empty(t, wrong)
			}
			_, err = s.pool.Exec(t.Context(), older)
			require.NoError(t, err)
			var wrong map[string][]string
			wrong, from = looked(t, s.instances[0], nil)
			require.Empty(t, wrong)
		}
	})

	// Five coupons are behind the checkpoint, one is after it. Whatever is wrong with the latter is found from there.
	for name, c := range map[string]struct {
		sql  string
		want map[string]string // what is named, by invariant: the coupon, the campaign, or absent (what the statement makes up)
	}{
		"ACouponIsLost":        {`DELETE FROM coupons.coupons WHERE id = @coupon`, map[string]string{"claims.taken": "campaign", "claims.events": "coupon", "redemptions.owners": "order"}},
		"TakenIsTooMuch":       {`UPDATE coupons.counters SET taken = taken + 1 WHERE campaign_id = @campaign`, map[string]string{"claims.taken": "campaign"}},
		"TakenIsTooLittle":     {`UPDATE coupons.counters SET taken = taken - 1 WHERE campaign_id = @campaign`, map[string]string{"claims.taken": "campaign"}},
		"TheCounterIsLost":     {`DELETE FROM coupons.counters WHERE campaign_id = @campaign`, map[string]string{"claims.taken": "campaign", "redemptions.counted": "campaign"}},
		"TheCampaignIsNobodys": {`UPDATE coupons.coupons SET campaign_id = @absent WHERE id = @coupon`, map[string]string{"claims.taken": "absent campaign", "redemptions.owners": "order"}},
		// Original, fault 50: an admin's edit overwrote what was left.
		"Oversold": {`ALTER TABLE coupons.counters DROP CONSTRAINT counters_never_oversold; UPDATE coupons.counters SET quantity = taken - 1 WHERE campaign_id = @campaign`, map[string]string{"claims.limit": "campaign"}},
		// Original, fault 47: one user could take all coupons.
		"HeldTwice":            {`ALTER TABLE coupons.coupons DROP CONSTRAINT coupons_one_per_account; UPDATE coupons.coupons SET account_id = (SELECT account_id FROM coupons.coupons WHERE id <> @coupon LIMIT 1) WHERE id = @coupon`, map[string]string{"claims.one_each": "coupon", "redemptions.owners": "order"}},
		"TheEventIsLost":       {`DELETE FROM coupons.outbox WHERE key = @coupon`, map[string]string{"claims.events": "coupon"}},
		"TheEventIsOfNoCoupon": {`UPDATE coupons.outbox SET key = @absent WHERE key = @coupon`, map[string]string{"claims.events": "absent coupon"}},
		"RedeemedIsTooMuch":    {`UPDATE coupons.counters SET redeemed = redeemed + 1 WHERE campaign_id = @campaign`, map[string]string{"redemptions.counted": "campaign"}},
		"ARedemptionIsLost":    {`DELETE FROM coupons.redemptions WHERE order_id = @order`, map[string]string{"redemptions.counted": "campaign"}},
		"AReleaseIsNotCounted": {`UPDATE coupons.redemptions SET state = 'released' WHERE order_id = @order`, map[string]string{"redemptions.counted": "campaign"}},
		"TwoOrdersHaveIt": {`DROP INDEX coupons.redemptions_open_idx; UPDATE coupons.counters SET redeemed = redeemed + 1 WHERE campaign_id = @campaign;
			INSERT INTO coupons.redemptions SELECT @absent, coupon_id, campaign_id, account_id, discount_won, 'used', created_at, updated_at FROM coupons.redemptions WHERE order_id = @order`, map[string]string{"redemptions.one_order": "coupon"}},
		"ItIsSomebodyElses": {`UPDATE coupons.redemptions SET account_id = @absent WHERE order_id = @order`, map[string]string{"redemptions.owners": "order"}},
		"ItIsNoCoupon":      {`UPDATE coupons.redemptions SET coupon_id = @absent WHERE order_id = @order`, map[string]string{"redemptions.owners": "order"}},
		// Original, fault 48: nothing kept a coupon from taking off whatever was asked for.
		"ItTakesTooMuchOff":      {`UPDATE coupons.redemptions SET discount_won = 1001 WHERE order_id = @order`, map[string]string{"redemptions.terms": "order"}},
		"NothingIsSettled":       {`INSERT INTO coupons.settlements (order_id, action, asked_at) VALUES (@order, 'use', now() - interval '2 minutes')`, map[string]string{"settlements.done": "order"}},
		"NobodyIsWelcomed":       {`INSERT INTO coupons.newcomers (account_id, at) VALUES (@absent, now() - interval '2 minutes')`, map[string]string{"welcomes.done": "absent"}},
		"AnEditIsNotInTheLog":    {`UPDATE coupons.campaigns SET version = version + 1 WHERE id = @campaign`, map[string]string{"campaigns.log": "campaign"}},
		"TheLogHasAnEditTooMuch": {`INSERT INTO coupons.audit_log (id, at, actor_id, actor_role, action, subject) VALUES (@absent, now(), @absent, 'manager', 'coupons.update', @campaign::text)`, map[string]string{"campaigns.log": "campaign"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t, 10)
			for range 5 {
				_, err := s.claim(0, s.campaign.ID, uuid.New())
				require.NoError(t, err)
			}
			_, err := s.pool.Exec(t.Context(), older)
			require.NoError(t, err)
			wrong, from := looked(t, s.instances[0], nil)
			require.Empty(t, wrong)
			young, err := s.claim(0, s.campaign.ID, uuid.New())
			require.NoError(t, err)
			order := uuid.Must(uuid.NewV7())
			_, err = s.redeem(0, order, young)
			require.NoError(t, err)
			wrong, _ = looked(t, s.instances[0], from)
			require.Empty(t, wrong)

			ids := map[string]string{
				"order": order.String(), "campaign": s.campaign.ID.String(), "coupon": young.ID.String(), "absent": uuid.Must(uuid.NewV7()).String(),
			}
			_, err = s.pool.Exec(t.Context(), planted(c.sql, ids))
			require.NoError(t, err)

			want := map[string][]string{}
			for invariant, what := range c.want {
				want[invariant] = []string{ids[what]}
				switch what {
				case "absent campaign":
					want[invariant] = []string{ids["absent"], ids["campaign"]}
				case "absent coupon":
					want[invariant] = []string{ids["absent"], ids["coupon"]}
				}
				slices.Sort(want[invariant])
			}
			wrong, _ = looked(t, s.instances[0], from)
			require.Equal(t, want, wrong)
			everything, _ := looked(t, s.instances[0], nil)
			for invariant, subjects := range want {
				require.Subset(t, everything[invariant], subjects, invariant)
			}
		})
	}
}
