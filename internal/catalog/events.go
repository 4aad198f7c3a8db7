package catalog

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	ProductChanged{}.EventType(),
	CategoryChanged{}.EventType(),
	Restocked{}.EventType(),
	ImageAdded{}.EventType(),
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

// Restocked: a product can be had again, and these accounts asked to be told of it. Each is named once; where many have asked, there are
// several of these.
type Restocked struct {
	RestockID   uuid.UUID   `json:"restock_id"`
	Version     int64       `json:"version"` // always 1
	ProductID   uuid.UUID   `json:"product_id"`
	ProductName string      `json:"product_name"`
	AccountIDs  []uuid.UUID `json:"account_ids"`
	At          time.Time   `json:"at"`
}

func (Restocked) EventType() string         { return "catalog.restocked.v1" }
func (e Restocked) AggregateID() uuid.UUID  { return e.RestockID }
func (e Restocked) AggregateVersion() int64 { return e.Version }

// ImageAdded: a product was given a picture, whose thumbnails are still to be made. Shoppers see it after a ProductChanged.
type ImageAdded struct {
	ImageID   uuid.UUID `json:"image_id"`
	ProductID uuid.UUID `json:"product_id"`
	Version   int64     `json:"version"`
	At        time.Time `json:"at"`
}

func (ImageAdded) EventType() string         { return "catalog.image_added.v1" }
func (e ImageAdded) AggregateID() uuid.UUID  { return e.ImageID }
func (e ImageAdded) AggregateVersion() int64 { return e.Version }
