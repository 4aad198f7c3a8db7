// Package catalog is the contract of the module that knows what is sold and how much of it there is.
package catalog

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/fault"
)

// Products tells what is sold, and for how much.
type Products interface {
	// Offers returns what each product is sold for right now, in the order asked. A product that is hidden or unknown is
	// left out.
	Offers(ctx context.Context, in OffersInput) (Offers, error)
}

// Stock sets goods aside for orders. Every call is idempotent by the order's id.
type Stock interface {
	// Check says from memory whether the lines can certainly not be had: ErrOutOfStock naming them. A nil error promises nothing.
	Check(ctx context.Context, in CheckInput) (Checked, error)
	// Reserve sets all lines aside, or none: ErrOutOfStock names the lines that cannot be had. A repeat returns the first
	// result; a reservation that was released stays released: ErrReservationReleased. Of a drop it takes one product's pieces, the
	// drop's (else ErrBadLines), and takes them between its times: ErrNoDrop, ErrDropNotOpen, ErrDropClosed.
	Reserve(ctx context.Context, in ReserveInput) (Reservation, error)
	// Holds tells what each order holds, or held, with its lines; an order of which nothing is known is left out. For the audit.
	Holds(ctx context.Context, in HoldsInput) (Holds, error)
	// OpenHolds lists what is held and neither used nor released, oldest order first. For the audit.
	OpenHolds(ctx context.Context, in OpenHoldsInput) (Holds, error)
}

// Drops sets stock apart for pre-orders, so that nothing else can sell it. Every call can be repeated.
type Drops interface {
	// SetDrop makes a drop, or changes it to what in says: the pieces come out of what the product has left, or go back to it. Faults:
	// ErrNoProduct, ErrOutOfStock (not that many are left), ErrDropBelowTaken (orders have more of it), ErrDropClosed,
	// ErrDropStale (somebody else has changed it since), ErrBadDrop.
	SetDrop(ctx context.Context, in SetDropInput) (Drop, error)
	// CloseDrop ends a drop for good: what it has left goes back to the product, and so does what orders give back later.
	CloseDrop(ctx context.Context, in CloseDropInput) (Drop, error)
	// Drops tells how the drops stand; an unknown one is left out.
	Drops(ctx context.Context, in DropsInput) (DropStates, error)
}

// SetDropInput is the argument of SetDrop. Orders can reserve from StartsAt until EndsAt, by the clock of the database.
type SetDropInput struct {
	DropID    uuid.UUID `json:"drop_id"`
	ProductID uuid.UUID `json:"product_id"` // of a drop that exists: the same as before
	Quantity  int64     `json:"quantity"`   // pieces in all: those that are left, held and sold
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
	Revision  int64     `json:"revision"` // of these settings, from 1: older ones than a drop has are refused, and so are others of the same
}

// CloseDropInput is the argument of CloseDrop.
type CloseDropInput struct {
	DropID uuid.UUID `json:"drop_id"`
}

// DropsInput names at most 200 drops.
type DropsInput struct {
	DropIDs []uuid.UUID `json:"drop_ids"`
}

// DropStates is the answer to DropsInput.
type DropStates struct {
	Items []Drop `json:"items"`
}

// Drop is how a drop stands. Quantity = Sold + Held + Left, until it is closed.
type Drop struct {
	DropID    uuid.UUID `json:"drop_id"`
	ProductID uuid.UUID `json:"product_id"`
	Quantity  int64     `json:"quantity"`
	Sold      int64     `json:"sold"`
	Held      int64     `json:"held"`
	Left      int64     `json:"left"`
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
	Closed    bool      `json:"closed"`
	Revision  int64     `json:"revision"`
}

// OffersInput names at most 200 products.
type OffersInput struct {
	ProductIDs []uuid.UUID `json:"product_ids"`
}

// Offers is the answer to OffersInput.
type Offers struct {
	Items []Offer `json:"items"`
}

// Availability is how much of a product can be had, as told to shoppers.
type Availability string

const (
	InStock Availability = "in_stock"
	Low     Availability = "low"
	SoldOut Availability = "sold_out"
)

// Offer is a product as it is sold right now.
type Offer struct {
	ProductID        uuid.UUID    `json:"product_id"`
	Name             string       `json:"name"`
	Brand            string       `json:"brand"`
	ImageURL         string       `json:"image_url,omitempty"`
	PriceWon         int64        `json:"price_won"`
	LimitPerCustomer int          `json:"limit_per_customer"` // pieces a customer may buy; 0: no limit
	Availability     Availability `json:"availability"`
	OnSale           bool         `json:"on_sale"`      // false: shown, but an admin stopped its sale
	CategoryIDs      []uuid.UUID  `json:"category_ids"` // its category, and all above it
	Tags             []string     `json:"tags"`
}

// Line is a number of pieces of one product. A product stands in one line only.
type Line struct {
	ProductID uuid.UUID `json:"product_id"`
	Quantity  int64     `json:"quantity"`
}

// CheckInput is the argument of Stock.Check.
type CheckInput struct {
	DropID uuid.UUID `json:"drop_id"` // as in ReserveInput
	Lines  []Line    `json:"lines"`
}

// Checked is the empty answer of Stock.Check.
type Checked struct{}

// ReserveInput is the argument of Stock.Reserve.
type ReserveInput struct {
	OrderID uuid.UUID `json:"order_id"`
	DropID  uuid.UUID `json:"drop_id"` // whose pieces the lines are; the zero UUID: those that anybody can buy
	Lines   []Line    `json:"lines"`
}

// HoldsInput names at most 1,000 orders.
type HoldsInput struct {
	OrderIDs []uuid.UUID `json:"order_ids"`
}

// OpenHoldsInput asks for a page of at most Limit (1 to 1,000) holds, of the orders after After.
type OpenHoldsInput struct {
	After uuid.UUID `json:"after"`
	Limit int       `json:"limit"`
}

// Holds is the answer to both.
type Holds struct {
	Items []Hold `json:"items"`
}

// Hold is a reservation with what it is of: no lines if the order gave up before it held anything.
type Hold struct {
	OrderID uuid.UUID `json:"order_id"`
	State   HoldState `json:"state"`
	Lines   []Line    `json:"lines"`
}

// HoldState is the life of what an order holds.
type HoldState string

const (
	Held     HoldState = "held"
	Used     HoldState = "used"
	Released HoldState = "released"
)

// Reservation is what an order holds of the stock.
type Reservation struct {
	OrderID uuid.UUID `json:"order_id"`
	State   HoldState `json:"state"`
}

// The module's faults.
var (
	ErrNoProduct           = fault.New(fault.NotFound, "catalog.no_product", "there is no such product")
	ErrNoCategory          = fault.New(fault.NotFound, "catalog.no_category", "there is no such category")
	ErrOutOfStock          = fault.New(fault.Exhausted, "catalog.out_of_stock", "there is not enough left of a product")
	ErrNotOnSale           = fault.New(fault.Conflict, "catalog.not_on_sale", "the product is not on sale at the moment")
	ErrNotSoldOut          = fault.New(fault.Conflict, "catalog.not_sold_out", "the product can be had: there is nothing to wait for")
	ErrTooManyAlerts       = fault.New(fault.Conflict, "catalog.too_many_alerts", "an account waits for at most 100 products")
	ErrNoDrop              = fault.New(fault.NotFound, "catalog.no_drop", "there is no such drop")
	ErrDropNotOpen         = fault.New(fault.Conflict, "catalog.drop_not_open", "the drop is not open at the moment")
	ErrDropClosed          = fault.New(fault.Conflict, "catalog.drop_closed", "the drop has been closed")
	ErrDropStale           = fault.New(fault.Conflict, "catalog.drop_stale", "the drop has been changed by somebody else meanwhile")
	ErrDropBelowTaken      = fault.New(fault.Conflict, "catalog.drop_below_taken", "a drop cannot have fewer pieces than orders have of it")
	ErrBadDrop             = fault.New(fault.Invalid, "catalog.bad_drop", "a drop has at least one piece, and ends after it starts")
	ErrTooManyDrops        = fault.New(fault.Invalid, "catalog.too_many_drops", "at most 200 drops can be asked for at once")
	ErrReservationReleased = fault.New(fault.Conflict, "catalog.reservation_released", "what the order held was given back")
	ErrStockBelowReserved  = fault.New(fault.Conflict, "catalog.stock_below_reserved", "the stock cannot go below what orders hold")
	ErrCategoryCycle       = fault.New(fault.Conflict, "catalog.category_cycle", "a category cannot be put below itself")
	ErrCategoryInUse       = fault.New(fault.Conflict, "catalog.category_in_use", "the category still has products or sub-categories")
	ErrNoReservation       = fault.New(fault.NotFound, "catalog.no_reservation", "the order holds nothing of the stock")
	ErrBadLines            = fault.New(fault.Invalid, "catalog.bad_lines", "an order has 1 to 200 lines, each of at least one piece")
	ErrTooManyProducts     = fault.New(fault.Invalid, "catalog.too_many_products", "at most 200 products can be asked for at once")
	ErrTooManyHolds        = fault.New(fault.Invalid, "catalog.too_many_holds", "at most 1,000 holds can be asked for at once, and at least one")
	ErrSlugTaken           = fault.New(fault.Conflict, "catalog.slug_taken", "another category has this slug")
	ErrNoImage             = fault.New(fault.NotFound, "catalog.no_image", "the product has no such picture")
	ErrImageType           = fault.New(fault.Unsupported, "catalog.image_type", "a picture is a JPEG, a PNG or a WebP, whatever its name says")
	ErrImageTooLarge       = fault.New(fault.Invalid, "catalog.image_too_large", "a picture has at most 25 million pixels, and 16,384 to a side")
	ErrImageBroken         = fault.New(fault.Invalid, "catalog.image_broken", "the picture cannot be read to its end")
	ErrTooManyImages       = fault.New(fault.Conflict, "catalog.too_many_images", "a product has at most 20 pictures")
	ErrOtherImages         = fault.New(fault.Conflict, "catalog.other_images", "the product has other pictures than these; each must be named once")
	ErrImagesUnavailable   = fault.New(fault.Unavailable, "catalog.images_unavailable", "pictures cannot be reached just now; try again in a moment")
	ErrSearchUnavailable   = fault.New(fault.Unavailable, "catalog.search_unavailable", "products cannot be listed just now; try again in a moment")
	ErrBusy                = fault.New(fault.Unavailable, "catalog.busy", "too many orders at once; try again in a moment")
)
