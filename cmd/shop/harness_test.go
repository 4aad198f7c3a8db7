package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/sasapick/shop/cmd/shop/site"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/health"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/platform/telemetry"
)

// inProcess is the whole shop, with its workers, in the process of the test: a database of its own, and everything else
// embedded. What is asked goes straight to its handler.
type inProcess struct {
	shop
	config config.Config
	pool   *pgxpool.Pool // of the superuser: what no operation can bring about is written with it
	log    *lockedBuffer
	stop   func() // also the end of the test stops it

	accounts int
}

// newInProcess opens a shop that closes with the test.
func newInProcess(t *testing.T) *inProcess {
	t.Helper()
	var c config.Config
	k, err := kong.New(&c)
	require.NoError(t, err)
	_, err = k.Parse(nil) // the defaults
	require.NoError(t, err)
	c.DatabaseURL, c.DataDir, c.PrivateListen = pgtest.URL(t), t.TempDir(), ""
	c.AdminEmail, c.AdminPassword = "admin@shop.test", adminPassword
	c.SignInsPerAddress, c.SignInsPerAccount, c.SignUpsPerAddress = 1_000_000, 1_000_000, 1_000_000

	s := &inProcess{config: c, log: &lockedBuffer{}}
	g := &ground{config: c, log: telemetry.Logger(s.log, "json", "info")}
	app := fx.New(
		wire(c, g.log), platformfx.Workers(events()),
		s.populate(c), fx.Populate(&s.api, &s.registry, &s.rpc),
		fx.StartTimeout(startTimeout),
	)
	require.NoError(t, app.Err())
	require.NoError(t, app.Start(t.Context()))
	s.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
		defer cancel()
		require.NoError(t, app.Stop(ctx))
	})
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the shop's log, without what went well:\n%s", tail(s.log.failures(), 8000))
		}
	})
	_, err = g.firstAdmin(t.Context(), s.admins)
	require.NoError(t, err)
	parts, err := g.parts(&s.shop)
	require.NoError(t, err)
	operate(s.api, health.New(parts...))
	pictures, err := s.pictures(t.Context())
	require.NoError(t, err)
	site.Routes(s.api, pictures...)
	s.pool, err = pg.Open(t.Context(), pg.Config{URL: c.DatabaseURL, Name: "test", MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	return s
}

// asked is one request.
type asked struct {
	Method, Path string // the path with its query, escaped
	Token        string
	Header       map[string]string
	Body         []byte // nil: none
	Chunked      bool   // the length is not told before
	Stream       io.Reader
}

// said is what came back.
type said struct {
	Status int
	Header http.Header
	Body   []byte
}

func (a said) String() string { return fmt.Sprintf("%d %s", a.Status, tail(string(a.Body), 600)) }

// field is a member of a JSON object that was answered; nil when there is none.
func (a said) field(name string) any {
	var object map[string]any
	_ = json.Unmarshal(a.Body, &object)
	return object[name]
}

// ask sends a request through everything but the network.
func (s *inProcess) ask(t testing.TB, q asked) said {
	t.Helper()
	var body io.Reader
	switch {
	case q.Stream != nil:
		body = q.Stream
	case q.Body != nil:
		body = bytes.NewReader(q.Body)
	}
	r, err := http.NewRequestWithContext(t.Context(), q.Method, "http://shop.test"+q.Path, body)
	require.NoError(t, err)
	r.RequestURI, r.RemoteAddr = q.Path, "192.0.2.1:1234"
	if body == nil {
		r.Body = http.NoBody // as the server has it
	}
	if q.Chunked {
		r.ContentLength = -1
	}
	if q.Body != nil || q.Stream != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.Token != "" {
		r.Header.Set("Authorization", "Bearer "+q.Token)
	}
	for name, value := range q.Header {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(w, r)
	return said{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
}

// want asks with a JSON body, or without one, and fails unless the status is the one that must come. Headers are pairs of
// name and value.
func (s *inProcess) want(t testing.TB, status int, token, method, path string, body any, headers ...string) said {
	t.Helper()
	q := asked{Method: method, Path: path, Token: token, Header: map[string]string{}}
	if body != nil {
		var err error
		q.Body, err = json.Marshal(body)
		require.NoError(t, err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header[headers[i]] = headers[i+1]
	}
	a := s.ask(t, q)
	require.Equal(t, status, a.Status, "%s %s: %s", method, path, a)
	return a
}

// person is an account that is signed in.
type person struct {
	ID, Email, Password, Access, Refresh string
}

func (s *inProcess) signIn(t testing.TB, email, password string) person {
	t.Helper()
	a := s.want(t, 200, "", "POST", "/v1/sessions", map[string]any{"email": email, "password": password})
	p := person{Email: email, Password: password, Access: a.field("access_token").(string), Refresh: a.field("refresh_token").(string)}
	p.ID = claimsOf(t, p.Access)["sub"].(string)
	return p
}

// shopper makes an account and signs it in.
func (s *inProcess) shopper(t testing.TB) person {
	t.Helper()
	s.accounts++
	email := fmt.Sprintf("shopper-%d@example.com", s.accounts)
	s.want(t, 201, "", "POST", "/v1/users", map[string]any{"email": email, "password": "a long password", "name": "김지은"})
	return s.signIn(t, email, "a long password")
}

func (s *inProcess) admin(t testing.TB) person {
	t.Helper()
	return s.signIn(t, "admin@shop.test", adminPassword)
}

// withRole makes an account of a role, as an admin does; None makes one that is not signed in.
func (s *inProcess) withRole(t testing.TB, role auth.Role) person {
	t.Helper()
	if role == auth.None {
		return person{}
	}
	p := s.shopper(t)
	if role == auth.Shopper {
		return p
	}
	s.want(t, 200, s.admin(t).Access, "PUT", "/admin/accounts/"+p.ID+"/role", map[string]any{"role": role})
	return s.signIn(t, p.Email, p.Password)
}

// forgeries are tokens that look like an admin's and must open nothing, each under what is wrong with it.
func (s *inProcess) forgeries(t testing.TB) map[string]string {
	t.Helper()
	good := s.withRole(t, auth.Admin)
	header, claims := headerOf(t, good.Access), claimsOf(t, good.Access)
	kid := header["kid"].(string)
	var seed []byte
	require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT seed FROM accounts.signing_keys WHERE kid = $1`, kid).Scan(&seed))
	key := ed25519.NewKeyFromSeed(seed)
	_, otherKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	sign := func(key ed25519.PrivateKey) func(string) []byte {
		return func(input string) []byte { return ed25519.Sign(key, []byte(input)) }
	}
	require.Equal(t, 200, s.ask(t, asked{Method: "GET", Path: "/v1/me", Token: forge(t, header, claims, sign(key))}).Status, "a token that is signed as the shop's must hold, or the others prove nothing")

	past := time.Now().Add(-time.Hour).Unix()
	suspended, closed, signedOut := s.shopper(t), s.shopper(t), s.shopper(t)
	s.want(t, 200, s.admin(t).Access, "POST", "/admin/accounts/"+suspended.ID+"/suspend", map[string]any{"reason": "resale by bots"})
	s.want(t, 204, closed.Access, "DELETE", "/v1/me", nil)
	s.want(t, 204, signedOut.Access, "DELETE", "/v1/sessions/current", nil)
	return map[string]string{
		"Expired":   forge(t, header, changed(claims, "iat", past, "exp", past+900), sign(key)),
		"WrongKey":  forge(t, header, claims, sign(otherKey)),
		"AlgNone":   forge(t, changed(header, "alg", "none"), claims, func(string) []byte { return nil }),
		"OtherKid":  forge(t, changed(header, "kid", "../../etc/passwd"), claims, sign(otherKey)),
		"Suspended": suspended.Access, "Closed": closed.Access, "SignedOut": signedOut.Access,
		"Garbage": "garbage", "Refresh": good.Refresh,
		"HS256WithThePublicKey": forge(t, changed(header, "alg", "HS256"), claims, func(input string) []byte {
			mac := hmac.New(sha256.New, key.Public().(ed25519.PublicKey))
			mac.Write([]byte(input))
			return mac.Sum(nil)
		}),
	}
}

func forge(t testing.TB, header, claims map[string]any, sign func(input string) []byte) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(header) + "." + part(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

func changed(m map[string]any, pairs ...any) map[string]any {
	c := map[string]any{}
	for k, v := range m {
		c[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i].(string)] = pairs[i+1]
	}
	return c
}

func headerOf(t testing.TB, token string) map[string]any { return partOf(t, token, 0) }
func claimsOf(t testing.TB, token string) map[string]any { return partOf(t, token, 1) }

func partOf(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	require.NoError(t, err)
	var part map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	require.NoError(t, d.Decode(&part))
	return part
}

// lockedBuffer keeps what a shop logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String is all of it.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// failures are the lines of warnings and errors.
func (l *lockedBuffer) failures() string {
	var bad strings.Builder
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"warn"`) || strings.Contains(line, `"error"`) || strings.Contains(line, `"WARN"`) || strings.Contains(line, `"ERROR"`) {
			bad.WriteString(line)
		}
	}
	return bad.String()
}
