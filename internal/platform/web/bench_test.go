package web_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/web"
)

// nowhere is a writer that costs nothing.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w nowhere) WriteHeader(int)             {}

// TestCost keeps the whole way of a read through the middleware cheap. The bound has room for a new compiler's mood, not
// for another copy of the request.
func TestCost(t *testing.T) {
	s := newShop(t, func(o *web.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	handler := s.Handler()
	for name, c := range map[string]struct {
		most   float64
		target string
		token  string
	}{
		"PublicList":    {45, "/v1/things?limit=5", ""},
		"SignedInOne":   {55, "/v1/things/" + oneID, "Bearer shopper"},
		"RefusedAtDoor": {45, "/admin/audit", ""},
	} {
		r := request("GET", c.target, "", "Authorization", c.token)
		got := testing.AllocsPerRun(200, func() { handler.ServeHTTP(nowhere{http.Header{}}, r.Clone(r.Context())) })
		clone := testing.AllocsPerRun(200, func() { r.Clone(r.Context()) })
		t.Logf("%s: %.0f allocations", name, got-clone)
		require.LessOrEqual(t, got-clone, c.most, name)
	}
}

func BenchmarkGET(b *testing.B) {
	for name, logger := range map[string]*slog.Logger{
		"WithoutLog": slog.New(slog.DiscardHandler),
		"WithLog":    slog.New(slog.NewJSONHandler(io.Discard, nil)),
	} {
		b.Run(name, func(b *testing.B) {
			s := newShop(b, func(o *web.Options) { o.Logger = logger })
			handler := s.Handler()
			r := request("GET", "/v1/things?limit=5", "", "Authorization", "Bearer shopper")
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(nowhere{http.Header{}}, r)
			}
		})
	}
}
