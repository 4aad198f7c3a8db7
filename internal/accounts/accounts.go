// Package accounts is the contract of the module that knows people: who they are, where their parcels go, what they were
// told. It issues the tokens that platform/auth verifies.
package accounts

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/fault"
)

// Service answers other modules' questions about people. Every call only reads, and can be repeated.
type Service interface {
	// Account returns a person's account. A closed or unknown one is ErrNoAccount.
	Account(ctx context.Context, in AccountInput) (Account, error)
	// Address returns one of an account's addresses. An unknown one, or another account's, is ErrNoAddress.
	Address(ctx context.Context, in AddressInput) (Address, error)
}

// Points sets points aside for orders; a point pays a won. Every call is idempotent by the order's id.
type Points interface {
	// Hold sets points aside. A repeat returns the first's result; what was given back stays so: ErrPointsReleased. Faults:
	// ErrNotEnoughPoints, ErrNoAccount.
	Hold(ctx context.Context, in HoldInput) (PointHold, error)
	// TakeBack takes away what an order had earned by goods that are on their way back, as far as the account still has it: no balance
	// goes below zero. It is idempotent by the refund's id, and undone when ordering says that the refund was refused. Faults:
	// ErrNoPurchase (it is not known yet that the order is confirmed), ErrTakeBackTooMuch, ErrTakeBackDiffers, ErrTakeBackUndone.
	TakeBack(ctx context.Context, in TakeBackInput) (TakenBack, error)
	// Holds tells what each order holds, or held; an order of which nothing is known is left out. For the audit.
	Holds(ctx context.Context, in HoldsInput) (PointHolds, error)
	// OpenHolds lists what is held and neither used nor released, oldest order first. For the audit.
	OpenHolds(ctx context.Context, in OpenHoldsInput) (PointHolds, error)
}

// HoldInput is the argument of Hold.
type HoldInput struct {
	OrderID   uuid.UUID `json:"order_id"`
	AccountID uuid.UUID `json:"account_id"`
	Points    int64     `json:"points"` // at least 1
}

// TakeBackInput is the argument of TakeBack.
type TakeBackInput struct {
	RefundID  uuid.UUID `json:"refund_id"`
	OrderID   uuid.UUID `json:"order_id"`
	AccountID uuid.UUID `json:"account_id"`
	Won       int64     `json:"won"` // what was paid for the goods in money: at least 1
}

// TakenBack is what a refund takes away of the points that its order has earned.
type TakenBack struct {
	RefundID uuid.UUID `json:"refund_id"`
	Owed     int64     `json:"owed"`  // what the goods had earned
	Taken    int64     `json:"taken"` // of that, what the account still had
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

// PointHolds is the answer to both.
type PointHolds struct {
	Items []PointHold `json:"items"`
}

// PointHold is what an order holds of an account's points: none if the order gave up before it held any.
type PointHold struct {
	OrderID uuid.UUID `json:"order_id"`
	State   HoldState `json:"state"`
	Points  int64     `json:"points"`
}

// HoldState is the life of a hold.
type HoldState string

const (
	Held     HoldState = "held"
	Used     HoldState = "used"
	Released HoldState = "released"
)

// AccountInput names an account.
type AccountInput struct {
	AccountID uuid.UUID `json:"account_id"`
}

// Account is a person as other modules may know them.
type Account struct {
	ID        uuid.UUID `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Tier      Tier      `json:"tier"`
	Points    int64     `json:"points"` // that can be spent
	CreatedAt time.Time `json:"created_at"`
}

// Tier is how good a customer an account is, by what it bought in the last twelve months.
type Tier string

const (
	Bronze Tier = "bronze"
	Silver Tier = "silver"
	Gold   Tier = "gold"
	VIP    Tier = "vip"
)

// Tiers are all there are, from the least to the best.
var Tiers = []Tier{Bronze, Silver, Gold, VIP}

// Reaches tells whether the tier is at least as good as another. An unknown tier reaches none.
func (t Tier) Reaches(other Tier) bool {
	return slices.Index(Tiers, t) >= slices.Index(Tiers, other) && slices.Contains(Tiers, other)
}

// AddressInput names an address and the account that must own it.
type AddressInput struct {
	AccountID uuid.UUID `json:"account_id"`
	AddressID uuid.UUID `json:"address_id"`
}

// Address is where a parcel goes.
type Address struct {
	ID        uuid.UUID `json:"id"`
	Alias     string    `json:"alias"`
	Recipient string    `json:"recipient"`
	Phone     string    `json:"phone"`
	Zipcode   string    `json:"zipcode"`
	Line1     string    `json:"line1"`
	Line2     string    `json:"line2,omitempty"`
	IsDefault bool      `json:"is_default"`
}

// The module's faults.
var (
	ErrNoAccount       = fault.New(fault.NotFound, "accounts.no_account", "there is no such account")
	ErrNoAddress       = fault.New(fault.NotFound, "accounts.no_address", "there is no such address")
	ErrEmailTaken      = fault.New(fault.Conflict, "accounts.email_taken", "an account with this email exists already")
	ErrBadCredentials  = fault.New(fault.Unauthenticated, "accounts.bad_credentials", "the email or the password is wrong")
	ErrBadRefresh      = fault.New(fault.Unauthenticated, "accounts.bad_refresh_token", "the refresh token does not hold; sign in again")
	ErrTooManyTries    = fault.New(fault.Throttled, "accounts.too_many_tries", "too many tries; wait before the next one")
	ErrBusy            = fault.New(fault.Unavailable, "accounts.busy", "too many people are signing in at once; try again in a moment")
	ErrNotEnoughPoints = fault.New(fault.Conflict, "accounts.not_enough_points", "the account does not have that many points")
	ErrPointsReleased  = fault.New(fault.Conflict, "accounts.points_released", "the points of the order were given back")
	ErrNoPointHold     = fault.New(fault.NotFound, "accounts.no_point_hold", "the order holds no points")
	ErrNoPurchase      = fault.New(fault.NotFound, "accounts.no_purchase", "no confirmed order is known by this id, or not yet")
	ErrTakeBackTooMuch = fault.New(fault.Conflict, "accounts.take_back_too_much", "not that much is left of the purchase")
	ErrTakeBackDiffers = fault.New(fault.Conflict, "accounts.take_back_differs", "the refund has taken something else back")
	ErrTakeBackUndone  = fault.New(fault.Conflict, "accounts.take_back_undone", "the refund was refused; what it took back was given back")
	ErrBadTakeBack     = fault.New(fault.Invalid, "accounts.bad_take_back", "goods come back that were paid for with at least one won")
	ErrBadPoints       = fault.New(fault.Invalid, "accounts.bad_points", "an order holds at least one point")
	ErrTooManyHolds    = fault.New(fault.Invalid, "accounts.too_many_holds", "at most 1,000 holds can be asked for at once, and at least one")
	ErrPointsBusy      = fault.New(fault.Unavailable, "accounts.points_busy", "too many orders at once; try again in a moment")
	ErrNoTier          = fault.New(fault.NotFound, "accounts.no_tier", "there is no such tier")
	ErrTiersNotAscend  = fault.New(fault.Invalid, "accounts.tiers_not_ascending", "a better tier must take more to reach and earn as much at least, and bronze must take nothing")
	ErrTooMany         = fault.New(fault.Conflict, "accounts.too_many_addresses", "an account holds at most 50 addresses")
	ErrLastAdmin       = fault.New(fault.Conflict, "accounts.last_admin", "the last admin can neither be suspended, closed nor made less")
)
