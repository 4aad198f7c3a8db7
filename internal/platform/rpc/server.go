package rpc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sasapick/shop/internal/platform/fault"
)

// Method is one method of a contract that this process answers.
type Method struct {
	Module string
	Name   string
	input  string
	serve  func(ctx context.Context, body []byte) ([]byte, error)
}

var errUnreadable = errors.New("the input cannot be read")

// On serves a method of a module's contract. Its input is named after it, which keeps one method from standing in for another.
func On[In, Out any](module, name string, method func(ctx context.Context, in In) (Out, error)) Method {
	return Method{module, name, reflect.TypeFor[In]().Name(), func(ctx context.Context, body []byte) ([]byte, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, errors.Join(errUnreadable, err)
		}
		out, err := method(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}}
}

// Server answers calls of other processes. It must listen on a private address only.
type Server struct {
	methods map[string]Method // by path
	hosted  hosted
	token   [sha256.Size]byte
	open    bool // there is no token
	tracer  trace.Tracer
	log     *slog.Logger
}

type hosted struct {
	Modules []string `json:"modules"`
}

// NewServer returns a server of the methods. Two for one name are an error, and so is one under another's name.
func NewServer(token string, log *slog.Logger, methods ...Method) (*Server, error) {
	s := &Server{
		methods: map[string]Method{}, hosted: hosted{Modules: []string{}}, token: sha256.Sum256([]byte(token)), open: token == "",
		tracer: otel.Tracer("github.com/sasapick/shop/internal/platform/rpc"), log: log,
	}
	for _, m := range methods {
		path := "/rpc/" + m.Module + "/" + m.Name
		if _, twice := s.methods[path]; twice {
			return nil, fmt.Errorf("two methods for %s.%s", m.Module, m.Name)
		}
		if !strings.EqualFold(m.input, m.Name+"Input") {
			return nil, fmt.Errorf("%s.%s takes %s", m.Module, m.Name, m.input)
		}
		s.methods[path] = m
		if !slices.Contains(s.hosted.Modules, m.Module) {
			s.hosted.Modules = append(s.hosted.Modules, m.Module)
		}
	}
	slices.Sort(s.hosted.Modules)
	return s, nil
}

// ServeHTTP answers POST /rpc/<module>/<Method>, and GET /rpc with the modules that are hosted here.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := s.admit(r); status != 0 {
		refuse(w, status)
		return
	}
	if r.URL.Path == "/rpc" && r.Method == http.MethodGet {
		body, _ := json.Marshal(s.hosted) // text always encodes
		answer(w, http.StatusOK, jsonType, body)
		return
	}
	m, ok := s.methods[r.URL.Path]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed)
		return
	case r.Header.Get("Content-Type") != jsonType: // which no page in a browser can send to a stranger
		refuse(w, http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuse(w, http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)), left(r))
	defer cancel()
	ctx, span := s.tracer.Start(ctx, "rpc "+m.Module+"."+m.Name, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	out, err := m.serve(ctx, body)
	if err != nil {
		s.fail(ctx, w, m, err)
		return
	}
	answer(w, http.StatusOK, jsonType, out)
}

// fail tells the caller a fault as it is, and of everything else no more than a status. That is logged here, and only here.
func (s *Server) fail(ctx context.Context, w http.ResponseWriter, m Method, err error) {
	if f, ok := fault.As(err); ok {
		body, _ := json.Marshal(f) // text and numbers always encode
		answer(w, faultStatus, faultType, body)
		return
	}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, errUnreadable):
		status = http.StatusBadRequest
	case ctx.Err() != nil:
		status = http.StatusGatewayTimeout
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // else the caller has left
		s.log.LogAttrs(ctx, slog.LevelError, "a call of another process failed",
			slog.String("rpc.service", m.Module), slog.String("rpc.method", m.Name), slog.String("error.message", err.Error()))
	}
	refuse(w, status)
}

// Pass lets those through who may call, with the address of the shopper whose request another process has passed on.
func (s *Server) Pass(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := s.admit(r); status != 0 {
			refuse(w, status)
			return
		}
		r.Header.Del(tokenHeader)
		if client, err := netip.ParseAddr(r.Header.Get("X-Forwarded-For")); err == nil {
			r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
		}
		r.Header.Del("X-Forwarded-For") // it has been believed; nobody else's is
		next.ServeHTTP(w, r)
	})
}

// admit returns 0 for who may call.
func (s *Server) admit(r *http.Request) (status int) {
	if s.open {
		if !private(r) {
			return http.StatusForbidden
		}
		return 0
	}
	sum := sha256.Sum256([]byte(r.Header.Get(tokenHeader)))
	if subtle.ConstantTimeCompare(sum[:], s.token[:]) != 1 {
		return http.StatusUnauthorized
	}
	return 0
}

// private tells whether the request came in on an address that the internet does not route.
func private(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	ap, err := netip.ParseAddrPort(local.String())
	address := ap.Addr().Unmap()
	return err == nil && (address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast())
}

// left is how long the caller still waits.
func left(r *http.Request) time.Duration {
	ms, err := strconv.ParseInt(r.Header.Get(deadlineHeader), 10, 64)
	if err != nil || ms < 1 {
		return longest
	}
	return min(longest, time.Duration(min(ms, longest.Milliseconds()))*time.Millisecond)
}

func answer(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that left is not our failure
}

func refuse(w http.ResponseWriter, status int) {
	answer(w, status, "text/plain; charset=utf-8", []byte(strings.ToLower(http.StatusText(status))+"\n"))
}
