package web

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// state is what is known of one request, from the first middleware to the access log. It is the request's context too: what is found out
// on the way, who asks and until when, is added to that one, and the request need not be copied for it.
type state struct {
	response
	context.Context

	api       *API
	abort     bool // the connection must be cut: the answer is broken
	path      string
	names     [2]string // the request's id and its traceparent, which the headers share
	span      trace.SpanContext
	client    netip.Addr
	operation *Operation // nil until routed, and for what is not an operation
	pattern   string     // the route's, once it is known
	code      string     // of the problem that it was answered with
}

type stateKey struct{}

// Value implements [context.Context].
func (st *state) Value(key any) any {
	if key == (stateKey{}) {
		return st
	}
	return st.Context.Value(key)
}

func stateOf(ctx context.Context) *state {
	st, _ := ctx.Value(stateKey{}).(*state)
	return st
}

func (st *state) requestID() string { return st.names[0] }

func (st *state) traceID() string {
	if !st.span.HasTraceID() {
		return ""
	}
	return st.names[1][len("00-") : len("00-")+32]
}

// RequestID returns the id of the request that ctx belongs to; empty outside of one.
func RequestID(ctx context.Context) string {
	if st := stateOf(ctx); st != nil {
		return st.requestID()
	}
	return ""
}

// ClientIP returns the address that the request of ctx came from, seen through the trusted proxies. It is the zero
// address outside of a request.
func ClientIP(ctx context.Context) netip.Addr {
	if st := stateOf(ctx); st != nil {
		return st.client
	}
	return netip.Addr{}
}

// logger returns a logger that names the request.
func logger(ctx context.Context) *slog.Logger {
	st := stateOf(ctx)
	if st == nil {
		return slog.Default()
	}
	return st.api.log.With(
		slog.String("http.request.id", st.requestID()), slog.String("trace.id", st.traceID()), slog.String("url.path", st.path),
	)
}

// requestIDOf takes the client's id when it is one that can stand in a log line, and makes one otherwise.
func requestIDOf(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); sane(id) {
		return id
	}
	return newRequestID(time.Now())
}

// newRequestID makes a UUIDv7. It names a request and is no secret, so that it does not take its bits from the kernel.
func newRequestID(at time.Time) string {
	id := uuid.UUID(randomBytes())
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = 0x70|id[6]&0x0f, 0x80|id[8]&0x3f
	return id.String()
}

func sane(id string) bool {
	if len(id) == 0 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':', c == '/', c == '=', c == '+':
		default:
			return false
		}
	}
	return true
}

// spanOf continues the caller's trace or begins one, so that there is a trace id even when nothing exports traces.
func spanOf(r *http.Request) trace.SpanContext {
	var config trace.SpanContextConfig
	if r.Header.Get("Traceparent") != "" {
		remote := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header)))
		config = trace.SpanContextConfig{TraceID: remote.TraceID(), TraceFlags: remote.TraceFlags(), TraceState: remote.TraceState()}
	}
	if !config.TraceID.IsValid() {
		config.TraceID = trace.TraceID(randomBytes())
	}
	id := randomBytes()
	config.SpanID = trace.SpanID(id[:8])
	return trace.NewSpanContext(config)
}

func randomBytes() (b [16]byte) {
	for _, half := range [][]byte{b[:8], b[8:]} {
		for n, i := rand.Uint64()|1, 0; i < 8; i++ { // never zero, which would be no id
			half[i] = byte(n >> (8 * i))
		}
	}
	return b
}

const hexDigits = "0123456789abcdef"

// traceparent is the W3C header's form of a span.
func traceparent(sc trace.SpanContext) string {
	var b [55]byte
	copy(b[:], "00-")
	traceID, spanID := sc.TraceID(), sc.SpanID()
	at := 3
	for _, c := range traceID {
		b[at], b[at+1] = hexDigits[c>>4], hexDigits[c&15]
		at += 2
	}
	b[at] = '-'
	at++
	for _, c := range spanID {
		b[at], b[at+1] = hexDigits[c>>4], hexDigits[c&15]
		at += 2
	}
	b[at], b[at+1] = '-', '0'
	b[at+2] = '0' + byte(sc.TraceFlags()&trace.FlagsSampled)
	return string(b[:])
}

// clientOf returns the client's address. Each of our proxies appends the address that it was called from to
// X-Forwarded-For, so with n of them the n-th entry from the right is the last that one of ours wrote; what is left of
// it may be anything.
func clientOf(r *http.Request, proxies int) netip.Addr {
	var direct netip.Addr
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		direct = ap.Addr().Unmap().WithZone("")
	}
	if proxies <= 0 {
		return direct
	}
	rest := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for range proxies {
		entry := rest
		if i := strings.LastIndexByte(rest, ','); i >= 0 {
			rest, entry = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		addr, err := netip.ParseAddr(strings.TrimSpace(entry))
		if err != nil {
			return direct
		}
		direct = addr.Unmap().WithZone("")
	}
	return direct
}
