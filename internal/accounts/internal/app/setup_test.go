package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/accounts/internal/memory"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const password = "correct horse battery"

var began = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// shop is one instance of the module behind HTTP, on a clock that stands still.
type shop struct {
	t        *testing.T
	pool     *pgxpool.Pool
	clock    *clock.Manual
	service  *app.Service
	verifier *auth.Verifier
	site     *webtest.Site
	log      *logs
	hashing  *counted
	prints   string // a checkpoint of the balances
}

type options struct {
	config  app.Config
	hashing *app.Hashing
	waiting int
}

// generous lets tests sign in as often as they need.
func generous() app.Config {
	return app.Config{
		SignInsPerMinutePerAddress: 1e6, SignInsPerMinutePerAccount: 1e6, SignUpsPerMinutePerAddress: 1e6, SignUpsPerMinutePerAccount: 1e6,
	}
}

func setup(t *testing.T) *shop {
	t.Helper()
	return setupWith(t, options{config: generous()})
}

func setupWith(t *testing.T, o options) *shop {
	t.Helper()
	return instance(t, pgtest.New(t, "accounts"), clock.NewManual(began), o)
}

// another is a second instance of the shop on the same database.
func (s *shop) another() *shop {
	s.t.Helper()
	return instance(s.t, s.pool, s.clock, options{config: generous()})
}

func instance(t *testing.T, pool *pgxpool.Pool, now *clock.Manual, o options) *shop {
	t.Helper()
	s := &shop{t: t, pool: pool, clock: now, log: &logs{}, hashing: &counted{}}
	hashing := s.hashing.hashing()
	if o.hashing != nil {
		hashing = *o.hashing
	}
	passwords, err := app.NewPasswords(hashing, o.waiting)
	require.NoError(t, err)
	s.hashing.verified.Store(0)

	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keyring := app.NewKeyring(pool, now.Now)
	s.verifier = auth.NewVerifier(keyring, now.Now)
	s.service, err = app.NewService(
		o.config, pool, outbox.New("accounts", now.Now), audit.New("accounts", now.Now), now.Now,
		keyring, passwords, memory.NewLimit(now.Now), s.verifier, log,
	)
	require.NoError(t, err)
	t.Cleanup(s.service.Stop)
	s.site = webtest.New(t, web.Options{Logger: log, Verifier: s.verifier, Clock: now.Now}, app.NewHTTP(s.service), app.NewAdmin(s.service))
	return s
}

// counted is a hashing that costs nothing and counts.
type counted struct{ hashed, verified atomic.Int64 }

func (c *counted) hashing() app.Hashing {
	hash := func(password string) string {
		sum := sha256.Sum256([]byte(password))
		return "$argon2id$fake$" + hex.EncodeToString(sum[:])
	}
	return app.Hashing{
		Hash: func(password string) (string, error) { c.hashed.Add(1); return hash(password), nil },
		Verify: func(password, h string) (bool, error) {
			c.verified.Add(1)
			if !strings.HasPrefix(h, "$argon2id$") {
				return false, argon2id.ErrInvalidHash
			}
			return hash(password) == h, nil
		},
	}
}

// logs is everything that was logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type answer = webtest.Answer

// ask sends a request; token and body may be empty. A body that is no string is encoded.
func (s *shop) ask(method, path, token string, body any) answer {
	s.t.Helper()
	return s.askFrom("203.0.113.7:4711", method, path, token, body)
}

func (s *shop) askFrom(address, method, path, token string, body any, headers ...string) answer {
	s.t.Helper()
	r := s.site.Request(token, method, path, body, headers...)
	r.RemoteAddr = address
	return s.site.Send(r)
}

func idOf(a answer) uuid.UUID { return uuid.MustParse(a.Text("id")) }

type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
}

// shopper signs a person up and in.
func (s *shop) shopper(email string) (uuid.UUID, tokens) {
	s.t.Helper()
	made := s.ask("POST", "/v1/users", "", map[string]string{"email": email, "password": password, "name": "김지은"}).Is(201)
	return idOf(made), s.signIn(email)
}

func (s *shop) signIn(email string) (t tokens) {
	s.t.Helper()
	s.ask("POST", "/v1/sessions", "", map[string]string{"email": email, "password": password}).Is(200).Into(&t)
	return t
}

func (s *shop) refresh(token string) answer {
	s.t.Helper()
	return s.ask("POST", "/v1/sessions/refresh", "", map[string]string{"refresh_token": token})
}

// admin makes an admin and signs them in.
func (s *shop) admin(email string) (uuid.UUID, tokens) {
	s.t.Helper()
	account, err := s.service.CreateAdmin(s.t.Context(), accounts.CreateAdminInput{Email: email, Password: password})
	require.NoError(s.t, err)
	return account.ID, s.signIn(email)
}

// manager makes a shopper a manager and signs them in.
func (s *shop) manager(email string) (uuid.UUID, tokens) {
	s.t.Helper()
	id, _ := s.shopper(email)
	ctx := auth.With(context.Background(), auth.Principal{AccountID: uuid.New(), Role: auth.Admin})
	_, err := s.service.SetRole(ctx, id, auth.Manager)
	require.NoError(s.t, err)
	return id, s.signIn(email)
}

// lives tells whether an access token is taken.
func (s *shop) lives(access string) bool {
	s.t.Helper()
	return s.ask("GET", "/v1/me", access, nil).Status == 200
}

// count returns the number that a query finds.
func (s *shop) count(query string, args ...any) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n))
	return n
}

// published returns the types of an account's events, in order; their versions must be 1, 2, 3, ….
func (s *shop) published(id uuid.UUID) []string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT type, aggregate_version FROM accounts.outbox WHERE key = $1 ORDER BY id`, id)
	require.NoError(s.t, err)
	defer rows.Close()
	var types []string
	for rows.Next() {
		var typ string
		var version int
		require.NoError(s.t, rows.Scan(&typ, &version))
		types = append(types, typ)
		require.Equal(s.t, len(types), version, "versions are contiguous")
	}
	require.NoError(s.t, rows.Err())
	return types
}

// audited returns the actions that were done to an account by admins.
func (s *shop) audited(id uuid.UUID) (actions []string) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT action FROM accounts.audit_log WHERE subject = $1 ORDER BY id`, id.String())
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var action string
		require.NoError(s.t, rows.Scan(&action))
		actions = append(actions, action)
	}
	require.NoError(s.t, rows.Err())
	return actions
}

// together calls fn n times at once and returns what came of it.
func together[T any](n int, fn func(i int) T) []T {
	results := make([]T, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return results
}

func statuses(answers []answer) map[int]int {
	counts := map[int]int{}
	for _, a := range answers {
		counts[a.Status]++
	}
	return counts
}
