package app_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
)

// medusa#16595 (T6): a use that was taken back without the lock lost another one that was counted at the same moment.
func TestReleaseBesideRedeem(t *testing.T) {
	t.Parallel()

	const coupon, turns = 12, 15
	s := setup(t, coupon)
	var held, dead atomic.Int64
	var wg sync.WaitGroup
	for n := range coupon {
		c := s.have(s.campaign.ID)
		wg.Go(func() {
			for i := range turns {
				order := orderID()
				var both sync.WaitGroup
				both.Go(func() { // it gives up at the moment at which it asks, or a while after that
					if i%3 > 0 {
						if err := s.tryHear(t.Context(), expired, order); err != nil {
							t.Error(err)
						}
						if err := s.instances[(n+i)%2].Settle(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
				switch _, err := s.redeem(n+i+1, order, c); {
				case err == nil:
					held.Add(1)
				case errors.Is(err, coupons.ErrReleased):
					dead.Add(1)
				default:
					t.Error(err)
				}
				both.Wait()
				if i%3 == 0 && i < turns-3 {
					if err := s.tryHear(t.Context(), []string{canceled, rejected}[i%2], order); err != nil {
						t.Error(err)
					}
					if err := s.instances[n%2].Settle(t.Context()); err != nil {
						t.Error(err)
					}
				} else if i == turns-3 {
					return // the order keeps it
				}
				// Another instance may be at it: whoever asks next asks when it is done.
				await(t, "the order has given it up", func() bool {
					return s.count(`SELECT count(*) FROM coupons.redemptions WHERE order_id = $1 AND state = 'released'`, order) == 1
				})
			}
		})
	}
	wg.Wait()
	t.Logf("%d redeemed, %d too late", held.Load(), dead.Load())
	require.EqualValues(t, coupon, s.redeemed(s.campaign.ID))
	require.EqualValues(t, coupon, s.count(`SELECT count(*) FROM coupons.redemptions WHERE state = 'held'`))
	s.sound()
}

// medusa PR#13760, vendure PR#4660, eventyay#1398, shopware#11245 (T5): a limit that is read, and then written, lets more through. And
// medusa PR#13451 (T7): who is over it is told so, by name, and never something else.
func TestLimits(t *testing.T) {
	t.Parallel()

	const limit = 30
	const crowd = 10 * limit
	// rush lets everybody ask at once, and counts who gets something.
	rush := func(t *testing.T, refusal error, ask func(i int) error) (got int64) {
		t.Helper()
		var had, refused atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range crowd {
			wg.Go(func() {
				<-start
				switch err := ask(i); {
				case err == nil:
					had.Add(1)
				case errors.Is(err, refusal):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		require.EqualValues(t, crowd, had.Load()+refused.Load(), "everybody is told the one or the other")
		return had.Load()
	}

	// shopware PR#18716, PR#17843 (T5c): some kinds of limits took no guard at all.
	for name, ask := range map[string]func(s shop) (app.Campaign, func(i int) error){
		"AnEvent": func(s shop) (app.Campaign, func(i int) error) {
			return s.campaign, func(i int) error { _, err := s.claim(i, s.campaign.ID, uuid.New()); return err }
		},
		"ATier": func(s shop) (app.Campaign, func(i int) error) {
			c := s.kind(app.ByTier, limit, accounts.Bronze)
			return c, func(i int) error { _, err := s.claim(i, c.ID, uuid.New()); return err }
		},
		"ACode": func(s shop) (app.Campaign, func(i int) error) {
			c := s.kind(app.ByCode, limit, "", "SPRING-26")
			return c, func(i int) error {
				_, err := s.instances[i%2].ClaimCode(s.t.Context(), uuid.New(), "SPRING-26")
				return err
			}
		},
		// shopware PR#18716 (T5b): the guard was of a code, and the limit of all of them.
		"ManyCodes": func(s shop) (app.Campaign, func(i int) error) {
			var codes []string
			for i := range crowd / 4 {
				codes = append(codes, fmt.Sprintf("CODE-%d", i))
			}
			c := s.kind(app.ByCode, limit, "", codes...)
			return c, func(i int) error {
				_, err := s.instances[i%2].ClaimCode(s.t.Context(), uuid.New(), codes[i%len(codes)])
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t, limit)
			c, asked := ask(s)
			require.EqualValues(t, limit, rush(t, coupons.ErrSoldOut, asked))
			s.books(c.ID, limit)
			s.sound()
		})
	}

	t.Run("AWelcome", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		c := s.kind(app.ByWelcome, limit, "")
		for range crowd {
			s.hear(registered, uuid.New())
		}
		var wg sync.WaitGroup
		for i := range 2 { // two at once, though the lease forbids it
			wg.Go(func() {
				if err := s.instances[i].Welcome(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.books(c.ID, limit)
		s.sound()
	})

	// One coupon, and ten orders for each that want it.
	t.Run("AtRedemption", func(t *testing.T) {
		t.Parallel()

		s := setup(t, limit)
		var all []coupons.Coupon
		for range limit {
			all = append(all, s.have(s.campaign.ID))
		}
		require.EqualValues(t, limit, rush(t, coupons.ErrNotApplicable, func(i int) error {
			_, err := s.redeem(i, orderID(), all[i%limit])
			return err
		}))
		require.EqualValues(t, limit, s.redeemed(s.campaign.ID))
		s.sound()
	})
}

// Eventra#14507 (T5d): a rollback kept the guard for ever. one-stop-project#280 (T30): what was taken before a commit that failed stayed
// taken.
func TestAfterARollback(t *testing.T) {
	t.Parallel()

	const fail = `
		CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '23514'; END $$;
		CREATE `
	for name, trigger := range map[string]string{
		"AtTheCounter":  `TRIGGER fail AFTER UPDATE ON coupons.counters FOR EACH STATEMENT`,
		"AtTheEvent":    `TRIGGER fail AFTER INSERT ON coupons.outbox FOR EACH STATEMENT`,
		"AtTheCommit":   `CONSTRAINT TRIGGER fail AFTER INSERT ON coupons.coupons DEFERRABLE INITIALLY DEFERRED FOR EACH ROW`,
		"OfARedemption": `CONSTRAINT TRIGGER fail AFTER INSERT ON coupons.redemptions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW`,
		"OfItsCounter":  `TRIGGER fail AFTER UPDATE OF redeemed ON coupons.counters FOR EACH STATEMENT`,
		"OfATombstone":  `TRIGGER fail AFTER INSERT ON coupons.redemptions FOR EACH STATEMENT`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t, 2)
			c := s.have(s.campaign.ID)
			account, order, dead := uuid.New(), orderID(), orderID()
			s.exec(fail + trigger + ` EXECUTE FUNCTION public.fail()`)
			_, claimed := s.claim(0, s.campaign.ID, account)
			_, redeemed := s.redeem(0, order, c)
			s.hear(expired, dead)
			settled := s.instances[0].Settle(t.Context())
			require.True(t, claimed != nil || redeemed != nil || settled != nil, "something has failed")
			for _, err := range []error{claimed, redeemed, settled} {
				if err != nil {
					require.ErrorContains(t, err, "planted")
				}
			}

			s.exec(`DROP FUNCTION public.fail CASCADE`)
			again, err := s.claim(1, s.campaign.ID, account)
			require.NoError(t, err)
			require.Equal(t, claimed == nil, again.Repeated)
			_, err = s.redeem(1, order, c)
			require.NoError(t, err)
			require.NoError(t, s.instances[1].Settle(t.Context()))
			require.EqualValues(t, 1, s.count(`SELECT count(*) FROM coupons.redemptions WHERE order_id = $1`, dead))
			require.EqualValues(t, 1, s.redeemed(s.campaign.ID))
			s.books(s.campaign.ID, 2)
			s.sound()
		})
	}
}

// vendure PR#4660, eventyay#1398: two orders look whether the coupon is free before either writes that it is not. The counter's lock alone
// keeps them apart, also where the index is gone that would refuse the second row.
func TestTwoOrdersAtTheSameMoment(t *testing.T) {
	t.Parallel()

	s := owned(t, 1)
	c := s.have(s.campaign.ID)
	s.exec(`DROP INDEX coupons.redemptions_open_idx`)
	// Nobody lands before both have boarded, or one has and the other waits for it.
	tx, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
	_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE coupons.redemptions IN SHARE MODE`)
	require.NoError(t, err)
	told := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := s.redeem(i, orderID(), c)
			told <- err
		}()
	}
	await(t, "both flights wait", func() bool {
		return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 2
	})
	require.NoError(t, tx.Commit(t.Context()))
	first, second := <-told, <-told
	if first != nil {
		first, second = second, first
	}
	require.NoError(t, first)
	require.ErrorIs(t, second, coupons.ErrNotApplicable)
	s.sound()
}
