package app

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	keyLife     = 30 * 24 * time.Hour // then the next one signs
	keyShown    = 10 * time.Minute    // before it signs, so that every cached key set knows it by then
	keyKept     = time.Hour           // after its last use
	keyCached   = time.Minute
	revokedKept = 20 * time.Minute // longer than any access token holds
)

// Keyring holds the keys that sign access tokens, in the database that all instances share. It is what platform/auth
// asks for the public halves and for the revocations.
type Keyring struct {
	pool  *pgxpool.Pool
	clock clock.Clock
	sql   *db.Queries

	mu     sync.Mutex // held while the keys are read, so that they are read once
	keys   []signingKey
	readAt time.Time
}

var _ auth.Source = (*Keyring)(nil)

type signingKey struct {
	generation int64
	id         string
	private    ed25519.PrivateKey
	createdAt  time.Time
	activeFrom time.Time
}

// NewKeyring returns the keyring of the accounts in pool. The first key is made when it is first asked for.
func NewKeyring(pool *pgxpool.Pool, c clock.Clock) *Keyring {
	return &Keyring{pool: pool, clock: c, sql: db.New()}
}

// SigningKeys returns the public keys whose tokens may still be met, and those that are about to sign.
func (k *Keyring) SigningKeys(ctx context.Context) ([]auth.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.read(ctx); err != nil {
		return nil, err
	}
	return k.public(), nil
}

// Revocations returns what was revoked while a token from before could still hold.
func (k *Keyring) Revocations(ctx context.Context) ([]auth.Revocation, error) {
	rows, err := k.sql.RevocationsSince(ctx, k.pool, k.clock().Add(-revokedKept))
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	list := make([]auth.Revocation, len(rows))
	for i, r := range rows {
		list[i] = auth.Revocation{AccountID: r.AccountID, At: r.At}
		if r.SessionID != nil {
			list[i].SessionID = *r.SessionID
		}
	}
	return list, nil
}

// shown returns the public keys, as they were at most a minute ago.
func (k *Keyring) shown(ctx context.Context) ([]auth.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.readIfOld(ctx); err != nil {
		return nil, err
	}
	return k.public(), nil
}

// signer returns the key that signs now.
func (k *Keyring) signer(ctx context.Context) (signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.readIfOld(ctx); err != nil {
		return signingKey{}, err
	}
	now := k.clock()
	for i := len(k.keys) - 1; i >= 0; i-- {
		if !k.keys[i].activeFrom.After(now) {
			return k.keys[i], nil
		}
	}
	return k.keys[0], nil // made on a machine whose clock is ahead
}

// rotate makes the next key when the newest is old enough, and drops those whose tokens have all run out.
func (k *Keyring) rotate(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.read(ctx); err != nil {
		return err
	}
	now := k.clock()
	newest := k.keys[len(k.keys)-1]
	if now.Sub(newest.createdAt) >= keyLife {
		if err := k.make(ctx, newest.generation+1, now, now.Add(keyShown)); err != nil {
			return err
		}
	}
	if _, err := k.sql.PruneSigningKeys(ctx, k.pool, now.Add(-keyKept)); err != nil {
		return fmt.Errorf("drop old signing keys: %w", err)
	}
	return k.read(ctx)
}

func (k *Keyring) public() []auth.Key {
	list := make([]auth.Key, len(k.keys))
	for i, key := range k.keys {
		list[i] = auth.Key{ID: key.id, Public: key.private.Public().(ed25519.PublicKey)}
	}
	return list
}

func (k *Keyring) readIfOld(ctx context.Context) error {
	if len(k.keys) > 0 && k.clock().Sub(k.readAt) < keyCached {
		return nil
	}
	return k.read(ctx)
}

func (k *Keyring) read(ctx context.Context) error {
	rows, err := k.sql.SigningKeys(ctx, k.pool)
	if err == nil && len(rows) == 0 { // the first start of all
		now := k.clock()
		if err := k.make(ctx, 1, now, now); err != nil {
			return err
		}
		rows, err = k.sql.SigningKeys(ctx, k.pool)
	}
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	keys := make([]signingKey, len(rows))
	for i, r := range rows {
		keys[i] = signingKey{
			generation: r.Generation, id: r.Kid, private: ed25519.NewKeyFromSeed(r.Seed),
			createdAt: r.CreatedAt, activeFrom: r.ActiveFrom,
		}
	}
	k.keys, k.readAt = keys, k.clock()
	return nil
}

// make stores a key of the generation unless another instance was first: then that one's is the key.
func (k *Keyring) make(ctx context.Context, generation int64, now, activeFrom time.Time) error {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails
	_, err := k.sql.InsertSigningKey(ctx, k.pool, db.InsertSigningKeyParams{
		Generation: generation, Kid: uuid.Must(uuid.NewV7()).String(), Seed: seed, CreatedAt: now, ActiveFrom: activeFrom,
	})
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	return nil
}
