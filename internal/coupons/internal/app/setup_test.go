package app_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/audit"
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
	s := shop{t: t, pool: pool}
	c := clock.Clock(clock.NewManual(made).Now)
	for i := range s.instances {
		s.instances[i] = app.NewService(s.pool, outbox.New("coupons", c), audit.New("coupons", c), c)
		t.Cleanup(s.instances[i].Close)
	}
	s.campaign = s.create(app.Settings{Name: "Welcome", Description: "One each", Quantity: quantity, StartsAt: longAgo, EndsAt: farAway})
	return s
}

func (s shop) create(settings app.Settings) app.Campaign {
	s.t.Helper()
	c, err := s.instances[0].Create(context.Background(), settings)
	require.NoError(s.t, err)
	return c
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
	deadline, tick := time.NewTimer(10*time.Second), time.NewTicker(2*time.Millisecond)
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
