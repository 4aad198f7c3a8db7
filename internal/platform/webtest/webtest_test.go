package webtest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// recorder notes whether it would have failed a test.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) FailNow()              { r.failed = true }

// routes answer with what a handler writes.
type routes http.HandlerFunc

func (f routes) Routes(api *web.API) { api.Router.HandleFunc("/x", http.HandlerFunc(f)) }

func TestAnswers(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		failed      bool
	}{
		"Object":         {status: 200, body: `{"total":12345678901234567}`},
		"Nothing":        {status: 204},
		"EmptyProblem":   {status: 404, failed: true},
		"EmptyContent":   {status: 200, contentType: "application/json", failed: true},
		"NoJSON":         {status: 200, body: "ok", failed: true},
		"NoObject":       {status: 200, body: "[1]", failed: true},
		"Null":           {status: 200, body: "null", failed: true},
		"MoreThanObject": {status: 200, body: "{} {}", failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := &recorder{TB: t}
			a := webtest.New(r, web.Options{}, routes(func(w http.ResponseWriter, _ *http.Request) {
				if c.contentType != "" {
					w.Header().Set("Content-Type", c.contentType)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})).Do("", "GET", "/x", nil)

			require.Equal(t, c.failed, r.failed)
			require.Equal(t, c.status, a.Status)
			if name == "Object" {
				require.Equal(t, json.Number("12345678901234567"), a.Body["total"])
			}
		})
	}

	t.Run("IsAndSays", func(t *testing.T) {
		t.Parallel()

		r := &recorder{TB: t}
		absent := webtest.New(r, web.Options{}).Do("", "GET", "/x", nil)
		absent.Says(404, "request.not_found")
		require.False(t, r.failed)
		absent.Is(200)
		require.True(t, r.failed)
		r.failed = false
		absent.Says(404, "request.malformed")
		require.True(t, r.failed)
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()

	s := webtest.New(t, web.Options{})
	for want, body := range map[string]any{"": nil, "text": "text", `{"a":1}`: map[string]int{"a": 1}} {
		r := s.Request("k", "POST", "/x", body, "If-Match", "1")
		require.EqualValues(t, len(want), r.ContentLength)
		require.Equal(t, want != "", r.Header.Get("Content-Type") == "application/json")
		require.Equal(t, "Bearer k", r.Header.Get("Authorization"))
		require.Equal(t, "1", r.Header.Get("If-Match"))
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()

	tokens := webtest.Tokens{"boss": {Role: auth.Manager}}
	p, err := tokens.Verify(t.Context(), "boss")
	require.NoError(t, err)
	require.Equal(t, auth.Manager, p.Role)
	_, err = tokens.Verify(t.Context(), "stolen")
	require.ErrorIs(t, err, auth.ErrBadToken)
}
