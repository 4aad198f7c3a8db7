package admin

import (
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/bus"
)

// Module is how far the events of a module, and those that it hears, are.
type Module struct {
	Module           string     `json:"module" example:"coupons"`
	Unpublished      int64      `json:"unpublished" doc:"Events in its outbox that are not yet on the bus; at most 100,000 are counted."`
	UnpublishedAgeMS int64      `json:"unpublished_age_ms" doc:"Age of the oldest of them."`
	Parked           int64      `json:"parked" doc:"Events that it could not handle, and those behind them."`
	Positions        []Position `json:"positions" doc:"How far it is with the events that it hears."`
	PositionsError   string     `json:"positions_error,omitempty" doc:"Why the positions are not known."`
}

// Position is how far a module is with a partition.
type Position struct {
	Topic     string `json:"topic" example:"shop.ordering"`
	Partition int32  `json:"partition" example:"3"`
	Done      int64  `json:"done" doc:"The position after the last event that it has taken."`
	End       int64  `json:"end" doc:"The position after the last event that there is."`
	Lag       int64  `json:"lag" doc:"How many are left."`
	AgeMS     int64  `json:"age_ms" doc:"How long the first of them has been on the bus; 0: none is left."`
}

// Abandoned is a position that no module reads on from.
type Abandoned struct {
	Group string `json:"group" example:"shop.coupons" doc:"The group that is gone, or that hears the topic no longer."`
	Position
}

func position(p bus.Position) Position {
	return Position{Topic: p.Topic, Partition: p.Partition, Done: p.Done, End: p.End, Lag: p.End - p.Done, AgeMS: p.Age.Milliseconds()}
}

// ParkedEvent is an event that a module could not handle, or one behind it.
type ParkedEvent struct {
	Position         int64     `json:"position" doc:"Grows; the order of replay within a key."`
	EventID          uuid.UUID `json:"event_id" format:"uuid"`
	Source           string    `json:"source" example:"ordering" doc:"The module that published it."`
	Type             string    `json:"type" example:"ordering.canceled.v1"`
	Key              uuid.UUID `json:"key" format:"uuid" doc:"The aggregate that it is about. Events of one key wait in one line."`
	AggregateVersion int64     `json:"aggregate_version"`
	OccurredAt       time.Time `json:"occurred_at"`
	TraceParent      string    `json:"traceparent,omitempty"`
	Data             string    `json:"data" doc:"The payload as it came: JSON, unless that is what is wrong with it."`
	Reason           string    `json:"reason" example:"behind an earlier event of its key"`
	ParkedAt         time.Time `json:"parked_at"`
}

func parkedEvent(p bus.Parked) ParkedEvent {
	return ParkedEvent{
		Position: p.Position, EventID: p.ID, Source: p.Source, Type: p.Type, Key: p.Key, AggregateVersion: p.AggregateVersion,
		OccurredAt: p.OccurredAt, TraceParent: p.TraceParent, Reason: bus.Text(p.Reason), ParkedAt: p.ParkedAt, Data: bus.Text(string(p.Data)),
	}
}

// Replayed is how far a replay came.
type Replayed struct {
	Done   int    `json:"done" doc:"Events of the key that have now taken effect."`
	Failed string `json:"failed,omitempty" doc:"Why the next one failed again; it and those behind it stay parked."`
}
