package bus

import (
	"errors"
	"strings"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
)

// poisoned says that an event which failed with err will never succeed. Everything else is an outage: a fault of the
// kinds that pass by themselves too, though it is a fault.
func poisoned(err error) bool {
	if errors.As(err, new(undecodable)) {
		return true
	}
	if f, ok := fault.As(err); ok {
		return f.Kind != fault.Unavailable && f.Kind != fault.Timeout && f.Kind != fault.Throttled
	}
	code := pg.Code(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}
