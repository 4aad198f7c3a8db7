package app

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

const (
	accessLife  = 15 * time.Minute
	refreshLife = 30 * 24 * time.Hour
	// lostAnswer is how long a used refresh token still gives its successor, for a client that never saw the answer.
	lostAnswer = 10 * time.Second
)

var (
	signInCommit     = failpoint.New("accounts.sign_in.commit")
	signInCommitted  = failpoint.New("accounts.sign_in.committed")
	refreshCommit    = failpoint.New("accounts.refresh.commit") // the successor is kept, the token before is used
	refreshCommitted = failpoint.New("accounts.refresh.committed")
)

// Tokens are what a session is used with.
type Tokens struct {
	Access  string
	Refresh string
}

// SignInInput is an email and the password that should open its account.
type SignInInput struct {
	Email    string
	Password string
	Client   netip.Addr // where the person comes from, for the rate limits
}

// SignIn opens a session. An unknown email, a wrong password, and an account that is suspended cannot be told apart: not
// by the answer, and not by the time, because a password is verified in each case.
func (s *Service) SignIn(ctx context.Context, in SignInInput) (Tokens, error) {
	if err := s.limits.signIn(ctx, in.Client, in.Email); err != nil {
		return Tokens{}, err
	}
	account, err := s.accountByEmail(ctx, in.Email)
	if err != nil {
		return Tokens{}, err
	}
	hash := account.PasswordHash
	if account.State != stateActive {
		hash = ""
	}
	ok, err := s.passwords.verify(ctx, in.Password, hash)
	if err != nil {
		return Tokens{}, err
	}
	if !ok {
		return Tokens{}, accounts.ErrBadCredentials
	}
	key, err := s.keyring.signer(ctx) // before the transaction, which must not wait for a second connection
	if err != nil {
		return Tokens{}, err
	}

	var tokens Tokens
	err = s.inTx(ctx, func(w *work) error {
		// The lock makes a suspension wait, so that it sees this session; the hash tells whether one was faster.
		current, err := s.sql.ShareAccount(ctx, w.tx, account.ID)
		if err != nil {
			return orElse(err, accounts.ErrBadCredentials, "share account")
		}
		if current.State != stateActive || current.PasswordHash != hash {
			return accounts.ErrBadCredentials
		}
		tokens, err = s.open(ctx, w, current, key)
		signInCommit.Hit()
		return err
	})
	if err != nil {
		return Tokens{}, err
	}
	signInCommitted.Hit()
	return tokens, nil
}

// accountByEmail returns the zero account when there is none.
func (s *Service) accountByEmail(ctx context.Context, email string) (db.AccountsAccount, error) {
	normal, ok := normalEmail(email)
	if !ok {
		return db.AccountsAccount{}, nil
	}
	account, err := s.sql.AccountByEmail(ctx, s.pool, normal)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return account, fmt.Errorf("read account by email: %w", err)
	}
	return account, nil
}

// open begins a session of the account, which the caller has locked.
func (s *Service) open(ctx context.Context, w *work, account db.AccountsAccount, key signingKey) (Tokens, error) {
	now := s.clock()
	session := db.InsertSessionParams{
		ID: uuid.Must(uuid.NewV7()), AccountID: account.ID, Secret: random(),
		At: now, AccessIssuedAt: issueTime(now, account), ExpiresAt: now.Add(refreshLife),
	}
	if err := s.sql.InsertSession(ctx, w.tx, session); err != nil {
		return Tokens{}, fmt.Errorf("insert session: %w", err)
	}
	first := random()
	if err := s.insertRefreshToken(ctx, w, session.ID, first, now); err != nil {
		return Tokens{}, err
	}
	over, err := s.sql.EndOldestSessions(ctx, w.tx, db.EndOldestSessionsParams{
		At: now, AccountID: account.ID, Keep: int32(s.config.SessionsPerAccount),
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("end the oldest sessions: %w", err)
	}
	if err := s.revokeSessions(ctx, w, account.ID, over); err != nil {
		return Tokens{}, err
	}
	return tokens(account, session.ID, session.AccessIssuedAt, first, key)
}

// Refresh exchanges a refresh token for its successor and a new access token. Asked again within ten seconds it gives
// the same successor, unless that was used already; a token that is used in any other way a second time has been copied,
// so its session ends.
func (s *Service) Refresh(ctx context.Context, refreshToken string) (Tokens, error) {
	token, ok := decodeRefreshToken(refreshToken)
	if !ok {
		return Tokens{}, accounts.ErrBadRefresh
	}
	hash := sha256.Sum256(token)
	owner, err := s.sql.OwnerOfRefreshToken(ctx, s.pool, hash[:])
	if err != nil {
		return Tokens{}, orElse(err, accounts.ErrBadRefresh, "look for the refresh token")
	}
	key, err := s.keyring.signer(ctx)
	if err != nil {
		return Tokens{}, err
	}

	var answer Tokens
	copied := false
	err = s.inTx(ctx, func(w *work) error {
		account, err := s.sql.ShareAccount(ctx, w.tx, owner.AccountID)
		if err != nil {
			return orElse(err, accounts.ErrBadRefresh, "share account")
		}
		session, err := s.sql.LockSession(ctx, w.tx, owner.SessionID)
		if err != nil {
			return orElse(err, accounts.ErrBadRefresh, "lock session")
		}
		w.now = s.clock()
		known, err := s.sql.RefreshTokenOf(ctx, w.tx, db.RefreshTokenOfParams{Hash: hash[:], SessionID: session.ID})
		if err != nil {
			return orElse(err, accounts.ErrBadRefresh, "read refresh token")
		}
		if account.State != stateActive || !w.now.Before(known.ExpiresAt) {
			return accounts.ErrBadRefresh
		}

		next := successor(session.Secret, token)
		switch again, err := s.mayGoOn(ctx, w, known, next); {
		case err != nil:
			return err
		case !again: // committed, although the answer is a refusal
			copied = true
			return s.endSession(ctx, w, account.ID, session.ID)
		}
		issued := issueTime(w.now, account)
		err = s.sql.ExtendSession(ctx, w.tx, db.ExtendSessionParams{
			ID: session.ID, AccessIssuedAt: issued, ExpiresAt: w.now.Add(refreshLife),
		})
		if err != nil {
			return fmt.Errorf("extend session: %w", err)
		}
		answer, err = tokens(account, session.ID, issued, next, key)
		refreshCommit.Hit()
		return err
	})
	if err != nil {
		return Tokens{}, err
	}
	refreshCommitted.Hit()
	if copied {
		s.log.WarnContext(ctx, "a used refresh token came back; its session was ended",
			slog.String("account", owner.AccountID.String()), slog.String("session", owner.SessionID.String()))
		return Tokens{}, accounts.ErrBadRefresh
	}
	return answer, nil
}

// mayGoOn makes next the session's token when known is the present one. When known is the one before, it tells whether
// its answer may have been lost: lately used, and next never.
func (s *Service) mayGoOn(ctx context.Context, w *work, known db.AccountsRefreshToken, next []byte) (bool, error) {
	if known.UsedAt == nil {
		if err := s.sql.UseRefreshToken(ctx, w.tx, db.UseRefreshTokenParams{Hash: known.Hash, At: latest(w.now, known.IssuedAt)}); err != nil {
			return false, fmt.Errorf("use refresh token: %w", err)
		}
		return true, s.insertRefreshToken(ctx, w, known.SessionID, next, w.now)
	}
	if w.now.Sub(*known.UsedAt) > lostAnswer {
		return false, nil
	}
	hash := sha256.Sum256(next)
	after, err := s.sql.RefreshTokenOf(ctx, w.tx, db.RefreshTokenOfParams{Hash: hash[:], SessionID: known.SessionID})
	if err != nil {
		return false, fmt.Errorf("read the successor: %w", err)
	}
	return after.UsedAt == nil, nil
}

// SignOut ends the session of a refresh token, whether or not it is the session's present one.
func (s *Service) SignOut(ctx context.Context, refreshToken string) error {
	token, ok := decodeRefreshToken(refreshToken)
	if !ok {
		return accounts.ErrBadRefresh
	}
	hash := sha256.Sum256(token)
	owner, err := s.sql.OwnerOfRefreshToken(ctx, s.pool, hash[:])
	if err != nil {
		return orElse(err, accounts.ErrBadRefresh, "look for the refresh token")
	}
	return s.EndSession(ctx, owner.AccountID, owner.SessionID)
}

// EndSession ends a session; one that has ended stays so.
func (s *Service) EndSession(ctx context.Context, accountID, sessionID uuid.UUID) error {
	return s.inTx(ctx, func(w *work) error { return s.endSession(ctx, w, accountID, sessionID) })
}

func (s *Service) endSession(ctx context.Context, w *work, accountID, sessionID uuid.UUID) error {
	ended, err := s.sql.EndSession(ctx, w.tx, db.EndSessionParams{At: w.now, ID: sessionID, AccountID: accountID})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if ended == 0 {
		return nil
	}
	return s.revokeSessions(ctx, w, accountID, []uuid.UUID{sessionID})
}

// endSessions ends every session of the account but one, which may be none. The caller has locked the account.
func (s *Service) endSessions(ctx context.Context, w *work, accountID, but uuid.UUID) error {
	ended, err := s.sql.EndSessions(ctx, w.tx, db.EndSessionsParams{At: w.now, AccountID: accountID, But: but})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return s.revokeSessions(ctx, w, accountID, ended)
}

// revokeSessions refuses the access tokens of sessions that have ended. They never come back, so the revocation lies in
// the future: it also meets a token from an instance whose clock is ahead.
func (s *Service) revokeSessions(ctx context.Context, w *work, accountID uuid.UUID, sessions []uuid.UUID) error {
	if len(sessions) == 0 {
		return nil
	}
	at := w.now.Add(revokedKept)
	err := s.sql.RevokeSessions(ctx, w.tx, db.RevokeSessionsParams{
		AccountID: accountID, SessionIds: sessions, At: at, MadeAt: w.now,
	})
	if err != nil {
		return fmt.Errorf("revoke sessions: %w", err)
	}
	for _, id := range sessions {
		w.revoked = append(w.revoked, auth.Revocation{AccountID: accountID, SessionID: id, At: at})
	}
	return nil
}

// revokeTokens refuses the account's present access tokens, while its sessions go on: the next refresh gives one that
// says what is true now.
func (s *Service) revokeTokens(ctx context.Context, w *work, accountID uuid.UUID) error {
	at, err := s.sql.RevokeOlderTokens(ctx, w.tx, db.RevokeOlderTokensParams{AccountID: accountID, Now: w.now})
	if err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	w.revoked = append(w.revoked, auth.Revocation{AccountID: accountID, At: at})
	return nil
}

func (s *Service) insertRefreshToken(ctx context.Context, w *work, session uuid.UUID, token []byte, now time.Time) error {
	hash := sha256.Sum256(token)
	err := s.sql.InsertRefreshToken(ctx, w.tx, db.InsertRefreshTokenParams{
		Hash: hash[:], SessionID: session, IssuedAt: now, ExpiresAt: now.Add(refreshLife),
	})
	if err != nil {
		return fmt.Errorf("insert refresh token: %w", err)
	}
	return nil
}

func tokens(account db.AccountsAccount, session uuid.UUID, issued time.Time, refresh []byte, key signingKey) (Tokens, error) {
	who := auth.Principal{AccountID: account.ID, SessionID: session, Role: auth.Role(account.Role)}
	access, err := auth.Sign(key.private, key.id, who, issued, accessLife)
	if err != nil {
		return Tokens{}, fmt.Errorf("sign access token: %w", err)
	}
	return Tokens{Access: access, Refresh: base64.RawURLEncoding.EncodeToString(refresh)}, nil
}

// issueTime is when a token of the account says that it was issued: never before those that were revoked last.
func issueTime(now time.Time, account db.AccountsAccount) time.Time {
	return latest(now, account.TokensFrom)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// successor derives the next refresh token of a session. Who holds the session's secret still needs the token, and who
// holds the token still needs the secret.
func successor(secret, token []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(token)
	return mac.Sum(nil)
}

func decodeRefreshToken(s string) ([]byte, bool) {
	token, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return token, err == nil && len(token) == sha256.Size
}

func random() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}
