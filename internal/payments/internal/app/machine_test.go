package app_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// machine does to a shop, and to its Toss, whatever may be done, and compares: what Toss has is the truth.
type machine struct {
	shop
	settings
	orders   []*paying
	books    *auditor
	held     []delivery // webhooks that are on their way
	sent     int
	requests []emulator.Request // that were made of a Toss which has crashed since
	old      []*emulator.Emulator
}

// paying is an order with the payments that a shopper authorised for it.
type paying struct {
	order
	keys   []string
	parts  []payments.RefundInput // that were asked for
	closed bool                   // so payments said
}

// GoString is what rapid shows.
func (o *paying) GoString() string { return fmt.Sprint(o.id, " with ", len(o.keys), " payments") }

type delivery struct {
	id   string
	body any
}

func newMachine(t *testing.T, change ...func(*settings)) *machine {
	t.Helper()
	m := &machine{settings: settings{
		app:     app.Config{ClientKey: "test_ck_1", CheckoutURL: "http://shop/toss/pay", WebhookRate: 100_000, RepeatWithin: time.Millisecond},
		timeout: 20 * time.Second,
		gateway: func(g app.Gateway) app.Gateway { return g },
		journal: filepath.Join(t.TempDir(), "toss.journal"),
	}}
	for _, f := range change {
		f(&m.settings)
	}
	m.shop = setup(t, func(c *settings) { *c = m.settings })
	m.books = m.auditor()
	t.Cleanup(func() {
		for _, e := range m.old {
			require.NoError(t, e.Close())
		}
	})
	return m
}

// begin has new orders at an old time, and processes that know nothing of the former ones.
func (m *machine) begin() {
	m.clock.Advance(today.Sub(m.clock.Now()))
	m.orders, m.held = nil, nil
	m.toss.Release()
	_, err := m.pool.Exec(m.t.Context(), `DELETE FROM payments.webhooks`)
	require.NoError(m.t, err)
	m.restart(0)
	m.restart(1)
	m.place()
}

// restart is another process of the shop in an old one's place.
func (m *machine) restart(instance int) {
	m.instances[instance].Shutdown()
	m.instances[instance] = m.instance(m.settings, nil)
}

func (m *machine) place() { m.orders = append(m.orders, &paying{order: m.open()}) }

// crash ends Toss without a word, and starts it again with what is on its disk.
func (m *machine) crash() error {
	m.requests = append(m.requests, m.toss.Requests()...)
	m.old = append(m.old, m.toss)
	e, err := emulator.New(m.shop.config)
	if err != nil {
		return err
	}
	m.toss = e
	m.door.set(e)
	return nil
}

// authorize pays up to the confirm. Toss refuses that for an order which has money already.
func (m *machine) authorize(o *paying, method, decline string) {
	if key, err := m.tryAuthorize(o.order, method, decline); err == nil {
		o.keys = append(o.keys, key)
	}
}

func (m *machine) confirm(instance int, o *paying, key, idempotencyKey string, hash byte) error {
	in := o.confirmInput(key, idempotencyKey)
	in.RequestHash[0] = hash
	p, err := m.instances[instance].Confirm(m.t.Context(), in)
	for _, allowed := range []error{
		payments.ErrInProgress, payments.ErrOrderClosed, payments.ErrAlreadyPaid, payments.ErrDeclined, idempotency.ErrReused, idempotency.ErrInProgress,
	} {
		if errors.Is(err, allowed) {
			return nil
		}
	}
	if err == nil && p.State != payments.StateCaptured && p.State != payments.StateConfirming {
		return fmt.Errorf("confirmed, and %s", p.State)
	}
	return err
}

func (m *machine) deliver(d delivery) error {
	m.hook(0, d.id, d.body)
	return m.instances[1].ProcessWebhooks(m.t.Context())
}

func (m *machine) run(instance int, later time.Duration) (err error) {
	m.clock.Advance(later)
	for _, j := range app.Jobs(m.instances[instance]) {
		err = errors.Join(err, j.Run(m.t.Context()))
	}
	return err
}

func (m *machine) close(o *paying) error {
	p, err := m.instances[0].Close(m.t.Context(), payments.CloseInput{OrderID: o.id})
	if err == nil && p.State == payments.StateClosed {
		o.closed = true
	}
	return err
}

func (m *machine) refund(o *paying, retry bool) error {
	in := payments.RefundInput{OrderID: o.id, Reason: "r"}
	if p := m.payment(o.order); retry && p.Refund != nil {
		in.Retry = p.Refund.ID
	}
	return m.ask(in)
}

func (m *machine) ask(in payments.RefundInput) error {
	p, err := m.instances[1].Refund(m.t.Context(), in)
	if errors.Is(err, payments.ErrNotRefundable) {
		return nil
	}
	if err == nil && in.RefundID != uuid.Nil && (p.Refund.ID != in.RefundID || p.Refund.AmountWon != in.AmountWon) {
		return fmt.Errorf("asked for %d won under %s, and told of %d under %s", in.AmountWon, in.RefundID, p.Refund.AmountWon, p.Refund.ID)
	}
	return err
}

// part asks for some of an order's money.
func (m *machine) part(o *paying, won int64) error {
	in := payments.RefundInput{OrderID: o.id, RefundID: uuid.Must(uuid.NewV7()), AmountWon: won, Reason: "r"}
	o.parts = append(o.parts, in)
	return m.ask(in)
}

// end lets everything come to rest: Toss is well, every webhook comes, the jobs have run, and orders whose time is over are closed.
func (m *machine) end() (err error) {
	m.toss.Release()
	for _, o := range m.orders {
		for _, key := range o.keys {
			m.sent++
			m.held = append(m.held, delivery{fmt.Sprint("end-", m.sent), statusChanged(o.order, key)})
		}
	}
	for _, d := range m.held {
		err = errors.Join(err, m.deliver(d))
	}
	for i, later := range []time.Duration{
		20 * time.Minute, 20 * time.Minute, 20 * time.Minute,
		25 * time.Hour, 25 * time.Hour, 25 * time.Hour, 20 * time.Minute, // accounts into which nobody paid are withdrawn
	} {
		err = errors.Join(err, m.run(i%2, later))
		for _, o := range m.orders {
			for _, key := range o.keys {
				_ = m.toss.FinishCancel(key) // what a wallet has taken on
			}
		}
	}
	for _, o := range m.orders { // and a person asks about what is too old for the jobs
		err = errors.Join(err, m.instances[0].ReadBack(m.t.Context(), o.id), m.close(o))
	}
	return err
}

// Whatever happens to orders, their money is where Toss has it. On failure rapid prints the seed.
func TestMachine(t *testing.T) {
	t.Parallel()

	m := newMachine(t)
	broken := []string{emulator.FaultReset, emulator.FaultAfterCommitReset, emulator.Fault500, emulator.Fault429}
	rapid.Check(t, func(r *rapid.T) {
		m.begin()
		// Toss authorises nothing for an order that has money, so an order which is to be paid twice has both payments from the start.
		m.authorize(m.orders[0], "카드", "")
		m.authorize(m.orders[0], "토스페이", "")
		some := func() *paying { return rapid.SampledFrom(m.orders).Draw(r, "order") }
		paid := func() (*paying, string) {
			o := some()
			if len(o.keys) == 0 {
				r.Skip()
			}
			return o, rapid.SampledFrom(o.keys).Draw(r, "payment")
		}
		instance := func() int { return rapid.IntRange(0, 1).Draw(r, "instance") }
		must := func(err error) {
			if err != nil {
				r.Fatal(err)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) {
				for _, w := range m.during() {
					r.Error(w)
				}
			},
			"open": func(r *rapid.T) {
				if len(m.orders) == 3 {
					r.Skip()
				}
				m.place()
			},
			"authorize": func(r *rapid.T) {
				method := rapid.SampledFrom([]string{"카드", "카드", "토스페이", "가상계좌", "해외간편결제"}).Draw(r, "method")
				m.authorize(some(), method, rapid.SampledFrom([]string{"", "", "", "REJECT_CARD_COMPANY"}).Draw(r, "decline"))
			},
			"confirm": func(r *rapid.T) {
				o, key := paid()
				idempotencyKey := rapid.SampledFrom([]string{"k-" + key, "k-" + key, "other"}).Draw(r, "idempotency key")
				must(m.confirm(instance(), o, key, idempotencyKey, rapid.Byte().Draw(r, "body")&1))
			},
			"begin to confirm, and die": func(*rapid.T) {
				o, key := paid()
				_ = m.instances[0].Start(m.t.Context(), o.id, o.confirmInput(key, "dead-"+key))
			},
			"have it confirmed, and die": func(*rapid.T) {
				o, key := paid()
				if m.instances[0].Start(m.t.Context(), o.id, o.confirmInput(key, "dead-"+key)) == nil {
					m.instances[0].AskOnly(m.t.Context(), key)
				}
			},
			"break Toss": func(r *rapid.T) {
				m.toss.Inject(emulator.Fault{
					Path: rapid.SampledFrom([]string{"confirm", "cancel", "tgen_"}).Draw(r, "path"), Kind: rapid.SampledFrom(broken).Draw(r, "fault"),
				})
			},
			"send a webhook": func(r *rapid.T) {
				o, key := paid()
				m.sent++
				d := delivery{fmt.Sprint("t-", m.sent), statusChanged(o.order, key)}
				switch rapid.IntRange(0, 2).Draw(r, "how") {
				case 0:
					m.held = append(m.held, d)
				case 1:
					must(m.deliver(d))
					fallthrough
				default:
					must(m.deliver(d))
				}
			},
			"deliver a late webhook": func(r *rapid.T) {
				if len(m.held) == 0 {
					r.Skip()
				}
				must(m.deliver(rapid.SampledFrom(m.held).Draw(r, "webhook")))
			},
			"run the jobs": func(r *rapid.T) {
				must(m.run(instance(), time.Duration(rapid.IntRange(0, 120).Draw(r, "seconds"))*time.Second))
			},
			"wait for a while": func(r *rapid.T) {
				m.clock.Advance(time.Duration(rapid.IntRange(1, 20).Draw(r, "minutes")) * time.Minute)
			},
			"wait for a day": func(*rapid.T) { m.clock.Advance(25 * time.Hour) },
			"close":          func(*rapid.T) { must(m.close(some())) },
			"refund":         func(*rapid.T) { must(m.refund(some(), false)) },
			"refund a part":  func(r *rapid.T) { must(m.part(some(), rapid.Int64Range(1, price).Draw(r, "won"))) },
			"ask for a part again": func(r *rapid.T) {
				if o := some(); len(o.parts) > 0 {
					must(m.ask(rapid.SampledFrom(o.parts).Draw(r, "part")))
				}
			},
			"ask for a part, and die": func(r *rapid.T) {
				in := payments.RefundInput{OrderID: some().id, RefundID: uuid.Must(uuid.NewV7()), AmountWon: rapid.Int64Range(1, price).Draw(r, "won")}
				if _, err := m.instances[0].RequestOnly(m.t.Context(), in); err != nil && !errors.Is(err, payments.ErrNotRefundable) {
					r.Fatal(err)
				}
			},
			"ask for a refund, and die": func(*rapid.T) {
				_, err := m.instances[0].RequestOnly(m.t.Context(), payments.RefundInput{OrderID: some().id})
				if err != nil && !errors.Is(err, payments.ErrNotRefundable) {
					r.Fatal(err)
				}
			},
			"refund again":      func(*rapid.T) { must(m.refund(some(), true)) },
			"crash Toss":        func(*rapid.T) { must(m.crash()) },
			"crash the shop":    func(*rapid.T) { m.restart(instance()) },
			"deposit":           func(*rapid.T) { _, key := paid(); _ = m.toss.Deposit(key) },
			"finish a cancel":   func(*rapid.T) { _, key := paid(); _ = m.toss.FinishCancel(key) },
			"abort a cancel":    func(*rapid.T) { _, key := paid(); _ = m.toss.AbortCancel(key) },
			"pay past the shop": func(*rapid.T) { o, key := paid(); _ = m.confirmPastTheShop(o.order, key) },
			"ask what is known": func(*rapid.T) { must(m.instances[0].ReadBack(m.t.Context(), some().id)) },
		})
		must(m.end())
		for _, w := range m.judge() {
			r.Error(w)
		}
	})
}
