// Package accounts is the contract of the module that knows people: who they are, where their parcels go, what they were
// told. It issues the tokens that platform/auth verifies.
package accounts

import (
	"context"
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
	CreatedAt time.Time `json:"created_at"`
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
	ErrNoAccount      = fault.New(fault.NotFound, "accounts.no_account", "there is no such account")
	ErrNoAddress      = fault.New(fault.NotFound, "accounts.no_address", "there is no such address")
	ErrEmailTaken     = fault.New(fault.Conflict, "accounts.email_taken", "an account with this email exists already")
	ErrBadCredentials = fault.New(fault.Unauthenticated, "accounts.bad_credentials", "the email or the password is wrong")
	ErrBadRefresh     = fault.New(fault.Unauthenticated, "accounts.bad_refresh_token", "the refresh token does not hold; sign in again")
	ErrTooManyTries   = fault.New(fault.Throttled, "accounts.too_many_tries", "too many tries; wait before the next one")
	ErrBusy           = fault.New(fault.Unavailable, "accounts.busy", "too many people are signing in at once; try again in a moment")
	ErrTooMany        = fault.New(fault.Conflict, "accounts.too_many_addresses", "an account holds at most 50 addresses")
	ErrLastAdmin      = fault.New(fault.Conflict, "accounts.last_admin", "the last admin can neither be suspended, closed nor made less")
)
