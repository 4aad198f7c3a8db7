package catalog

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	ProductChanged{}.EventType(),
	CategoryChanged{}.EventType(),
}

// ProductChanged: something that shoppers see of a product changed. It carries no product: who cares reads the truth again.
type ProductChanged struct {
	ProductID  uuid.UUID `json:"product_id"`
	Version    int64     `json:"version"`
	DocVersion int64     `json:"doc_version"`
	At         time.Time `json:"at"`
}

func (ProductChanged) EventType() string         { return "catalog.product_changed.v1" }
func (e ProductChanged) AggregateID() uuid.UUID  { return e.ProductID }
func (e ProductChanged) AggregateVersion() int64 { return e.Version }

// CategoryChanged: a category was made, renamed, moved or removed.
type CategoryChanged struct {
	CategoryID uuid.UUID `json:"category_id"`
	Version    int64     `json:"version"`
	At         time.Time `json:"at"`
}

func (CategoryChanged) EventType() string         { return "catalog.category_changed.v1" }
func (e CategoryChanged) AggregateID() uuid.UUID  { return e.CategoryID }
func (e CategoryChanged) AggregateVersion() int64 { return e.Version }
