package app_test

import (
	"context"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
)

// shelf is goods in memory, with a fault or without.
type shelf struct {
	mu     sync.Mutex
	groups map[int]model
	flaw   string
	before model          // what the flaw needs to know
	meet   sync.WaitGroup // of two that both read before either writes
}

func (f *shelf) do(o op) (said, error) {
	f.mu.Lock()
	now := f.groups[o.group]
	f.mu.Unlock()
	told, after := now.apply(o)
	switch {
	case f.flaw == "reads, then writes" && o.kind == "reserve":
		f.meet.Done()
		f.meet.Wait()
	case f.flaw == "forgets who gave up early" && o.kind == "expire" && now.state[o.order] == 0:
		after = now
	case f.flaw == "gives back twice" && o.kind == "expire" && now.state[o.order] == 'r':
		for i, q := range now.holds[o.order] {
			after.stock[i].reserved -= q
		}
	case f.flaw == "restocks twice" && o.kind == "expire" && now.state[o.order] == 'r':
		for i, q := range now.holds[o.order] {
			after.stock[i].onHand += q
		}
	case f.flaw == "takes again on a repeat" && o.kind == "reserve" && now.state[o.order] == 'h':
		after.stock[0].reserved += o.lines[0]
	case f.flaw == "takes half a basket" && told.what == catalog.ErrOutOfStock.Code:
		after.stock[0].reserved += o.lines[0]
	case f.flaw == "refuses what there is" && o.kind == "reserve":
		told, after = said{what: catalog.ErrOutOfStock.Code}, now
	case f.flaw == "goes below what is held" && o.kind == "move":
		after.stock[o.product].onHand += o.by
		told = said{}
	case f.flaw == "shows what was" && o.kind == "look":
		told = said{stock: f.before.stock}
	case f.flaw == "an order eats the drop" && o.kind == "reserve" && told.what == catalog.ErrOutOfStock.Code:
		after.state[o.order], after.holds[o.order][theDrop] = 'h', o.lines[0]
		after.stock[theDrop].reserved += o.lines[0]
		told = said{what: string(catalog.Held)}
	case f.flaw == "the drop eats the rest" && o.kind == "reserve" && o.drop:
		o.drop = false
		told, after = now.apply(o)
	case f.flaw == "gives back to no drop" && o.kind == "expire":
		after.shift(-now.holds[o.order][theDrop])
	case f.flaw == "gives back to a closed drop" && o.kind == "expire":
		after.shift(now.holds[o.order][theDrop])
	case f.flaw == "keeps what it had" && o.kind == "close":
		after = now
		after.closed = true
	case f.flaw == "closes twice" && o.kind == "close" && now.closed:
		after.shift(-1)
	case f.flaw == "goes below what is taken" && o.kind == "set":
		after.shift(o.by - now.quantity)
		after.quantity, told = o.by, said{}
	case f.flaw == "sells what is closed" && o.kind == "reserve" && told.what == catalog.ErrDropClosed.Code:
		told = said{what: string(catalog.Held)}
	case f.flaw == "says sold, and is not" && o.kind == "use":
		after = now
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.groups[o.group] = now, after
	for _, refusal := range refusals {
		if refusal.Code == told.what {
			return said{}, refusal
		}
	}
	return told, nil
}

func (f *shelf) Reserve(_ context.Context, _ int, o op) (catalog.Reservation, error) {
	told, err := f.do(o)
	return catalog.Reservation{State: catalog.HoldState(told.what)}, err
}

func (f *shelf) SetDrop(_ context.Context, _, group int, quantity int64) error {
	_, err := f.do(op{kind: "set", group: group, by: quantity})
	return err
}

func (f *shelf) CloseDrop(_ context.Context, _, group int) error {
	_, err := f.do(op{kind: "close", group: group})
	return err
}

func (f *shelf) Settle(_ context.Context, _, group, order int, event string) error {
	kind := "use"
	if event == expired {
		kind = "expire"
	}
	_, err := f.do(op{kind: kind, group: group, order: order})
	return err
}

func (f *shelf) Move(_ context.Context, _, group, product int, by int64, _ string) error {
	_, err := f.do(op{kind: "move", group: group, product: product, by: by})
	return err
}

func (f *shelf) Look(_ context.Context, group int) (pools, error) {
	told, err := f.do(op{kind: "look", group: group})
	return told.stock, err
}

func TestTheCheckerCatches(t *testing.T) {
	t.Parallel()

	take := func(order int, lines ...int64) op {
		return op{kind: "reserve", order: order, lines: [sizes]int64(append(lines, 0, 0)[:sizes])}
	}
	use, expire, look, end := op{kind: "use"}, op{kind: "expire"}, op{kind: "look"}, op{kind: "close"}
	drop := func(order int, quantity int64) op {
		return op{kind: "reserve", order: order, drop: true, lines: [sizes]int64{quantity}}
	}
	for flaw, history := range map[string][]op{
		"forgets who gave up early":   {expire, take(0, 1)},
		"gives back twice":            {take(0, 1), expire, expire, look},
		"restocks twice":              {take(0, 1), use, expire, expire, look},
		"takes again on a repeat":     {take(0, 1), take(0, 1), look},
		"takes half a basket":         {take(0, 1, 3), look},
		"refuses what there is":       {take(0, 1)},
		"goes below what is held":     {take(0, 2), {kind: "move", by: -1}},
		"shows what was":              {take(0, 1), look},
		"says sold, and is not":       {take(0, 1), use, look},
		"an order eats the drop":      {take(1, 2), take(0, 1)},
		"the drop eats the rest":      {drop(0, 2), take(1, 1)},
		"gives back to no drop":       {drop(0, 1), expire, look},
		"gives back to a closed drop": {drop(0, 1), end, expire, look},
		"keeps what it had":           {end, take(0, 3)},
		"closes twice":                {end, end, look},
		"goes below what is taken":    {drop(0, 2), {kind: "set", by: 1}},
		"sells what is closed":        {end, drop(0, 1)},
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()

			for _, c := range []struct {
				flaw string
				want porcupine.CheckResult
			}{{"", porcupine.Ok}, {flaw, porcupine.Illegal}} {
				r := &recorder{goods: &shelf{groups: map[int]model{0: begun(2)}, flaw: c.flaw}}
				for _, o := range history {
					r.do(t.Context(), 0, o)
				}
				require.Equal(t, c.want, r.verdict(2))
			}
		})
	}

	// Two callers read what is left, and both write what is left after themselves.
	t.Run("reads, then writes", func(t *testing.T) {
		t.Parallel()

		for pieces, says := range map[int64]string{1: "both have the last one", 2: "one's taking is lost"} {
			f := &shelf{groups: map[int]model{0: begun(pieces)}, flaw: "reads, then writes"}
			f.meet.Add(2)
			r := &recorder{goods: f}
			var wg sync.WaitGroup
			for caller := range 2 {
				wg.Go(func() { r.do(t.Context(), caller, take(caller, 1)) })
			}
			wg.Wait()
			r.do(t.Context(), 0, look)
			require.Equal(t, porcupine.Illegal, r.verdict(pieces), says)
		}
	})

	// An operation that nobody knows the end of may have been done, or not, or later; but not so.
	t.Run("AnUnknownOutcomeExplainsNoMoreThanItCan", func(t *testing.T) {
		t.Parallel()

		for seen, want := range map[int64]porcupine.CheckResult{0: porcupine.Ok, 1: porcupine.Ok, 2: porcupine.Illegal} {
			r := &recorder{goods: lost{seen}}
			r.do(t.Context(), 0, take(0, 1))
			r.do(t.Context(), 0, look)
			require.Equal(t, want, r.verdict(2), "%d are reserved", seen)
		}
	})
}

// lost is goods whose answers do not arrive, where so many are reserved then.
type lost struct{ reserved int64 }

func (lost) Reserve(context.Context, int, op) (catalog.Reservation, error) {
	return catalog.Reservation{}, context.Canceled
}

func (lost) Settle(context.Context, int, int, int, string) error      { return context.Canceled }
func (lost) Move(context.Context, int, int, int, int64, string) error { return context.Canceled }
func (lost) SetDrop(context.Context, int, int, int64) error           { return context.Canceled }
func (lost) CloseDrop(context.Context, int, int) error                { return context.Canceled }
func (l lost) Look(context.Context, int) (pools, error) {
	return pools{{onHand: 2, reserved: l.reserved}, {onHand: 2}, {onHand: apart}}, nil
}

// unlock puts a view in the place of the pools whose rows nobody can lock, and takes the constraint away that would refuse what is
// written without a lock.
const unlock = `
ALTER TABLE catalog.pools DROP CONSTRAINT pools_check;
ALTER TABLE catalog.pools RENAME TO pools_as_they_are;
CREATE FUNCTION catalog.read_pools() RETURNS SETOF catalog.pools_as_they_are LANGUAGE sql AS 'SELECT * FROM catalog.pools_as_they_are';
CREATE VIEW catalog.pools AS SELECT * FROM catalog.read_pools();
CREATE FUNCTION catalog.write_pool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE catalog.pools_as_they_are
	SET on_hand = on_hand + NEW.on_hand - OLD.on_hand, reserved = reserved + NEW.reserved - OLD.reserved WHERE id = NEW.id;
	RETURN NEW;
END $$;
CREATE TRIGGER write_pool INSTEAD OF UPDATE ON catalog.pools FOR EACH ROW EXECUTE FUNCTION catalog.write_pool()`

// TestWithoutTheLock shows that the lock of the pools is what keeps two flights from selling the same piece, and that the tests would
// see it if it were left out.
//
// medusa#16825, saleor#543: two buyers of the last piece both get it.
func TestWithoutTheLock(t *testing.T) {
	t.Parallel()

	for name, locked := range map[string]bool{"WithIt": true, "WithoutIt": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			r := &recorder{goods: s.stocked(1, 1)}
			if !locked {
				s.exec(unlock)
			}
			// Nobody lands before both have boarded, or one has and the other waits for it.
			tx, err := s.pool.Begin(t.Context())
			require.NoError(t, err)
			defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
			_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE catalog.reservations IN SHARE MODE`)
			require.NoError(t, err)
			var wg sync.WaitGroup
			for caller := range 2 {
				wg.Go(func() { r.do(s.ctx, caller, op{kind: "reserve", order: caller, lines: [sizes]int64{1, 0}}) })
			}
			await(t, "both flights wait", func() bool {
				return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 2
			})
			require.NoError(t, tx.Commit(t.Context()))
			wg.Wait()
			require.Zero(t, r.unknown)
			r.do(s.ctx, 0, op{kind: "look"})

			wrong, _ := s.looked(nil)
			if locked {
				require.Equal(t, porcupine.Ok, r.verdict(1))
				require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.reservations`))
				require.Empty(t, wrong)
				return
			}
			require.Equal(t, porcupine.Illegal, r.verdict(1))
			require.EqualValues(t, 2, s.count(`SELECT count(*) FROM catalog.reservations`), "the piece is sold twice")
			require.Contains(t, wrong, "stock.left")
		})
	}
}
