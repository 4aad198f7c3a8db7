package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
)

func TestRole(t *testing.T) {
	t.Parallel()

	roles := []auth.Role{auth.None, auth.Shopper, auth.Manager, auth.Admin}
	for i, role := range roles {
		for j, min := range roles {
			require.Equal(t, i >= j, role.AtLeast(min), "%q at least %q", role, min)
		}
	}
	require.False(t, auth.Role("owner").AtLeast(auth.Shopper))
	require.False(t, auth.Admin.AtLeast("owner"), "a role that does not exist is nobody's")
	require.True(t, auth.Role("owner").AtLeast(auth.None))
}

func TestContext(t *testing.T) {
	t.Parallel()

	_, ok := auth.From(t.Context())
	require.False(t, ok)
	require.Zero(t, auth.Must(t.Context()))
	p := auth.Principal{AccountID: uuid.New(), SessionID: uuid.New(), Role: auth.Manager}
	require.Equal(t, p, auth.Must(auth.With(t.Context(), p)))
}

// source is accounts, as far as this package knows it.
type source struct {
	mu      sync.Mutex
	keys    []auth.Key
	revoked []auth.Revocation
	err     error

	keyReads, listReads atomic.Int64
}

func (s *source) SigningKeys(context.Context) ([]auth.Key, error) {
	s.keyReads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, s.err
}

func (s *source) Revocations(context.Context) ([]auth.Revocation, error) {
	s.listReads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked, s.err
}

func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

type fixture struct {
	*source
	*auth.Verifier

	clock     *clock.Manual
	key       ed25519.PrivateKey
	principal auth.Principal
}

func setup(t testing.TB) *fixture {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	f := &fixture{
		source:    &source{keys: []auth.Key{{ID: "k1", Public: public}}},
		clock:     clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)),
		key:       private,
		principal: auth.Principal{AccountID: uuid.New(), SessionID: uuid.New(), Role: auth.Shopper},
	}
	f.Verifier = auth.NewVerifier(f.source, f.clock.Now)
	return f
}

func (f *fixture) sign(t testing.TB) string {
	token, err := auth.Sign(f.key, "k1", f.principal, f.clock.Now(), 15*time.Minute)
	require.NoError(t, err)
	return token
}

// forge makes a token with any header and claims.
func forge(t testing.TB, header, claims map[string]any, sign func(input string) []byte) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(header) + "." + part(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

func TestVerify(t *testing.T) {
	t.Parallel()

	f := setup(t)
	now := f.clock.Now().Unix()
	ed := func(input string) []byte { return ed25519.Sign(f.key, []byte(input)) }
	none := func(string) []byte { return nil }
	hs256 := func(input string) []byte {
		h := hmac.New(sha256.New, f.keys[0].Public)
		h.Write([]byte(input))
		return h.Sum(nil)
	}
	_, otherKey, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	other := func(input string) []byte { return ed25519.Sign(otherKey, []byte(input)) }

	header := func(change ...any) map[string]any {
		return with(map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": "k1"}, change)
	}
	claims := func(change ...any) map[string]any {
		return with(map[string]any{
			"iss": "shop", "sub": f.principal.AccountID, "sid": f.principal.SessionID, "role": "shopper",
			"iat": now, "exp": now + 900, "jti": "x",
		}, change)
	}

	good := forge(t, header(), claims(), ed)
	cases := []struct {
		name  string
		token string
		want  error
	}{
		{"Good", good, nil},
		{"GoodFromSign", f.sign(t), nil},
		{"NotBeforeNow", forge(t, header(), claims("nbf", now), ed), nil},
		{"ClockSkew", forge(t, header(), claims("iat", now+4), ed), nil},
		{"None", "", auth.ErrNoToken},
		{"Garbage", "garbage", auth.ErrBadToken},
		{"Dots", "..", auth.ErrBadToken},
		{"TooLong", good + strings.Repeat("A", 5000), auth.ErrBadToken},
		{"AlgNone", forge(t, header("alg", "none"), claims(), none), auth.ErrBadToken},
		{"AlgNoneUpperCase", forge(t, header("alg", "NONE"), claims(), none), auth.ErrBadToken},
		{"HS256WithPublicKey", forge(t, header("alg", "HS256"), claims(), hs256), auth.ErrBadToken},
		{"NoSignature", good[:strings.LastIndexByte(good, '.')+1], auth.ErrBadToken},
		{"OtherKey", forge(t, header(), claims(), other), auth.ErrBadToken},
		{"UnknownKid", forge(t, header("kid", "k9"), claims(), ed), auth.ErrBadToken},
		{"NoKid", forge(t, header("kid", nil), claims(), ed), auth.ErrBadToken},
		{"KidOfAnotherType", forge(t, header("kid", 1), claims(), ed), auth.ErrBadToken},
		{"ChangedClaims", swapClaims(t, good, claims("role", "admin")), auth.ErrBadToken},
		{"Expired", forge(t, header(), claims("exp", now), ed), auth.ErrBadToken},
		{"NoExpiry", forge(t, header(), claims("exp", nil), ed), auth.ErrBadToken},
		{"ExpiryIsText", forge(t, header(), claims("exp", "tomorrow"), ed), auth.ErrBadToken},
		{"ExpiryOverflows", forge(t, header(), claims("exp", 1e300), ed), auth.ErrBadToken},
		{"WrongIssuer", forge(t, header(), claims("iss", "shop2"), ed), auth.ErrBadToken},
		{"NoIssuer", forge(t, header(), claims("iss", nil), ed), auth.ErrBadToken},
		{"NotBeforeLater", forge(t, header(), claims("nbf", now+60), ed), auth.ErrBadToken},
		{"IssuedLater", forge(t, header(), claims("iat", now+60), ed), auth.ErrBadToken},
		{"NoIssuedAt", forge(t, header(), claims("iat", nil), ed), auth.ErrBadToken},
		{"NoAccount", forge(t, header(), claims("sub", nil), ed), auth.ErrBadToken},
		{"NoSession", forge(t, header(), claims("sid", "x"), ed), auth.ErrBadToken},
		{"NoRole", forge(t, header(), claims("role", nil), ed), auth.ErrBadToken},
		{"UnknownRole", forge(t, header(), claims("role", "root"), ed), auth.ErrBadToken},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from memory
				p, err := f.Verify(t.Context(), c.token)
				require.ErrorIs(t, err, c.want)
				if c.want == nil {
					require.Equal(t, f.principal, p)
				} else {
					require.Zero(t, p)
				}
			}
		})
	}
}

func with(m map[string]any, change []any) map[string]any {
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == nil {
			delete(m, change[i].(string))
			continue
		}
		m[change[i].(string)] = change[i+1]
	}
	return m
}

func swapClaims(t *testing.T, token string, claims map[string]any) string {
	b, err := json.Marshal(claims)
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(b) + "." + parts[2]
}

func TestVerifyExpiresFromMemory(t *testing.T) {
	t.Parallel()

	f := setup(t)
	token := f.sign(t)
	_, err := f.Verify(t.Context(), token)
	require.NoError(t, err)
	f.clock.Advance(15*time.Minute - time.Millisecond)
	_, err = f.Verify(t.Context(), token)
	require.NoError(t, err)
	f.clock.Advance(time.Millisecond)
	_, err = f.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrBadToken)
}

func TestRevocation(t *testing.T) {
	t.Parallel()

	t.Run("OfASession", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		token := f.sign(t)
		_, err := f.Verify(t.Context(), token)
		require.NoError(t, err)
		f.clock.Advance(time.Millisecond)
		f.Revoke(auth.Revocation{AccountID: f.principal.AccountID, SessionID: f.principal.SessionID, At: f.clock.Now()})
		_, err = f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken, "at once, though it was in memory")

		f.principal.SessionID = uuid.New()
		_, err = f.Verify(t.Context(), f.sign(t))
		require.NoError(t, err, "the account's other sessions go on")
	})

	t.Run("OfAnAccount", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		token := f.sign(t)
		f.clock.Advance(time.Millisecond)
		f.Revoke(auth.Revocation{AccountID: f.principal.AccountID, At: f.clock.Now()})
		_, err := f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken)

		_, err = f.Verify(t.Context(), f.sign(t))
		require.NoError(t, err, "issued in the same millisecond, and in the same second as the one before")
	})

	t.Run("KeepsTheLatest", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		earlier := f.clock.Now().Add(-time.Minute)
		token := f.sign(t)
		f.clock.Advance(time.Second)
		f.source.revoked = []auth.Revocation{
			{AccountID: f.principal.AccountID, At: f.clock.Now()},
			{AccountID: f.principal.AccountID, At: earlier},
		}
		_, err := f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken)
	})

	t.Run("FromTheSource", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		token := f.sign(t)
		_, err := f.Verify(t.Context(), token)
		require.NoError(t, err)
		f.clock.Advance(time.Second)
		f.source.set(func() { f.source.revoked = []auth.Revocation{{SessionID: f.principal.SessionID, At: f.clock.Now()}} })
		f.Refresh(t.Context())
		_, err = f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken)
	})

	t.Run("OutlivesARefreshThatDoesNotKnowIt", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		token := f.sign(t)
		f.clock.Advance(time.Second)
		f.Revoke(auth.Revocation{SessionID: f.principal.SessionID, At: f.clock.Now()})
		f.Refresh(t.Context())
		_, err := f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken)
	})

	t.Run("KeepsWhatItKnewWhileTheSourceIsAway", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		bad := f.sign(t)
		f.clock.Advance(time.Second)
		f.source.revoked = []auth.Revocation{{SessionID: f.principal.SessionID, At: f.clock.Now()}}
		f.Refresh(t.Context())
		f.source.set(func() { f.source.err = errors.New("gone") })
		f.clock.Advance(time.Minute)
		f.Refresh(t.Context())
		_, err := f.Verify(t.Context(), bad)
		require.ErrorIs(t, err, auth.ErrBadToken)
		f.principal.SessionID = uuid.New()
		_, err = f.Verify(t.Context(), f.sign(t))
		require.NoError(t, err)
	})

	t.Run("SaysYesToNobodyBeforeItKnows", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		f.source.err = errors.New("not yet")
		token := f.sign(t)
		_, err := f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrUnavailable)
		f.source.set(func() { f.source.err = nil })
		_, err = f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrUnavailable, "asked at most once a second")
		f.clock.Advance(time.Second)
		_, err = f.Verify(t.Context(), token)
		require.NoError(t, err)
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()

	t.Run("UnknownKidReloadsAtMostOnceASecond", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		_, err := f.Verify(t.Context(), f.sign(t))
		require.NoError(t, err)
		for range 50 {
			token, err := auth.Sign(f.key, "k2", f.principal, f.clock.Now(), time.Minute)
			require.NoError(t, err)
			_, err = f.Verify(t.Context(), token)
			require.ErrorIs(t, err, auth.ErrBadToken)
		}
		require.EqualValues(t, 1, f.keyReads.Load())

		public, private, err := ed25519.GenerateKey(nil)
		require.NoError(t, err)
		f.source.set(func() { f.source.keys = append(f.source.keys, auth.Key{ID: "k2", Public: public}) })
		f.clock.Advance(time.Second)
		token, err := auth.Sign(private, "k2", f.principal, f.clock.Now(), time.Minute)
		require.NoError(t, err)
		_, err = f.Verify(t.Context(), token)
		require.NoError(t, err)
		require.EqualValues(t, 2, f.keyReads.Load())
	})

	t.Run("AWithdrawnKeyHoldsNoLonger", func(t *testing.T) {
		t.Parallel()

		f := setup(t)
		token := f.sign(t)
		_, err := f.Verify(t.Context(), token)
		require.NoError(t, err)
		f.source.set(func() { f.source.keys = nil })
		f.clock.Advance(time.Minute)
		f.Refresh(t.Context())
		_, err = f.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken)
	})

	t.Run("SetInJSON", func(t *testing.T) {
		t.Parallel()

		// The key of RFC 8037, appendix A.2.
		x, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
		require.NoError(t, err)
		keys := []auth.Key{{ID: "k1", Public: x}}
		set := auth.JWKS(keys)
		require.JSONEq(t, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k1","use":"sig","alg":"EdDSA"}]}`, string(set))
		read, err := auth.ParseJWKS(set)
		require.NoError(t, err)
		require.Equal(t, keys, read)

		read, err = auth.ParseJWKS([]byte(`{"keys":[{"kty":"RSA","kid":"r"}]}`))
		require.NoError(t, err)
		require.Empty(t, read)
		_, err = auth.ParseJWKS([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"short"}]}`))
		require.Error(t, err)
		require.JSONEq(t, `{"keys":[]}`, string(auth.JWKS(nil)))
	})
}

func TestVerifyAtOnce(t *testing.T) {
	t.Parallel()

	f := setup(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				p := auth.Principal{AccountID: uuid.New(), SessionID: uuid.New(), Role: auth.Manager}
				token, err := auth.Sign(f.key, "k1", p, f.clock.Now(), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := f.Verify(t.Context(), token)
				if err != nil || got != p {
					t.Errorf("%v, %v", got, err)
				}
				if i == 0 {
					f.Refresh(t.Context())
				}
				if j%10 == 0 {
					f.Revoke(auth.Revocation{SessionID: p.SessionID, At: f.clock.Now().Add(time.Millisecond)})
					if _, err := f.Verify(t.Context(), token); !errors.Is(err, auth.ErrBadToken) {
						t.Errorf("still holds: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestRun(t *testing.T) {
	t.Parallel()

	f := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	require.Eventually(t, func() bool { return f.listReads.Load() > 1 && f.keyReads.Load() > 0 }, 10*time.Second, 10*time.Millisecond)
	cancel()
	<-done
}

func TestVerifyFromMemoryAllocatesNothing(t *testing.T) {
	f := setup(t)
	token := f.sign(t)
	ctx := t.Context()
	_, err := f.Verify(ctx, token)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = f.Verify(ctx, token) }))
}

func BenchmarkVerify(b *testing.B) {
	f := setup(b)
	b.Run("FromMemory", func(b *testing.B) {
		token := f.sign(b)
		for b.Loop() {
			_, _ = f.Verify(b.Context(), token)
		}
	})
	b.Run("New", func(b *testing.B) {
		tokens := make([]string, 1<<10)
		for i := range tokens {
			tokens[i] = f.sign(b)
		}
		i := 0
		for b.Loop() {
			if i++; i%len(tokens) == 0 {
				f.Verifier = auth.NewVerifier(f.source, f.clock.Now)
			}
			_, _ = f.Verify(b.Context(), tokens[i%len(tokens)])
		}
	})
}

func ExampleSign() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	token, _ := auth.Sign(key, "k1", auth.Principal{Role: auth.Shopper}, time.UnixMilli(1_700_000_000_123), time.Minute)
	claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	fmt.Println(strings.Split(string(claims), `,"jti"`)[0])
	// Output: {"iss":"shop","sub":"00000000-0000-0000-0000-000000000000","sid":"00000000-0000-0000-0000-000000000000","role":"shopper","iat":1700000000.123,"exp":1700000060.123
}
