package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/fx"

	"github.com/sasapick/shop/cmd/shop/site"
	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/health"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/platform/rpc"
	"github.com/sasapick/shop/internal/platform/web"
)

type serveCommand struct{}

const startTimeout = time.Minute

// Run opens the shop and serves until a signal, or until something that it cannot be without ends.
func (serveCommand) Run(c config.Config) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	g, err := openGround(ctx, c, false)
	if err != nil {
		return err
	}
	defer g.close()
	public, err := listen(c.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	var private net.Listener
	if c.PrivateListen != "" {
		if private, err = listen(c.PrivateListen); err != nil {
			return err
		}
		defer func() { _ = private.Close() }()
	}
	if err := g.migrate(ctx); err != nil {
		return err
	}

	var s shop
	app := fx.New(
		wire(g.config, g.log),
		platformfx.Workers(events()),
		s.populate(c), fx.Populate(&s.api, &s.registry, &s.rpc),
		fx.StartTimeout(startTimeout), fx.StopTimeout(c.DrainTimeout+5*time.Second),
	)
	if err := app.Err(); err != nil {
		return fmt.Errorf("wire the shop: %w", err)
	}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := app.Start(starting); err != nil {
		return fmt.Errorf("start the shop: %w", err)
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
		defer cancel()
		if stopped := app.Stop(stopping); stopped != nil {
			err = errors.Join(err, fmt.Errorf("stop the shop: %w", stopped))
		}
	}()

	password, err := g.firstAdmin(ctx, s.admins)
	if err != nil {
		return err
	}
	if g.demo() {
		if err := seed(ctx, s.seeder, c.DemoProducts); err != nil {
			return err
		}
	}
	parts, err := g.parts(&s)
	if err != nil {
		return err
	}
	checker := health.New(parts...)
	operate(s.api, checker)
	pictures, err := s.pictures(ctx)
	if err != nil {
		return err
	}
	site.Routes(s.api, pictures...)
	return g.serve(ctx, stop, app, &s, checker, public, private, password)
}

// shop is what serving needs of the wired application.
type shop struct {
	api       *web.API
	databases *pg.Databases
	redis     goredis.UniversalClient
	registry  *prometheus.Registry
	rpc       *rpc.Server
	admins    accounts.Admins  // nil where accounts is hosted elsewhere
	seeder    catalogfx.Seeder // zero where catalog is
	blobs     *blob.Store      // nil where catalog is
	reindexer *catalogfx.Reindexer
}

// populate takes what there is where these modules are hosted.
func (s *shop) populate(c config.Config) fx.Option {
	targets := []any{&s.databases, &s.redis}
	if c.Hosts("accounts") {
		targets = append(targets, &s.admins)
	}
	if c.Hosts("catalog") {
		targets = append(targets, &s.seeder, &s.blobs, &s.reindexer)
	}
	return fx.Populate(targets...)
}

// pictures are the origins, besides the shop's own, from which products' pictures come.
func (s *shop) pictures(ctx context.Context) ([]string, error) {
	if s.blobs == nil {
		return nil, nil
	}
	origin, err := s.blobs.Origin(ctx)
	if err != nil || origin == "" {
		return nil, err
	}
	return []string{origin}, nil
}

func (g *ground) serve(ctx context.Context, stop func(), app *fx.App, s *shop, checker *health.Checker, public, private net.Listener, password string) error {
	serving, end := context.WithCancelCause(ctx)
	defer end(nil)
	failed := make(chan error, 2)
	go func() {
		failed <- web.Serve(serving, web.NewServer(public.Addr().String(), s.api.Handler()), public, g.config.DrainTimeout)
	}()
	running := 1
	if private != nil {
		running++
		go func() {
			failed <- web.Serve(serving, web.NewServer(private.Addr().String(), g.operators(s)), private, either(g.config.Split(), g.config.DrainTimeout, time.Second))
		}()
	}
	g.log.Info("the shop is open", "url.full", g.config.BaseURL())
	g.banner(os.Stdout, password)

	var err error
	select {
	case <-ctx.Done():
	case end := <-app.Wait(): // also told of a signal, then with the code 0
		if end.ExitCode != 0 {
			err = errors.New("a part of the shop ended; the log says why")
		}
	case died := <-g.died:
		err = fmt.Errorf("PostgreSQL ended: %w", died)
	case err = <-failed:
		running--
	}
	g.log.Info("the shop closes")
	checker.Drain()
	stop() // a second signal ends the process at once
	end(err)
	for range running {
		err = errors.Join(err, <-failed)
	}
	return err
}

// listen takes an address, or says in a sentence who has it.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another program: stop it, or choose another address with --listen and --private-listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// operate adds what a load balancer asks, and what a page counts down by.
func operate(api *web.API, checker *health.Checker) {
	web.Handle(api, http.MethodGet, "/livez", http.HandlerFunc(checker.Live))
	web.Handle(api, http.MethodGet, "/readyz", http.HandlerFunc(checker.Ready))
	web.Register(api, web.Operation{
		ID: "get-time", Method: http.MethodGet, Path: "/v1/time", Tag: "platform", Summary: "The shop's clock",
		Description: "Whatever opens at a time opens by this clock.",
	}, func(context.Context, *struct{}) (*timeOutput, error) {
		out := &timeOutput{CacheControl: "no-store"}
		out.Body.Now = clock.System()
		return out, nil
	})
}

type timeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Now time.Time `json:"now" doc:"UTC, to the millisecond." example:"2026-01-02T03:04:05.678Z"`
	}
}

// operators is what listens on the private address: the metrics and, where modules are hosted by several processes, what those ask each
// other, and what shoppers asked there of modules that are hosted here.
func (g *ground) operators(s *shop) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry}))
	if g.config.Split() {
		mux.Handle("/rpc", s.rpc)
		mux.Handle("/rpc/", s.rpc)
		mux.Handle("/", s.rpc.Pass(s.api.Handler()))
	}
	return mux
}
