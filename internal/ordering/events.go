package ordering

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	Placed{}.EventType(),
	Rejected{}.EventType(),
	Expired{}.EventType(),
	Paid{}.EventType(),
	Canceled{}.EventType(),
	Shipped{}.EventType(),
	Delivered{}.EventType(),
	Confirmed{}.EventType(),
	Refunded{}.EventType(),
	RefundRefused{}.EventType(),
}

// Line is what an order holds of one product.
type Line struct {
	ProductID    uuid.UUID `json:"product_id"`
	Name         string    `json:"name"`
	Quantity     int64     `json:"quantity"`
	UnitPriceWon int64     `json:"unit_price_won"`
	DiscountWon  int64     `json:"discount_won"` // off all its pieces together
}

// Change is what every event of an order tells.
type Change struct {
	OrderID   uuid.UUID `json:"order_id"`
	Version   int64     `json:"version"`
	Number    string    `json:"number"`
	AccountID uuid.UUID `json:"account_id"`
	State     State     `json:"state"`
	Kind      Kind      `json:"kind"`

	ItemsWon    int64 `json:"items_won"`
	DiscountWon int64 `json:"discount_won"` // what a coupon takes off the items
	PointsWon   int64 `json:"points_won"`   // what points pay of the items
	ShippingWon int64 `json:"shipping_won"`
	TotalWon    int64 `json:"total_won"` // items, less the discount, and shipping
	DueWon      int64 `json:"due_won"`   // what is paid in money: the total, less the points

	RefundedWon int64 `json:"refunded_won"` // of that, what was given back for goods that came back after shipping
	ReturnedWon int64 `json:"returned_won"` // what had been paid in money for those goods

	Lines []Line    `json:"lines"`
	At    time.Time `json:"at"`
}

func (e Change) AggregateID() uuid.UUID  { return e.OrderID }
func (e Change) AggregateVersion() int64 { return e.Version }

// Placed: everything is held; the order waits for its payment.
type Placed struct{ Change }

func (Placed) EventType() string { return "ordering.placed.v1" }

// Rejected: the order could not be placed; give back what it holds.
type Rejected struct{ Change }

func (Rejected) EventType() string { return "ordering.rejected.v1" }

// Expired: not paid in time; give back what it holds.
type Expired struct{ Change }

func (Expired) EventType() string { return "ordering.expired.v1" }

// Paid: the money is in, or none was due; what it holds is sold.
type Paid struct{ Change }

func (Paid) EventType() string { return "ordering.paid.v1" }

// Canceled: ended before shipping, the money (if any) returned; give back what it holds.
type Canceled struct{ Change }

func (Canceled) EventType() string { return "ordering.canceled.v1" }

// Shipped: the parcel is on its way.
type Shipped struct {
	Change
	Carrier       string `json:"carrier"`
	InvoiceNumber string `json:"invoice_number"`
}

func (Shipped) EventType() string { return "ordering.shipped.v1" }

// Delivered: the parcel has arrived.
type Delivered struct{ Change }

func (Delivered) EventType() string { return "ordering.delivered.v1" }

// Confirmed: the buyer has it; the sale is final.
type Confirmed struct{ Change }

func (Confirmed) EventType() string { return "ordering.confirmed.v1" }

// Refunded: some goods, or all, came back after shipping, and the money (if any was due) was returned for them.
type Refunded struct {
	Change
	Refund
}

func (Refunded) EventType() string { return "ordering.refunded.v1" }

// RefundRefused: the gateway will not give the money back; the goods count as the shopper's again.
type RefundRefused struct {
	Change
	Refund
}

func (RefundRefused) EventType() string { return "ordering.refund_refused.v1" }

// Refund is what comes back of an order after shipping, and what is given back for it.
type Refund struct {
	RefundID   uuid.UUID      `json:"refund_id"`
	Whole      bool           `json:"whole"`   // nothing of the order is left with the shopper
	Restock    bool           `json:"restock"` // the goods can be sold again
	Returned   []ReturnedLine `json:"returned"`
	MoneyWon   int64          `json:"money_won"`
	PointsBack int64          `json:"points_back"` // those that had paid for the goods
}

// ReturnedLine is how many pieces of a product came back.
type ReturnedLine struct {
	ProductID uuid.UUID `json:"product_id"`
	Quantity  int64     `json:"quantity"`
}
