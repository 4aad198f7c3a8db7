package web

import (
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// Idempotency is embedded in the input of an operation whose Idempotent is set. Key is never empty there.
type Idempotency struct {
	Key string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"255" pattern:"^[ -~]+$" patternDescription:"printable ASCII" example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d" doc:"Your name for this request. Send the same again to repeat it without repeating its effect."`
}

// KeyOf makes the idempotency key of a request to this operation; body is what was decoded.
func (i Idempotency) KeyOf(path string, body any) idempotency.Key {
	return idempotency.Of(i.Key, path, body)
}
