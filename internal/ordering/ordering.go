// Package ordering is the contract of the module that takes orders: the cart, the price to pay, the order's life from the
// click to the confirmed parcel. It calls catalog, payments and accounts; they hear of it by its events.
package ordering

import "github.com/sasapick/shop/internal/platform/fault"

// State is where an order is in its life.
type State string

const (
	StatePending         State = "pending"          // being placed; a crash leaves it here for a job to finish
	StateAwaitingPayment State = "awaiting_payment" // everything is held, to be paid until expires_at
	StatePaid            State = "paid"
	StatePreparing       State = "preparing"
	StateShipping        State = "shipping"
	StateDelivered       State = "delivered"
	StateConfirmed       State = "confirmed" // the buyer has it, and is content
	StateCanceling       State = "canceling" // the money is on its way back

	StateRejected State = "rejected" // could not be placed
	StateExpired  State = "expired"  // not paid in time
	StateCanceled State = "canceled"
	StateRefunded State = "refunded" // came back after shipping
)

// Kind tells where an order came from.
type Kind string

const (
	KindStandard Kind = "standard"
	KindPreorder Kind = "preorder" // one of a drop
)

// The module's faults.
var (
	ErrNoOrder           = fault.New(fault.NotFound, "ordering.no_order", "there is no such order")
	ErrPriceChanged      = fault.New(fault.Conflict, "ordering.price_changed", "a price is not what was expected; look again before ordering")
	ErrLimitPerCustomer  = fault.New(fault.Conflict, "ordering.limit_per_customer", "a customer may not have that many of a product")
	ErrTooManyUnpaid     = fault.New(fault.Conflict, "ordering.too_many_unpaid", "two orders are waiting to be paid already; pay or cancel one first")
	ErrBelowMinimum      = fault.New(fault.Invalid, "ordering.below_minimum", "the amount to pay is below 100 won, the least that can be paid")
	ErrAmountOverflow    = fault.New(fault.Invalid, "ordering.amount_overflow", "the order is larger than one order may be")
	ErrAlreadyShipping   = fault.New(fault.Conflict, "ordering.already_shipping", "the parcel is on its way")
	ErrPaymentInProgress = fault.New(fault.Conflict, "ordering.payment_in_progress", "the payment is being confirmed; wait for its outcome")
	ErrRefundRefused     = fault.New(fault.Conflict, "ordering.refund_refused", "the payment could not be given back; the order stays as it is, and a person looks into it")
	ErrIllegalTransition = fault.New(fault.Conflict, "ordering.illegal_transition", "the order's state does not admit this")
	ErrTooManyChanges    = fault.New(fault.Conflict, "ordering.too_many_changes", "the order was changed too often already; ask the shop's people")
	ErrCartFull          = fault.New(fault.Conflict, "ordering.cart_full", "a cart holds at most 100 products")
	ErrNotPlaced         = fault.New(fault.Unavailable, "ordering.not_placed", "the order could not be placed just now; ask again with the same key")
	ErrCartUnavailable   = fault.New(fault.Unavailable, "ordering.cart_unavailable", "carts cannot be reached just now")
)
