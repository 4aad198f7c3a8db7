package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// eventsKept is how far back outbox and inbox surely have every event: they keep them for three days and four.
const eventsKept = 48 * time.Hour

// Books are what must hold of the module's books.
func Books(s *Service) []books.Invariant {
	return append(s.pointBooks(),
		s.invariant("addresses.default", "an account has one default address at most",
			"it has more than one default address", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				if from == uuid.Nil {
					r, err := s.sql.TwoDefaults(ctx, tx)
					return r.Looked, r.Wrong, err
				}
				r, err := s.sql.TwoDefaultsSince(ctx, tx, timeOf(from))
				return r.Looked, r.Wrong, err
			}),
		s.invariant("sessions.chain", "a session that goes on has exactly one refresh token that is not used",
			"it has none that is not used, or more than one", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.BrokenChains(ctx, tx, db.BrokenChainsParams{
					Since: from, ExpiresFrom: timeOf(from).Add(refreshLife),
					LivesAt: s.clock().Add(time.Minute), // a repeated answer makes a session some seconds longer than its token
				})
				return r.Looked, r.Wrong, err
			}),
		s.invariant("sessions.revoked", "a session that ended less than a quarter of an hour ago is revoked, so that its access tokens open nothing",
			"it ended, and was not revoked", always, func(ctx context.Context, tx pgx.Tx, _ uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.EndedUnrevoked(ctx, tx, s.clock().Add(-accessLife))
				return r.Looked, r.Wrong, err
			}),
		s.invariant("accounts.erased", "a closed account has no address, notification or session left",
			"it is closed, and something of it is left", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.ClosedWithLeftovers(ctx, tx, from)
				return r.Looked, r.Wrong, err
			}),
		s.invariant("accounts.events", "each change of an account in the last two days was told: its version is its latest event's",
			"its version is not that of its latest event", since(eventsKept), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.AccountsOffEvents(ctx, tx, from)
				return r.Looked, r.Wrong, err
			}),
		s.invariant("notifications.once", "nobody is told the same of an order twice",
			"another one tells the account the same of the same order", since(0), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.ToldTwice(ctx, tx, from)
				return r.Looked, r.Wrong, err
			}),
		s.invariant("notifications.events", "each notification of the last two days tells of an event that was taken",
			"its event is not in the inbox", since(eventsKept), func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (int64, []uuid.UUID, error) {
				r, err := s.sql.ToldOfNothing(ctx, tx, from)
				return r.Looked, r.Wrong, err
			}),
		books.Invariant{Module: "accounts", Name: "admins.one", Says: "there is an admin who can sign in", Check: s.checkAdmins},
	)
}

// reach is what a look goes over, given the checkpoint.
type reach func(from string) (since uuid.UUID, through string, err error)

// always is for a look that is cheap enough to be at everything each time.
func always(string) (uuid.UUID, string, error) { return uuid.Nil, "", nil }

// since is for a look at what was made from the checkpoint on, but never at what is older than that; 0: however old.
func since(most time.Duration) reach {
	return func(from string) (uuid.UUID, string, error) {
		var least time.Time
		if most > 0 {
			least = time.Now().Add(-most)
		}
		begin, through, err := books.Span(from, least)
		return begin, through.String(), err
	}
}

func (s *Service) invariant(
	name, says, detail string, over reach, look func(ctx context.Context, tx pgx.Tx, from uuid.UUID) (looked int64, wrong []uuid.UUID, err error),
) books.Invariant {
	return books.Invariant{
		Module: "accounts", Name: name, Says: says,
		Check: func(ctx context.Context, checkpoint string) (found books.Finding, err error) {
			var from uuid.UUID
			if from, found.Through, err = over(checkpoint); err != nil {
				return found, err
			}
			var wrong []uuid.UUID
			err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) (err error) {
				found.Looked, wrong, err = look(ctx, tx, from)
				return err
			})
			if err != nil {
				return found, err
			}
			for _, id := range wrong {
				found.Wrong = append(found.Wrong, books.Wrong(id, "%s", detail))
			}
			return found, nil
		},
	}
}

// checkAdmins finds nothing wrong with a shop that nobody has entered yet.
func (s *Service) checkAdmins(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.OtherAdmins(ctx, s.pool, uuid.Nil); err != nil || found.Looked > 0 {
		return found, err
	}
	entered, err := s.sql.AnyAccount(ctx, s.pool)
	if err != nil {
		return found, fmt.Errorf("look for accounts: %w", err)
	}
	if entered {
		found.Wrong = append(found.Wrong, books.Mismatch{Subject: "admins", Detail: "there are accounts, and no active admin is among them"})
	}
	return found, nil
}

// timeOf is when an id was made; that of the zero id lies before all.
func timeOf(id uuid.UUID) time.Time {
	if id == uuid.Nil {
		return time.Time{}
	}
	return time.Unix(id.Time().UnixTime())
}
