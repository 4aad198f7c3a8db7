package queue

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	RoomChanged{}.EventType(),
	RoomRemoved{}.EventType(),
}

// RoomChanged: an admin changed a room's settings.
type RoomChanged struct {
	RoomID   uuid.UUID `json:"room_id"`
	Version  int64     `json:"version"`
	Name     string    `json:"name"`
	Mode     Mode      `json:"mode"`
	Capacity int64     `json:"capacity"`
	At       time.Time `json:"at"`
}

func (RoomChanged) EventType() string         { return "queue.room_changed.v1" }
func (e RoomChanged) AggregateID() uuid.UUID  { return e.RoomID }
func (e RoomChanged) AggregateVersion() int64 { return e.Version }

// RoomRemoved: an admin removed a room. Its name may be another's from now on.
type RoomRemoved struct {
	RoomID  uuid.UUID `json:"room_id"`
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
}

func (RoomRemoved) EventType() string         { return "queue.room_removed.v1" }
func (e RoomRemoved) AggregateID() uuid.UUID  { return e.RoomID }
func (e RoomRemoved) AggregateVersion() int64 { return e.Version }
