package bus

import (
	"context"
	"strings"
	"time"
)

// How long an event can be met again. The inbox outlasts the topic, so that no event that is read again, from the oldest
// on, has been forgotten there.
const (
	OutboxRetention = 3 * 24 * time.Hour
	TopicRetention  = 3 * 24 * time.Hour
	InboxRetention  = 4 * 24 * time.Hour
)

// Topic names the topic of a module's events.
func Topic(module string) string { return "shop." + module }

// ModuleOf returns the module whose topic it is.
func ModuleOf(topic string) string { return strings.TrimPrefix(topic, "shop.") }

// Transport brings events from the relays to the groups. One conformance suite runs on each.
type Transport interface {
	// Publish appends the events to the topic, in their order for each key, and returns an error or nil for each: nil
	// once it is on disk wherever the transport keeps it. If an event fails then no later one of its key has been
	// appended. What failed may have been appended all the same.
	Publish(ctx context.Context, topic string, events []Envelope) []error

	// Consume hands batches of the group's topics to [Group.Take], in order for each key, until ctx ends. It goes on from
	// where the group last was, from the oldest event at first. Any number of instances may consume for a group.
	Consume(ctx context.Context, g *Group) error

	// Trim deletes, in bounded steps, events of the topic that are older than [TopicRetention], where the transport
	// doesn't do so by itself.
	Trim(ctx context.Context, topic string) error

	// Positions says how far a group is with each partition of its topics.
	Positions(ctx context.Context, group string, topics []string) ([]Position, error)
}

// Position is how far a group is with a partition.
type Position struct {
	Topic     string
	Partition int32
	Done      int64 // the events that it has taken
	End       int64 // the events that there are
}
