package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/payments/internal/toss"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var today = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

const price = 23_000

// shop is two instances of the module on one database, and a Toss that both of them ask.
type shop struct {
	t         testing.TB
	pool      *pgxpool.Pool
	clock     *clock.Manual
	toss      *emulator.Emulator
	config    emulator.Config // with which it can be started again
	door      *door           // behind which it is
	instances [2]*app.Service
	metrics   [2]*prometheus.Registry
	orders    map[string]order // that a test has made
}

// settings are what a test sets otherwise.
type settings struct {
	app     app.Config
	timeout time.Duration // of the gateway
	gateway func(app.Gateway) app.Gateway
	hooks   http.Handler
	journal string // of Toss, which then survives a crash
	wire    func(http.Handler) http.Handler
}

func setup(t testing.TB, change ...func(*settings)) shop {
	t.Helper()
	c := settings{
		app:     app.Config{ClientKey: "test_ck_1", CheckoutURL: "http://shop/toss/pay", WebhookRate: 100_000},
		timeout: 20 * time.Second,
		gateway: func(g app.Gateway) app.Gateway { return g },
	}
	for _, f := range change {
		f(&c)
	}
	s := shop{t: t, pool: pgtest.New(t, "payments"), clock: clock.NewManual(today), door: &door{}}
	sessions := app.Sessions(s.pool)
	var err error
	config := emulator.Config{
		Clock: s.clock.Now,
		Lookup: func(ctx context.Context, orderID string) (emulator.Session, bool, error) {
			found, ok, err := sessions(ctx, orderID)
			return emulator.Session{OrderID: found.OrderNumber, OrderName: found.OrderName, AmountWon: found.AmountWon}, ok, err
		},
		WebhookURL: "", WebhookDelays: []time.Duration{}, Journal: c.journal,
	}
	if c.hooks != nil {
		config.WebhookURL, config.WebhookClient = "http://shop/webhooks/toss", &http.Client{Transport: toss.Local{Handler: c.hooks}}
	}
	s.toss, err = emulator.New(config)
	require.NoError(t, err)
	s.config = config
	s.door.set(s.toss)
	for i := range s.instances {
		s.metrics[i] = prometheus.NewRegistry()
		s.instances[i] = s.instance(c, s.metrics[i])
	}
	t.Cleanup(func() {
		require.NoError(t, s.toss.Close()) // lets go of whom it holds
		for _, instance := range s.instances {
			instance.Shutdown()
		}
		require.Zero(t, s.pool.Stat().AcquiredConns())
	})
	return s
}

// instance is one more process of the shop.
func (s shop) instance(c settings, metrics prometheus.Registerer) *app.Service {
	s.t.Helper()
	var handler http.Handler = s.door
	if c.wire != nil {
		handler = c.wire(handler)
	}
	g, err := toss.New(toss.Config{URL: "http://toss/toss", SecretKey: emulator.DefaultSecretKey, Timeout: c.timeout, Transport: toss.Local{Handler: handler}})
	require.NoError(s.t, err)
	now := clock.Clock(s.clock.Now)
	service, err := app.NewService(app.Parts{
		Config: c.app, Pool: s.pool, Outbox: outbox.New("payments", now), Audit: audit.New("payments", now), Gateway: c.gateway(g), Clock: now,
		Logger: slog.New(slog.DiscardHandler), Metrics: metrics,
	})
	require.NoError(s.t, err)
	return service
}

// gateway is somebody else who has the shop's key, at Toss's own desk.
func (s shop) gateway() *toss.Gateway {
	s.t.Helper()
	g, err := toss.New(toss.Config{URL: "http://toss", SecretKey: emulator.DefaultSecretKey, Timeout: time.Second, Transport: toss.Local{Handler: s.door}})
	require.NoError(s.t, err)
	return g
}

// order is one that waits to be paid.
type order struct {
	id, account uuid.UUID
	number      string
}

func (s shop) open(edits ...func(in *payments.OpenInput)) order {
	s.t.Helper()
	o := order{id: uuid.Must(uuid.NewV7()), account: uuid.New()}
	o.number = "N-" + strings.ToUpper(o.id.String())
	in := o.openInput()
	for _, edit := range edits {
		edit(&in)
	}
	p, err := s.instances[0].Open(s.t.Context(), in)
	require.NoError(s.t, err)
	require.Equal(s.t, payments.StateOpen, p.State)
	return o
}

func (o order) openInput() payments.OpenInput {
	return payments.OpenInput{
		OrderID: o.id, OrderNumber: o.number, OrderName: "운동화 외 1건", AccountID: o.account, AmountWon: price, ExpiresAt: today.Add(15 * time.Minute),
	}
}

// authorize pays on the emulator's page.
func (s shop) authorize(o order, method string) (paymentKey string) {
	s.t.Helper()
	key, err := s.tryAuthorize(o, method, "")
	require.NoError(s.t, err)
	return key
}

func (s shop) tryAuthorize(o order, method, decline string) (string, error) {
	r := httptest.NewRequestWithContext(s.t.Context(), "POST", "/toss/pay/"+o.number+"/authorize", strings.NewReader(fmt.Sprintf(`{"method":%q,"decline":%q}`, method, decline)))
	w := httptest.NewRecorder()
	s.toss.ServeHTTP(w, r)
	if w.Code != 200 {
		return "", errors.New(w.Body.String())
	}
	var out struct {
		PaymentKey string `json:"paymentKey"`
	}
	err := json.Unmarshal(w.Body.Bytes(), &out)
	return out.PaymentKey, err
}

// confirmInput is a confirm under an idempotency key.
func (o order) confirmInput(paymentKey, idempotencyKey string) payments.ConfirmInput {
	sum := sha256.Sum256([]byte(paymentKey + o.number))
	return payments.ConfirmInput{
		AccountID: o.account, PaymentKey: paymentKey, OrderNumber: o.number, AmountWon: price, IdempotencyKey: idempotencyKey, RequestHash: sum[:],
	}
}

func (s shop) confirm(instance int, o order, paymentKey, idempotencyKey string) (payments.Payment, error) {
	return s.instances[instance%len(s.instances)].Confirm(s.t.Context(), o.confirmInput(paymentKey, idempotencyKey))
}

func (s shop) payment(o order) payments.Payment {
	s.t.Helper()
	p, err := s.instances[0].Payment(s.t.Context(), payments.PaymentInput{OrderID: o.id})
	require.NoError(s.t, err)
	return p
}

// atToss is what Toss has of a payment.
func (s shop) atToss(paymentKey string) emulator.Payment {
	s.t.Helper()
	p, known := s.toss.Look(paymentKey)
	require.True(s.t, known, paymentKey)
	return p
}

// posts are the POSTs that Toss got whose path ends so.
func (s shop) posts(suffix string) (found []emulator.Request) {
	for _, r := range s.toss.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, suffix) {
			found = append(found, r)
		}
	}
	return found
}

// hook delivers a webhook.
func (s shop) hook(instance int, transmission string, body any) {
	s.t.Helper()
	b, err := json.Marshal(body)
	require.NoError(s.t, err)
	require.NoError(s.t, s.instances[instance%len(s.instances)].Receive(s.t.Context(), transmission, b))
}

// outcome is what came of a webhook so far.
func (s shop) outcome(transmission string) (outcome string, processed bool) {
	s.t.Helper()
	row := s.pool.QueryRow(s.t.Context(), `SELECT outcome, processed_at IS NOT NULL FROM payments.webhooks WHERE transmission_id = $1`, transmission)
	require.NoError(s.t, row.Scan(&outcome, &processed))
	return outcome, processed
}

var firstPage = web.PageQuery{Limit: 100}

func statusChanged(o order, paymentKey string) map[string]any {
	return map[string]any{"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-01-02T12:04:05.000000", "data": map[string]any{"paymentKey": paymentKey, "orderId": o.number, "status": "DONE"}}
}

// jobs runs every job once, some minutes later each time, so that whatever is due is done.
func (s shop) jobs(times int) {
	s.t.Helper()
	for i := range times {
		s.clock.Advance(20 * time.Minute)
		for _, j := range app.Jobs(s.instances[i%len(s.instances)]) {
			require.NoError(s.t, j.Run(s.t.Context()))
		}
	}
}

// events are what was published of an order, and fails the test unless their versions are 1, 2, 3, …
func (s shop) events(o order) (types []string) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT type, aggregate_version, data->>'version' FROM payments.outbox WHERE key = $1 ORDER BY id`, o.id)
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var typ, in string
		var version int64
		require.NoError(s.t, rows.Scan(&typ, &version, &in))
		types = append(types, typ)
		require.EqualValues(s.t, len(types), version)
		require.Equal(s.t, fmt.Sprint(version), in)
	}
	require.NoError(s.t, rows.Err())
	return types
}

// kinds are the kinds of the history's entries.
func kinds(p payments.Payment) (all []string) {
	for _, e := range p.History {
		all = append(all, e.Kind)
	}
	return all
}

// wrong are the invariants of the books that do not hold, each with what is wrong.
func (s shop) wrong() (all []string) {
	s.t.Helper()
	for _, i := range app.Books(s.instances[0]) {
		found, err := i.Check(context.WithoutCancel(s.t.Context()), "")
		require.NoError(s.t, err, i.Name)
		for _, m := range found.Wrong {
			all = append(all, i.Name+" "+m.Subject+": "+m.Detail)
		}
	}
	return all
}

// sound fails the test unless the books are, and unless every POST that Toss got had a key (payment-lab PR#4, T35).
func (s shop) sound() {
	s.t.Helper()
	require.Empty(s.t, s.wrong())
	for _, r := range s.toss.Requests() {
		require.Equal(s.t, r.Method == http.MethodPost, r.IdempotencyKey != "", "%+v", r)
	}
}

// counted is a metric of an instance, as it is scraped.
func (s shop) counted(instance int, name, label string) (n float64) {
	s.t.Helper()
	families, err := s.metrics[instance].Gather()
	require.NoError(s.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(20*time.Second), time.NewTicker(2*time.Millisecond)
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
