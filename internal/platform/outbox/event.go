package outbox

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// Event is a fact that a module publishes. Contract roots implement it, with value receivers, without importing this
// package.
type Event interface {
	// EventType names module, fact and version: "coupons.issued.v1". It doesn't depend on the value.
	EventType() string
	// AggregateID is what the event is about, and the key that keeps it in order.
	AggregateID() uuid.UUID
	// AggregateVersion counts the events of the aggregate: 1, 2, 3, … without a gap.
	AggregateVersion() int64
}

var eventType = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.v[1-9][0-9]*$`)

// SourceOf returns the module that publishes events of the type: "coupons" for "coupons.issued.v1".
func SourceOf(typ string) (string, error) {
	if !eventType.MatchString(typ) {
		return "", fmt.Errorf("event type %q is not of the form module.fact.v1", typ)
	}
	source, _, _ := strings.Cut(typ, ".")
	return source, nil
}
