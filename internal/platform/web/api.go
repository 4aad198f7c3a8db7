package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
)

// Verifier tells who a token speaks for; *auth.Verifier is one.
type Verifier interface {
	Verify(ctx context.Context, token string) (auth.Principal, error)
}

// Options are what an API is made from. The zero value works: nobody can sign in, nothing is exported.
type Options struct {
	Title       string
	Version     string
	Description string

	Logger         *slog.Logger          // nil: slog.Default()
	Verifier       Verifier              // nil: every token is refused
	Registerer     prometheus.Registerer // nil: metrics are counted, and shown nowhere
	TracerProvider trace.TracerProvider  // nil: trace ids without spans
	Clock          clock.Clock           // nil: clock.System
	TrustProxy     int                   // how many proxies of ours stand in front; their X-Forwarded-For is believed
	Origins        []string              // that browsers may call from (CORS); empty: none
	ReadOnly       func() bool           // true: operations that change something, other than managers', get 503
}

// API is the shop's HTTP interface: a router, and the table of the operations on it.
type API struct {
	Router chi.Router

	options  Options
	log      *slog.Logger
	huma     huma.API
	metrics  *metrics
	tracer   trace.Tracer
	document document

	registering  sync.Mutex // guards what follows; all of it stands still once the API serves
	operations   []*Operation
	routes       []Route
	interceptors []Interceptor
	names        map[string]reflect.Type
	nameOf       map[reflect.Type]string
	naming       *Operation   // the operation whose types are being named
	elsewhere    http.Handler // that answers what is being registered; nil: its own handler

	closing sync.Once
	own     map[string][]string // the methods of the paths without parameters
}

// Interceptor is asked before an operation's body is read, after the role was checked; auth.From(r.Context()) tells who
// asks. One that returns true has answered the request itself; what else it returns, unless it is nil, is called when the operation has answered.
type Interceptor func(op *Operation, w http.ResponseWriter, r *http.Request) (after func(), answered bool)

// New returns an API with nothing on it but its own documentation: /openapi.json and /docs.
func New(o Options) *API {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Title == "" {
		o.Title = "API"
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	a := &API{
		Router:  chi.NewRouter(),
		options: o,
		log:     o.Logger,
		metrics: newMetrics(o.Registerer),
		names:   map[string]reflect.Type{},
		nameOf:  map[reflect.Type]string{},
	}
	if o.TracerProvider != nil {
		a.tracer = o.TracerProvider.Tracer("github.com/sasapick/shop/internal/platform/web")
	}
	a.Router.Use(a.middleware)
	if len(o.Origins) > 0 {
		a.Router.Use(cors.Handler(cors.Options{
			AllowedOrigins: o.Origins,
			AllowedMethods: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
			AllowedHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Queue-Pass", "Traceparent", "X-Request-Id"},
			ExposedHeaders: []string{"ETag", "Idempotency-Replayed", "Location", "Queue-Pass", "Queue-Position", "Retry-After", "Traceparent", "X-Request-Id"},
			MaxAge:         600,
		}))
	}
	a.Router.Use(middleware.GetHead)
	a.Router.NotFound(func(w http.ResponseWriter, r *http.Request) { WriteProblem(w, r, ErrNoRoute) })
	a.Router.MethodNotAllowed(a.methodNotAllowed)
	a.huma = newHuma(a)
	a.serveDocuments()
	return a
}

// Handler returns what answers requests. Everything must have been registered.
func (a *API) Handler() http.Handler {
	a.closing.Do(a.closePaths)
	return a.Router
}

// Intercept adds an interceptor; they are asked in the order in which they were added.
func (a *API) Intercept(i Interceptor) {
	a.registering.Lock()
	defer a.registering.Unlock()
	a.interceptors = append(a.interceptors, i)
}

// Operations is the table of every operation, sorted by path and method: who may do what.
func (a *API) Operations() []Operation {
	a.registering.Lock()
	defer a.registering.Unlock()
	table := make([]Operation, len(a.operations))
	for i, o := range a.operations {
		table[i] = *o
	}
	slices.SortFunc(table, func(x, y Operation) int {
		if c := strings.Compare(x.Path, y.Path); c != 0 {
			return c
		}
		return strings.Compare(x.Method, y.Method)
	})
	return table
}

var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut,
}

// closePaths has a path without parameters take no methods but its own, where the router would go on to a path with parameters: nobody patches the
// product whose id is export.
func (a *API) closePaths() {
	a.registering.Lock()
	defer a.registering.Unlock()
	a.own = map[string][]string{}
	for _, r := range a.routes {
		if !strings.ContainsAny(r.Pattern, "{*") {
			a.own[r.Pattern] = append(a.own[r.Pattern], r.Method)
		}
	}
	for path, own := range a.own {
		for _, m := range methods {
			if !slices.Contains(own, m) && !slices.Contains(own, "") && a.Router.Match(chi.NewRouteContext(), m, path) {
				a.Router.MethodFunc(m, path, a.methodNotAllowed)
			}
		}
	}
}

// methodNotAllowed answers with the methods that the path does take, as RFC 9110 §15.5.6 wants.
func (a *API) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := cmp.Or(r.URL.RawPath, r.URL.Path)
	takes := func(m string) bool { return a.Router.Match(chi.NewRouteContext(), m, path) }
	if own, ok := a.own[path]; ok {
		takes = func(m string) bool { return slices.Contains(own, m) }
	}
	var allowed []string
	for _, m := range methods {
		if takes(m) || m == http.MethodHead && takes(http.MethodGet) {
			allowed = append(allowed, m)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	WriteProblem(w, r, ErrMethod)
}
