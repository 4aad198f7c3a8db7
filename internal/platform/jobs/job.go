package jobs

import (
	"context"
	"time"
)

// Job is work that is done again and again, on one instance at a time.
type Job struct {
	Name  string // module first: "ordering.expire"
	Every time.Duration
	Run   func(ctx context.Context) error // bounded: it takes a batch and returns; it may be run again at once
}
