package app_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
)

// Repeats of a confirm that is under way wait for it, and share what that costs.
func TestRepeats(t *testing.T) {
	t.Parallel()

	const metric = "shop_payments_repeats_total"
	many := func(s shop, instance int, o order, key string) (wait func()) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if p, err := s.confirm(instance, o, key, "k"); err != nil || p.State != payments.StateCaptured || !p.Replayed {
					s.t.Errorf("%v %v %v", p.State, p.Replayed, err)
				}
			})
		}
		return wg.Wait
	}

	t.Run("OfOneInstance", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.RepeatWithin, c.app.AnswerWithin = time.Minute, time.Minute })
		o := s.open()
		key := s.authorize(o, "카드")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		var first sync.WaitGroup
		first.Go(func() {
			if p, err := s.confirm(0, o, key, "k"); err != nil || p.Replayed {
				t.Errorf("%v %v", p.Replayed, err)
			}
		})
		await(t, "Toss to be asked", func() bool { return len(s.posts("confirm")) == 1 })
		wait := many(s, 0, o, key)
		await(t, "all to wait", func() bool { return s.counted(0, metric, "call") == 50 })
		await(t, "no connection to be held", func() bool { return s.pool.Stat().AcquiredConns() == 0 })
		asked := s.pool.Stat().AcquireCount()
		require.Zero(t, s.counted(0, metric, "watch"), "nobody looks at the database for what this process knows")
		require.Equal(t, asked, s.pool.Stat().AcquireCount())
		s.toss.Release()
		wait()
		first.Wait()
	})

	t.Run("OfAnotherInstance", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.RepeatWithin, c.app.AnswerWithin = time.Minute, time.Minute })
		o := s.open()
		key := s.authorize(o, "카드")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		var first sync.WaitGroup
		first.Go(func() { _, _ = s.confirm(0, o, key, "k") })
		await(t, "Toss to be asked", func() bool { return len(s.posts("confirm")) == 1 })
		wait := many(s, 1, o, key)
		await(t, "all to wait", func() bool { return s.counted(1, metric, "watch")+s.counted(1, metric, "shared") == 50 })
		require.EqualValues(t, 1, s.counted(1, metric, "watch"), "one looks for all of them")
		s.toss.Release()
		wait()
		first.Wait()
	})

	t.Run("AreBounded", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.RepeatWithin = time.Minute })
		begin := func() (o order, key string) {
			o = s.open()
			key = s.authorize(o, "카드")
			require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
			return o, key
		}
		var waiting sync.WaitGroup
		for range 64 {
			o, key := begin()
			waiting.Go(func() {
				if p, err := s.confirm(1, o, key, "k"); err != nil || p.State != payments.StateCaptured {
					t.Errorf("%v %v", p.State, err)
				}
			})
		}
		await(t, "all to look", func() bool { return s.counted(1, metric, "watch") == 64 })
		o, key := begin()
		p, err := s.confirm(1, o, key, "k")
		require.NoError(t, err)
		require.Equal(t, payments.StateConfirming, p.State, "it is told at once what is known")
		require.True(t, p.Replayed)
		require.EqualValues(t, 1, s.counted(1, metric, "busy"))
		s.clock.Advance(time.Minute)
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		require.NoError(t, s.instances[0].Reconcile(t.Context()))
		waiting.Wait()
	})

	t.Run("EndWithTheCall", func(t *testing.T) {
		t.Parallel()

		s := setup(t, func(c *settings) { c.app.RepeatWithin, c.app.AnswerWithin = time.Minute, time.Minute })
		o := s.open()
		key := s.authorize(o, "카드")
		s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		s.toss.Inject(emulator.Fault{Path: key, Kind: emulator.Fault500})
		s.breakTable("attempts", "UPDATE", "P0001", 1) // nor can it be written
		var wg sync.WaitGroup
		states := make(chan payments.State, 2)
		confirm := func() {
			p, err := s.confirm(0, o, key, "k")
			if err != nil {
				t.Error(err)
			}
			states <- p.State
		}
		wg.Go(confirm)
		await(t, "Toss to be asked", func() bool { return len(s.posts("confirm")) == 1 })
		wg.Go(confirm)
		await(t, "the repeat", func() bool { return s.counted(0, metric, "call") == 1 })
		s.toss.Release()
		wg.Wait()
		require.Equal(t, []payments.State{payments.StateConfirming, payments.StateConfirming}, []payments.State{<-states, <-states}, "nobody waits for a call that is over")
	})
}

// Whoever loses a race for a lock tries again, at every door of the module (magento2#39417, #40009: orders lost to deadlocks; T25).
func TestLostRaces(t *testing.T) {
	t.Parallel()

	for _, code := range []string{"40001", "40P01", "55P03"} {
		for name, c := range map[string]struct {
			table, event string
			do           func(s shop) error
		}{
			"Open": {"payments", "INSERT", func(s shop) error { s.open(); return nil }},
			"Close": {"payments", "UPDATE", func(s shop) error {
				p, err := s.instances[0].Close(s.t.Context(), payments.CloseInput{OrderID: s.orders["open"].id})
				require.Equal(s.t, payments.StateClosed, p.State)
				return err
			}},
			"Begin": {"attempts", "INSERT", func(s shop) error {
				o := s.orders["open"]
				p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
				require.Equal(s.t, payments.StateCaptured, p.State)
				require.False(s.t, p.Replayed)
				return err
			}},
			"Settle": {"ledger", "INSERT", func(s shop) error {
				o := s.orders["open"]
				p, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
				require.Equal(s.t, payments.StateCaptured, p.State)
				return err
			}},
			"Refund": {"refunds", "INSERT", func(s shop) error {
				p, err := s.instances[0].Refund(s.t.Context(), payments.RefundInput{OrderID: s.orders["paid"].id})
				require.False(s.t, p.Replayed)
				require.Equal(s.t, payments.RefundStateDone, p.Refund.State)
				return err
			}},
			"RefundRefused": {"outbox", "INSERT", func(s shop) error {
				s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
				p, err := s.instances[0].Refund(s.t.Context(), payments.RefundInput{OrderID: s.orders["paid"].id})
				require.Equal(s.t, payments.RefundStateRefused, p.Refund.State)
				return err
			}},
			"RetryRefund": {"audit_log", "INSERT", func(s shop) error {
				o, refund := s.strayRefused()
				return s.instances[0].RetryRefund(s.t.Context(), o.id, refund)
			}},
			"ReadBack": {"audit_log", "INSERT", func(s shop) error {
				return s.instances[0].ReadBack(s.t.Context(), s.orders["paid"].id)
			}},
		} {
			t.Run(fmt.Sprintf("%s/%s", name, code), func(t *testing.T) {
				t.Parallel()

				s := setup(t)
				s.orders = map[string]order{"open": s.open(), "paid": s.of("paid")}
				s.breakTable(c.table, c.event, code, 2)
				require.NoError(t, c.do(s))
				s.mend(c.table)
				s.sound()
			})
		}
	}
}
