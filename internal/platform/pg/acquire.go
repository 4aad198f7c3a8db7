package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrExhausted says that every connection of a pool was busy for its AcquireTimeout. Nothing was sent to the database.
var ErrExhausted = errors.New("every connection to the database is busy")

// acquireLimit bounds how long a pool lets its callers wait. The pool has no such setting of its own, and without one a
// full pool looks like any other deadline. A tracer is the one place that may give the pool another context.
type acquireLimit struct{ timeout time.Duration }

func (l acquireLimit) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	return acquireContext{Context: limited, parent: ctx, cancel: cancel}
}

func (acquireLimit) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, ok := ctx.Value(acquireKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// A pool takes its tracer from the connection's, which must trace queries; this one has nothing to say of them.
func (acquireLimit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (acquireLimit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

type acquireKey struct{}

// acquireContext tells the pool's own limit (ErrExhausted) from the end of the caller's context.
type acquireContext struct {
	context.Context
	parent context.Context
	cancel context.CancelFunc
}

func (c acquireContext) Err() error {
	if c.Context.Err() == nil {
		return nil
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	return ErrExhausted
}

func (c acquireContext) Value(key any) any {
	if key == (acquireKey{}) {
		return c.cancel
	}
	return c.Context.Value(key)
}
