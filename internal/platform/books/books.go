// Package books audits the shop: every invariant of the modules' books, on live data, at any time.
//
// A module states what must hold as [Invariant] values, each a named query with its figures. [Audit] runs them all; the command
// shop audit, GET /admin/audit and the job books.audit show the same [Report].
package books

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// Limit is how long one invariant may take.
	Limit = 5 * time.Second
	// FullLimit is how long, when everything is looked at again.
	FullLimit = 10 * time.Minute
	// MostWrong is how many mismatches an invariant names.
	MostWrong = 100
)

// Invariant is one thing that must hold.
type Invariant struct {
	Module string
	Name   string // what the module calls it: stock.on_hand
	Says   string // a sentence for people, without a capital or a full stop: on hand is the sum of the movements
	// Check looks at everything that may have changed since the checkpoint from, which is what a sound look left in
	// [Finding.Through]; "" is everything there is. It changes nothing, and names at most MostWrong mismatches.
	Check func(ctx context.Context, from string) (Finding, error)
	// Settles says that what is compared cannot be read at one instant, as it is kept by several modules: a mismatch counts only if a
	// second look, a moment later, finds it again.
	Settles bool
}

// ID names the invariant in the whole shop.
func (i Invariant) ID() string { return i.Module + "." + i.Name }

// Finding is what a look saw.
type Finding struct {
	Looked  int64  // rows, or whatever the invariant counts
	Through string // the checkpoint for the next look, if nothing is wrong; "": there is none
	Wrong   []Mismatch
	Short   bool // the look broke off before it had seen everything: the next one goes on from Through
}

// Mismatch is something that does not hold.
type Mismatch struct {
	Subject string `json:"subject" doc:"The id of what is wrong."`
	Detail  string `json:"detail" doc:"What it is, and what it should be."`
}

// Wrong is a mismatch told with a format.
func Wrong(subject fmt.Stringer, format string, args ...any) Mismatch {
	return Mismatch{Subject: subject.String(), Detail: fmt.Sprintf(format, args...)}
}

// Late is how long after it began to make ids a transaction may still commit: a checkpoint stays behind the present by that.
const Late = 5 * time.Minute

// FirstID is the least UUIDv7 of that millisecond. What has an id from it on was begun then or later, by the clock of who made it.
func FirstID(at time.Time) uuid.UUID {
	id := uuid.UUID{6: 0x70, 8: 0x80}
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// Span reads a checkpoint that is an id: a look is at the ids from since on, and the next look from through on. What is older than
// least, unless that is zero, is not looked at, however old the checkpoint.
func Span(from string, least time.Time) (since, through uuid.UUID, err error) {
	if from != "" {
		if since, err = uuid.Parse(from); err != nil {
			return since, through, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	if !least.IsZero() {
		since = later(since, FirstID(least))
	}
	return since, later(since, FirstID(time.Now().Add(-Late))), nil
}

// Spent tells, from now on, when a share of the time that a look has is over. Then it breaks off, and the next one goes on from there:
// what was sold in a rush, or while nobody audited, is caught up with.
func Spent(ctx context.Context, share float64) func() bool {
	if ctx.Value(hurry{}) != nil {
		return func() bool { return true }
	}
	deadline, ok := ctx.Deadline()
	end := time.Now().Add(time.Duration(share * float64(time.Until(deadline))))
	return func() bool { return ok && time.Now().After(end) }
}

type hurry struct{}

// Hurried returns a context in which every look breaks off where it first may: a test need not have as much as a look has time for.
func Hurried(ctx context.Context) context.Context { return context.WithValue(ctx, hurry{}, true) }

func later(a, b uuid.UUID) uuid.UUID {
	if bytes.Compare(a[:], b[:]) < 0 {
		return b
	}
	return a
}

// Snapshot runs the reads of one look at one instant. They may take as long as ctx allows, whatever the pool's own limit is.
func Snapshot(ctx context.Context, pool *pgxpool.Pool, read func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if until, ok := ctx.Deadline(); ok {
			limit := strconv.FormatInt(max(1, time.Until(until).Milliseconds()), 10)
			if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, limit); err != nil {
				return fmt.Errorf("limit the look: %w", err)
			}
		}
		return read(tx)
	})
}
