// Package paymentsfx wires the module payments, and decides who takes the money: Toss Payments, an emulator of it in another process,
// or, as long as nothing is set, the emulator in this one.
package paymentsfx

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/payments/internal/remote"
	"github.com/sasapick/shop/internal/payments/internal/toss"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/platform/web"
)

const name = "payments"

// Files in the data folder that keep what the emulators know.
const (
	journalWithin = "toss.journal"
	journalAlone  = "toss.journal.alone"
)

// Module hosts payments in this process.
var Module = fx.Module(name,
	platformfx.Own(name),
	fx.Provide(
		newTill, newService,
		fx.Private,
	),
	fx.Provide(
		func(s *app.Service) payments.Service { return s },
		platformfx.Methods(remote.Service),
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Routes(newEmulatorRoutes),
		platformfx.Jobs(app.Jobs),
		platformfx.Books(app.Books),
	),
)

// Remote reaches payments in the process that hosts it, and passes the module's routes on to there, with those of the emulator that may
// be there.
var Remote = fx.Module(name,
	platformfx.Elsewhere(name, app.NewHTTP(nil), app.NewAdmin(nil), emulatorRoutes{till{emulator: &emulator.Emulator{}}}),
	fx.Provide(fx.Annotate(remote.NewClient, fx.As(new(payments.Service)))),
)

// till is who takes the money.
type till struct {
	gateway  app.Gateway
	checkout app.Checkout // nil: nothing has to be registered
	config   app.Config
	emulator *emulator.Emulator // nil: there is none in this process
	hooks    *later
}

func newTill(lc fx.Lifecycle, c config.Config, pool *pgxpool.Pool, now clock.Clock, log *slog.Logger, metrics *prometheus.Registry) (till, error) {
	switch {
	case c.TossSecretKey == "" && c.TossURL == "":
		return within(lc, c, pool, now, log, metrics)
	case c.TossURL == "" || ownedByToss(c.TossURL):
		return genuine(c, metrics)
	default:
		return beside(c, metrics)
	}
}

// ownedByToss tells whether an address is Toss's own, where no shop may register an order.
func ownedByToss(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Hostname() == "tosspayments.com" || strings.HasSuffix(u.Hostname(), ".tosspayments.com"))
}

// genuine is Toss Payments. The shop's own page opens its window with Toss's script, so there is no address to pay at.
func genuine(c config.Config, metrics prometheus.Registerer) (till, error) {
	if c.TossSecretKey == "" || c.TossClientKey == "" {
		return till{}, errors.New("payments by Toss need both its secret key and its client key")
	}
	g, err := toss.New(toss.Config{URL: c.TossURL, SecretKey: c.TossSecretKey, Metrics: metrics})
	return till{gateway: g, config: app.Config{ClientKey: c.TossClientKey}}, err
}

// beside is an emulator in another process.
func beside(c config.Config, metrics prometheus.Registerer) (till, error) {
	base := strings.TrimSuffix(strings.TrimRight(c.TossURL, "/"), "/toss") + "/toss"
	clientKey := cmp.Or(c.TossClientKey, emulator.DefaultClientKey)
	g, err := toss.New(toss.Config{URL: base, SecretKey: cmp.Or(c.TossSecretKey, emulator.DefaultSecretKey), Metrics: metrics})
	return till{
		gateway: g, checkout: toss.NewCheckout(base, clientKey, c.BaseURL()),
		config: app.Config{ClientKey: clientKey, CheckoutURL: base + "/pay"},
	}, err
}

// within is the emulator in this process: the same gateway speaks to it, past the network. What is to be paid it reads from the
// payments themselves.
func within(lc fx.Lifecycle, c config.Config, pool *pgxpool.Pool, now clock.Clock, log *slog.Logger, metrics prometheus.Registerer) (till, error) {
	sessions := app.Sessions(pool)
	hooks := &later{}
	e, err := emulator.New(emulator.Config{
		ClientKey: c.TossClientKey, Journal: journal(c, journalWithin), Clock: now, Logger: log,
		Lookup: func(ctx context.Context, orderID string) (emulator.Session, bool, error) {
			s, ok, err := sessions(ctx, orderID)
			return emulator.Session{
				OrderID: s.OrderNumber, OrderName: s.OrderName, AmountWon: s.AmountWon, CustomerKey: s.CustomerKey,
				SuccessURL: "/paid", FailURL: "/unpaid",
			}, ok, err
		},
		WebhookURL: "http://shop/webhooks/toss", WebhookClient: &http.Client{Transport: toss.Local{Handler: hooks}},
	})
	if err != nil {
		return till{}, err
	}
	lc.Append(fx.StopHook(e.Close))
	g, err := toss.New(toss.Config{
		URL: "http://toss/toss", SecretKey: emulator.DefaultSecretKey, Transport: toss.Local{Handler: e}, Metrics: metrics,
	})
	return till{
		gateway: g, emulator: e, hooks: hooks,
		config: app.Config{ClientKey: cmp.Or(c.TossClientKey, emulator.DefaultClientKey), CheckoutURL: c.BaseURL() + "/toss/pay"},
	}, err
}

func journal(c config.Config, file string) string {
	if c.DataDir == "" {
		return "" // nothing is to be kept
	}
	return filepath.Join(c.DataDir, file)
}

// later is a handler that is known only once what calls it has been made.
type later struct{ handler atomic.Pointer[http.Handler] }

func (l *later) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := l.handler.Load()
	if h == nil {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}

type parts struct {
	fx.In

	Lifecycle fx.Lifecycle
	Till      till
	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
	Log       *slog.Logger
	Metrics   *prometheus.Registry
	Flights   batch.Limits `optional:"true"`
}

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(p parts) (*app.Service, error) {
	s, err := app.NewService(app.Parts{
		Config: p.Till.config, Pool: p.Pool, Outbox: p.Outbox, Audit: p.Audit, Gateway: p.Till.gateway, Checkout: p.Till.checkout, Clock: p.Clock,
		Logger: p.Log, Flights: p.Flights, Metrics: p.Metrics,
	})
	if err != nil {
		return nil, err
	}
	if p.Till.hooks != nil {
		h := s.WebhookHandler()
		p.Till.hooks.handler.Store(&h)
	}
	p.Lifecycle.Append(fx.StopHook(s.Shutdown))
	return s, nil
}

// emulatorRoutes mounts the emulator, where there is one, at /toss/ of the shop's address.
type emulatorRoutes struct{ till till }

func newEmulatorRoutes(t till) emulatorRoutes { return emulatorRoutes{t} }

// Routes implements [web.Routes].
func (r emulatorRoutes) Routes(api *web.API) {
	if r.till.emulator != nil {
		web.Handle(api, "", "/toss/*", r.till.emulator)
	}
}

// Emulator is the emulator on its own, for another process than the shop's; the function that is returned closes its journal. It can be
// told to fail (POST /toss/control/faults), so it must not be reached by strangers.
func Emulator(c config.Config) (http.Handler, func() error, error) {
	e, err := emulator.New(emulator.Config{
		SecretKey: c.TossSecretKey, ClientKey: c.TossClientKey, Journal: journal(c, journalAlone), Control: true, Logger: slog.Default(),
	})
	if err != nil {
		return nil, nil, err
	}
	return e, e.Close, nil
}
