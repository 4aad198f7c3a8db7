package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	longAgo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	farAway = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
	made    = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
)

// shop is two instances of the module on one database.
type shop struct {
	t         testing.TB
	pool      *pgxpool.Pool
	clock     *clock.Manual
	people    *people
	instances [2]*app.Service
	campaign  app.Campaign
}

// setup makes a campaign that is open.
func setup(t testing.TB, quantity int64) shop {
	t.Helper()
	return setupOn(t, pgtest.New(t, "coupons"), quantity)
}

func setupOn(t testing.TB, pool *pgxpool.Pool, quantity int64) shop {
	t.Helper()
	s := shop{t: t, pool: pool, clock: clock.NewManual(made), people: &people{tiers: map[uuid.UUID]accounts.Tier{}}}
	c := clock.Clock(s.clock.Now)
	for i := range s.instances {
		var err error
		s.instances[i], err = app.NewService(app.Parts{
			Pool: s.pool, Outbox: outbox.New("coupons", c), Audit: audit.New("coupons", c), Clock: c, Log: slog.New(slog.DiscardHandler),
			Accounts: s.people,
		})
		require.NoError(t, err)
		t.Cleanup(s.instances[i].Close)
	}
	s.campaign = s.create(app.Settings{Name: "Welcome", Description: "One each", Quantity: quantity, StartsAt: longAgo, EndsAt: farAway})
	return s
}

// create makes a campaign of 1,000 won off anything.
func (s shop) create(settings app.Settings) app.Campaign {
	s.t.Helper()
	return s.make(app.New{Settings: settings, Terms: app.Terms{Discount: app.Discount{AmountWon: 1000}}})
}

func (s shop) make(in app.New) app.Campaign {
	s.t.Helper()
	c, err := s.instances[0].Create(context.Background(), in)
	require.NoError(s.t, err)
	return c
}

// people are accounts with their tiers.
type people struct {
	accounts.Service
	mu    sync.Mutex
	tiers map[uuid.UUID]accounts.Tier
	asked int
}

func (p *people) Account(_ context.Context, in accounts.AccountInput) (accounts.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return accounts.Account{ID: in.AccountID, Tier: p.tiers[in.AccountID]}, nil
}

func (p *people) set(account uuid.UUID, tier accounts.Tier) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tiers[account] = tier
}

// redeem asks one of the instances to set a coupon aside for an order.
func (s shop) redeem(instance int, order uuid.UUID, c coupons.Coupon) (coupons.Redemption, error) {
	return s.instances[instance%2].Redeem(s.t.Context(), coupons.RedeemInput{
		OrderID: order, AccountID: c.AccountID, CouponID: c.ID, DiscountWon: 1000,
	})
}

// have claims a coupon of the campaign for somebody new.
func (s shop) have(campaign uuid.UUID) coupons.Coupon {
	s.t.Helper()
	c, err := s.claim(0, campaign, uuid.New())
	require.NoError(s.t, err)
	return c
}

// hear hands an event to its handler, as the bus does, with the key as the order or the account.
func (s shop) hear(event string, key uuid.UUID) {
	s.t.Helper()
	require.NoError(s.t, s.tryHear(s.t.Context(), event, key))
}

func (s shop) tryHear(ctx context.Context, event string, key uuid.UUID) error {
	whole := event != refundedInPart
	if !whole {
		event = refunded
	}
	data := fmt.Appendf(nil, `{"order_id":%q,"account_id":%[1]q,"discount_won":1000,"whole":%t}`, key, whole)
	for _, sub := range app.Subscriptions(s.instances[0]) {
		if sub.Type == event {
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				return sub.Handle(ctx, tx, bus.Envelope{Type: event, Key: key, Data: data})
			})
		}
	}
	return fmt.Errorf("nobody hears %s", event)
}

// settle hears the event of an order, and does what it asks.
func (s shop) settle(event string, order uuid.UUID) {
	s.t.Helper()
	s.hear(event, order)
	require.NoError(s.t, s.instances[0].Settle(s.t.Context()))
}

var (
	paid       = ordering.Paid{}.EventType()
	rejected   = ordering.Rejected{}.EventType()
	expired    = ordering.Expired{}.EventType()
	canceled   = ordering.Canceled{}.EventType()
	refunded   = ordering.Refunded{}.EventType()
	registered = accounts.Registered{}.EventType()
)

// refundedInPart is refunded, of an order of which something is left.
const refundedInPart = "in part"

func (s shop) count(query string, args ...any) (n int64) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n))
	return n
}

func (s shop) exec(sql string, args ...any) {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), sql, args...)
	require.NoError(s.t, err)
}

// sound fails the test unless the books are.
func (s shop) sound() {
	s.t.Helper()
	wrong, _ := looked(s.t, s.instances[0], nil)
	require.Empty(s.t, wrong)
}

// claim asks one of the instances.
func (s shop) claim(instance int, campaign, account uuid.UUID) (coupons.Coupon, error) {
	return s.instances[instance%len(s.instances)].Claim(s.t.Context(), coupons.ClaimInput{CampaignID: campaign, AccountID: account})
}

// books fails the test unless the campaign's counter, its coupons, their holders and their events are all as many.
func (s shop) books(campaign uuid.UUID, want int64) {
	s.t.Helper()
	var taken, rows, holders, events int64
	err := s.pool.QueryRow(s.t.Context(), `
		SELECT n.taken, count(k.id), count(DISTINCT k.account_id),
		       (SELECT count(*) FROM coupons.outbox o
		        WHERE o.type = 'coupons.claimed.v1' AND o.aggregate_version = 1 AND o.data->>'campaign_id' = $1::text
		          AND o.key IN (SELECT id FROM coupons.coupons WHERE campaign_id = $1::uuid))
		FROM coupons.counters n LEFT JOIN coupons.coupons k USING (campaign_id)
		WHERE n.campaign_id = $1::uuid GROUP BY n.taken`, campaign).Scan(&taken, &rows, &holders, &events)
	require.NoError(s.t, err)
	require.Equal(s.t, [4]int64{want, want, want, want}, [4]int64{taken, rows, holders, events}, "taken, coupons, holders, events")
}

// lockCounter makes claims of the campaign wait until the transaction ends.
func (s shop) lockCounter() pgx.Tx {
	s.t.Helper()
	tx, err := s.pool.Begin(s.t.Context())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(s.t.Context(), `SELECT FROM coupons.counters WHERE campaign_id = $1 FOR UPDATE`, s.campaign.ID)
	require.NoError(s.t, err)
	return tx
}

// awaitWaiting returns the process id of the session that waits for a lock, as soon as there is one.
func (s shop) awaitWaiting() (pid int) {
	s.t.Helper()
	await(s.t, "a session that waits for a lock", func() bool {
		err := s.pool.QueryRow(s.t.Context(), `
			SELECT coalesce(min(pid), 0) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&pid)
		require.NoError(s.t, err)
		return pid != 0
	})
	return pid
}

// await polls until ok holds.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("%s has not come about", what)
		case <-tick.C:
		}
	}
}
