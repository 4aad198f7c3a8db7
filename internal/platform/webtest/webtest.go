// Package webtest sends requests to a module's operations as a client would, without a network, and holds every answer to
// what each of them must be: a JSON object, or nothing at all where nothing went wrong.
package webtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/web"
)

// Tokens are a verifier that knows who each token speaks for, and refuses every other.
type Tokens map[string]auth.Principal

// Verify implements web.Verifier.
func (t Tokens) Verify(_ context.Context, token string) (auth.Principal, error) {
	p, ok := t[token]
	if !ok {
		return auth.Principal{}, auth.ErrBadToken
	}
	return p, nil
}

// Site is an API that a test asks. Further operations may be registered until the first request.
type Site struct {
	*web.API
	t testing.TB
}

// New returns a site with the routes on it. It logs nothing unless the options say where to.
func New(t testing.TB, o web.Options, routes ...web.Routes) *Site {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Site{API: web.New(o), t: t}
	for _, r := range routes {
		r.Routes(s.API)
	}
	return s
}

// Do sends a request and returns its answer; goroutines may do so too. A token of "" is none; so is a body of "" or nil.
// Another string is sent as it is, anything else as its JSON. The headers are names and values by turns.
func (s *Site) Do(token, method, path string, body any, headers ...string) Answer {
	s.t.Helper()
	return s.Send(s.Request(token, method, path, body, headers...))
}

// Request returns what Do sends, for those who have something to add to it.
func (s *Site) Request(token, method, path string, body any, headers ...string) *http.Request {
	s.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		if b != "" {
			content = strings.NewReader(b)
		}
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			s.t.Errorf("encode the body of %s %s: %v", method, path, err)
		}
		content = bytes.NewReader(encoded)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, content)
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// Send is the rest of Do. A problem, or an answer with a Content-Type, that holds no JSON object fails the test.
func (s *Site) Send(r *http.Request) Answer {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	a := Answer{Status: w.Code, Header: w.Header(), Raw: w.Body.String(), t: s.t}
	if a.Raw == "" && a.Status < 400 && a.Header.Get("Content-Type") == "" {
		return a
	}
	d := json.NewDecoder(strings.NewReader(a.Raw))
	d.UseNumber()
	if err := d.Decode(&a.Body); err != nil || a.Body == nil || !json.Valid([]byte(a.Raw)) {
		s.t.Errorf("%s %s is answered by %d and no JSON object: %q (%v)", r.Method, r.URL, a.Status, a.Raw, err)
	}
	return a
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Raw    string         // the body as it was sent
	Body   map[string]any // the body's object, whose numbers are json.Number; nil: there is no body

	t testing.TB
}

// Text returns a field of the body; "" if it is absent or no string.
func (a Answer) Text(field string) string {
	s, _ := a.Body[field].(string)
	return s
}

// Is fails the test unless the status is the wanted one.
func (a Answer) Is(status int) Answer {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, a.Raw)
	return a
}

// Says fails the test unless the answer is the problem with that code.
func (a Answer) Says(status int, code string) Answer {
	a.t.Helper()
	a.Is(status)
	require.Equal(a.t, code, a.Body["code"], a.Raw)
	return a
}

// Into decodes the body into v, which may leave fields out.
func (a Answer) Into(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal([]byte(a.Raw), v), a.Raw)
}

var ids = regexp.MustCompile(`(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// Golden compares the body with testdata/<name>.json by contracttest.Golden. What else differs from run to run is renamed
// in the body's text by named; then each UUID that is left becomes <id>.
func (a Answer) Golden(name string, named func(text string) string) {
	a.t.Helper()
	var body any
	require.NoError(a.t, json.Unmarshal([]byte(ids.ReplaceAllString(named(a.Raw), "<id>")), &body))
	contracttest.Golden(a.t, name, body)
}
