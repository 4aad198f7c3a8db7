package accounts

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	Registered{}.EventType(),
	RoleChanged{}.EventType(),
	TierChanged{}.EventType(),
	Suspended{}.EventType(),
	Reinstated{}.EventType(),
	Closed{}.EventType(),
}

// Registered: a person signed up.
type Registered struct {
	AccountID uuid.UUID `json:"account_id"`
	Version   int64     `json:"version"`
	Role      string    `json:"role"`
	At        time.Time `json:"at"`
}

func (Registered) EventType() string         { return "accounts.registered.v1" }
func (e Registered) AggregateID() uuid.UUID  { return e.AccountID }
func (e Registered) AggregateVersion() int64 { return e.Version }

// RoleChanged: an admin made the account more, or less.
type RoleChanged struct {
	AccountID uuid.UUID `json:"account_id"`
	Version   int64     `json:"version"`
	Role      string    `json:"role"`
	At        time.Time `json:"at"`
}

func (RoleChanged) EventType() string         { return "accounts.role_changed.v1" }
func (e RoleChanged) AggregateID() uuid.UUID  { return e.AccountID }
func (e RoleChanged) AggregateVersion() int64 { return e.Version }

// TierChanged: by what the account bought in the last twelve months it is a better customer than before, or a lesser one.
type TierChanged struct {
	AccountID uuid.UUID `json:"account_id"`
	Version   int64     `json:"version"`
	Old       Tier      `json:"old"`
	New       Tier      `json:"new"`
	At        time.Time `json:"at"`
}

func (TierChanged) EventType() string         { return "accounts.tier_changed.v1" }
func (e TierChanged) AggregateID() uuid.UUID  { return e.AccountID }
func (e TierChanged) AggregateVersion() int64 { return e.Version }

// Suspended: an admin shut the account out; Reinstated is its opposite.
type Suspended struct {
	AccountID uuid.UUID `json:"account_id"`
	Version   int64     `json:"version"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
}

func (Suspended) EventType() string         { return "accounts.suspended.v1" }
func (e Suspended) AggregateID() uuid.UUID  { return e.AccountID }
func (e Suspended) AggregateVersion() int64 { return e.Version }

// Reinstated: a suspended account may sign in again.
type Reinstated struct {
	AccountID uuid.UUID `json:"account_id"`
	Version   int64     `json:"version"`
	At        time.Time `json:"at"`
}

func (Reinstated) EventType() string         { return "accounts.reinstated.v1" }
func (e Reinstated) AggregateID() uuid.UUID  { return e.AccountID }
func (e Reinstated) AggregateVersion() int64 { return e.Version }

// Closed: the person closed the account; what can name them is erased.
type Closed struct {
	AccountID uuid.UUID `json:"account_id"`
	Version   int64     `json:"version"`
	At        time.Time `json:"at"`
}

func (Closed) EventType() string         { return "accounts.closed.v1" }
func (e Closed) AggregateID() uuid.UUID  { return e.AccountID }
func (e Closed) AggregateVersion() int64 { return e.Version }
