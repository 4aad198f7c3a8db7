package app_test

import (
	"context"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/fault"
)

// pocket is a purse in memory, with a fault or without.
type pocket struct {
	mu     sync.Mutex
	now    purse
	flaw   string
	before purse          // what the flaw needs to know
	meet   sync.WaitGroup // of two that both read before either writes
}

func (f *pocket) do(o op) (said, error) {
	f.mu.Lock()
	now := f.now
	f.mu.Unlock()
	told, after := now.apply(o)
	switch {
	case f.flaw == "reads, then writes" && o.kind == "hold":
		f.meet.Done()
		f.meet.Wait()
	case f.flaw == "forgets who gave up early" && o.kind == "expire" && now.state[o.order] == 0:
		after = now
	case f.flaw == "lets go twice" && o.kind == "expire" && now.state[o.order] == 'r':
		after.has.held -= o.asks()
	case f.flaw == "gives back twice" && o.kind == "expire" && now.state[o.order] == 'r':
		after.has.balance += o.asks()
	case f.flaw == "takes again on a repeat" && o.kind == "hold" && now.state[o.order] == 'h':
		after.has.held += o.asks()
	case f.flaw == "refuses what there is" && o.kind == "hold":
		told, after = said{what: accounts.ErrNotEnoughPoints.Code}, now
	case f.flaw == "goes below what is held" && o.kind == "grant":
		after.has.balance += o.by
		told = said{}
	case f.flaw == "shows what was" && o.kind == "look":
		told = said{has: f.before.has}
	case f.flaw == "says spent, and is not" && o.kind == "use":
		after = now
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.now = now, after
	for _, refused := range refusals {
		if codeOf(refused) == told.what {
			return said{}, refused
		}
	}
	return told, nil
}

func (f *pocket) Hold(_ context.Context, _ int, o op) (accounts.PointHold, error) {
	told, err := f.do(o)
	return accounts.PointHold{State: accounts.HoldState(told.what)}, err
}

func (f *pocket) Settle(_ context.Context, _ int, o op) error { _, err := f.do(o); return err }

func (f *pocket) Grant(_ context.Context, _ int, o op, _ string) error { _, err := f.do(o); return err }

func (f *pocket) Look(context.Context, int) (points, error) {
	told, err := f.do(op{kind: "look"})
	return told.has, err
}

func TestTheCheckerOfPointsCatches(t *testing.T) {
	t.Parallel()

	hold, use, expire, look := op{kind: "hold"}, op{kind: "use"}, op{kind: "expire"}, op{kind: "look"}
	for flaw, history := range map[string][]op{
		"forgets who gave up early": {expire, hold},
		"lets go twice":             {hold, expire, expire, look},
		"gives back twice":          {hold, use, expire, expire, look},
		"takes again on a repeat":   {hold, hold, look},
		"refuses what there is":     {hold},
		"goes below what is held":   {hold, {kind: "grant", by: -2}},
		"shows what was":            {hold, look},
		"says spent, and is not":    {hold, use, look},
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()

			for _, c := range []struct {
				flaw string
				want porcupine.CheckResult
			}{{"", porcupine.Ok}, {flaw, porcupine.Illegal}} {
				r := &recorder{wallet: &pocket{now: purse{has: points{balance: 2}}, flaw: c.flaw}}
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

		for balance, says := range map[int64]string{1: "both have the last one", 2: "one's taking is lost"} {
			f := &pocket{now: purse{has: points{balance: balance}}, flaw: "reads, then writes"}
			f.meet.Add(2)
			r := &recorder{wallet: f}
			var wg sync.WaitGroup
			for caller := range 2 {
				wg.Go(func() { r.do(t.Context(), caller, op{kind: "hold", order: 3 * caller}) })
			}
			wg.Wait()
			r.do(t.Context(), 0, look)
			require.Equal(t, porcupine.Illegal, r.verdict(balance), says)
		}
	})
}

// unlockBalances puts a view in the place of the balances whose rows nobody can lock, and takes the constraint away that would refuse
// what is written without a lock.
const unlockBalances = `
ALTER TABLE accounts.point_balances DROP CONSTRAINT point_balances_check;
ALTER TABLE accounts.point_balances RENAME TO balances_as_they_are;
CREATE FUNCTION accounts.read_balances() RETURNS SETOF accounts.balances_as_they_are LANGUAGE sql AS 'SELECT * FROM accounts.balances_as_they_are';
CREATE VIEW accounts.point_balances AS SELECT * FROM accounts.read_balances();
CREATE FUNCTION accounts.write_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE accounts.balances_as_they_are
	SET balance = balance + NEW.balance - OLD.balance, held = held + NEW.held - OLD.held WHERE account_id = NEW.account_id;
	RETURN NEW;
END $$;
CREATE TRIGGER write_balance INSTEAD OF UPDATE ON accounts.point_balances FOR EACH ROW EXECUTE FUNCTION accounts.write_balance()`

// TestWithoutTheLockOfBalances shows that the lock of balances is what keeps two flights from spending the same points, and that the
// tests would see it if it were left out.
func TestWithoutTheLockOfBalances(t *testing.T) {
	t.Parallel()

	for name, locked := range map[string]bool{"WithIt": true, "WithoutIt": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			r := &recorder{wallet: s.purses(1, 1)}
			if !locked {
				s.exec(unlockBalances)
			}
			// Nobody lands before both have boarded, or one has and the other waits for it.
			tx, err := s.pool.Begin(t.Context())
			require.NoError(t, err)
			defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
			_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE accounts.point_holds IN SHARE MODE`)
			require.NoError(t, err)
			var wg sync.WaitGroup
			for caller := range 2 {
				wg.Go(func() { r.do(t.Context(), caller, op{kind: "hold", order: 3 * caller}) })
			}
			s.await("both flights wait", func() bool {
				return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 2
			})
			require.NoError(t, tx.Commit(t.Context()))
			wg.Wait()
			require.Zero(t, r.unknown)
			r.do(t.Context(), 0, op{kind: "look"})

			wrong := s.looked("")
			delete(wrong, "admins.one")
			if locked {
				require.Equal(t, porcupine.Ok, r.verdict(1))
				require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.point_holds`))
				require.Empty(t, wrong)
				return
			}
			require.Equal(t, porcupine.Illegal, r.verdict(1))
			require.Equal(t, 2, s.count(`SELECT count(*) FROM accounts.point_holds`), "the point is spent twice")
			require.Contains(t, wrong, "points.held")
		})
	}
}

func codeOf(err error) string {
	f, _ := fault.As(err)
	return f.Code
}
