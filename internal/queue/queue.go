// Package queue is the contract of the waiting room in front of the shop: rooms by name, each with the number of shoppers
// that it lets through at once.
package queue

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

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
	On     Mode = "on"     // as many as there are slots go through, and the others wait in line
	Auto   Mode = "auto"   // on, with as many slots as the shop can serve in time
	Paused Mode = "paused" // nobody new goes through; who is in stays in
)

// Away is what a room does while its line cannot be reached.
type Away string

const (
	Open   Away = "open"   // some go through: as many as would in the long run
	Closed Away = "closed" // nobody without a pass does
)

// Kind is what a room stands in front of.
type Kind string

const (
	Drop   Kind = "drop"   // a pre-order, by its id
	Coupon Kind = "coupon" // a campaign, by its id
)

// Goods are what a room stands in front of.
type Goods struct {
	Kind Kind      `json:"kind"`
	ID   uuid.UUID `json:"id"`
}

// LotBits is how long a lot is.
const LotBits = 52

// Lot is an account's place among those who come into a room before it opens, from 1 to 2^LotBits-1: the lower comes first. It is the first
// LotBits bits of HMAC-SHA256 (RFC 2104) over the bytes of the room's id and the account's, with the seed as the key; 1 for 0. The room tells the
// SHA-256 of its seed before it opens and the seed itself afterwards, so anyone can check it.
func Lot(seed []byte, room, account uuid.UUID) int64 {
	h := hmac.New(sha256.New, seed)
	h.Write(room[:])
	h.Write(account[:])
	return max(int64(binary.BigEndian.Uint64(h.Sum(nil))>>(64-LotBits)), 1)
}

// Room is a gate and its settings.
type Room struct {
	Name     string `json:"name"`
	Mode     Mode   `json:"mode"`
	Capacity int64  `json:"capacity"` // passes that are valid at once
	Away     Away   `json:"away"`
	Goods    Goods  `json:"goods,omitzero"` // zero: everything that has no room of its own
	Version  int64  `json:"version"`
}

// The module's faults.
var (
	ErrNoRoom      = fault.New(fault.NotFound, "queue.no_room", "there is no such waiting room")
	ErrRoomTaken   = fault.New(fault.Conflict, "queue.room_taken", "there is a room of that name, or in front of those goods")
	ErrRoomInUse   = fault.New(fault.Conflict, "queue.room_in_use", "the main room stays, and another until it has been off for a minute and nobody waits in it")
	ErrManyRooms   = fault.New(fault.Conflict, "queue.too_many_rooms", "there are as many rooms as there may be")
	ErrWaiting     = fault.New(fault.Throttled, "queue.waiting", "others came before you; keep the ticket and ask for your place")
	ErrNoPlace     = fault.New(fault.NotFound, "queue.no_place", "the ticket has no place in this room any more")
	ErrBusy        = fault.New(fault.Unavailable, "queue.busy", "the shop serves as many as it can; your slot is kept, try again in a moment")
	ErrUnavailable = fault.New(fault.Unavailable, "queue.unavailable", "the line cannot be reached just now; try again in a moment")
)
