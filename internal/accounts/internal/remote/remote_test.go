package remote_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/remote"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/rpc"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Remote(t, func(c *rpc.Client) accounts.Service { return remote.NewClient(c) }, remote.Service)
	contracttest.Remote(t, func(c *rpc.Client) accounts.Points { return remote.NewClient(c) }, remote.Points)
}

// source is the keyring of another process.
type source struct {
	keys    []auth.Key
	revoked []auth.Revocation
	err     error
}

func (s *source) SigningKeys(context.Context) ([]auth.Key, error)        { return s.keys, s.err }
func (s *source) Revocations(context.Context) ([]auth.Revocation, error) { return s.revoked, s.err }

func TestSource(t *testing.T) {
	t.Parallel()

	// setup is a verifier whose source is in another process.
	setup := func(t *testing.T) (there *source, c *remote.Client, v *auth.Verifier, token string, who auth.Principal) {
		t.Helper()
		public, private, err := ed25519.GenerateKey(nil)
		require.NoError(t, err)
		there = &source{keys: []auth.Key{{ID: "k1", Public: public}}}
		s, err := rpc.NewServer("", slog.New(slog.DiscardHandler), remote.Source(there)...)
		require.NoError(t, err)
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		client, err := rpc.NewClient(server.URL, "", nil)
		require.NoError(t, err)
		t.Cleanup(client.Close)
		c = remote.NewClient(client)
		now := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC))
		who = auth.Principal{AccountID: uuid.New(), SessionID: uuid.New(), Role: auth.Shopper}
		token, err = auth.Sign(private, "k1", who, now.Now(), time.Minute)
		require.NoError(t, err)
		now.Advance(time.Second)
		return there, c, auth.NewVerifier(c, now.Now), token, who
	}

	t.Run("IsTheSameFromElsewhere", func(t *testing.T) {
		t.Parallel()

		there, c, _, _, who := setup(t)
		there.revoked = []auth.Revocation{{AccountID: who.AccountID, SessionID: who.SessionID, At: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}, {AccountID: uuid.New()}}
		keys, err := c.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, there.keys, keys)
		revoked, err := c.Revocations(t.Context())
		require.NoError(t, err)
		require.Equal(t, there.revoked, revoked)
	})

	t.Run("ARevokedSessionIsRefusedHere", func(t *testing.T) {
		t.Parallel()

		there, _, v, token, who := setup(t)
		p, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, who, p)
		there.revoked = []auth.Revocation{{AccountID: who.AccountID, SessionID: who.SessionID, At: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}}
		v.Refresh(t.Context())
		_, err = v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken)
	})

	t.Run("WhileItIsAwayNobodyIsLetInUnknown", func(t *testing.T) {
		t.Parallel()

		there, _, v, token, _ := setup(t)
		there.err = errors.New("the database is away")
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrUnavailable)
	})
}
