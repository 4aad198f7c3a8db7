package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/outbox"
)

var (
	eventsHandled   = failpoint.New("bus.group.handled")   // the handlers of a batch have run, nothing is committed
	eventParked     = failpoint.New("bus.group.parked")    // an event is parked, not committed
	eventsCommitted = failpoint.New("bus.group.committed") // committed; the transport does not know how far we are
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
	passed   atomic.Int64 // events that were handled here
	slots    chan struct{}
}

// Limit bounds how many batches are handled at once, so that the group leaves connections of the pool to requests. A
// batch that waits to be tried again is not counted: it would hold up those of other partitions. It is called before the
// first Take of a transport.
func (g *Group) Limit(n int) { g.slots = make(chan struct{}, n) }

// Take handles one batch. It runs read, the events' handlers and done in one transaction, and returns the number of
// events after the commit. done may be nil. Both may be called several times: an outage rolls back, waits and tries again
// until ctx ends, and only then Take returns an error. A read that is called again may return more events than before.
func (g *Group) Take(ctx context.Context, read func(context.Context, pgx.Tx) ([]Envelope, error), done func(context.Context, pgx.Tx) error) (int, error) {
	tr := newTrial(&g.passed)
	for wait, n := firstWait, 1; ; wait, n = min(2*wait, longestWait), n+1 {
		taken, err := g.attempt(ctx, tr, read, done)
		if err != nil && !tr.careful && ctx.Err() == nil && !outage(err) {
			// Most batches hold no poison, so savepoints, which cost two round trips each, are only for those that do.
			tr.careful = true
			taken, err = g.attempt(ctx, tr, read, done)
		}
		if err == nil {
			eventsCommitted.Hit()
			g.passed.Add(int64(taken.handled))
			g.metrics.count(g.module, taken)
			if taken.events > 0 {
				outbox.Wake(g.module) // a handler may have published
			}
			return taken.events, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if outage(err) {
			tr.reset()
		}
		g.metrics.retries.WithLabelValues(g.module).Inc()
		level := slog.LevelWarn
		if n >= patience {
			level = slog.LevelError
		}
		g.log.Log(ctx, level, "cannot handle a batch of events; trying again", "module", g.module, "attempt", n, "wait", wait, "error", err)
		if clock.Sleep(ctx, clock.About(wait)) != nil {
			return 0, ctx.Err()
		}
	}
}

// taken counts a batch.
type taken struct{ events, handled, duplicate, parked int }

// attempt handles the batch once. If the trial is careful, each event has a savepoint, and one that can't succeed is
// parked; else such an event fails the attempt.
func (g *Group) attempt(ctx context.Context, tr *trial, read func(context.Context, pgx.Tx) ([]Envelope, error), done func(context.Context, pgx.Tx) error) (t taken, err error) {
	if g.slots != nil {
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
	err = pgx.BeginFunc(ctx, g.Pool, func(tx pgx.Tx) error {
		t = taken{}
		if tr.careful {
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
		if err := g.apply(ctx, tx, tr, events, &t); err != nil {
			return err
		}
		eventsHandled.Hit()
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
func (g *Group) apply(ctx context.Context, tx pgx.Tx, tr *trial, events []Envelope, t *taken) error {
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
	defer func() { tr.others = t.handled > 0 }()
	waiting := map[line]bool{} // for an event that failed, for no known reason: this attempt will be rolled back
	var failure error
	for _, e := range fresh {
		line := line{e.Source, e.Key}
		if waiting[line] {
			continue
		}
		if parked[line] {
			if err := g.inbox.park(ctx, tx, e, "behind an earlier event of its key"); err != nil {
				return err
			}
			t.parked++
			continue
		}
		failed := tr.verdict(e.ID)
		final := failed != nil
		if !final {
			var err error
			failed, err = g.inSavepoint(ctx, tx, tr.careful, e)
			if final = poisoned(failed); failed != nil && !final && !outage(failed) && ctx.Err() == nil {
				tr.blame(e.ID, failed)
			}
			if err != nil {
				return err
			}
		}
		switch {
		case failed == nil:
			t.handled++
		case !tr.careful || outage(failed) || ctx.Err() != nil:
			return fmt.Errorf("handle %s %s: %w", e.Type, e.ID, failed)
		case final:
			g.log.ErrorContext(ctx, "parked an event that cannot succeed", "module", g.module, "event", e.ID, "type", e.Type, "key", e.Key, "error", failed, "stack", stackOf(failed))
			if err := g.inbox.parkFirst(ctx, tx, e, failed.Error()); err != nil {
				return err
			}
			eventParked.Hit()
			parked[line] = true
			t.parked++
		default: // the others are handled all the same, to see whether they can be
			waiting[line] = true
			failure = fmt.Errorf("handle %s %s: %w", e.Type, e.ID, failed)
		}
	}
	return failure
}

// stackOf is where the handler panicked, if it did.
func stackOf(err error) string {
	var p panicked
	errors.As(err, &p)
	return string(p.stack)
}

// wants says whether the event is for this module: heard, or not to be skipped.
func (g *Group) wants(e Envelope) bool {
	return len(g.handlers[e.Type]) > 0 || e.Broken != "" || !g.known[e.Type]
}

// inSavepoint handles one event, undoing it alone if it fails. failed is what the event failed with; err says that the
// transaction cannot go on.
func (g *Group) inSavepoint(ctx context.Context, tx pgx.Tx, careful bool, e Envelope) (failed, err error) {
	if !careful {
		return g.handle(ctx, tx, e), nil
	}
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("set a savepoint: %w", err)
	}
	if failed := g.handle(ctx, savepoint, e); failed != nil {
		if err := savepoint.Rollback(ctx); err != nil {
			return failed, fmt.Errorf("roll back to the savepoint: %w, after: %v", err, failed)
		}
		return failed, nil
	}
	if err := savepoint.Commit(ctx); err != nil { // the handler has hidden an error of PostgreSQL's from us
		return err, fmt.Errorf("release the savepoint: %w", err)
	}
	return nil, nil
}

// handle runs the event's handlers. A panic is a failure like others: the shop goes on.
func (g *Group) handle(ctx context.Context, tx pgx.Tx, e Envelope) (failed error) {
	defer func() {
		if p := recover(); p != nil {
			failed = panicked{p, debug.Stack()}
		}
	}()
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
