package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	signUpCommit    = failpoint.New("accounts.sign_up.commit")
	signUpCommitted = failpoint.New("accounts.sign_up.committed")
)

// SignUpInput is what a person tells to get an account. There is no role in it.
type SignUpInput struct {
	Email    string
	Password string
	Name     string
	Client   netip.Addr // where the person comes from, for the rate limits
}

// SignUp makes a shopper's account.
func (s *Service) SignUp(ctx context.Context, in SignUpInput) (accounts.Account, error) {
	if err := s.limits.signUp(ctx, in.Client, in.Email); err != nil {
		return accounts.Account{}, err
	}
	who, err := newPerson(in.Email, in.Password, in.Name)
	if err != nil {
		return accounts.Account{}, err
	}
	taken, err := s.sql.EmailTaken(ctx, s.pool, who.email)
	if err != nil {
		return accounts.Account{}, fmt.Errorf("look for the email: %w", err)
	}
	if taken { // the insert would find out too, but only after a hash
		return accounts.Account{}, accounts.ErrEmailTaken
	}
	hash, err := s.passwords.hash(ctx, who.password)
	if err != nil {
		return accounts.Account{}, err
	}
	var account db.AccountsAccount
	err = s.inTx(ctx, func(w *work) error {
		account, err = s.register(ctx, w, who, hash, auth.Shopper)
		signUpCommit.Hit()
		return err
	})
	if err != nil {
		return accounts.Account{}, err
	}
	signUpCommitted.Hit()
	return toAccount(account), nil
}

// person is what an account begins with, in the form in which it is stored.
type person struct {
	email, password, name string
}

func newPerson(email, password, name string) (person, error) {
	normal, ok := normalEmail(email)
	if !ok {
		return person{}, invalid("/email", "is no email address")
	}
	if !validPassword(password) {
		return person{}, invalid("/password", "must have 8 to 128 characters")
	}
	line, ok := normalLine(name, 1, maxNameRunes)
	if !ok {
		return person{}, invalid("/name", "must have 1 to 100 characters, in one line")
	}
	return person{email: normal, password: password, name: line}, nil
}

// register inserts an account and tells so.
func (s *Service) register(ctx context.Context, w *work, who person, hash string, role auth.Role) (db.AccountsAccount, error) {
	account, err := s.sql.InsertAccount(ctx, w.tx, db.InsertAccountParams{
		ID: uuid.Must(uuid.NewV7()), Email: who.email, Name: who.name, PasswordHash: hash, Role: string(role), At: w.now,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return account, accounts.ErrEmailTaken
	}
	if err != nil {
		return account, fmt.Errorf("insert account: %w", err)
	}
	return account, s.publish(ctx, w, accounts.Registered{
		AccountID: account.ID, Version: account.Version, Role: account.Role, At: w.now,
	})
}
