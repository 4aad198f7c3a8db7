package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/sasapick/shop/internal/accounts"
)

// Hashing makes and checks password hashes.
type Hashing struct {
	Hash   func(password string) (string, error)
	Verify func(password, hash string) (bool, error)
}

// Argon2id is argon2id with OWASP's parameters of least memory: 19 MiB, two passes, one lane; about 20 ms of one core.
// With more memory a hash would be no harder to guess, but a crowd that signs in would need it all at once.
func Argon2id() Hashing {
	params := &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	return Hashing{
		Hash:   func(password string) (string, error) { return argon2id.CreateHash(password, params) },
		Verify: argon2id.ComparePasswordAndHash,
	}
}

// Passwords hashes and verifies, as many at once as there are processors. Some more wait in line; who comes when the
// line is full is told so at once, because a hash costs so much that a crowd would otherwise take the whole shop.
type Passwords struct {
	hashing Hashing
	decoy   string // verified where there is no account, so that it takes the same time
	running chan struct{}
	present chan struct{} // those who run and those who wait
}

// NewPasswords returns Passwords that let waiting callers stand in line; zero stands for as many as take about 2 s.
func NewPasswords(h Hashing, waiting int) (*Passwords, error) {
	atOnce := runtime.GOMAXPROCS(0)
	if waiting == 0 {
		waiting = 100 * atOnce
	}
	decoy, err := h.Hash(rand.Text())
	if err != nil {
		return nil, fmt.Errorf("hash the decoy: %w", err)
	}
	return &Passwords{
		hashing: h,
		decoy:   decoy,
		running: make(chan struct{}, atOnce),
		present: make(chan struct{}, atOnce+waiting),
	}, nil
}

func (p *Passwords) hash(ctx context.Context, password string) (hash string, err error) {
	err = p.inLine(ctx, func() error {
		hash, err = p.hashing.Hash(normalPassword(password))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// verify compares password with hash. With an empty hash it does the same work and says no.
func (p *Passwords) verify(ctx context.Context, password, hash string) (bool, error) {
	against := hash
	if hash == "" {
		against = p.decoy
	}
	var same bool
	err := p.inLine(ctx, func() (err error) {
		same, err = p.hashing.Verify(normalPassword(password), against)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return same && hash != "", nil
}

func (p *Passwords) inLine(ctx context.Context, work func() error) error {
	select {
	case p.present <- struct{}{}:
		defer func() { <-p.present }()
	default:
		return accounts.ErrBusy.WithRetryAfter(time.Second)
	}
	select {
	case p.running <- struct{}{}:
		defer func() { <-p.running }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return work()
}

// normalPassword makes one password of what keyboards compose in different ways: the same Hangul may come as syllables
// or as letters.
func normalPassword(password string) string { return norm.NFC.String(password) }
