// Package idempotency lets a client repeat a request without repeating its effect.
//
// The key is kept by the effect: key and hash are columns on the row that the request creates, unique per account and
// operation, so that they commit with it or not at all, and hold for as long as the row lives. There is no other store.
package idempotency

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sasapick/shop/internal/platform/fault"
)

var (
	ErrKeyRequired = fault.New(fault.Malformed, "idempotency.key_required", "the header Idempotency-Key is required here")
	ErrReused      = fault.New(fault.Invalid, "idempotency.key_reused", "this Idempotency-Key was already used with another request")
	ErrInProgress  = fault.New(fault.Conflict, "idempotency.in_progress", "the first request with this Idempotency-Key is still running").WithRetryAfter(time.Second)
)

// Key is a client's name for a request, with a hash of what was asked under it.
type Key struct {
	Value string
	Hash  []byte // 32 bytes
}

// Of makes the key of a request: its Idempotency-Key header, the path that was asked, and the decoded body. The body is
// encoded again, so that white space and the order of fields don't matter.
//
// A body that JSON cannot express is a programmer's error, and panics.
func Of(value, path string, body any) Key {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("idempotency: encode body of %s: %v", path, err))
	}
	h := sha256.New()
	h.Write([]byte(path))
	h.Write([]byte{0})
	h.Write(encoded)
	return Key{Value: value, Hash: h.Sum(nil)}
}

// Check compares the key with the hash that was stored with the first request's row: the same request may be answered
// with that row again, another one is refused with ErrReused.
func (k Key) Check(stored []byte) error {
	if !bytes.Equal(k.Hash, stored) {
		return ErrReused
	}
	return nil
}

// Replay is embedded in an operation's output. When Replayed is set the answer says that nothing new was done.
type Replay struct {
	Replayed bool `header:"Idempotency-Replayed" doc:"true when the answer is an earlier request's"`
}
