package payments

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	Captured{}.EventType(),
	Refunded{}.EventType(),
	RefundRefused{}.EventType(),
}

// Captured: the money for an order is ours.
type Captured struct {
	OrderID   uuid.UUID `json:"order_id"`
	Version   int64     `json:"version"`
	AmountWon int64     `json:"amount_won"`
	Method    string    `json:"method"`
	At        time.Time `json:"at"`
}

func (Captured) EventType() string         { return "payments.captured.v1" }
func (e Captured) AggregateID() uuid.UUID  { return e.OrderID }
func (e Captured) AggregateVersion() int64 { return e.Version }

// Refunded: the money went back, or a part of it.
type Refunded struct {
	OrderID   uuid.UUID `json:"order_id"`
	Version   int64     `json:"version"`
	RefundID  uuid.UUID `json:"refund_id"`
	AmountWon int64     `json:"amount_won"`
	At        time.Time `json:"at"`
}

func (Refunded) EventType() string         { return "payments.refunded.v1" }
func (e Refunded) AggregateID() uuid.UUID  { return e.OrderID }
func (e Refunded) AggregateVersion() int64 { return e.Version }

// RefundRefused: the gateway will not give the money back; a person must decide.
type RefundRefused struct {
	OrderID  uuid.UUID `json:"order_id"`
	Version  int64     `json:"version"`
	RefundID uuid.UUID `json:"refund_id"`
	Code     string    `json:"code"`
	At       time.Time `json:"at"`
}

func (RefundRefused) EventType() string         { return "payments.refund_refused.v1" }
func (e RefundRefused) AggregateID() uuid.UUID  { return e.OrderID }
func (e RefundRefused) AggregateVersion() int64 { return e.Version }
