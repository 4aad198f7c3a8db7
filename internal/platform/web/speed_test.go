package web_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/telemetry"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

type speedBody struct {
	Text string `json:"text"`
}

// BenchmarkRead is a read of bytes that are there, through everything that stands before and after a handler, with the log in a file.
func BenchmarkRead(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	require.NoError(b, err)
	defer func() { require.NoError(b, file.Close()) }()
	api := web.New(web.Options{Logger: telemetry.Logger(telemetry.NewBuffer(file), "json", "info"), Registerer: prometheus.NewRegistry()})
	type input struct {
		web.Conditional
		ID uuid.UUID `path:"id"`
	}
	type output struct {
		ETag         string `header:"ETag"`
		CacheControl string `header:"Cache-Control"`
		Body         web.Encoded[speedBody]
	}
	body, err := web.Encode(speedBody{strings.Repeat("러닝 운동화 ", 60)})
	require.NoError(b, err)
	kept := web.Keep(body, `"0123456789abcdef012345"`, "public, max-age=1")
	ready := false
	web.Register(api, web.Operation{
		ID: "read", Method: "GET", Path: "/v1/products/{id}", Tag: "t", Summary: "s",
		Ready: func(*http.Request) *web.Kept {
			if ready {
				return kept
			}
			return nil
		},
	}, func(_ context.Context, in *input) (*output, error) {
		return &output{ETag: `"0123456789abcdef012345"`, CacheControl: "public, max-age=1", Body: body}, nil
	})
	handler := api.Handler()
	path := "/v1/products/0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"
	for name, is := range map[string]bool{"Decoded": false, "Ready": true} {
		b.Run(name, func(b *testing.B) {
			ready = is
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://shop.test"+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.RemoteAddr, r.RequestURI, r.Body = "192.0.2.1:1234", path, http.NoBody
				handler.ServeHTTP(&nowhere{header: http.Header{}}, r)
			}
		})
	}
}

// BenchmarkPost is a change that says nothing but what it is of, given and refused, through everything that stands before and after a
// handler, with the log in a file.
func BenchmarkPost(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	require.NoError(b, err)
	defer func() { require.NoError(b, file.Close()) }()
	api := web.New(web.Options{
		Logger: telemetry.Logger(telemetry.NewBuffer(file), "json", "info"), Registerer: prometheus.NewRegistry(), Verifier: webtest.Tokens{"shopper": {Role: auth.Shopper}},
	})
	type input struct {
		ID uuid.UUID `path:"id"`
	}
	type output struct {
		Status int
		Body   struct {
			ID      uuid.UUID `json:"id"`
			Account uuid.UUID `json:"account_id"`
			At      time.Time `json:"at"`
		}
	}
	gone, at := fault.New(fault.Exhausted, "t.gone", "nothing is left"), time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	refuse := false
	web.Register(api, web.Operation{
		ID: "claim", Method: "POST", Path: "/v1/coupons/{id}/claims", Tag: "t", Summary: "s", Role: auth.Shopper, Status: http.StatusCreated,
		Also: map[int]string{http.StatusOK: "again"}, Problems: []*fault.Error{gone},
	}, func(ctx context.Context, in *input) (*output, error) {
		if refuse {
			return nil, gone
		}
		out := &output{Status: http.StatusOK}
		out.Body.ID, out.Body.Account, out.Body.At = in.ID, auth.Must(ctx).AccountID, at
		return out, nil
	})
	handler := api.Handler()
	path := "/v1/coupons/0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d/claims"
	for name, is := range map[string]bool{"Given": false, "Refused": true} {
		b.Run(name, func(b *testing.B) {
			refuse = is
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://shop.test"+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.RemoteAddr, r.RequestURI, r.Body = "192.0.2.1:1234", path, http.NoBody
				r.Header["Authorization"] = []string{"Bearer shopper"}
				handler.ServeHTTP(&nowhere{header: http.Header{}}, r)
			}
		})
	}
}
