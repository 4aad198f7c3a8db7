package app_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// More of them are played with go test -run Histories -histories 100.
var histories = flag.Int("histories", 1, "histories of stock that are played")

// TestHistories plays with faults: connections that the server ends, callers that give up, and transactions that lose races for locks.
//
// medusa#16569, medusa#16595, vendure#1738: what is set aside and what the counters say drift apart when calls overlap.
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
	const groups, callers, each, began = 3, 4, 14, 6
	t.Logf("seed %d", seed)
	s := owned(t)
	r := &recorder{goods: s.stocked(groups, began)}
	// One write in twenty loses a race, in one way or another.
	s.exec(`
		CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF random() < 0.05 THEN
				RAISE EXCEPTION 'planted' USING ERRCODE = (ARRAY['40001', '40P01', '55P03'])[1 + floor(random() * 3)::int];
			END IF;
			RETURN NULL;
		END $$;
		CREATE TRIGGER lose AFTER INSERT OR UPDATE ON catalog.reservations FOR EACH STATEMENT EXECUTE FUNCTION public.lose();
		CREATE TRIGGER lose AFTER UPDATE ON catalog.pools FOR EACH STATEMENT EXECUTE FUNCTION public.lose()`)
	ctx, stop := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.terminate(ctx, rand.New(rand.NewPCG(seed, 99))) })
	r.play(s.ctx, seed, groups, callers, each)
	stop()
	wg.Wait()
	await(t, "the last of the ended connections is met", func() bool {
		s.pool.Reset()
		_, err := s.pool.Exec(t.Context(), `DROP TRIGGER IF EXISTS lose ON catalog.reservations; DROP TRIGGER IF EXISTS lose ON catalog.pools`)
		return err == nil && s.service().Settle(t.Context()) == nil
	})

	t.Logf("%d operations, %d of them with an unknown outcome", len(r.history), r.unknown)
	require.Equal(t, porcupine.Ok, r.verdict(began), "no order of these operations explains the answers:\n%s", r)
	s.sound()
}

// terminate ends one of the shop's connections after the other.
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
		_, _ = s.pool.Exec(ctx, `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
			ORDER BY random() LIMIT 1`)
	}
}

// real is the goods of a shop, served by its instances.
type real struct {
	*shop
	products [][sizes]uuid.UUID
	drops    []uuid.UUID
	ids      [][orders]uuid.UUID
}

// stocked puts up groups of goods of which there are so many pieces each.
func (s *shop) stocked(groups int, began int64) *real {
	s.t.Helper()
	r := &real{shop: s, products: make([][sizes]uuid.UUID, groups), drops: make([]uuid.UUID, groups), ids: make([][orders]uuid.UUID, groups)}
	for g := range groups {
		for i := range sizes {
			r.products[g][i] = s.product(began)
		}
		s.move(r.products[g][0], app.KindReceive, apart)
		r.drops[g] = s.drop(r.products[g][0], apart)
		for i := range orders {
			r.ids[g][i] = orderID()
		}
	}
	return r
}

func (r *real) Reserve(ctx context.Context, caller int, o op) (catalog.Reservation, error) {
	in := catalog.ReserveInput{OrderID: r.ids[o.group][o.order]}
	if o.drop {
		in.DropID = r.drops[o.group]
	}
	for i, q := range o.lines {
		if q > 0 {
			in.Lines = append(in.Lines, catalog.Line{ProductID: r.products[o.group][i], Quantity: q})
		}
	}
	return r.instances[caller%2].Reserve(ctx, in)
}

func (r *real) SetDrop(ctx context.Context, caller, group int, quantity int64) error {
	_, err := r.instances[caller%2].SetDrop(ctx, setting(r.drops[group], r.products[group][0], quantity))
	return err
}

func (r *real) CloseDrop(ctx context.Context, caller, group int) error {
	_, err := r.instances[caller%2].CloseDrop(ctx, catalog.CloseDropInput{DropID: r.drops[group]})
	return err
}

func (r *real) Settle(ctx context.Context, caller, group, order int, event string) error {
	if err := r.tryHear(ctx, event, r.ids[group][order]); err != nil {
		return err
	}
	return r.instances[caller%2].Settle(ctx)
}

func (r *real) Move(ctx context.Context, caller, group, product int, by int64, key string) error {
	_, _, err := r.instances[caller%2].Move(ctx, r.moving(r.products[group][product], app.KindAdjust, by, key))
	return err
}

func (r *real) Look(ctx context.Context, group int) (got pools, err error) {
	ids := append(r.products[group][:], r.drops[group])
	rows, err := r.pool.Query(ctx, `SELECT id, on_hand, reserved FROM catalog.pools WHERE id = ANY ($1)`, ids)
	if err != nil {
		return got, err
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var of stock
		if err := rows.Scan(&id, &of.onHand, &of.reserved); err != nil {
			return got, err
		}
		got[slices.Index(ids, id)] = of
	}
	return got, rows.Err()
}
