package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	refreshEvery     = time.Second
	reloadKeysEvery  = time.Minute
	reloadKeysAtMost = time.Second
	complainEvery    = time.Minute
	refreshTimeout   = 2 * time.Second
)

// Revocation ends a session, or every session of an account: tokens issued before At are refused.
type Revocation struct {
	AccountID uuid.UUID
	SessionID uuid.UUID // zero: every session of the account
	At        time.Time
}

// Source is where keys and revocations come from. A revocation may be forgotten once every token from before it expired.
type Source interface {
	SigningKeys(ctx context.Context) ([]Key, error)
	Revocations(ctx context.Context) ([]Revocation, error)
}

// Verifier tells who a token speaks for.
//
// What has been verified is remembered until it expires, in bounded memory; revocations are looked at on every call, so
// one that is known here holds at once. It says yes to nobody until the source could be read once, and from then on
// keeps what it knows while the source is out of reach.
type Verifier struct {
	source Source
	clock  clock.Clock
	log    func() *slog.Logger
	parser *jwt.Parser
	seen   *cache

	keys    atomic.Pointer[map[string]ed25519.PublicKey]
	revoked atomic.Pointer[revocations]

	readingKeys sync.Mutex // held while the source is read, so that everybody waits for the same reading
	keysRead    time.Time
	readingList sync.Mutex
	listRead    time.Time

	mu         sync.Mutex   // guards what follows; never held while the source is read
	here       []Revocation // made by Revoke in this process; the source may not show them yet
	fromSource []Revocation
	complained time.Time
}

type revocations struct {
	sessions map[uuid.UUID]time.Time
	accounts map[uuid.UUID]time.Time
}

// NewVerifier returns a verifier of the tokens that s's keys sign. Run keeps it up to date.
func NewVerifier(s Source, c clock.Clock) *Verifier {
	return &Verifier{
		source: s,
		clock:  c,
		log:    slog.Default,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding()),
		seen:   newCache(maxCached),
	}
}

// Verify returns the principal that the token speaks for, ErrBadToken when it does not hold, and ErrUnavailable when that
// cannot be known at the moment.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if token == "" {
		return Principal{}, ErrNoToken
	}
	if len(token) > maxTokenBytes {
		return Principal{}, ErrBadToken
	}
	revoked := v.revoked.Load()
	if revoked == nil {
		var err error
		if revoked, err = v.firstRevocations(ctx); err != nil {
			return Principal{}, err
		}
	}

	now := v.clock().UnixMilli()
	hash := hashOf(token)
	grant, ok := v.seen.get(hash, now)
	if !ok {
		var err error
		if grant, err = v.parse(ctx, token, now); err != nil {
			return Principal{}, err
		}
		v.seen.put(hash, grant, now)
	}
	if revoked.covers(grant) {
		return Principal{}, ErrBadToken
	}
	return grant.principal, nil
}

// hashOf copies a token of a usual length to the stack, which spares an allocation on every request.
func hashOf(token string) [sha256.Size]byte {
	var b [1024]byte
	if len(token) > len(b) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(b[:copy(b[:], token)])
}

func (v *Verifier) parse(ctx context.Context, token string, now int64) (grant, error) {
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return v.key(ctx, kid)
	})
	switch {
	case errors.Is(err, ErrUnavailable):
		return grant{}, ErrUnavailable
	case err != nil:
		return grant{}, ErrBadToken
	}

	ahead := now + skew.Milliseconds()
	account, errAccount := uuid.Parse(c.Subject)
	session, errSession := uuid.Parse(c.SessionID)
	if errAccount != nil || errSession != nil || c.Issuer != issuer || !c.Role.AtLeast(Shopper) ||
		int64(c.ExpiresAt) <= now || c.IssuedAt == 0 || int64(c.IssuedAt) > ahead || int64(c.NotBefore) > ahead {
		return grant{}, ErrBadToken
	}
	return grant{
		principal: Principal{AccountID: account, SessionID: session, Role: c.Role},
		issuedAt:  int64(c.IssuedAt),
		expiresAt: int64(c.ExpiresAt),
	}, nil
}

func (v *Verifier) key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	if kid == "" {
		return nil, ErrBadToken
	}
	if keys := v.keys.Load(); keys != nil {
		if key, ok := (*keys)[kid]; ok {
			return key, nil
		}
	}
	if err := v.loadKeys(ctx, reloadKeysAtMost); err != nil {
		return nil, err
	}
	keys := v.keys.Load()
	if keys == nil {
		return nil, ErrUnavailable
	}
	if key, ok := (*keys)[kid]; ok {
		return key, nil
	}
	return nil, ErrBadToken
}

// loadKeys reads the keys unless that was done, or tried, less than wait ago.
func (v *Verifier) loadKeys(ctx context.Context, wait time.Duration) error {
	v.readingKeys.Lock()
	defer v.readingKeys.Unlock()

	if !v.keysRead.IsZero() && v.clock().Sub(v.keysRead) < wait {
		return nil
	}
	defer func() { v.keysRead = v.clock() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	list, err := v.source.SigningKeys(ctx)
	if err != nil {
		v.complain(ctx, fmt.Errorf("read signing keys: %w", err))
		return ErrUnavailable
	}
	keys := make(map[string]ed25519.PublicKey, len(list))
	for _, k := range list {
		keys[k.ID] = k.Public
	}
	old := v.keys.Swap(&keys)
	if old != nil && dropsKey(*old, keys) {
		v.seen.clear() // what a withdrawn key has signed holds no longer
	}
	return nil
}

func dropsKey(old, current map[string]ed25519.PublicKey) bool {
	for id, key := range old {
		if !key.Equal(current[id]) {
			return true
		}
	}
	return false
}

// firstRevocations reads the revocations because nobody has yet: a verifier that does not know them must not say yes.
func (v *Verifier) firstRevocations(ctx context.Context) (*revocations, error) {
	v.loadRevocations(ctx, func() bool { return v.revoked.Load() == nil && v.clock().Sub(v.listRead) >= refreshEvery })
	if revoked := v.revoked.Load(); revoked != nil {
		return revoked, nil
	}
	return nil, ErrUnavailable
}

// Run reads the revocations each second and the keys each minute, until ctx ends.
func (v *Verifier) Run(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		v.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Refresh reads the revocations now, and the keys when they are older than a minute. When the source is out of reach,
// what was known is kept, and a line is logged once a minute.
func (v *Verifier) Refresh(ctx context.Context) {
	v.loadRevocations(ctx, func() bool { return true })
	_ = v.loadKeys(ctx, reloadKeysEvery) // logged there
}

func (v *Verifier) loadRevocations(ctx context.Context, due func() bool) {
	v.readingList.Lock()
	defer v.readingList.Unlock()

	if !due() {
		return
	}
	defer func() { v.listRead = v.clock() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	list, err := v.source.Revocations(ctx)
	if err != nil {
		v.complain(ctx, fmt.Errorf("read revocations: %w", err))
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fromSource = list
	v.rebuild()
}

// Revoke makes r hold in this process at once, before the source shows it.
func (v *Verifier) Revoke(r Revocation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.here = append(v.here, r)
	if v.revoked.Load() != nil { // else the first reading takes it along
		v.rebuild()
	}
}

// rebuild joins what the source shows with what was revoked here. The latter is kept for an hour, far longer than any
// access token holds.
func (v *Verifier) rebuild() {
	now := v.clock()
	kept := v.here[:0]
	for _, r := range v.here {
		if now.Sub(r.At) < time.Hour {
			kept = append(kept, r)
		}
	}
	v.here = kept

	next := &revocations{sessions: map[uuid.UUID]time.Time{}, accounts: map[uuid.UUID]time.Time{}}
	for _, list := range [][]Revocation{v.fromSource, v.here} {
		for _, r := range list {
			if r.SessionID != uuid.Nil {
				next.sessions[r.SessionID] = later(next.sessions[r.SessionID], r.At)
			} else {
				next.accounts[r.AccountID] = later(next.accounts[r.AccountID], r.At)
			}
		}
	}
	v.revoked.Store(next)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (r *revocations) covers(g grant) bool {
	if at, ok := r.sessions[g.principal.SessionID]; ok && g.issuedAt < at.UnixMilli() {
		return true
	}
	at, ok := r.accounts[g.principal.AccountID]
	return ok && g.issuedAt < at.UnixMilli()
}

func (v *Verifier) complain(ctx context.Context, err error) {
	v.mu.Lock()
	now := v.clock()
	quiet := !v.complained.IsZero() && now.Sub(v.complained) < complainEvery
	if !quiet {
		v.complained = now
	}
	v.mu.Unlock()
	if !quiet {
		v.log().ErrorContext(ctx, "access tokens are checked against what was known before", "error.message", err.Error())
	}
}
