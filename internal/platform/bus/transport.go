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

	// HeldRetention bounds how long a transport that waits for its groups keeps an event for one that doesn't take it: by
	// then the group's module has long been removed, or nobody has looked at an alert for four weeks.
	HeldRetention = 30 * 24 * time.Hour
)

// Topic names the topic of a module's events.
func Topic(module string) string { return "shop." + module }

// ModuleOf returns the module whose topic it is.
func ModuleOf(topic string) string { return strings.TrimPrefix(topic, "shop.") }

// Transport brings events from the relays to the groups. One conformance suite runs on each.
type Transport interface {
	// Publish appends the events to the topic, in their order for each key, and returns an error or nil for each: nil
	// once it is on disk wherever the transport keeps it. If an event fails then no later one of its key has been
	// appended. What failed may have been appended all the same. A partition that refuses what others may take answers with
	// a [Refusal].
	Publish(ctx context.Context, topic string, events []Envelope) []error

	// Consume hands batches of the group's topics to [Group.Take], in order for each key, until ctx ends. It goes on from
	// where the group last was, from the oldest event at first. Any number of instances may consume for a group.
	Consume(ctx context.Context, g *Group) error

	// Trim deletes, in bounded steps, events of the topic that are older than [TopicRetention], where the transport
	// doesn't do so by itself. It may keep those that a group has not taken, up to [HeldRetention].
	Trim(ctx context.Context, topic string) error

	// Positions says how far a group is with each partition of its topics.
	Positions(ctx context.Context, group string, topics []string) ([]Position, error)

	// Abandoned returns the positions for which the transport keeps events though none of the groups, which are given with
	// their topics, reads on from there: what a removed group, or a removed subscription, has left.
	Abandoned(ctx context.Context, groups map[string][]string) ([]Abandoned, error)

	// Tail hands over events as somebody who watches: it joins no group, keeps no position and changes nothing. Each topic's
	// come in order for each key, and of several topics the oldest first. It returns what each returns, and ends with nil
	// after the last event that there was when it began, or goes on until ctx ends.
	Tail(ctx context.Context, t Tail, each func(Envelope) error) error
}

// Tail says which events to hand over.
type Tail struct {
	Topics []string
	Since  time.Time // those that were published from then on
	Follow bool      // those that come, too
}

// Refusal is a partition's answer that what it was given is not appended.
type Refusal struct {
	Partition int32
	Err       error
}

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

// Position is how far a group is with a partition.
type Position struct {
	Topic     string
	Partition int32
	Done      int64         // the events that it has taken
	End       int64         // the events that there are
	Age       time.Duration // since the first event that it has not taken was published; zero: it has taken all
}

// Abandoned is a position that nobody reads on from.
type Abandoned struct {
	Group string
	Position
}
