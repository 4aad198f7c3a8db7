package app

import (
	"context"
	"time"

	"github.com/sasapick/shop/internal/platform/auth"
)

// Limit counts tries. It has an adapter in process and one in Redis, where all instances of the shop count together.
type Limit interface {
	// Take counts a try under key and returns zero, or how long to wait when there have been too many. A try that is
	// refused is not counted.
	Take(ctx context.Context, key string, r Rate) (wait time.Duration, err error)
}

// Rate is how many tries may be made in a time. They may be made at once; each comes back after its share of the time.
type Rate struct {
	Tries int
	Per   time.Duration
}

// Revoker makes a revocation hold in this process at once; other instances read it within a second.
type Revoker interface {
	Revoke(r auth.Revocation)
}
