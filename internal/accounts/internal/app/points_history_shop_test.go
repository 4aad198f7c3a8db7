package app_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// More of them are played with go test -run Histories -histories 100.
var histories = flag.Int("histories", 1, "histories of points that are played")

// TestHistories plays with faults: connections that the server ends, callers that give up, and transactions that lose races for locks.
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
	const purses, callers, each, began = 3, 4, 14, 6
	t.Logf("seed %d", seed)
	s := owned(t)
	s.admin("admin@example.com")
	r := &recorder{wallet: s.purses(purses, began)}
	// One write in twenty loses a race, in one way or another.
	s.exec(`
		CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF random() < 0.05 THEN
				RAISE EXCEPTION 'planted' USING ERRCODE = (ARRAY['40001', '40P01', '55P03'])[1 + floor(random() * 3)::int];
			END IF;
			RETURN NULL;
		END $$;
		CREATE TRIGGER lose AFTER INSERT OR UPDATE ON accounts.point_holds FOR EACH STATEMENT EXECUTE FUNCTION public.lose();
		CREATE TRIGGER lose AFTER UPDATE ON accounts.point_balances FOR EACH STATEMENT EXECUTE FUNCTION public.lose()`)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.terminate(ctx, rand.New(rand.NewPCG(seed, 99))) })
	r.play(t.Context(), seed, purses, callers, each)
	stop()
	wg.Wait()
	s.await("the last of the ended connections is met", func() bool {
		s.pool.Reset()
		_, err := s.pool.Exec(t.Context(), `DROP TRIGGER IF EXISTS lose ON accounts.point_holds; DROP TRIGGER IF EXISTS lose ON accounts.point_balances`)
		return err == nil && s.service.SettlePoints(t.Context()) == nil
	})

	t.Logf("%d operations, %d of them with an unknown outcome", len(r.history), r.unknown)
	require.Equal(t, porcupine.Ok, r.verdict(began), "no order of these operations explains the answers:\n%s", r)
	wrong := s.looked("")
	delete(wrong, "notifications.events") // the inbox knows of none of these events
	require.Empty(t, wrong)
}

func (s *shop) exec(sql string) {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), sql)
	require.NoError(s.t, err)
}

// await polls until ok holds.
func (s *shop) await(what string, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, 10*time.Second, 2*time.Millisecond, what)
}

// terminate ends one of the shop's connections after the other. What it has asked the server for is done when it returns.
func (s *shop) terminate(ctx context.Context, random *rand.Rand) {
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
		_, _ = s.pool.Exec(context.WithoutCancel(ctx), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
			ORDER BY random() LIMIT 1`)
	}
}

// real is the purses of a shop, served by two instances.
type real struct {
	instances [2]*shop
	people    []uuid.UUID
	ids       [][spenders]uuid.UUID
}

// purses signs up people with so many points each.
func (s *shop) purses(n int, began int64) *real {
	s.t.Helper()
	r := &real{instances: [2]*shop{s, s.another()}, people: make([]uuid.UUID, n), ids: make([][spenders]uuid.UUID, n)}
	for p := range n {
		r.people[p] = s.rich(began)
		for i := range spenders {
			r.ids[p][i] = uuid.Must(uuid.NewV7())
		}
	}
	return r
}

func (r *real) Hold(ctx context.Context, caller int, o op) (accounts.PointHold, error) {
	return r.instances[caller%2].service.Hold(ctx, accounts.HoldInput{OrderID: r.ids[o.purse][o.order], AccountID: r.people[o.purse], Points: o.asks()})
}

func (r *real) Settle(ctx context.Context, caller int, o op) error {
	c := orderOf(r.ids[o.purse][o.order], r.people[o.purse], o.asks())
	var e outbox.Event = ordering.Expired{Change: c}
	if o.kind == "use" {
		e = ordering.Paid{Change: c}
	}
	s := r.instances[caller%2]
	if err := s.tryHear(ctx, e); err != nil {
		return err
	}
	return s.service.SettlePoints(ctx)
}

func (r *real) Grant(ctx context.Context, caller int, o op, key string) error {
	return r.instances[caller%2].tryGrant(ctx, r.people[o.purse], o.by, key)
}

func (r *real) Look(ctx context.Context, purse int) (points, error) {
	l, err := r.instances[0].service.LedgerOf(ctx, r.people[purse], nil, 1)
	return points{l.Balance, l.Held}, err
}
