package app_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
)

// More of them are played with go test -run Histories -histories 100.
var histories = flag.Int("histories", 1, "histories of coupons that are played")

// TestHistories plays with faults: connections that the server ends, callers that give up, and transactions that lose races for locks.
//
// medusa#16595, vendure PR#4660: what is used and what the counters say drift apart when calls overlap.
func TestHistories(t *testing.T) {
	t.Parallel()

	for range *histories {
		t.Run("", func(t *testing.T) {
			t.Parallel()

			testHistory(t, rand.Uint64())
		})
	}
}

func testHistory(t *testing.T, seed uint64) {
	const campaigns, callers, each, limit = 3, 4, 14, 3
	t.Logf("seed %d", seed)
	s := owned(t, limit)
	d := s.counter(campaigns, limit)
	r := &recorder{desk: d}
	// One write in twenty loses a race, in one way or another.
	s.exec(`
		CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF random() < 0.05 THEN
				RAISE EXCEPTION 'planted' USING ERRCODE = (ARRAY['40001', '40P01', '55P03'])[1 + floor(random() * 3)::int];
			END IF;
			RETURN NULL;
		END $$;
		CREATE TRIGGER lose AFTER INSERT OR UPDATE ON coupons.redemptions FOR EACH STATEMENT EXECUTE FUNCTION public.lose();
		CREATE TRIGGER lose AFTER INSERT ON coupons.coupons FOR EACH STATEMENT EXECUTE FUNCTION public.lose();
		CREATE TRIGGER lose AFTER UPDATE ON coupons.counters FOR EACH STATEMENT EXECUTE FUNCTION public.lose()`)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.terminate(ctx, rand.New(rand.NewPCG(seed, 99))) })
	r.play(t.Context(), seed, campaigns, callers, each)
	stop()
	wg.Wait()
	await(t, "the last of the ended connections is met", func() bool {
		s.pool.Reset()
		_, err := s.pool.Exec(t.Context(), `
			DROP TRIGGER IF EXISTS lose ON coupons.redemptions; DROP TRIGGER IF EXISTS lose ON coupons.coupons; DROP TRIGGER IF EXISTS lose ON coupons.counters`)
		return err == nil && s.instances[0].Settle(t.Context()) == nil
	})

	t.Logf("%d operations, %d of them with an unknown outcome", len(r.history), r.unknown)
	require.Equal(t, porcupine.Ok, r.verdict(limit), "no order of these operations explains the answers:\n%s", r)
	s.sound()
}

// terminate ends one of the shop's connections after the other.
func (s shop) terminate(ctx context.Context, random *rand.Rand) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if random.IntN(3) > 0 {
			continue
		}
		_, _ = s.pool.Exec(ctx, `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
			ORDER BY random() LIMIT 1`)
	}
}

// counter is the coupons of a shop, served by its instances.
type counter struct {
	shop
	campaigns []uuid.UUID
	accounts  [holders]uuid.UUID
	orders    [][lives]uuid.UUID
}

// counter makes campaigns of so many coupons each.
func (s shop) counter(campaigns int, limit int64) *counter {
	s.t.Helper()
	c := &counter{shop: s, orders: make([][lives]uuid.UUID, campaigns)}
	for i := range c.accounts {
		c.accounts[i] = uuid.New()
	}
	for i := range campaigns {
		c.campaigns = append(c.campaigns, s.create(app.Settings{Name: fmt.Sprint("Campaign ", i), Quantity: limit, StartsAt: longAgo, EndsAt: farAway}).ID)
		for n := range lives {
			c.orders[i][n] = orderID()
		}
	}
	return c
}

func (c *counter) Claim(ctx context.Context, caller, campaign, account int) (coupons.Coupon, error) {
	return c.instances[caller%2].Claim(ctx, coupons.ClaimInput{CampaignID: c.campaigns[campaign], AccountID: c.accounts[account]})
}

func (c *counter) Redeem(ctx context.Context, caller, campaign, order int) (coupons.Redemption, error) {
	in := coupons.RedeemInput{OrderID: c.orders[campaign][order], AccountID: c.accounts[ownerOf(order)], DiscountWon: 1000}
	err := c.pool.QueryRow(ctx, `SELECT id FROM coupons.coupons WHERE campaign_id = $1 AND account_id = $2`, c.campaigns[campaign], in.AccountID).Scan(&in.CouponID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return coupons.Redemption{}, err
	}
	return c.instances[caller%2].Redeem(ctx, in)
}

func (c *counter) Settle(ctx context.Context, caller, campaign, order int, event string) error {
	if err := c.tryHear(ctx, event, c.orders[campaign][order]); err != nil {
		return err
	}
	return c.instances[caller%2].Settle(ctx)
}

func (c *counter) Look(ctx context.Context, campaign int) (taken, redeemed int64, err error) {
	err = c.pool.QueryRow(ctx, `SELECT taken, redeemed FROM coupons.counters WHERE campaign_id = $1`, c.campaigns[campaign]).Scan(&taken, &redeemed)
	return taken, redeemed, err
}
