package bus

import (
	"context"
	"errors"
	"strings"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
)

// poisoned says that an event which failed with err will never succeed.
func poisoned(err error) bool {
	if errors.As(err, new(undecodable)) {
		return true
	}
	if outage(err) {
		return false
	}
	if _, ok := fault.As(err); ok {
		return true
	}
	code := pg.Code(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}

// outage says that err passes by itself: no event is at fault. What is neither this nor poison is compared, see trial.
func outage(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || pg.IsUnavailable(err) {
		return true
	}
	if f, ok := fault.As(err); ok {
		return f.Kind == fault.Unavailable || f.Kind == fault.Timeout || f.Kind == fault.Throttled
	}
	switch code := pg.Code(err); {
	case code == "":
		return false
	default: // rolled back, a lock, a limit on time, an operator, the server's disk
		return strings.Contains(" 40 55 57 58 ", " "+code[:2]+" ")
	}
}
