package web

import (
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// Header values that never change. They are shared between requests: nobody appends to a header's value in place.
var (
	nosniff    = []string{"nosniff"}
	deny       = []string{"DENY"}
	noReferrer = []string{"no-referrer"}
	strictCSP  = []string{"default-src 'none'; frame-ancestors 'none'"}
	noStore    = []string{"no-store"}
)

// middleware is around every request, routed or not: it names and traces it, guards it, counts it and logs it.
func (a *API) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		st := &state{
			response: response{ResponseWriter: w},
			api:      a,
			path:     r.URL.EscapedPath(),
			client:   clientOf(r, a.options.TrustProxy),
		}
		var span trace.Span
		if a.tracer == nil {
			st.span = spanOf(r)
			st.Context = trace.ContextWithSpanContext(r.Context(), st.span)
		} else {
			ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			st.Context, span = a.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
			st.span = span.SpanContext()
		}
		r = r.WithContext(st)

		st.names = [2]string{requestIDOf(r), traceparent(st.span)}
		h := w.Header()
		h["X-Request-Id"], h["Traceparent"] = st.names[0:1:1], st.names[1:2:2]
		h["X-Content-Type-Options"] = nosniff
		h["X-Frame-Options"] = deny
		h["Referrer-Policy"] = noReferrer
		h["Content-Security-Policy"] = strictCSP

		a.metrics.inFlight.Inc()
		defer func() {
			if crashed := recover(); crashed != nil {
				a.crashed(st, r, crashed)
			}
			a.finish(st, r, span, start, time.Now())
			if st.abort {
				panic(http.ErrAbortHandler)
			}
		}()
		if err := checkURL(r.URL); err != nil {
			WriteProblem(st, r, err)
			return
		}
		next.ServeHTTP(st, r)
	})
}

// crashed answers a request whose handler panicked.
func (a *API) crashed(st *state, r *http.Request, crashed any) {
	if crashed == http.ErrAbortHandler { //nolint:errorlint // it is never wrapped
		st.abort = true
		return
	}
	logger(r.Context()).LogAttrs(r.Context(), slog.LevelError, "handler panicked",
		slog.String("error.message", fmt.Sprint(crashed)), slog.String("error.stack_trace", string(debug.Stack())))
	if st.sent {
		st.abort = true // half an answer must not look like a whole one
		return
	}
	st.reset()
	WriteProblem(st, r, ErrInternal)
}

// finish lets a held back header go, counts and logs.
func (a *API) finish(st *state, r *http.Request, span trace.Span, start, end time.Time) {
	took := end.Sub(start)
	if !st.sent && st.status != 0 {
		st.send()
	}
	status := st.status
	switch {
	case st.code == errGone.Code:
		status = 499
	case status == 0:
		status = http.StatusOK // what the server sends for a handler that said nothing
	}
	pattern := st.pattern
	if pattern == "" {
		pattern = r.Pattern // of what was put on the router directly
	}
	if pattern == "" {
		pattern = "unmatched"
	}
	a.metrics.inFlight.Dec()
	a.metrics.observe(r.Method, pattern, status, took)
	if span != nil {
		span.SetName(r.Method + " " + pattern)
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", pattern),
			attribute.Int("http.response.status_code", status), attribute.String("url.path", st.path))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, st.code)
		}
		span.End()
	}

	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !a.log.Enabled(r.Context(), level) {
		return
	}
	attrs := [10]slog.Attr{
		slog.String("http.request.method", r.Method),
		slog.String("url.path", st.path),
		slog.String("http.route", pattern),
		slog.Int("http.response.status_code", status),
		slog.Int64("http.response.body.bytes", st.written),
		slog.Int64("event.duration", took.Nanoseconds()),
		slog.Any("client.ip", st.client),
		slog.String("trace.id", st.traceID()),
		slog.String("http.request.id", st.requestID()),
		slog.String("error.code", st.code),
	}
	n := len(attrs)
	if st.code == "" {
		n--
	}
	record := slog.NewRecord(end, level, "request", 0) // where in the code that is says nothing, and costs a look at the stack
	record.AddAttrs(attrs[:n]...)
	_ = a.log.Handler().Handle(r.Context(), record)
}

// intake is what a route must know of an operation's input before it is decoded.
type intake struct {
	headers   []string // that are read, in canonical form
	types     []string // media types that are taken; empty: the body is not looked at
	multipart bool
	optional  bool // of the media type: RFC 9110 lets a client leave it out
}

func intakeOf(spec *huma.Operation) intake {
	var in intake
	for _, p := range spec.Parameters {
		if p.In == "header" {
			in.headers = append(in.headers, http.CanonicalHeaderKey(p.Name))
		}
	}
	if spec.RequestBody != nil {
		for mediaType := range spec.RequestBody.Content {
			in.types = append(in.types, mediaType)
			in.multipart = in.multipart || mediaType == "multipart/form-data"
		}
		in.optional = !in.multipart
	}
	return in
}

// route is around every operation: who may, whether now, and how much.
func (a *API) route(op *Operation, in intake, next http.Handler) http.HandlerFunc {
	if a.elsewhere != nil {
		next = a.elsewhere
	}
	return func(w http.ResponseWriter, r *http.Request) {
		st := stateOf(r.Context())
		st.operation, st.pattern = op, op.Path

		principal, known, err := a.authenticate(r, op.Role)
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		if known {
			w.Header()["Cache-Control"] = noStore // unless the handler knows better
		}
		if op.Ready != nil && in.plain(r) {
			if kept := op.Ready(r); kept != nil {
				kept.send(w)
				return
			}
		}
		if known {
			st.Context = auth.With(st.Context, principal)
		}
		var cancel context.CancelFunc
		st.Context, cancel = context.WithTimeout(st.Context, op.Deadline)
		defer cancel()

		if a.options.ReadOnly != nil && op.stopsWhenReadOnly() && a.options.ReadOnly() {
			WriteProblem(w, r, ErrReadOnly)
			return
		}
		for _, intercept := range a.interceptors {
			after, answered := intercept(op, w, r)
			if answered {
				return
			}
			if after != nil {
				defer after()
			}
		}
		if err := admit(op, in, w, r); err != nil {
			WriteProblem(w, r, err)
			return
		}
		if op.Deadline > patience {
			extend(w, op.Deadline)
		}
		next.ServeHTTP(w, r)
	}
}

// authenticate tells who asks. A token that does not hold is only an error where one is needed.
func (a *API) authenticate(r *http.Request, role auth.Role) (p auth.Principal, known bool, err error) {
	token := bearer(r.Header.Get("Authorization"))
	switch {
	case token == "":
		err = auth.ErrNoToken
	case a.options.Verifier == nil:
		err = auth.ErrBadToken
	default:
		p, err = a.options.Verifier.Verify(r.Context(), token)
	}
	switch {
	case role == auth.None:
		return p, err == nil, nil
	case err != nil:
		return auth.Principal{}, false, err
	case !p.Role.AtLeast(role):
		return auth.Principal{}, false, auth.ErrForbidden
	}
	return p, true, nil
}

func bearer(header string) string {
	const scheme = "Bearer "
	if len(header) > len(scheme) && strings.EqualFold(header[:len(scheme)], scheme) {
		return strings.TrimSpace(header[len(scheme):])
	}
	return ""
}

// admit looks at a request's headers, and limits its body. Multipart forms are read here, since huma panics on broken
// ones.
func admit(op *Operation, in intake, w http.ResponseWriter, r *http.Request) error {
	if op.Idempotent && r.Header.Get("Idempotency-Key") == "" {
		return idempotency.ErrKeyRequired
	}
	if err := checkHeaders(r.Header, in.headers); err != nil {
		return err
	}
	if r.ContentLength > op.MaxBody {
		return tooLarge(op.MaxBody)
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if len(in.types) > 0 {
		if err := in.takes(r.Header); err != nil {
			return err
		}
	}
	limitBody(w, r, op.MaxBody)
	if in.multipart {
		return readForm(r)
	}
	return nil
}

// limitBody hands the reader the server's own writer, which then closes the connection instead of reading the rest.
func limitBody(w http.ResponseWriter, r *http.Request, limit int64) {
	if st, ok := w.(*state); ok {
		w = st.ResponseWriter
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
}

func (in intake) takes(h http.Header) error {
	contentType := h.Get("Content-Type")
	if contentType == "" && in.optional {
		return nil
	}
	for _, want := range in.types {
		if contentType == want || want == "application/octet-stream" {
			return nil
		}
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err == nil {
		for _, want := range in.types {
			if mediaType == want {
				h.Set("Content-Type", mime.FormatMediaType(want, parameters)) // huma compares letter by letter
				return nil
			}
		}
	}
	return ErrMediaType.WithDetail("taken are: " + strings.Join(in.types, ", "))
}

func tooLarge(limit int64) *fault.Error {
	return ErrTooLarge.WithDetail("at most " + strconv.FormatInt(limit, 10) + " bytes are taken")
}

const formMemory = 1 << 20 // bytes of a form that are kept in memory; the rest goes to files

func readForm(r *http.Request) error {
	if err := r.ParseMultipartForm(formMemory); err != nil {
		if f := bodyFault(err); f != nil {
			return f
		}
		return ErrMalformed.WithDetail("the form cannot be read")
	}
	for name, values := range r.MultipartForm.Value {
		for _, text := range append(values, name) {
			if err := CheckText(text); err != nil {
				return withPointer(err, name)
			}
		}
	}
	for name, files := range r.MultipartForm.File {
		for _, file := range files {
			if CheckText(name) != nil || CheckText(file.Filename) != nil {
				return ErrInvalid.WithFields(fault.Field{Pointer: strings.ToValidUTF8(name, "?"), Detail: "the file's name is not allowed"})
			}
		}
	}
	return nil
}

func withPointer(err error, pointer string) error {
	if f, ok := fault.As(err); ok {
		return f.WithFields(fault.Field{Pointer: strings.ToValidUTF8(pointer, "?"), Detail: f.Detail})
	}
	return err
}
