// Package fault is the shop's one type for failures that are part of a contract: sold out, not yours, malformed.
//
// A module declares its faults as package variables; platform/web turns them into RFC 9457 problems, and a remote client
// turns the problem back, so errors.Is holds on both sides of a network.
package fault

import (
	"errors"
	"slices"
	"time"
)

// Kind says what class of failure a fault is; platform/web maps each to one HTTP status.
type Kind string

const (
	Malformed       Kind = "malformed"       // 400: cannot be read as what it claims to be
	Unauthenticated Kind = "unauthenticated" // 401: no token, or one that does not hold
	Declined        Kind = "declined"        // 402: the payment was refused
	Forbidden       Kind = "forbidden"       // 403: known, but not allowed
	NotFound        Kind = "not_found"       // 404: absent, or somebody else's
	NotAllowed      Kind = "not_allowed"     // 405: the path exists, the method does not
	Conflict        Kind = "conflict"        // 409: the state does not admit it
	Exhausted       Kind = "exhausted"       // 409: nothing is left
	Stale           Kind = "stale"           // 412: edited from an old version
	TooLarge        Kind = "too_large"       // 413
	Unsupported     Kind = "unsupported"     // 415: a media type that is not taken
	Invalid         Kind = "invalid"         // 422: well-formed, but not valid
	Required        Kind = "required"        // 428: a precondition header is missing
	Throttled       Kind = "throttled"       // 429: slow down, or wait in line
	Internal        Kind = "internal"        // 500: nothing that the client did
	Unavailable     Kind = "unavailable"     // 503: a part is down, or busy
	Timeout         Kind = "timeout"         // 504: the request's deadline passed
)

// Field points at one part of a request that is wrong.
type Field struct {
	Pointer string `json:"pointer"` // where, as an RFC 6901 JSON pointer, or the parameter's name
	Detail  string `json:"detail"`
}

// Error is a failure that callers may rely on. Its identity is Code: two errors with the same code are the same to
// errors.Is, whatever their details.
type Error struct {
	Kind       Kind          `json:"kind"`
	Code       string        `json:"code"` // module.fact, such as coupons.sold_out
	Message    string        `json:"message"`
	Detail     string        `json:"detail,omitempty"` // what is special this time
	Fields     []Field       `json:"fields,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"` // nanoseconds; zero: no advice
}

// New declares a fault. Message is a sentence for people that stays true whenever the fault is met.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

func (e *Error) Error() string {
	if e.Detail != "" {
		return e.Code + ": " + e.Detail
	}
	return e.Code + ": " + e.Message
}

// Is compares codes, so that a fault with details still is the one that the contract declares.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// WithDetail returns a copy that says what is special this time. The detail is shown to clients.
func (e *Error) WithDetail(detail string) *Error {
	c := *e
	c.Detail = detail
	return &c
}

// WithFields returns a copy that also points at the parts of the request that are wrong.
func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = append(slices.Clone(e.Fields), fields...)
	return &c
}

// WithRetryAfter returns a copy that advises the client to try again after d.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// As finds the fault in err's chain.
func As(err error) (*Error, bool) {
	return errors.AsType[*Error](err)
}
