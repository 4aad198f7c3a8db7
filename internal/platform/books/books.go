// Package books audits the shop: every invariant of the modules' books, on live data, at any time.
//
// A module states what must hold as [Invariant] values, each a named query with its figures. [Audit] runs them all; the command
// shop audit, GET /admin/audit and the job books.audit show the same [Report].
package books

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// Limit is how long one invariant may take.
	Limit = 5 * time.Second
	// MostWrong is how many mismatches an invariant names.
	MostWrong = 100
)

// Invariant is one thing that must hold.
type Invariant struct {
	Module string
	Name   string // what the module calls it: stock.on_hand
	Says   string // a sentence for people: on hand is the sum of the movements
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

// both are the mismatches of the second look whose subjects were wrong in the first one too.
func both(first, second []Mismatch) []Mismatch {
	return slices.DeleteFunc(slices.Clone(second), func(m Mismatch) bool {
		return !slices.ContainsFunc(first, func(f Mismatch) bool { return f.Subject == m.Subject })
	})
}
