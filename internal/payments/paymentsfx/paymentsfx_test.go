package paymentsfx_test

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/paymentsfx"
	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// shop is the module, wired as in the binary.
type shop struct {
	t       *testing.T
	service payments.Service
	jobs    map[string]jobs.Job
	books   []books.Invariant
	handler http.Handler
	stop    func()
}

type wired struct {
	fx.In

	Service payments.Service
	Routes  []web.Routes      `group:"routes"`
	Jobs    []jobs.Job        `group:"jobs"`
	Books   []books.Invariant `group:"books"`
}

func start(t *testing.T, c config.Config) shop {
	t.Helper()
	s := shop{t: t, jobs: map[string]jobs.Job{}}
	api := web.New(web.Options{Logger: slog.New(slog.DiscardHandler)})
	app := fxtest.New(t,
		fx.NopLogger,
		fx.Supply(c, slog.New(slog.DiscardHandler)),
		fx.Provide(
			func() clock.Clock { return clock.System },
			prometheus.NewRegistry,
			func(lc fx.Lifecycle) (*pg.Databases, error) {
				d, err := pg.OpenAll(t.Context(), c.DatabaseURL, nil, []string{"payments"}, pg.Config{MaxConns: 4})
				if err == nil {
					lc.Append(fx.StopHook(d.Close))
				}
				return d, err
			},
		),
		paymentsfx.Module,
		fx.Invoke(func(w wired) {
			s.service, s.books = w.Service, w.Books
			for _, r := range w.Routes {
				r.Routes(api)
			}
			for _, j := range w.Jobs {
				s.jobs[j.Name] = j
			}
		}),
	)
	app.RequireStart()
	s.handler, s.stop = api.Handler(), app.RequireStop
	return s
}

func (s shop) open() (payments.Payment, payments.OpenInput) {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	in := payments.OpenInput{
		OrderID: id, OrderNumber: "N-" + id.String(), OrderName: "운동화", AccountID: uuid.New(), AmountWon: 23_000, ExpiresAt: time.Now().Add(time.Hour),
	}
	p, err := s.service.Open(s.t.Context(), in)
	require.NoError(s.t, err)
	return p, in
}

func (s shop) confirm(in payments.OpenInput, paymentKey string) payments.Payment {
	s.t.Helper()
	sum := sha256.Sum256([]byte(paymentKey))
	p, err := s.service.Confirm(s.t.Context(), payments.ConfirmInput{
		AccountID: in.AccountID, PaymentKey: paymentKey, OrderNumber: in.OrderNumber, AmountWon: in.AmountWon, IdempotencyKey: paymentKey, RequestHash: sum[:],
	})
	require.NoError(s.t, err)
	return p
}

// authorize pays on the page that checkout_url names.
func authorize(t *testing.T, send func(*http.Request) (*http.Response, error), checkoutURL string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, checkoutURL+"/authorize", strings.NewReader(`{"method":"카드"}`))
	require.NoError(t, err)
	resp, err := send(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, string(body))
	var out struct {
		PaymentKey string `json:"paymentKey"`
	}
	require.NoError(t, json.Unmarshal(body, &out))
	return out.PaymentKey
}

func (s shop) send(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestTheEmulatorWithin(t *testing.T) {
	t.Parallel()

	c := config.Config{Listen: "127.0.0.1:8080", DataDir: t.TempDir(), DatabaseURL: pgtest.URL(t)}
	s := start(t, c)
	p, in := s.open()
	require.Equal(t, "http://127.0.0.1:8080/toss/pay/"+in.OrderNumber, p.CheckoutURL)
	key := authorize(t, s.send, p.CheckoutURL)
	s.stop()

	// Another process: the journal and the database are all that it has.
	require.FileExists(t, filepath.Join(c.DataDir, "toss.journal"))
	s = start(t, c)
	defer s.stop()
	require.Equal(t, payments.StateCaptured, s.confirm(in, key).State)

	page, err := s.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, p.CheckoutURL, nil))
	require.NoError(t, err)
	require.Equal(t, 200, page.StatusCode)
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "script-src 'nonce-", "the page's own policy holds")
	body, err := io.ReadAll(page.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `data-success="/paid"`)

	control, err := s.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/toss/control/faults", nil))
	require.NoError(t, err)
	require.Equal(t, 404, control.StatusCode, "strangers cannot make it fail")

	require.NotEmpty(t, s.books)
	for _, i := range s.books {
		found, err := i.Check(t.Context(), "")
		require.NoError(t, err, i.ID())
		require.Empty(t, found.Wrong, i.ID())
	}
	require.Len(t, s.jobs, 3)
	for name, j := range s.jobs {
		require.True(t, strings.HasPrefix(name, "payments."))
		require.NoError(t, j.Run(t.Context()))
	}
}

func TestTheEmulatorBeside(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	handler, closeJournal, err := paymentsfx.Emulator(config.Config{DataDir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, closeJournal()) }()
	server := httptest.NewServer(handler)
	defer server.Close()
	s := start(t, config.Config{Listen: "127.0.0.1:8080", TossURL: server.URL, DatabaseURL: pgtest.URL(t)})
	defer s.stop()
	p, in := s.open()
	require.Equal(t, server.URL+"/toss/pay/"+in.OrderNumber, p.CheckoutURL)
	key := authorize(t, http.DefaultClient.Do, p.CheckoutURL)
	require.Equal(t, payments.StateCaptured, s.confirm(in, key).State)
	refunded, err := s.service.Refund(t.Context(), payments.RefundInput{OrderID: in.OrderID, Reason: "r"})
	require.NoError(t, err)
	require.Equal(t, payments.RefundStateDone, refunded.Refund.State)

	resp, err := s.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/toss/pay/"+in.OrderNumber, nil))
	require.NoError(t, err)
	require.Equal(t, 404, resp.StatusCode, "the shop itself has no emulator")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestToss(t *testing.T) {
	t.Parallel()

	s := start(t, config.Config{Listen: "127.0.0.1:8080", TossSecretKey: "live_sk_1", TossClientKey: "live_ck_1", DatabaseURL: pgtest.URL(t)})
	defer s.stop()
	p, _ := s.open()
	require.Equal(t, "live_ck_1", p.ClientKey)
	require.Empty(t, p.CheckoutURL, "the shop's own page opens Toss's window")

	for name, c := range map[string]config.Config{
		"NoClientKey": {TossSecretKey: "live_sk_1"},
		"NoSecretKey": {TossURL: "https://api.tosspayments.com", TossClientKey: "live_ck_1"},
	} {
		c.Listen, c.DatabaseURL = "127.0.0.1:8080", "postgres://nowhere"
		app := fx.New(fx.NopLogger, fx.Supply(c, slog.New(slog.DiscardHandler)), paymentsfx.Module,
			fx.Provide(func() clock.Clock { return clock.System }, prometheus.NewRegistry, func() (*pg.Databases, error) {
				return pg.OpenAll(t.Context(), pgtest.URL(t), nil, []string{"payments"}, pg.Config{MaxConns: 2})
			}),
			fx.Invoke(func(payments.Service) {}))
		require.ErrorContains(t, app.Err(), "both its secret key and its client key", name)
	}
}
