package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
)

// adminName is what an admin is called who was made by the command line; they may change it.
const adminName = "Admin"

// CreateAdmin makes an account that is an admin from the start.
func (s *Service) CreateAdmin(ctx context.Context, in accounts.CreateAdminInput) (accounts.Account, error) {
	made, err := s.createAdmin(ctx, in, false)
	return made.Account, err
}

// FirstAdmin makes an admin where there is none.
func (s *Service) FirstAdmin(ctx context.Context, in accounts.FirstAdminInput) (accounts.FirstAdmin, error) {
	admins, err := s.sql.OtherAdmins(ctx, s.pool, uuid.Nil)
	if err != nil {
		return accounts.FirstAdmin{}, fmt.Errorf("look for an admin: %w", err)
	}
	if admins > 0 { // looked at again below; this saves a hash at each start
		return accounts.FirstAdmin{}, nil
	}
	return s.createAdmin(ctx, accounts.CreateAdminInput(in), true)
}

func (s *Service) createAdmin(ctx context.Context, in accounts.CreateAdminInput, onlyFirst bool) (accounts.FirstAdmin, error) {
	who, err := newPerson(in.Email, in.Password, adminName)
	if err != nil {
		return accounts.FirstAdmin{}, err
	}
	hash, err := s.passwords.hash(ctx, who.password)
	if err != nil {
		return accounts.FirstAdmin{}, err
	}
	var made accounts.FirstAdmin
	err = s.inTx(ctx, func(w *work) error {
		if err := s.lockAdmins(ctx, w); err != nil {
			return err
		}
		if onlyFirst {
			admins, err := s.sql.OtherAdmins(ctx, w.tx, uuid.Nil)
			if err != nil {
				return fmt.Errorf("look for an admin: %w", err)
			}
			if admins > 0 {
				return nil
			}
		}
		account, err := s.register(ctx, w, who, hash, auth.Admin)
		if err != nil {
			return err
		}
		made = accounts.FirstAdmin{Created: true, Account: toAccount(account)}
		return s.record(ctx, w, "accounts.create_admin", nil, account)
	})
	if err != nil {
		return accounts.FirstAdmin{}, err
	}
	return made, nil
}

// ResetPassword gives the account of an email a new password and ends all of its sessions.
func (s *Service) ResetPassword(ctx context.Context, in accounts.ResetPasswordInput) (accounts.Account, error) {
	if !validPassword(in.Password) {
		return accounts.Account{}, invalid("/password", "must have 8 to 128 characters")
	}
	found, err := s.accountByEmail(ctx, in.Email)
	if err != nil {
		return accounts.Account{}, err
	}
	if found.ID == uuid.Nil {
		return accounts.Account{}, accounts.ErrNoAccount
	}
	hash, err := s.passwords.hash(ctx, in.Password)
	if err != nil {
		return accounts.Account{}, err
	}
	var account db.AccountsAccount
	err = s.inTx(ctx, func(w *work) error {
		if account, err = s.lock(ctx, w, found.ID); err != nil {
			return err
		}
		if err := s.setPassword(ctx, w, account.ID, hash, uuid.Nil); err != nil {
			return err
		}
		return s.record(ctx, w, "accounts.reset_password", &account, account)
	})
	if err != nil {
		return accounts.Account{}, err
	}
	return s.withPoints(ctx, toAccount(account))
}
