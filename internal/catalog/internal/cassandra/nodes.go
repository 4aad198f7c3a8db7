package cassandra

import (
	"sync"
	"time"

	"github.com/gocql/gocql"
)

const anotherNode = 50 * time.Millisecond // after which a read is asked of another node too

// nodes chooses the nodes that a query is asked of, and whether of two: where there is no other one, the driver would take that for the
// answer. It is of one session only.
type nodes struct {
	gocql.HostSelectionPolicy

	mu sync.Mutex
	up map[string]bool
}

// AddHost implements [gocql.HostSelectionPolicy].
func (n *nodes) AddHost(h *gocql.HostInfo) {
	n.set(h, true)
	n.HostSelectionPolicy.AddHost(h)
}

// RemoveHost implements [gocql.HostSelectionPolicy].
func (n *nodes) RemoveHost(h *gocql.HostInfo) {
	n.set(h, false)
	n.HostSelectionPolicy.RemoveHost(h)
}

// HostUp implements [gocql.HostSelectionPolicy].
func (n *nodes) HostUp(h *gocql.HostInfo) {
	n.set(h, true)
	n.HostSelectionPolicy.HostUp(h)
}

// HostDown implements [gocql.HostSelectionPolicy].
func (n *nodes) HostDown(h *gocql.HostInfo) {
	n.set(h, false)
	n.HostSelectionPolicy.HostDown(h)
}

func (n *nodes) set(h *gocql.HostInfo, up bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if up {
		n.up[h.HostID()] = true
	} else {
		delete(n.up, h.HostID())
	}
}

// Attempts implements [gocql.SpeculativeExecutionPolicy].
func (n *nodes) Attempts() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.up) > 1 {
		return 1
	}
	return 0
}

// Delay implements [gocql.SpeculativeExecutionPolicy].
func (n *nodes) Delay() time.Duration { return anotherNode }
