// Package catalog is the contract of the module that knows what is sold and how much of it there is.
package catalog

import (
	"context"

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
	// result; a reservation that was released stays released: ErrReservationReleased.
	Reserve(ctx context.Context, in ReserveInput) (Reservation, error)
	// Holds tells what each order holds, or held, with its lines; an order of which nothing is known is left out. For the audit.
	Holds(ctx context.Context, in HoldsInput) (Holds, error)
	// OpenHolds lists what is held and neither used nor released, oldest order first. For the audit.
	OpenHolds(ctx context.Context, in OpenHoldsInput) (Holds, error)
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
	OnSale           bool         `json:"on_sale"` // false: shown, but an admin stopped its sale
}

// Line is a number of pieces of one product. A product stands in one line only.
type Line struct {
	ProductID uuid.UUID `json:"product_id"`
	Quantity  int64     `json:"quantity"`
}

// CheckInput is the argument of Stock.Check.
type CheckInput struct {
	Lines []Line `json:"lines"`
}

// Checked is the empty answer of Stock.Check.
type Checked struct{}

// ReserveInput is the argument of Stock.Reserve.
type ReserveInput struct {
	OrderID uuid.UUID `json:"order_id"`
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
	ErrReservationReleased = fault.New(fault.Conflict, "catalog.reservation_released", "what the order held was given back")
	ErrStockBelowReserved  = fault.New(fault.Conflict, "catalog.stock_below_reserved", "the stock cannot go below what orders hold")
	ErrCategoryCycle       = fault.New(fault.Conflict, "catalog.category_cycle", "a category cannot be put below itself")
	ErrCategoryInUse       = fault.New(fault.Conflict, "catalog.category_in_use", "the category still has products or sub-categories")
	ErrNoReservation       = fault.New(fault.NotFound, "catalog.no_reservation", "the order holds nothing of the stock")
	ErrBadLines            = fault.New(fault.Invalid, "catalog.bad_lines", "an order has 1 to 200 lines, each of at least one piece")
	ErrTooManyProducts     = fault.New(fault.Invalid, "catalog.too_many_products", "at most 200 products can be asked for at once")
	ErrTooManyHolds        = fault.New(fault.Invalid, "catalog.too_many_holds", "at most 1,000 holds can be asked for at once, and at least one")
	ErrSlugTaken           = fault.New(fault.Conflict, "catalog.slug_taken", "another category has this slug")
	ErrSearchUnavailable   = fault.New(fault.Unavailable, "catalog.search_unavailable", "products cannot be listed just now; try again in a moment")
	ErrBusy                = fault.New(fault.Unavailable, "catalog.busy", "too many orders at once; try again in a moment")
)
