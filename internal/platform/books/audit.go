package books

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pg"
)

const (
	atOnce = 3               // invariants that are looked at together: an audit is a guest on the shop's connections
	moment = 2 * time.Second // before a second look
)

// Options of an audit. The zero value looks at everything.
type Options struct {
	From  map[string]Checkpoint           // what sound looks have left behind, by the invariant's id
	Full  bool                            // look at everything all the same
	Limit time.Duration                   // of one look; 0: Limit, or FullLimit
	Pause func(ctx context.Context) error // before a second look; nil: two seconds
}

// Checkpoint is what a sound look left behind.
type Checkpoint struct {
	Through string
	Looked  int64
	At      time.Time
}

// State says what is known of an invariant.
type State string

const (
	Sound   State = "sound"
	Broken  State = "wrong"
	Unknown State = "unknown" // it could not be read: that is as bad as wrong, until it can
)

// Report is what an audit found.
type Report struct {
	At       time.Time `json:"at" doc:"When the audit began." example:"2026-01-02T03:04:05.678Z"`
	TookMS   int64     `json:"took_ms" doc:"How long it took, in milliseconds." example:"180"`
	Balanced bool      `json:"balanced" doc:"Whether every invariant is sound." example:"true"`
	Items    []Line    `json:"items" doc:"Every invariant, in the order of their ids."`
}

// Line is what an audit found of one invariant.
type Line struct {
	ID     string     `json:"id" doc:"The invariant." example:"catalog.stock.on_hand"`
	Module string     `json:"module" doc:"Whose books it is about." example:"catalog"`
	Says   string     `json:"says" doc:"What must hold, for people." example:"on hand is the sum of the movements"`
	State  State      `json:"state" enum:"sound,wrong,unknown" doc:"wrong: mismatches are listed. unknown: it could not be looked at." example:"sound"`
	Looked int64      `json:"looked" doc:"How many rows were looked at." example:"1024"`
	TookMS int64      `json:"took_ms" doc:"How long looking took, in milliseconds." example:"12"`
	Since  *time.Time `json:"since,omitempty" doc:"Only what may have changed since then was looked at; absent: everything was." example:"2026-01-02T03:04:05.678Z"`
	Wrong  []Mismatch `json:"wrong" doc:"What does not hold; 100 at most."`
	Reason string     `json:"reason,omitempty" doc:"Why it is unknown." example:"it took longer than 5s"`

	Err     error  `json:"-"` // behind Reason, for the log
	through string // the checkpoint for the next look; "": the one that there is stays
}

// Audit looks at every invariant, a few at a time. It writes nothing: see [Auditor] for what is kept of it.
func Audit(ctx context.Context, invariants []Invariant, o Options) Report {
	if o.Limit == 0 && o.Full {
		o.Limit = FullLimit
	}
	o.Limit = cmp.Or(o.Limit, Limit)
	if o.Pause == nil {
		o.Pause = func(ctx context.Context) error { return clock.Sleep(ctx, moment) }
	}
	start := time.Now()
	report := Report{At: start.UTC().Truncate(time.Millisecond), Items: make([]Line, len(invariants))}
	var all errgroup.Group
	all.SetLimit(atOnce)
	for n, i := range invariants {
		all.Go(func() error {
			report.Items[n] = look(ctx, i, o)
			return nil
		})
	}
	_ = all.Wait() // what goes wrong stands in the lines
	slices.SortFunc(report.Items, func(a, b Line) int { return cmp.Compare(a.ID, b.ID) })
	report.Balanced = !slices.ContainsFunc(report.Items, func(l Line) bool { return l.State != Sound })
	report.TookMS = time.Since(start).Milliseconds()
	return report
}

// Count is how many invariants are in that state.
func (r Report) Count(s State) (n int) {
	for _, l := range r.Items {
		if l.State == s {
			n++
		}
	}
	return n
}

// look looks at one invariant, and again if what it compares settles.
//
// Of a second look only those mismatches count that the first one named too. But the checkpoint stays where it is unless the look
// named none at all: a mismatch that is too young to count must be looked at next time.
func look(ctx context.Context, i Invariant, o Options) Line {
	line := Line{ID: i.ID(), Module: i.Module, Says: i.Says, State: Sound}
	var from string
	if c, ok := o.From[line.ID]; ok && !o.Full {
		from, line.Since = c.Through, &c.At
	}
	start := time.Now()
	found, err := check(ctx, i, from, o.Limit)
	took := time.Since(start)
	young := 0
	if err == nil && i.Settles && len(found.Wrong) > 0 {
		first := found.Wrong
		if err = o.Pause(ctx); err == nil {
			start = time.Now()
			found, err = check(ctx, i, from, o.Limit)
			took += time.Since(start)
		}
		lasting := both(first, found.Wrong)
		young = len(found.Wrong) - len(lasting)
		found.Wrong = lasting
	}
	line.Looked, line.TookMS, line.Wrong = found.Looked, took.Milliseconds(), found.Wrong
	switch {
	case err != nil:
		line.State, line.Err, line.Reason = Unknown, err, reason(err, o.Limit)
		line.Wrong = nil
	case len(line.Wrong) > 0:
		line.State = Broken
		line.Wrong = line.Wrong[:min(len(line.Wrong), MostWrong)]
	case o.Full && found.Short:
		line.State, line.Reason = Unknown, fmt.Sprintf("there is more than can be looked at in %s", o.Limit)
	case young == 0:
		line.through = found.Through
	}
	if line.Wrong == nil {
		line.Wrong = []Mismatch{} // a list in JSON too
	}
	return line
}

// check is one look. One that does not end in time is left behind, with its error.
func check(ctx context.Context, i Invariant, from string, limit time.Duration) (Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type outcome struct {
		found Finding
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			done <- o
		}()
		o.found, o.err = i.Check(ctx, from)
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return Finding{}, fmt.Errorf("look at %s: %w", i.ID(), o.err)
		}
		return o.found, nil
	case <-ctx.Done():
		return Finding{}, fmt.Errorf("look at %s: %w", i.ID(), context.Cause(ctx))
	}
}

// reason tells people why an invariant is unknown, without internals.
func reason(err error, limit time.Duration) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the audit was broken off"
	case errors.Is(err, context.DeadlineExceeded), pg.Code(err) == "57014": // the session's own limit
		return "it took longer than " + limit.String()
	case pg.IsUnavailable(err):
		return "the database could not be reached"
	}
	return "it could not be read; the log says why"
}

// both are the mismatches of the second look whose subjects were wrong in the first one too. A first look that was cut off may have
// left out any of them, so that none is let off.
func both(first, second []Mismatch) []Mismatch {
	if len(first) >= MostWrong {
		return second
	}
	return slices.DeleteFunc(slices.Clone(second), func(m Mismatch) bool {
		return !slices.ContainsFunc(first, func(f Mismatch) bool { return f.Subject == m.Subject })
	})
}
