package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

// nowhere is a writer that costs nothing.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w nowhere) WriteHeader(int)             {}

type claimInput struct {
	ID uuid.UUID `path:"id"`
}

type claimOutput struct{ Body thing }

// TestCost keeps the whole way of a read through the middleware cheap. The bound has room for a new compiler's mood, not
// for another copy of the request.
func TestCost(t *testing.T) {
	s := newShop(t, func(o *web.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	web.Register(s.API, web.Operation{ID: "claim-thing", Method: "POST", Path: "/v1/things/{id}/claims", Tag: "things", Summary: "Claim", Role: auth.Shopper},
		func(_ context.Context, in *claimInput) (*claimOutput, error) {
			return &claimOutput{Body: thing{ID: in.ID}}, nil
		})
	handler := s.Handler()
	for name, c := range map[string]struct {
		most   float64
		method string
		target string
		token  string
	}{
		"PublicList":    {45, "GET", "/v1/things?limit=5", ""},
		"SignedInOne":   {55, "GET", "/v1/things/" + oneID, "Bearer shopper"},
		"Claim":         {25, "POST", "/v1/things/" + oneID + "/claims", "Bearer shopper"},
		"RefusedAtDoor": {45, "GET", "/admin/audit", ""},
	} {
		r := request(c.method, c.target, "", "Authorization", c.token)
		got := fewest(func() { handler.ServeHTTP(nowhere{http.Header{}}, r.Clone(r.Context())) })
		clone := fewest(func() { r.Clone(r.Context()) })
		t.Logf("%s: %.0f allocations", name, got-clone)
		require.LessOrEqual(t, got-clone, c.most, name)
	}
}

// fewest is how much is allocated when every pool has what is asked for: the race detector has them forget some of it, by chance.
func fewest(do func()) float64 {
	n := testing.AllocsPerRun(1, do)
	for range 200 {
		n = min(n, testing.AllocsPerRun(1, do))
	}
	return n
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
