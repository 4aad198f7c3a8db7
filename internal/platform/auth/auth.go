// Package auth says who is asking: it verifies access tokens and carries their principal through the context.
//
// Only verifying lives here, with public keys and without a call to anyone on the way. Issuing is the accounts module's,
// which also is the Source of the keys and of the revocations.
package auth

import (
	"context"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/fault"
)

var (
	ErrNoToken     = fault.New(fault.Unauthenticated, "auth.no_token", "an access token is needed: sign in first")
	ErrBadToken    = fault.New(fault.Unauthenticated, "auth.bad_token", "the access token does not hold, or not any more: sign in again")
	ErrForbidden   = fault.New(fault.Forbidden, "auth.forbidden", "your role does not allow this")
	ErrUnavailable = fault.New(fault.Unavailable, "auth.unavailable", "access tokens cannot be checked at the moment")
)

// Role is one step of the shop's only hierarchy: shopper < manager < admin.
type Role string

const (
	None    Role = "" // nobody in particular: the operation is public
	Shopper Role = "shopper"
	Manager Role = "manager"
	Admin   Role = "admin"
)

// Roles are all roles that an account can have, lowest first.
func Roles() []Role { return []Role{Shopper, Manager, Admin} }

// AtLeast tells whether r may do what min may do. An unknown role may do nothing but what is public.
func (r Role) AtLeast(min Role) bool {
	return min == None || (r.rank() >= min.rank() && min.rank() > 0)
}

func (r Role) rank() int {
	switch r {
	case Shopper:
		return 1
	case Manager:
		return 2
	case Admin:
		return 3
	default:
		return 0
	}
}

// Principal is who asks: an account, in one of its sessions.
type Principal struct {
	AccountID uuid.UUID
	SessionID uuid.UUID
	Role      Role
}

type contextKey struct{}

// With returns a context in which p asks.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns who asks; false when nobody in particular does.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}

// Must returns who asks, and the zero principal when nobody does. It is for operations whose role is not None, which are
// never reached without a principal.
func Must(ctx context.Context) Principal {
	p, _ := From(ctx)
	return p
}
