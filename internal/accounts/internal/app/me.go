package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
)

// Me returns the account of who asks.
func (s *Service) Me(ctx context.Context) (accounts.Account, error) {
	account, err := s.Account(ctx, accounts.AccountInput{AccountID: auth.Must(ctx).AccountID})
	if errors.Is(err, accounts.ErrNoAccount) { // closed a moment ago, on another instance
		return accounts.Account{}, auth.ErrBadToken
	}
	return account, err
}

// Rename changes the name of who asks.
func (s *Service) Rename(ctx context.Context, name string) (accounts.Account, error) {
	line, ok := normalLine(name, 1, maxNameRunes)
	if !ok {
		return accounts.Account{}, invalid("/name", "must have 1 to 100 characters, in one line")
	}
	account, err := s.sql.Rename(ctx, s.pool, db.RenameParams{ID: auth.Must(ctx).AccountID, Name: line, At: s.clock()})
	if err != nil {
		return accounts.Account{}, orElse(err, auth.ErrBadToken, "rename account")
	}
	return s.withPoints(ctx, toAccount(account))
}

// ChangePasswordInput is the password as it is and as it shall be.
type ChangePasswordInput struct {
	Current string
	New     string
}

// ChangePassword needs the current password, since a token may have been left open on somebody's screen. It ends every
// other session of the account.
func (s *Service) ChangePassword(ctx context.Context, in ChangePasswordInput) error {
	if !validPassword(in.New) {
		return invalid("/new_password", "must have 8 to 128 characters")
	}
	who := auth.Must(ctx)
	if err := s.limits.changePassword(ctx, who.AccountID); err != nil {
		return err
	}
	account, err := s.sql.AccountOf(ctx, s.pool, who.AccountID)
	if err != nil {
		return orElse(err, auth.ErrBadToken, "read account")
	}
	switch ok, err := s.passwords.verify(ctx, in.Current, account.PasswordHash); {
	case err != nil:
		return err
	case !ok:
		return accounts.ErrBadCredentials
	}
	hash, err := s.passwords.hash(ctx, in.New)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(w *work) error {
		current, err := s.lockActive(ctx, w, who.AccountID)
		if err != nil {
			return err
		}
		if current.PasswordHash != account.PasswordHash { // another change was faster
			return accounts.ErrBadCredentials
		}
		return s.setPassword(ctx, w, current.ID, hash, who.SessionID)
	})
}

// setPassword changes the password of an account that the caller has locked, and ends its sessions but one.
func (s *Service) setPassword(ctx context.Context, w *work, account uuid.UUID, hash string, but uuid.UUID) error {
	if err := s.sql.SetPassword(ctx, w.tx, db.SetPasswordParams{ID: account, PasswordHash: hash, At: w.now}); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return s.endSessions(ctx, w, account, but)
}

// Close ends the account of who asks for good: what can name the person is erased, the email is free again.
func (s *Service) Close(ctx context.Context) error {
	return s.inTx(ctx, func(w *work) error {
		if err := s.lockAdmins(ctx, w); err != nil {
			return err
		}
		account, err := s.lockActive(ctx, w, auth.Must(ctx).AccountID)
		if err != nil {
			return err
		}
		if err := s.leaveAnAdmin(ctx, w, account); err != nil {
			return err
		}
		if err := s.erase(ctx, w, account.ID); err != nil {
			return err
		}
		closed, err := s.sql.CloseAccount(ctx, w.tx, db.CloseAccountParams{ID: account.ID, At: w.now})
		if err != nil {
			return fmt.Errorf("close account: %w", err)
		}
		return s.publish(ctx, w, accounts.Closed{AccountID: closed.ID, Version: closed.Version, At: w.now})
	})
}

// erase deletes what an account owns. It comes before the account's own row is changed: freeing the email locks the row
// against everyone who refers to it, and one who does may be waiting to end a session.
func (s *Service) erase(ctx context.Context, w *work, account uuid.UUID) error {
	if err := s.endSessions(ctx, w, account, uuid.Nil); err != nil {
		return err
	}
	for what, erase := range map[string]func(context.Context, db.DBTX, uuid.UUID) error{
		"sessions": s.sql.DeleteSessions, "addresses": s.sql.DeleteAddresses, "notifications": s.sql.DeleteNotifications,
	} {
		if err := erase(ctx, w.tx, account); err != nil {
			return fmt.Errorf("erase %s: %w", what, err)
		}
	}
	return nil
}

// lockAdmins keeps this transaction the only one that may make an account more or less than it is. It comes before any
// account is locked.
func (s *Service) lockAdmins(ctx context.Context, w *work) error {
	if _, err := s.sql.LockGuard(ctx, w.tx, "admins"); err != nil {
		return fmt.Errorf("lock the admins: %w", err)
	}
	return nil
}

// leaveAnAdmin refuses to take the last admin away. The caller holds lockAdmins.
func (s *Service) leaveAnAdmin(ctx context.Context, w *work, account db.AccountsAccount) error {
	if auth.Role(account.Role) != auth.Admin || account.State != stateActive {
		return nil
	}
	others, err := s.sql.OtherAdmins(ctx, w.tx, account.ID)
	if err != nil {
		return fmt.Errorf("count the other admins: %w", err)
	}
	if others == 0 {
		return accounts.ErrLastAdmin
	}
	return nil
}
