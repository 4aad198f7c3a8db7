package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// The faults that any operation may answer.
var (
	ErrMalformed    = fault.New(fault.Malformed, "request.malformed", "the request cannot be read")
	ErrUnknownField = fault.New(fault.Malformed, "request.unknown_field", "the body has a field that is not known here")
	ErrInvalid      = fault.New(fault.Invalid, "request.invalid", "the request can be read, but some of its values are not valid")
	ErrTooLarge     = fault.New(fault.TooLarge, "request.too_large", "the body is too large")
	ErrMediaType    = fault.New(fault.Unsupported, "request.unsupported_media_type", "the body is not in a media type that is taken here")
	ErrNoRoute      = fault.New(fault.NotFound, "request.not_found", "there is nothing at this path")
	ErrMethod       = fault.New(fault.NotAllowed, "request.method_not_allowed", "this path does not take this method")
	ErrTimeout      = fault.New(fault.Timeout, "request.timeout", "the answer was not ready in time")
	ErrReadOnly     = fault.New(fault.Unavailable, "shop.read_only", "the shop takes no changes at the moment").WithRetryAfter(30 * time.Second)
	ErrDatabase     = fault.New(fault.Unavailable, "platform.database_unavailable", "the shop's database cannot be reached").WithRetryAfter(time.Second)
	ErrElsewhere    = fault.New(fault.Unavailable, "platform.module_unavailable", "a part of the shop cannot be reached").WithRetryAfter(time.Second)
	ErrBusy         = fault.New(fault.Unavailable, "platform.busy", "too many want the same thing at the same time").WithRetryAfter(time.Second)
	ErrInternal     = fault.New(fault.Internal, "internal", "something went wrong on our side")
)

// statusOf is the one place where a kind of fault becomes an HTTP status.
var statusOf = map[fault.Kind]int{
	fault.Malformed:       http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Declined:        http.StatusPaymentRequired,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.NotAllowed:      http.StatusMethodNotAllowed,
	fault.Conflict:        http.StatusConflict,
	fault.Exhausted:       http.StatusConflict,
	fault.Stale:           http.StatusPreconditionFailed,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Unsupported:     http.StatusUnsupportedMediaType,
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.Required:        http.StatusPreconditionRequired,
	fault.Throttled:       http.StatusTooManyRequests,
	fault.Internal:        http.StatusInternalServerError,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Timeout:         http.StatusGatewayTimeout,
}

// Status returns the HTTP status that faults of this kind are answered with.
func Status(k fault.Kind) int {
	if s, ok := statusOf[k]; ok {
		return s
	}
	return http.StatusInternalServerError
}

const problemType = "application/problem+json"

// Problem is the body of every answer that is not a success (RFC 9457).
type Problem struct {
	Type     string       `json:"type" format:"uri-reference" example:"/problems/coupons.sold_out" doc:"Identifies the kind of problem; the same for the same code."`
	Title    string       `json:"title" example:"no coupons are left in this campaign" doc:"What the code means, for people. It does not vary."`
	Status   int          `json:"status" minimum:"400" maximum:"599" example:"409" doc:"The HTTP status."`
	Detail   string       `json:"detail,omitempty" example:"the campaign ended with its last coupon" doc:"What is special this time."`
	Instance string       `json:"instance,omitempty" format:"uri-reference" example:"/v1/coupons/0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d/claims" doc:"The path that was asked."`
	Code     string       `json:"code" example:"coupons.sold_out" doc:"What programs should look at: module and fact."`
	TraceID  string       `json:"trace_id,omitempty" example:"4bf92f3577b34da6a3ce929d0e0e4736" doc:"Names this request in the shop's logs and traces."`
	Errors   []FieldError `json:"errors,omitempty" doc:"The parts of the request that are wrong."`

	retryAfter time.Duration
	challenge  string
}

// FieldError is one part of a request that is wrong.
type FieldError struct {
	Pointer string `json:"pointer" example:"/items/0/quantity" doc:"Where: a JSON pointer into the body, or a parameter's name."`
	Detail  string `json:"detail" example:"must be at least 1" doc:"What is wrong with it."`
}

// These make a Problem what huma answers with as it is.
func (p *Problem) Error() string               { return p.Code }
func (p *Problem) GetStatus() int              { return p.Status }
func (p *Problem) ContentType(_ string) string { return problemType }

func (p *Problem) setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(WholeSeconds(p.retryAfter), 10))
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
}

// WholeSeconds rounds up: a client that comes back too early is told to wait once more.
func WholeSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// problemOf turns a fault into what the client of this request is told.
func problemOf(ctx context.Context, f *fault.Error) *Problem {
	p := &Problem{
		Type:       "/problems/" + f.Code,
		Title:      f.Message,
		Status:     Status(f.Kind),
		Detail:     f.Detail,
		Code:       f.Code,
		retryAfter: f.RetryAfter,
	}
	if st := stateOf(ctx); st != nil {
		p.Instance = st.path
		p.TraceID = st.traceID()
		st.code = f.Code
	}
	if len(f.Fields) > 0 {
		p.Errors = make([]FieldError, len(f.Fields))
		for i, field := range f.Fields {
			p.Errors[i] = FieldError(field)
		}
	}
	if p.Status == http.StatusUnauthorized {
		p.challenge = `Bearer realm="shop"`
		if f.Code == auth.ErrBadToken.Code {
			p.challenge += `, error="invalid_token"`
		}
	}
	return p
}

// faultOf finds what an error means to a client. An error that is no fault is logged here, and only here.
func faultOf(ctx context.Context, err error) *fault.Error {
	if f, ok := fault.As(err); ok {
		if Status(f.Kind) >= http.StatusInternalServerError && errors.Unwrap(err) != nil {
			logger(ctx).LogAttrs(ctx, slog.LevelWarn, "answered with a fault of ours", slog.String("error.message", err.Error()))
		}
		return f
	}
	if f := bodyFault(err); f != nil {
		return f
	}
	switch code := pg.Code(err); {
	case errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled):
		return errGone // the client has left; nobody reads this
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil, code == "57014": // statement_timeout
		logger(ctx).LogAttrs(ctx, slog.LevelWarn, "request took too long", slog.String("error.message", err.Error()))
		return ErrTimeout
	case code == "40001", code == "40P01", code == "55P03": // serialization, deadlock, lock_timeout
		logger(ctx).LogAttrs(ctx, slog.LevelWarn, "gave way to other requests", slog.String("error.message", err.Error()))
		return ErrBusy
	case rpc.IsOutage(err):
		logger(ctx).LogAttrs(ctx, slog.LevelError, "another process of the shop did not answer", slog.String("error.message", err.Error()))
		return ErrElsewhere
	case pg.IsUnavailable(err):
		logger(ctx).LogAttrs(ctx, slog.LevelError, "the database cannot be reached", slog.String("error.message", err.Error()))
		return ErrDatabase
	}
	logger(ctx).LogAttrs(ctx, slog.LevelError, "request failed", slog.String("error.message", err.Error()))
	return ErrInternal
}

// FaultOf tells what an error means to the client of this request, and logs what is a failure of ours: for those who have begun to
// answer, so that WriteProblem comes too late.
func FaultOf(ctx context.Context, err error) *fault.Error { return faultOf(ctx, err) }

// errGone is what a request comes to whose client went away. The status is only for the log.
var errGone = fault.New(fault.Timeout, "request.canceled", "the client went away")

// WriteProblem answers a request with what err means, for handlers that are not made with Register.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	WriteProblemWith(w, r, err, nil)
}

// WriteProblemWith is WriteProblem with further members in the body, as RFC 9457 §3.2 allows.
func WriteProblemWith(w http.ResponseWriter, r *http.Request, err error, members map[string]any) {
	p := problemOf(r.Context(), faultOf(r.Context(), err))
	var body []byte
	if len(members) == 0 {
		body, err = json.Marshal(p)
	} else {
		body, err = json.Marshal(p)
		var all map[string]any
		if err == nil {
			err = json.Unmarshal(body, &all)
		}
		for k, v := range members {
			if _, taken := all[k]; !taken {
				all[k] = v
			}
		}
		if err == nil {
			body, err = json.Marshal(all)
		}
	}
	if err != nil { // members that JSON cannot express
		logger(r.Context()).LogAttrs(r.Context(), slog.LevelError, "encode problem", slog.String("error.message", err.Error()))
		body, _ = json.Marshal(p)
	}
	h := w.Header()
	h.Del("Etag")
	h.Del("Content-Length")
	h.Set("Content-Type", problemType)
	p.setHeaders(h)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n')) // a client that left is not our failure
	}
}
