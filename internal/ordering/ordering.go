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
	ErrNotShipped        = fault.New(fault.Conflict, "ordering.not_shipped", "the parcel has not left; the order can be canceled")
	ErrRefundOpen        = fault.New(fault.Conflict, "ordering.refund_open", "a refund of the order is under way; wait until it is done")
	ErrNotThatMany       = fault.New(fault.Conflict, "ordering.not_that_many", "the shopper does not have that many pieces of the order any more")
	ErrTooManyChanges    = fault.New(fault.Conflict, "ordering.too_many_changes", "the order was changed too often already; ask the shop's people")
	ErrCartFull          = fault.New(fault.Conflict, "ordering.cart_full", "a cart holds at most 100 products")
	ErrNoPreorder        = fault.New(fault.NotFound, "ordering.no_preorder", "there is no such pre-order")
	ErrBadPreorder       = fault.New(fault.Invalid, "ordering.bad_preorder", "the pre-order cannot be as it is described")
	ErrPreorderCanceled  = fault.New(fault.Conflict, "ordering.preorder_canceled", "the pre-order was called off")
	ErrPreorderNotOpen   = fault.New(fault.Conflict, "ordering.preorder_not_open", "nothing can be ordered of the pre-order at the moment")
	ErrPreorderSoldOut   = fault.New(fault.Exhausted, "ordering.preorder_sold_out", "not enough is left of the pre-order; what is not paid in time comes back")
	ErrPreorderLimit     = fault.New(fault.Conflict, "ordering.preorder_limit", "a customer may not have that many of the pre-order")
	ErrPreorderForfeited = fault.New(fault.Conflict, "ordering.preorder_forfeited", "two orders of the pre-order were not paid in time; no more can be had")
	ErrNotReleased       = fault.New(fault.Conflict, "ordering.not_released", "the product of a pre-order is not shipped before its release")
	ErrNotPlaced         = fault.New(fault.Unavailable, "ordering.not_placed", "the order could not be placed just now; ask again with the same key")
	ErrCartUnavailable   = fault.New(fault.Unavailable, "ordering.cart_unavailable", "carts cannot be reached just now")
)
