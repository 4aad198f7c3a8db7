package bus

import (
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"
)

// patience is how often an event must fail by itself before it is parked: some three seconds, with the waits
// between.
const patience = 7

// trial is what is known of the events of one batch while it is tried again and again.
//
// It exists for failures that don't say what they are: a panic, an error of the handler's own, an SQLSTATE of no class
// that we know. Such a failure may be the event's or everybody's, so it is compared: the batch is handled with a savepoint
// for each event, and an event that fails [patience] times while others are handled is at fault by itself. If all fail,
// or nobody else is there, everybody waits: that costs nobody anything, and parks nothing.
type trial struct {
	careful bool // each event has a savepoint
	fails   map[uuid.UUID]int
	why     map[uuid.UUID]error
	others  bool          // the last attempt handled an event
	passed  *atomic.Int64 // what the group has handled altogether, of other topics and partitions too
	since   int64         // passed, when the first event failed
}

func newTrial(passed *atomic.Int64) *trial { return &trial{passed: passed} }

// reset forgives: an outage was in the way, so nothing is known of what failed.
func (t *trial) reset() { t.fails, t.why = nil, nil }

// blame remembers that the event failed.
func (t *trial) blame(event uuid.UUID, err error) {
	if t.fails == nil {
		t.fails, t.why, t.since = map[uuid.UUID]int{}, map[uuid.UUID]error{}, t.passed.Load()
	}
	t.fails[event]++
	t.why[event] = err
}

// verdict is the reason to park the event without another try, or nil.
func (t *trial) verdict(event uuid.UUID) error {
	if t.fails[event] < patience || !t.others && t.passed.Load() == t.since {
		return nil
	}
	return fmt.Errorf("failed %d times while others were handled: %w", t.fails[event], t.why[event])
}

// panicked is a handler's panic.
type panicked struct {
	value any
	stack []byte
}

func (p panicked) Error() string { return fmt.Sprintf("the handler panicked: %v", p.value) }
