package accounts

import "context"

// Admins is what the command line and the shop's first start need. Nobody signs in for these calls: who makes them
// already runs the shop.
type Admins interface {
	// CreateAdmin makes an account that is an admin from the start. An email that is in use is ErrEmailTaken.
	CreateAdmin(ctx context.Context, in CreateAdminInput) (Account, error)
	// ResetPassword gives the account of an email a new password and ends all of its sessions.
	ResetPassword(ctx context.Context, in ResetPasswordInput) (Account, error)
	// FirstAdmin makes an admin where there is none. It can be called at each start, by several instances at once.
	FirstAdmin(ctx context.Context, in FirstAdminInput) (FirstAdmin, error)
}

// CreateAdminInput is an admin to be made.
type CreateAdminInput struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// ResetPasswordInput is the email of an account, and its password from now on.
type ResetPasswordInput struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// FirstAdminInput is the admin to be made where there is none.
type FirstAdminInput struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// FirstAdmin tells whether this call made the first admin; its account is empty when it did not.
type FirstAdmin struct {
	Created bool    `json:"created"`
	Account Account `json:"account"`
}
