package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sasapick/shop/internal/platform/outbox"
)

// BatchSize is the most events that a transport puts into one batch.
const BatchSize = 256

// Group is a consuming module at work: what a transport hands its batches to.
type Group struct {
	Name   string // shop.<module>
	Topics []string
	Pool   *pgxpool.Pool // the module's

	module   string
	handlers map[string][]Subscription // by type
	known    map[string]bool
	inbox    inbox
	metrics  *consumerMetrics
	log      *slog.Logger
}

// Take handles one batch. It runs read, the events' handlers and done in one transaction, and returns the number of
// events after the commit. Both read and done may be nil, or be called several times: an outage rolls back, waits and
// tries again until ctx ends, and only then Take returns an error.
func (g *Group) Take(ctx context.Context, read func(context.Context, pgx.Tx) ([]Envelope, error), done func(context.Context, pgx.Tx) error) (int, error) {
	careful := false
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		taken, err := g.attempt(ctx, careful, read, done)
		if err != nil && !careful && ctx.Err() == nil && poisoned(err) {
			// Most batches hold no poison, so savepoints, which cost two round trips each, are only for those that do.
			careful = true
			taken, err = g.attempt(ctx, careful, read, done)
		}
		if err == nil {
			g.metrics.count(g.module, taken)
			if taken.events > 0 {
				outbox.Wake(g.module) // a handler may have published
			}
			return taken.events, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		g.metrics.retries.WithLabelValues(g.module).Inc()
		g.log.WarnContext(ctx, "cannot handle a batch of events; trying again", "module", g.module, "wait", wait, "error", err)
		if !sleep(ctx, wait) {
			return 0, ctx.Err()
		}
	}
}

// taken counts a batch.
type taken struct{ events, handled, duplicate, parked int }

// attempt handles the batch once. If careful, each event has a savepoint, and one that can't succeed is parked; else such
// an event fails the attempt.
func (g *Group) attempt(ctx context.Context, careful bool, read func(context.Context, pgx.Tx) ([]Envelope, error), done func(context.Context, pgx.Tx) error) (t taken, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a handler of %s panicked: %v\n%s", g.module, p, debug.Stack())
		}
	}()
	err = pgx.BeginFunc(ctx, g.Pool, func(tx pgx.Tx) error {
		t = taken{}
		if careful {
			// So that a deferred constraint is met where its event can still be parked, not at the commit.
			if _, err := tx.Exec(ctx, `SET CONSTRAINTS ALL IMMEDIATE`); err != nil {
				return fmt.Errorf("make constraints immediate: %w", err)
			}
		}
		events, err := read(ctx, tx)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		t.events = len(events)
		if err := g.apply(ctx, tx, careful, events, &t); err != nil {
			return err
		}
		if done == nil {
			return nil
		}
		if err := done(ctx, tx); err != nil {
			return fmt.Errorf("keep the position: %w", err)
		}
		return nil
	})
	return t, err
}

// apply handles the events of a batch that are for this module and not yet taken.
func (g *Group) apply(ctx context.Context, tx pgx.Tx, careful bool, events []Envelope, t *taken) error {
	var wanted []Envelope
	for _, e := range events {
		if g.wants(e) {
			wanted = append(wanted, e)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	fresh, err := g.inbox.take(ctx, tx, wanted)
	if err != nil {
		return err
	}
	t.duplicate += len(wanted) - len(fresh)
	if len(fresh) == 0 {
		return nil
	}
	// After the inbox: whoever took earlier events of these keys has committed by now, and what it parked is seen.
	parked, err := g.inbox.parkedKeys(ctx, tx, fresh)
	if err != nil {
		return err
	}
	for _, e := range fresh {
		line := line{e.Source, e.Key}
		if parked[line] {
			if err := g.inbox.park(ctx, tx, e, "behind an earlier event of its key"); err != nil {
				return err
			}
			t.parked++
			continue
		}
		err := g.inSavepoint(ctx, tx, careful, e)
		switch {
		case err == nil:
			t.handled++
		case careful && ctx.Err() == nil && poisoned(err):
			g.log.ErrorContext(ctx, "parked an event that cannot succeed", "module", g.module, "event", e.ID, "type", e.Type, "key", e.Key, "error", err)
			if err := g.inbox.parkFirst(ctx, tx, e, err.Error()); err != nil {
				return err
			}
			parked[line] = true
			t.parked++
		default:
			return fmt.Errorf("handle %s %s: %w", e.Type, e.ID, err)
		}
	}
	return nil
}

// wants says whether the event is for this module: heard, or not to be skipped.
func (g *Group) wants(e Envelope) bool {
	return len(g.handlers[e.Type]) > 0 || e.Broken != "" || !g.known[e.Type]
}

// inSavepoint handles one event, undoing it alone if it fails.
func (g *Group) inSavepoint(ctx context.Context, tx pgx.Tx, careful bool, e Envelope) error {
	if !careful {
		return g.handle(ctx, tx, e)
	}
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("set a savepoint: %w", err)
	}
	if failed := g.handle(ctx, savepoint, e); failed != nil {
		if err := savepoint.Rollback(ctx); err != nil {
			return fmt.Errorf("roll back to the savepoint: %v, after %v", err, failed) // not wrapped: this is an outage
		}
		return failed
	}
	return savepoint.Commit(ctx)
}

// handle runs the event's handlers.
func (g *Group) handle(ctx context.Context, tx pgx.Tx, e Envelope) error {
	if e.Broken != "" {
		return undecodable{errors.New(e.Broken)}
	}
	subscriptions := g.handlers[e.Type]
	if len(subscriptions) == 0 {
		if g.known[e.Type] { // parked as unknown, replayed by a release that knows it and doesn't hear it
			return nil
		}
		return undecodable{fmt.Errorf("the type %q is unknown to this release", e.Type)}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.TraceParent})
	ctx, span := otel.Tracer("github.com/sasapick/shop/internal/platform/bus").
		Start(ctx, g.module+" hears "+e.Type, trace.WithSpanKind(trace.SpanKindConsumer))
	defer span.End()
	ctx = context.WithValue(ctx, envelopeKey{}, e)
	for _, s := range subscriptions {
		if err := s.Handle(ctx, tx, e); err != nil {
			span.RecordError(err)
			return err
		}
	}
	return nil
}

const (
	firstWait   = 50 * time.Millisecond
	longestWait = 5 * time.Second
)

// sleep waits for about d; false means that ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
