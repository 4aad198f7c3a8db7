package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// TestRepeats lets chance repeat requests under a few keys, alone and at once, with the same body and another one, while parts fail
// before or after they did what they were asked, processes fall silent, stock comes and goes and orders end; and holds every answer
// against the order that the key has. A failure prints the seed with which it comes again.
func TestRepeats(t *testing.T) {
	t.Parallel()

	s := setup(t)
	rapid.Check(t, func(rt *rapid.T) { repeats(rt, s) })
}

// A part that breaks its promise is noticed sooner or later: without this, a checker that sees nothing would look like a shop without faults.
func TestRepeatsNoticeABrokenPart(t *testing.T) {
	t.Parallel()

	for name, spoil := range map[string]func(s *shop){
		"TheCatalogForgetsWhatItHolds":    func(s *shop) { s.catalog.forgets = true },
		"TheCatalogHoldsForTheDead":       func(s *shop) { s.catalog.keeps = true },
		"PaymentsLeavesOpenWhatItCloses":  func(s *shop) { s.payments.lenient = true },
		"PaymentsGivesBackWhatItHasGiven": func(s *shop) { s.payments.generous = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			spoil(s)
			noticed := &witness{TB: t}
			for looked := 0; looked < 10 && !noticed.Failed(); looked++ { // chance may pass by what is broken, a hundred times
				var ended sync.WaitGroup
				ended.Go(func() { rapid.Check(noticed, func(rt *rapid.T) { repeats(rt, s) }) })
				ended.Wait()
			}
			require.True(t, noticed.Failed())
		})
	}
}

// witness is a test that is to fail.
type witness struct {
	rapid.TB
	failed bool
}

func (w *witness) Errorf(string, ...any) { w.failed = true }
func (w *witness) Error(...any)          { w.failed = true }
func (w *witness) Fatalf(string, ...any) { w.FailNow() }
func (w *witness) Fatal(...any)          { w.FailNow() }
func (w *witness) Fail()                 { w.failed = true }
func (w *witness) Failed() bool          { return w.failed }
func (w *witness) Logf(string, ...any)   {}
func (w *witness) Log(...any)            {}
func (w *witness) FailNow() {
	w.failed = true
	runtime.Goexit()
}

// bound is what a key is bound to.
type bound struct {
	id      uuid.UUID
	hash    []byte
	state   ordering.State
	refusal string
}

// repeating is one run of the machine: an account, what it may order, and what its keys were bound to when last seen.
type repeating struct {
	*shop
	account uuid.UUID
	product uuid.UUID
	pieces  int64 // that there are, sold or not
	seen    map[string]bound
	trouble bool // since the last answer was held against its order
}

func repeats(rt *rapid.T, s *shop) {
	m := &repeating{shop: s, account: uuid.New(), product: s.catalog.sell("셔츠", 12_900, 6), pieces: 6, seen: map[string]bound{}}
	keys := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	quantities := rapid.SampledFrom([]int64{1, 1, 1, 2})
	lost := rapid.SampledFrom([]string{"", "", "", "offers", "reserve.before", "reserve.after", "open.before", "open.after", "close", "payment", "gone"})
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateDone }
	rt.Repeat(map[string]func(*rapid.T){
		"place": func(rt *rapid.T) {
			key, quantity := keys.Draw(rt, "key"), quantities.Draw(rt, "quantity")
			ctx, heal := m.lose(lost.Draw(rt, "lost"))
			before := m.bound(rt, key)
			p, err := s.Place(ctx, m.input(key, quantity))
			heal()
			m.judge(rt, key, quantity, before, p, err)
		},
		"placeAtOnce": func(rt *rapid.T) {
			key, quantity := keys.Draw(rt, "key"), quantities.Draw(rt, "quantity")
			ctx, heal := m.lose(lost.Draw(rt, "lost"))
			before := m.bound(rt, key)
			var wg sync.WaitGroup
			placed, errs := make([]app.Placement, rapid.IntRange(2, 5).Draw(rt, "times")), make([]error, 5)
			for i := range placed {
				wg.Go(func() { placed[i], errs[i] = s.Place(ctx, m.input(key, quantity)) })
			}
			wg.Wait()
			heal()
			for i, p := range placed {
				m.judge(rt, key, quantity, before, p, errs[i])
			}
		},
		"fallsSilent": func(*rapid.T) { // the process that has the order in its hands is gone
			s.exec(rt, `UPDATE ordering.orders SET claimed_by = gen_random_uuid(), claimed_at = now() - interval '6 seconds' WHERE account_id = $1 AND state = 'pending'`, m.account)
		},
		"recover": func(rt *rapid.T) {
			_, heal := m.lose(lost.Draw(rt, "lost"))
			s.clock.Advance(2 * time.Minute)
			_ = s.Recover(rt.Context())
			heal()
		},
		"expire": func(rt *rapid.T) {
			_, heal := m.lose(lost.Draw(rt, "lost"))
			s.clock.Advance(16 * time.Minute)
			_ = s.Expire(rt.Context())
			heal()
		},
		"restock": func(*rapid.T) {
			s.catalog.restock(m.product, 1)
			m.pieces++
		},
		"confirm": func(rt *rapid.T) {
			if b := m.pick(rt, ordering.StateAwaitingPayment); b.id != uuid.Nil {
				o, err := s.Order(rt.Context(), m.account, b.id)
				require.NoError(rt, err)
				_, err = s.Confirm(rt.Context(), confirmation(app.Placement{Order: o.Order}, uuid.NewString()))
				require.NoError(rt, err)
			}
		},
		"capturedAgain": func(rt *rapid.T) {
			if b := m.bound(rt, keys.Draw(rt, "key")); s.payments.of(b.id).State == payments.StateCaptured {
				s.hear(rt, payments.Captured{OrderID: b.id, Version: 2, AmountWon: 1})
			}
		},
		"cancel": func(rt *rapid.T) {
			b := m.pick(rt, ordering.StatePaid, ordering.StatePaid, ordering.StateAwaitingPayment, ordering.StateExpired, ordering.StateCanceling, ordering.StateCanceled)
			if b.id == uuid.Nil {
				return
			}
			in := cancelation(m.account, b.id, b.id.String()+keys.Draw(rt, "with"))
			_, heal := m.lose(rapid.SampledFrom([]string{"", "refund.before", "refund.after"}).Draw(rt, "lost"))
			defer heal()
			for i := range 2 {
				c, err := s.Cancel(rt.Context(), in)
				switch b.state {
				case ordering.StateAwaitingPayment, ordering.StatePaid, ordering.StateCanceling, ordering.StateCanceled:
					require.NoError(rt, err)
					if !m.trouble || i > 0 {
						require.EqualValues(rt, ordering.StateCanceled, c.Order.State)
					}
				default:
					require.ErrorIs(rt, err, ordering.ErrIllegalTransition)
				}
			}
			require.LessOrEqual(rt, s.payments.given(b.id), 1, "money goes back once")
		},
		"finishCancelations": func(rt *rapid.T) {
			s.clock.Advance(2 * time.Minute)
			require.NoError(rt, s.FinishCancelations(rt.Context()))
		},
		"": func(rt *rapid.T) { m.sees(rt) },
	})
	// Everything works again: whatever is left open ends, by the next repeat or by the job.
	for _, key := range []string{"a", "b"} {
		if b := m.bound(rt, key); b.state == ordering.StatePending {
			m.exec(rt, `UPDATE ordering.orders SET claimed_at = now() - interval '6 seconds' WHERE id = $1 AND claimed_by IS NOT NULL`, b.id)
			in := m.input(key, 1)
			if !bytes.Equal(b.hash, in.Key.Hash) {
				in = m.input(key, 2)
			}
			_, err := m.Place(rt.Context(), in)
			_, definite := refusedBy(err)
			require.True(rt, err == nil || definite, "%v", err)
		}
	}
	s.clock.Advance(2 * time.Minute)
	s.exec(rt, `UPDATE ordering.orders SET claimed_at = now() - interval '6 seconds' WHERE account_id = $1 AND claimed_by IS NOT NULL`, m.account)
	require.NoError(rt, errors.Join(s.Recover(rt.Context()), s.FinishCancelations(rt.Context())))
	require.Zero(rt, s.count(rt, `SELECT count(*) FROM ordering.orders WHERE account_id = $1 AND state = 'pending'`, m.account))
	m.sees(rt)
	s.clock.Advance(16 * time.Minute)
	require.NoError(rt, errors.Join(s.Expire(rt.Context()), s.ReturnQuotas(rt.Context())))
	m.sees(rt)
	s.clock.Advance(2 * time.Minute)
	s.sound(rt, "")
}

func (m *repeating) input(key string, quantity int64) app.PlaceInput {
	in := m.shop.input(m.account, key, m.product)
	in.Items[0].Quantity = quantity
	in.Key = idempotency.Of(key, "/v1/orders", in.Items)
	return in
}

// lose makes the next call to a part fail, or the shopper go, until it is healed.
func (m *repeating) lose(point string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	fail := func(context.Context) error { return errors.New("connection reset by peer") }
	of := map[string]*points{
		"offers": &m.catalog.points, "reserve.before": &m.catalog.points, "reserve.after": &m.catalog.points,
		"open.before": &m.payments.points, "open.after": &m.payments.points, "close": &m.payments.points, "payment": &m.payments.points,
		"refund.before": &m.payments.points, "refund.after": &m.payments.points,
	}[point]
	m.trouble = point != ""
	switch {
	case point == "gone":
		m.catalog.once("reserve.after", func(context.Context) error { cancel(); return nil })
		return ctx, func() { m.catalog.never("reserve.after"); cancel() }
	case of != nil:
		of.once(point, fail)
		return ctx, func() { of.never(point); cancel() }
	}
	return ctx, cancel
}

// bound reads what a key is bound to.
func (m *repeating) bound(t tester, key string) (b bound) {
	t.Helper()
	rows, err := m.pool.Query(t.Context(), `
		SELECT id, request_hash, state, COALESCE(refusal ->> 'code', '') FROM ordering.orders WHERE account_id = $1 AND idempotency_key = $2`, m.account, key)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		require.Equal(t, uuid.Nil, b.id, "one key, one order")
		require.NoError(t, rows.Scan(&b.id, &b.hash, &b.state, &b.refusal))
	}
	require.NoError(t, rows.Err())
	return b
}

// pick draws what a key is bound to that is in one of the states; the first of them that there is is the likeliest.
func (m *repeating) pick(rt *rapid.T, states ...ordering.State) bound {
	var found []bound
	for _, state := range states {
		for _, key := range []string{"a", "b", "c", "d"} {
			if b := m.bound(rt, key); b.id != uuid.Nil && b.state == state {
				found = append(found, b)
			}
		}
	}
	if len(found) == 0 {
		return bound{}
	}
	return found[rapid.IntRange(0, len(found)-1).Draw(rt, "which")]
}

// judge holds an answer against what the key is bound to.
func (m *repeating) judge(t tester, key string, quantity int64, before bound, p app.Placement, err error) {
	t.Helper()
	now, same := m.bound(t, key), true
	if now.id != uuid.Nil {
		same = bytes.Equal(now.hash, m.input(key, quantity).Key.Hash)
	}
	f, definite := refusedBy(err)
	switch {
	case err == nil:
		require.Equal(t, now.id, p.Order.ID)
		require.True(t, same, "another body's order")
		require.NotEqualValues(t, ordering.StatePending, p.Order.State)
		require.Equal(t, p.Order.State == string(ordering.StateAwaitingPayment), p.Payment != nil, "what waits can be paid")
	case errors.Is(err, idempotency.ErrReused):
		require.NotEqual(t, uuid.Nil, now.id)
		require.False(t, same)
	case errors.Is(err, idempotency.ErrInProgress):
		require.Equal(t, ordering.StatePending, now.state)
	case definite && now.id == uuid.Nil: // before there was an order
		require.Contains(t, []string{ordering.ErrTooManyUnpaid.Code, catalog.ErrOutOfStock.Code}, f.Code)
	case definite:
		require.True(t, same)
		require.Equal(t, ordering.StateRejected, now.state)
		require.Equal(t, now.refusal, f.Code, "the refusal is repeated")
	default:
		require.True(t, m.trouble, "nothing was in the way: %v", err)
	}
	if before.id != uuid.Nil && before.state != ordering.StatePending && same && !m.trouble {
		require.Equal(t, before.state == ordering.StateRejected, err != nil, "what has ended is answered: %v", err)
	}
}

func refusedBy(err error) (*fault.Error, bool) {
	f, ok := fault.As(err)
	return f, ok && f.Kind != fault.Unavailable
}

// sees looks at everything that must hold at any time.
func (m *repeating) sees(t tester) {
	t.Helper()
	for _, key := range []string{"a", "b", "c", "d"} {
		b := m.bound(t, key)
		if old, ok := m.seen[key]; ok {
			require.Equal(t, old.id, b.id, "a key keeps its order")
			require.Equal(t, old.hash, b.hash)
			if app.Dead(old.state) {
				require.Equal(t, old, b, "an end is an end")
			}
		}
		if b.id != uuid.Nil {
			m.seen[key] = b
		}
	}
	m.check(t, m.account)
	held := m.catalog.leftOf(m.product)
	for _, b := range m.seen {
		for _, l := range m.catalog.linesOf(b.id) {
			held += l.Quantity
		}
	}
	require.Equal(t, m.pieces, held, "what is left and what is held is what there is: %s", fmt.Sprint(m.seen))
}
