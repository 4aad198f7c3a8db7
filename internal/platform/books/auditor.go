package books

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"
)

const (
	whole = 50 * time.Second // that a report may take, whoever waits for it
	fresh = 5 * time.Second  // that a report is shown again
)

// Auditor audits the books of one shop.
type Auditor struct {
	invariants []Invariant
	kept       checkpoints
	log        *slog.Logger

	asked  singleflight.Group
	mu     sync.Mutex
	latest Report
	until  time.Time // it is shown
}

// NewAuditor returns an auditor of the invariants, whose ids differ, that keeps checkpoints in the platform's database.
func NewAuditor(invariants []Invariant, platform *pgxpool.Pool, log *slog.Logger) (*Auditor, error) {
	var ids []string
	for _, i := range invariants {
		if i.Module == "" || i.Name == "" || i.Says == "" || i.Check == nil {
			return nil, fmt.Errorf("the invariant %q needs a module, a name, a sentence and something to check", i.ID())
		}
		ids = append(ids, i.ID())
	}
	slices.Sort(ids)
	for n, id := range ids {
		if n > 0 && ids[n-1] == id {
			return nil, fmt.Errorf("two invariants are named %s", id)
		}
	}
	return &Auditor{invariants: invariants, kept: checkpoints{platform}, log: log}, nil
}

// Invariants are what it audits.
func (a *Auditor) Invariants() []Invariant { return slices.Clone(a.invariants) }

// Audit audits the books from their checkpoints, or in full, and advances the checkpoints of what is sound. An error says that the
// checkpoints could not be read or kept, or that the audit was broken off.
func (a *Auditor) Audit(ctx context.Context, o Options) (Report, error) {
	report, err := a.audit(ctx, o)
	if err != nil {
		return report, err
	}
	return report, a.kept.keep(ctx, report)
}

// Report is an audit from the checkpoints that keeps nothing. Who asks while one is under way, or within seconds of it, is given the
// same, so that asking costs the shop little however often it is done.
func (a *Auditor) Report(ctx context.Context) (Report, error) {
	if r, ok := a.shown(); ok {
		return r, nil
	}
	done := a.asked.DoChan("", func() (any, error) {
		if r, ok := a.shown(); ok {
			return r, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), whole) // others wait for it too
		defer cancel()
		r, err := a.audit(ctx, Options{})
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.latest, a.until = r, time.Now().Add(fresh)
		return r, nil
	})
	select {
	case asked := <-done:
		if asked.Err != nil {
			return Report{}, asked.Err
		}
		return asked.Val.(Report), nil
	case <-ctx.Done():
		return Report{}, context.Cause(ctx)
	}
}

func (a *Auditor) shown() (Report, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.latest, time.Now().Before(a.until)
}

func (a *Auditor) audit(ctx context.Context, o Options) (r Report, err error) {
	if o.From, err = a.kept.load(ctx); err != nil {
		return Report{}, err
	}
	r = Audit(ctx, a.invariants, o)
	if errors.Is(ctx.Err(), context.Canceled) {
		return r, ctx.Err()
	}
	for _, l := range r.Items {
		if l.Err != nil {
			a.log.WarnContext(ctx, "an invariant of the books could not be looked at", "invariant", l.ID, "error", l.Err)
		}
	}
	return r, nil
}
