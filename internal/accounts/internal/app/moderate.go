package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/outbox"
)

const maxReasonRunes = 500

// change is one thing that may be done to an account by somebody else.
type change struct {
	action string // as the audit log names it
	apply  func(w *work, account db.AccountsAccount) (db.AccountsAccount, outbox.Event, error)
	done   func(account db.AccountsAccount) bool // nothing is left to do
	lessen bool                                  // it must leave an admin
}

// Suspend shuts an account out: its sessions end, and it cannot sign in.
func (s *Service) Suspend(ctx context.Context, id uuid.UUID, reason string) (db.AccountsAccount, error) {
	line, ok := normalLine(reason, 1, maxReasonRunes)
	if !ok {
		return db.AccountsAccount{}, invalid("/reason", "must have 1 to 500 characters, in one line")
	}
	return s.moderate(ctx, id, change{
		action: "accounts.suspend",
		lessen: true,
		done:   func(a db.AccountsAccount) bool { return a.State == stateSuspended },
		apply: func(w *work, a db.AccountsAccount) (db.AccountsAccount, outbox.Event, error) {
			if err := s.endSessions(ctx, w, a.ID, uuid.Nil); err != nil {
				return a, nil, err
			}
			a, err := s.sql.Suspend(ctx, w.tx, db.SuspendParams{ID: a.ID, Reason: line, At: w.now})
			return a, accounts.Suspended{AccountID: a.ID, Version: a.Version, Reason: line, At: w.now}, err
		},
	})
}

// Reinstate lets a suspended account sign in again.
func (s *Service) Reinstate(ctx context.Context, id uuid.UUID) (db.AccountsAccount, error) {
	return s.moderate(ctx, id, change{
		action: "accounts.reinstate",
		done:   func(a db.AccountsAccount) bool { return a.State == stateActive },
		apply: func(w *work, a db.AccountsAccount) (db.AccountsAccount, outbox.Event, error) {
			a, err := s.sql.Reinstate(ctx, w.tx, db.ReinstateParams{ID: a.ID, At: w.now})
			return a, accounts.Reinstated{AccountID: a.ID, Version: a.Version, At: w.now}, err
		},
	})
}

// SetRole makes an account more, or less. Its access tokens end; its sessions go on, and their next refresh knows.
func (s *Service) SetRole(ctx context.Context, id uuid.UUID, role auth.Role) (db.AccountsAccount, error) {
	return s.moderate(ctx, id, change{
		action: "accounts.set_role",
		lessen: role != auth.Admin,
		done:   func(a db.AccountsAccount) bool { return a.Role == string(role) },
		apply: func(w *work, a db.AccountsAccount) (db.AccountsAccount, outbox.Event, error) {
			a, err := s.sql.SetRole(ctx, w.tx, db.SetRoleParams{ID: a.ID, Role: string(role), At: w.now})
			if err == nil {
				err = s.revokeTokens(ctx, w, a.ID)
			}
			return a, accounts.RoleChanged{AccountID: a.ID, Version: a.Version, Role: a.Role, At: w.now}, err
		},
	})
}

// moderate applies a change to an account, tells it, and writes it down. What has been done already is answered as if
// it had been done now, and leaves no trace.
func (s *Service) moderate(ctx context.Context, id uuid.UUID, c change) (after db.AccountsAccount, err error) {
	err = s.inTx(ctx, func(w *work) error {
		if err := s.lockAdmins(ctx, w); err != nil {
			return err
		}
		before, err := s.lock(ctx, w, id)
		if err != nil {
			return err
		}
		if !mayActOn(auth.Must(ctx).Role, auth.Role(before.Role)) {
			return auth.ErrForbidden.WithDetail("only an admin acts on managers and admins")
		}
		if after = before; c.done(before) {
			return nil
		}
		if c.lessen {
			if err := s.leaveAnAdmin(ctx, w, before); err != nil {
				return err
			}
		}
		var event outbox.Event
		if after, event, err = c.apply(w, before); err != nil {
			return fmt.Errorf("%s: %w", strings.ReplaceAll(c.action, ".", " "), err)
		}
		if err := s.record(ctx, w, c.action, &before, after); err != nil {
			return err
		}
		return s.publish(ctx, w, event)
	})
	return after, err
}

// mayActOn tells whether one role may act on accounts of another: an admin on all, a manager on shoppers.
func mayActOn(actor, subject auth.Role) bool {
	return actor == auth.Admin || actor == auth.Manager && subject == auth.Shopper
}

// record writes a change to the audit log: what can be changed of an account, and nothing that names a person, because
// the log is kept when an account is erased.
func (s *Service) record(ctx context.Context, w *work, action string, before *db.AccountsAccount, after db.AccountsAccount) error {
	type facts struct {
		Role   string `json:"role"`
		State  string `json:"state"`
		Reason string `json:"reason,omitempty"`
	}
	entry := audit.Entry{Action: action, Subject: after.ID.String(), After: facts{after.Role, after.State, after.SuspendedReason}}
	if before != nil {
		entry.Before = facts{before.Role, before.State, before.SuspendedReason}
	}
	return s.audit.Add(ctx, w.tx, entry)
}

// Search is what to look for among the accounts. What is empty is not looked at.
type Search struct {
	Prefix string // of the email or the name
	Role   auth.Role
	State  string
	Before *uuid.UUID
	Limit  int
}

// Find returns the accounts that fit, newest first.
func (s *Service) Find(ctx context.Context, q Search) ([]db.AccountsAccount, error) {
	in := db.FoundAccountsParams{Before: q.Before, MaxRows: int32(q.Limit)}
	if q.Role != auth.None {
		role := string(q.Role)
		in.Role = &role
	}
	if q.State != "" {
		in.State = &q.State
	}
	if prefix, _ := normalLine(strings.ToLower(q.Prefix), 0, maxEmailBytes); prefix != "" {
		like := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(prefix) + "%"
		in.Prefix = &like
	}
	found, err := s.sql.FoundAccounts(ctx, s.pool, in)
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	return found, nil
}

// One returns an account as an admin sees it.
func (s *Service) One(ctx context.Context, id uuid.UUID) (db.AccountsAccount, error) {
	account, err := s.sql.AccountOf(ctx, s.pool, id)
	if err != nil {
		return account, orElse(err, accounts.ErrNoAccount, "read account")
	}
	return account, nil
}
