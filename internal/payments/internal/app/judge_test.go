package app_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/db"
)

// during is what must hold at every moment: what the shop has written, Toss has done.
func (m *machine) during() (wrong []string) {
	for _, o := range m.orders {
		d, err := m.instances[0].Details(m.t.Context(), o.id)
		if err != nil {
			return append(wrong, err.Error())
		}
		if o.closed && d.Payment.State != "closed" {
			wrong = append(wrong, fmt.Sprintf("%s was closed, and is %s", o.id, d.Payment.State))
		}
		kept := 0
		for _, a := range d.Attempts {
			if a.State != "captured" {
				continue
			}
			p := m.atToss(a.PaymentKey)
			if p.Status != "DONE" && p.Status != "PARTIAL_CANCELED" && p.Status != "CANCELED" {
				wrong = append(wrong, fmt.Sprintf("%s has captured what is %s", o.id, p.Status))
			}
			if !slices.ContainsFunc(d.Refunds, func(r db.Refund) bool { return r.AttemptID == a.ID && (r.Kind == "order" || r.Kind == "stray") }) {
				kept++
			}
			var back, asked int64
			for _, r := range d.Refunds {
				if r.AttemptID != a.ID || r.Kind == "deposit" || r.State == "refused" {
					continue
				}
				if asked += r.AmountWon; r.State == "done" {
					back += r.AmountWon
				}
			}
			if gave := p.TotalAmount - p.BalanceAmount; back > gave || gave > asked || asked > p.TotalAmount {
				wrong = append(wrong, fmt.Sprintf("%s: of %d won it asked for %d, Toss gave back %d, and it has refunded %d", o.id, p.TotalAmount, asked, gave, back))
			}
		}
		if kept > 1 {
			wrong = append(wrong, fmt.Sprintf("%s keeps %d payments", o.id, kept))
		}
	}
	return wrong
}

// judge says what is wrong when all is at rest: the shop's money is Toss's, each order has one capture at most, the books are sound, and
// every request to Toss had the key that the shop had written down before.
func (m *machine) judge() (wrong []string) {
	m.t.Helper()
	wrong = m.during()
	for _, o := range m.orders {
		var atToss, inLedger int64
		for _, key := range o.keys {
			if p := m.atToss(key); p.Status == "DONE" || p.Status == "PARTIAL_CANCELED" {
				atToss += p.BalanceAmount
			}
		}
		d, err := m.instances[0].Details(m.t.Context(), o.id)
		require.NoError(m.t, err)
		for _, e := range d.Transfers {
			if e.DebitAccount == "toss" {
				inLedger += e.AmountWon
			} else {
				inLedger -= e.AmountWon
			}
		}
		if atToss != inLedger {
			wrong = append(wrong, fmt.Sprintf("%s: Toss has %d won, and the ledger %d", o.id, atToss, inLedger))
		}
		if s := d.Payment.State; s != "closed" && s != "captured" {
			wrong = append(wrong, fmt.Sprintf("%s has not ended: %s", o.id, s))
		}
		captured := 0
		for _, typ := range m.events(o.order) {
			if typ == "payments.captured.v1" {
				captured++
			}
		}
		if captured > 1 || (captured == 1) != (d.Payment.State == "captured") {
			wrong = append(wrong, fmt.Sprintf("%s is %s, with %d events of a capture", o.id, d.Payment.State, captured))
		}
	}
	for name, found := range m.books.look() {
		for _, w := range found {
			own := func(o *paying) bool { return strings.Contains(w.Subject+w.Detail, o.id.String()) }
			if slices.ContainsFunc(m.orders, own) || name == "webhooks.processed" { // and not those of a run that failed
				wrong = append(wrong, fmt.Sprint("the books: ", name, w))
			}
		}
	}
	return append(wrong, m.keyless()...)
}

// keyless are the POSTs whose key the shop had not written down (payment-lab PR#4, T35).
func (m *machine) keyless() (wrong []string) {
	for _, r := range append(m.requests, m.toss.Requests()...) {
		if r.Method != http.MethodPost || strings.HasPrefix(r.IdempotencyKey, "past-") || strings.HasPrefix(r.IdempotencyKey, "desk-") {
			continue
		}
		var known bool
		row := m.pool.QueryRow(m.t.Context(), `SELECT EXISTS (SELECT 1 FROM payments.attempts WHERE toss_key = $1) OR EXISTS (SELECT 1 FROM payments.refunds WHERE id::text = $1)`, r.IdempotencyKey)
		require.NoError(m.t, row.Scan(&known))
		if !known {
			wrong = append(wrong, fmt.Sprintf("a POST to %s had the key %q", r.Path, r.IdempotencyKey))
		}
	}
	m.requests = nil
	return wrong
}

// What the machine looks for, it finds.
func TestTheMachineSees(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		plant func(*settings)
		want  string
	}{
		"Nothing": {func(*settings) {}, ""},
		"ALostKey": {func(c *settings) {
			c.wire = func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del("Idempotency-Key")
					h.ServeHTTP(w, r)
				})
			}
		}, `a POST to /v1/payments/confirm had the key ""`},
		"AForgottenKey": {func(c *settings) {
			c.wire = func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Set("Idempotency-Key", "new-"+uuid.NewString())
					h.ServeHTTP(w, r)
				})
			}
		}, "/cancel had the key"},
		"MoneyThatNeverCame": {func(c *settings) {
			c.gateway = func(g app.Gateway) app.Gateway { return dreamer{g} }
		}, "has captured what is"},
		"MoneyThatNeverWentBack": {func(c *settings) {
			c.gateway = func(g app.Gateway) app.Gateway { return miser{g} }
		}, "Toss gave back 0, and it has refunded 23000"},
		"APartThatWasTheWhole": {func(c *settings) {
			c.gateway = func(g app.Gateway) app.Gateway { return spendthrift{g} }
		}, "it asked for 7000, Toss gave back 23000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			m := newMachine(t, c.plant)
			m.begin()
			o := m.orders[0]
			m.authorize(o, "카드", "")
			require.NoError(t, m.confirm(0, o, o.keys[0], "k", 1))
			require.NoError(t, m.part(o, 7000))
			found := m.during()
			require.NoError(t, m.refund(o, false))
			require.NoError(t, m.end())
			wrong := strings.Join(append(found, m.judge()...), "\n")
			if c.want == "" {
				require.Empty(t, wrong)
			} else {
				require.Contains(t, wrong, c.want)
			}
		})
	}
}

// dreamer is a Toss that says it took money.
type dreamer struct{ app.Gateway }

func (dreamer) Confirm(_ context.Context, in app.ConfirmRequest) app.Answer {
	return app.Answer{Outcome: app.OutcomePaid, PaymentKey: in.PaymentKey, OrderNumber: in.OrderNumber, AmountWon: in.AmountWon}
}

// miser is a Toss that says it gave money back.
type miser struct{ app.Gateway }

func (m miser) Cancel(ctx context.Context, in app.CancelRequest) app.Answer {
	a := m.Payment(ctx, in.PaymentKey)
	a.Outcome, a.BackWon = app.OutcomePartial, in.AmountWon
	if in.AmountWon == 0 {
		a.Outcome, a.BackWon = app.OutcomeCanceled, a.AmountWon
	}
	return a
}

// spendthrift is a Toss that gives back everything when it is asked for a part, and says that it was the part.
type spendthrift struct{ app.Gateway }

func (s spendthrift) Cancel(ctx context.Context, in app.CancelRequest) app.Answer {
	part := in.AmountWon
	in.AmountWon = 0
	a := s.Gateway.Cancel(ctx, in)
	a.Outcome, a.BackWon = app.OutcomePartial, part
	return a
}
