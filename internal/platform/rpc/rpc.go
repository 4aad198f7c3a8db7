// Package rpc carries the calls of a contract to the process that hosts its module: POST /rpc/<module>/<Method>, JSON both ways.
//
// A fault comes back as the fault that it is, so errors.Is holds on both sides. Everything else that goes wrong, there or on the way,
// is an [Outage]: it never looks like a refusal, because nobody knows whether the call took effect. The caller's deadline and trace
// travel along.
//
// It is for private addresses only. Where a token is set each request must bear it; without one a server answers only on addresses
// that the internet does not route.
package rpc

import (
	"errors"
	"time"
)

const (
	deadlineHeader = "Shop-Deadline" // milliseconds that are left, so that the clocks of two machines need not agree
	tokenHeader    = "Shop-Token"
	jsonType       = "application/json"
	faultType      = "application/vnd.shop.fault+json" // no proxy on the way answers with it
	faultStatus    = 422

	longest    = 30 * time.Second // a call whose caller would wait for ever
	maxRequest = 1 << 20
	maxAnswer  = 16 << 20
)

// Outage is a call that was not answered. Whether it took effect is not known; the same call later may succeed.
type Outage struct {
	Module string
	Method string
	Err    error
}

func (o *Outage) Error() string { return "call " + o.Module + "." + o.Method + ": " + o.Err.Error() }

// Unwrap shows the cause, such as the end of the caller's context.
func (o *Outage) Unwrap() error { return o.Err }

// IsOutage tells whether err is, or comes of, an [Outage].
func IsOutage(err error) bool {
	_, ok := errors.AsType[*Outage](err)
	return ok
}
