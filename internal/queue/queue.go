// Package queue is the contract of the waiting room in front of the shop: rooms by name, each with the number of shoppers
// that it lets through at once.
package queue

import (
	"context"

	"github.com/sasapick/shop/internal/platform/fault"
)

// Service tells about rooms.
type Service interface {
	// Room returns a room by its name, or ErrNoRoom.
	Room(ctx context.Context, in RoomInput) (Room, error)
}

// RoomInput names a room.
type RoomInput struct {
	Name string `json:"name"`
}

// Mode is what a room does with those who come.
type Mode string

const (
	Off    Mode = "off"    // everyone goes through
	Paused Mode = "paused" // nobody new goes through
)

// Room is a gate and its settings.
type Room struct {
	Name     string `json:"name"`
	Mode     Mode   `json:"mode"`
	Capacity int64  `json:"capacity"` // passes that are valid at once
	Version  int64  `json:"version"`
}

// The module's faults.
var (
	ErrNoRoom = fault.New(fault.NotFound, "queue.no_room", "there is no such waiting room")
	ErrPaused = fault.New(fault.Throttled, "queue.waiting", "the shop lets nobody new in at the moment; try again later")
)
