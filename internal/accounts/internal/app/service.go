// Package app is the module accounts: it signs people up and in, keeps what they tell about themselves, their points and
// their tier, and lets admins act on accounts.
//
// Locks of points are taken in one order everywhere, so that nobody waits for somebody who waits for him: holds that exist, by order
// id; then balances, by account id; then holds that are new, by order id; then the rest. Who locks an account locks no balance.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// The states of an account.
const (
	stateActive    = "active"
	stateSuspended = "suspended"
	stateClosed    = "closed"
)

// Config is what an operator may set. A zero field takes its default.
type Config struct {
	SignInsPerMinutePerAddress int // 60
	SignInsPerMinutePerAccount int // 10; also the tries at the current password when it is changed
	SignUpsPerMinutePerAddress int // 20
	SignUpsPerMinutePerAccount int // 10: the tries for one email
	SessionsPerAccount         int // 100; one more ends the oldest

	Flights batch.Limits // of the flights of points
}

func (c Config) withDefaults() Config {
	for field, otherwise := range map[*int]int{
		&c.SignInsPerMinutePerAddress: 60,
		&c.SignInsPerMinutePerAccount: 10,
		&c.SignUpsPerMinutePerAddress: 20,
		&c.SignUpsPerMinutePerAccount: 10,
		&c.SessionsPerAccount:         100,
	} {
		if *field <= 0 {
			*field = otherwise
		}
	}
	return c
}

// Service is the module's rules. Its calls take normal Go values; HTTP and Admin bring them to and from the wire.
type Service struct {
	config    Config
	pool      *pgxpool.Pool
	outbox    *outbox.Outbox
	audit     *audit.Log
	clock     clock.Clock
	keyring   *Keyring
	passwords *Passwords
	limits    limits
	revoker   Revoker
	log       *slog.Logger
	sql       *db.Queries
	reading   *batch.Group[accounts.AddressInput, accounts.Address]
	flying    *pgxpool.Pool // the connections of the flights of points
	holding   *batch.Group[accounts.HoldInput, accounts.PointHold]
}

var (
	_ accounts.Service = (*Service)(nil)
	_ accounts.Points  = (*Service)(nil)
	_ accounts.Admins  = (*Service)(nil)
)

// NewService joins the module's parts. Stop ends it.
func NewService(
	c Config, pool *pgxpool.Pool, o *outbox.Outbox, a *audit.Log, now clock.Clock,
	k *Keyring, p *Passwords, l Limit, r Revoker, log *slog.Logger,
) (*Service, error) {
	c = c.withDefaults()
	flights := batch.Config{Name: "accounts.hold_points", Shards: holdFlights}.Within(c.Flights)
	flying, err := batch.Connections(pool, flights.Shards+settleJobs)
	if err != nil {
		return nil, err
	}
	s := &Service{
		config: c, pool: pool, outbox: o, audit: a, clock: now,
		keyring: k, passwords: p, limits: limits{l, c}, revoker: r, log: log, sql: db.New(), flying: flying,
	}
	s.reading = newAddressReads(s)
	s.holding = batch.New(flights, batch.Once(orderOf, s.flyHold))
	return s, nil
}

// Stop waits for the flights that are in the air and refuses new ones.
func (s *Service) Stop() {
	s.holding.Close()
	s.flying.Close()
}

// Account returns a person's account.
func (s *Service) Account(ctx context.Context, in accounts.AccountInput) (accounts.Account, error) {
	row, err := s.sql.AccountWithPoints(ctx, s.pool, in.AccountID)
	if err != nil {
		return accounts.Account{}, orElse(err, accounts.ErrNoAccount, "read account")
	}
	account := toAccount(row.AccountsAccount)
	account.Points = row.Spendable
	return account, nil
}

// work is one transaction, and what is to be told once it is committed.
type work struct {
	tx        pgx.Tx
	now       time.Time
	revoked   []auth.Revocation
	published bool
}

// inTx runs fn in a transaction. What fn revokes holds in this process as soon as it is committed.
func (s *Service) inTx(ctx context.Context, fn func(w *work) error) error {
	var w work
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w = work{tx: tx, now: s.clock()}
		return fn(&w)
	})
	if err != nil {
		return err
	}
	for _, r := range w.revoked {
		s.revoker.Revoke(r)
	}
	if w.published {
		s.outbox.Wake()
	}
	return nil
}

func (s *Service) publish(ctx context.Context, w *work, e outbox.Event) error {
	w.published = true
	return s.outbox.Add(ctx, w.tx, e)
}

// lock keeps the account for this transaction alone and reads the clock again, because waiting takes time and what
// follows must not be dated before what was waited for.
func (s *Service) lock(ctx context.Context, w *work, id uuid.UUID) (db.AccountsAccount, error) {
	account, err := s.sql.LockAccount(ctx, w.tx, id)
	if err != nil {
		return account, orElse(err, accounts.ErrNoAccount, "lock account")
	}
	w.now = s.clock()
	return account, nil
}

// lockActive is lock for what a person does: to a suspended or closed account nothing is done any more.
func (s *Service) lockActive(ctx context.Context, w *work, id uuid.UUID) (db.AccountsAccount, error) {
	account, err := s.lock(ctx, w, id)
	if errors.Is(err, accounts.ErrNoAccount) || err == nil && account.State != stateActive {
		return account, auth.ErrBadToken
	}
	return account, err
}

// orElse names the absence of a row as the contract does (nil: it is no error), and anything else as what was being done.
func orElse(err, absent error, doing string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return absent
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// toAccount leaves out the points, which are not in the account's row.
func toAccount(a db.AccountsAccount) accounts.Account {
	return accounts.Account{
		ID: a.ID, Email: emailOf(a), Name: a.Name, Role: a.Role, Tier: accounts.Tier(a.Tier), CreatedAt: a.CreatedAt.UTC(),
	}
}

func emailOf(a db.AccountsAccount) string {
	if a.Email == nil {
		return ""
	}
	return *a.Email
}
