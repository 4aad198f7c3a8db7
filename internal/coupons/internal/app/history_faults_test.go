package app_test

import (
	"context"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/fault"
)

// drawer is coupons in memory, with a fault or without.
type drawer struct {
	now    model
	flaw   string
	before model          // what the flaw needs to know
	meet   sync.WaitGroup // of two that both read before either writes
	mu     sync.Mutex
}

func (f *drawer) do(o op) (said, error) {
	f.mu.Lock()
	now := f.now
	f.mu.Unlock()
	told, after := now.apply(o)
	switch {
	case f.flaw == "reads, then writes" && o.kind == "claim":
		f.meet.Done()
		f.meet.Wait()
	case f.flaw == "oversells" && told.what == coupons.ErrSoldOut.Code:
		told, after.taken = said{what: "new"}, after.taken+1
	case f.flaw == "counts a repeat" && told.what == "again":
		after.taken++
	case f.flaw == "refuses who holds" && told.what == "again" && now.taken == now.limit:
		told = said{what: coupons.ErrSoldOut.Code}
	case f.flaw == "gives a second one" && told.what == "again":
		told = said{what: "new"}
	case f.flaw == "lets two orders have it" && told.what == coupons.ErrNotApplicable.Code:
		told, after.state[o.order] = said{what: string(coupons.Held)}, 'h'
		after.redeemed++
	case f.flaw == "forgets who gave up early" && o.kind == "expire" && now.state[o.order] == 0:
		after = now
	case f.flaw == "gives back twice" && o.kind == "expire" && now.state[o.order] == 'r':
		after.redeemed--
	case f.flaw == "keeps what was used" && o.kind == "expire" && now.state[o.order] == 'u':
		after = now
	case f.flaw == "never gives back" && o.kind == "expire":
		after.redeemed = now.redeemed
	case f.flaw == "says used, and is not" && o.kind == "use":
		after = now
	case f.flaw == "shows what was" && o.kind == "look":
		told = said{taken: f.before.taken, redeemed: f.before.redeemed}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.now = now, after
	for _, refused := range []error{coupons.ErrSoldOut, coupons.ErrNoCoupon, coupons.ErrNotApplicable, coupons.ErrReleased} {
		if codeOf(refused) == told.what {
			return said{}, refused
		}
	}
	return told, nil
}

func (f *drawer) Claim(_ context.Context, _, campaign, account int) (coupons.Coupon, error) {
	told, err := f.do(op{kind: "claim", campaign: campaign, account: account})
	return coupons.Coupon{Repeated: told.what == "again"}, err
}

func (f *drawer) Redeem(_ context.Context, _, campaign, order int) (coupons.Redemption, error) {
	told, err := f.do(op{kind: "redeem", campaign: campaign, order: order})
	return coupons.Redemption{State: coupons.RedemptionState(told.what)}, err
}

func (f *drawer) Settle(_ context.Context, _, campaign, order int, event string) error {
	kind := "use"
	if event == expired {
		kind = "expire"
	}
	_, err := f.do(op{kind: kind, campaign: campaign, order: order})
	return err
}

func (f *drawer) Look(_ context.Context, campaign int) (taken, redeemed int64, err error) {
	told, err := f.do(op{kind: "look", campaign: campaign})
	return told.taken, told.redeemed, err
}

func TestTheCheckerCatches(t *testing.T) {
	t.Parallel()

	claim := func(account int) op { return op{kind: "claim", account: account} }
	redeem := func(order int) op { return op{kind: "redeem", order: order} }
	use, expire, look := op{kind: "use"}, op{kind: "expire"}, op{kind: "look"}
	for flaw, history := range map[string][]op{
		"oversells":                 {claim(0), claim(1), claim(2)},
		"counts a repeat":           {claim(0), claim(0), look},
		"refuses who holds":         {claim(0), claim(1), claim(0)},
		"gives a second one":        {claim(0), claim(0)},
		"lets two orders have it":   {claim(0), redeem(0), redeem(holders)},
		"forgets who gave up early": {claim(0), expire, redeem(0)},
		"gives back twice":          {claim(0), redeem(0), expire, expire, look},
		"keeps what was used":       {claim(0), redeem(0), use, expire, look},
		"never gives back":          {claim(0), redeem(0), expire, look},
		"says used, and is not":     {claim(0), redeem(0), use, redeem(0)},
		"shows what was":            {claim(0), look},
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()

			for _, c := range []struct {
				flaw string
				want porcupine.CheckResult
			}{{"", porcupine.Ok}, {flaw, porcupine.Illegal}} {
				r := &recorder{desk: &drawer{now: model{limit: 2}, flaw: c.flaw}}
				for _, o := range history {
					r.do(t.Context(), 0, o)
				}
				require.Equal(t, c.want, r.verdict(2), "with the flaw %q:\n%s", c.flaw, r)
			}
		})
	}

	// Two callers read what is left, and both write what is left after themselves.
	t.Run("reads, then writes", func(t *testing.T) {
		t.Parallel()

		for limit, says := range map[int64]string{1: "both have the last one", 2: "one's taking is lost"} {
			f := &drawer{now: model{limit: limit}, flaw: "reads, then writes"}
			f.meet.Add(2)
			r := &recorder{desk: f}
			var wg sync.WaitGroup
			for caller := range 2 {
				wg.Go(func() { r.do(t.Context(), caller, claim(caller)) })
			}
			wg.Wait()
			r.do(t.Context(), 0, look)
			require.Equal(t, porcupine.Illegal, r.verdict(limit), says)
		}
	})

	// An operation that nobody knows the end of may have been done, or not, or later; but not so.
	t.Run("AnUnknownOutcomeExplainsNoMoreThanItCan", func(t *testing.T) {
		t.Parallel()

		for taken, want := range map[int64]porcupine.CheckResult{0: porcupine.Ok, 1: porcupine.Ok, 2: porcupine.Illegal} {
			r := &recorder{desk: lost{taken: taken}}
			r.do(t.Context(), 0, claim(0))
			r.do(t.Context(), 0, look)
			require.Equal(t, want, r.verdict(2), "%d are taken", taken)
		}
	})
}

// lost is coupons whose answers do not arrive, where so many are taken then.
type lost struct {
	desk
	taken int64
}

func (lost) Claim(context.Context, int, int, int) (coupons.Coupon, error) {
	return coupons.Coupon{}, context.Canceled
}

func (l lost) Look(context.Context, int) (taken, redeemed int64, err error) { return l.taken, 0, nil }

func codeOf(err error) string {
	f, _ := fault.As(err)
	return f.Code
}
