package app_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func reset(s *shop, email, password string) {
	s.t.Helper()
	_, err := s.service.ResetPassword(s.t.Context(), accounts.ResetPasswordInput{Email: email, Password: password})
	require.NoError(s.t, err)
}

// runJob runs one of the module's jobs.
func (s *shop) runJob(name string) {
	s.t.Helper()
	for _, j := range app.Jobs(s.service) {
		if j.Name == name {
			require.NoError(s.t, j.Run(s.t.Context()))
			return
		}
	}
	require.Fail(s.t, "there is no such job", name)
}

func TestKeyring(t *testing.T) {
	t.Parallel()

	t.Run("ManyFirstStartsMakeOneKey", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.New(t, "accounts")
		now := clock.NewManual(began)
		found := together(8, func(int) []auth.Key { return publicKeys(t, pool, now) })
		require.Len(t, found[0], 1)
		for _, keys := range found {
			require.Equal(t, found[0], keys)
		}
	})

	t.Run("ANewKeyIsShownBeforeItSignsAndTheOldOneAfter", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.shopper("jieun@example.com")
		first := keyIDs(s)
		require.Len(t, first, 1)
		s.runJob("accounts.rotate_keys")
		require.Equal(t, first, keyIDs(s), "it is young")

		s.clock.Advance(30 * 24 * time.Hour)
		other := s.another()
		together(4, func(i int) error { []*shop{s, other}[i%2].runJob("accounts.rotate_keys"); return nil })
		both := keyIDs(s)
		require.Len(t, both, 2)
		require.Equal(t, first[0], keyOf(t, s.signIn("jieun@example.com").Access), "no verifier can know the new key yet")

		s.clock.Advance(10 * time.Minute)
		old := s.signIn("jieun@example.com")
		s.clock.Advance(time.Minute)
		young := s.signIn("jieun@example.com")
		require.Equal(t, both[1], keyOf(t, young.Access))
		require.True(t, s.lives(old.Access))
		require.True(t, s.lives(young.Access))

		s.clock.Advance(50 * time.Minute)
		s.runJob("accounts.rotate_keys")
		require.Equal(t, both, keyIDs(s), "less than an hour ago it signed")
		s.clock.Advance(10 * time.Minute)
		s.runJob("accounts.rotate_keys")
		require.Equal(t, both[1:], keyIDs(s))
	})

	t.Run("TheKeySetCanBeCached", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		a := s.ask("GET", "/.well-known/jwks.json", "", nil).Is(200)
		require.Equal(t, "public, max-age=300", a.Header.Get("Cache-Control"))
		require.Equal(t, "application/jwk-set+json", a.Header.Get("Content-Type"))
		keys, err := auth.ParseJWKS([]byte(a.Raw))
		require.NoError(t, err)
		require.Len(t, keys, 1)
		unchanged := s.askFrom("203.0.113.7:1", "GET", "/.well-known/jwks.json", "", nil, "If-None-Match", a.Header.Get("ETag"))
		unchanged.Is(304)
		require.Empty(t, unchanged.Raw)
	})
}

func publicKeys(t *testing.T, pool *pgxpool.Pool, now *clock.Manual) []auth.Key {
	keys, err := app.NewKeyring(pool, now.Now).SigningKeys(t.Context())
	if err != nil {
		t.Error(err)
	}
	return keys
}

// keyIDs are the keys that a fresh instance would show.
func keyIDs(s *shop) (ids []string) {
	s.t.Helper()
	for _, k := range publicKeys(s.t, s.pool, s.clock) {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestPrune(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, own := s.shopper("jieun@example.com")
	s.ask("DELETE", "/v1/sessions/current", own.Access, nil).Is(204)
	stays := s.signIn("jieun@example.com")

	s.runJob("accounts.prune")
	require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.revocations`), "its token could still be shown")
	require.Equal(t, 2, s.count(`SELECT count(*) FROM accounts.sessions`))

	s.clock.Advance(21 * time.Minute)
	s.runJob("accounts.prune")
	require.Zero(t, s.count(`SELECT count(*) FROM accounts.revocations`))
	require.False(t, s.lives(own.Access), "it ran out by itself")

	s.clock.Advance(24 * time.Hour)
	s.runJob("accounts.prune")
	require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.sessions`))
	s.refresh(stays.Refresh).Is(200)

	s.clock.Advance(32 * 24 * time.Hour)
	s.runJob("accounts.prune")
	require.Zero(t, s.count(`SELECT count(*) FROM accounts.sessions`))
	require.Zero(t, s.count(`SELECT count(*) FROM accounts.refresh_tokens`))
}

// keyOf is the kid in a token's header.
func keyOf(t *testing.T, token string) string {
	t.Helper()
	header, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(header)
	require.NoError(t, err)
	var h struct {
		KeyID string `json:"kid"`
	}
	require.NoError(t, json.Unmarshal(b, &h))
	return h.KeyID
}
