package web_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/rpc"
	"github.com/sasapick/shop/internal/platform/web"
)

// tickets are routes of a module: hosted, they answer what they were asked, and by whom.
type tickets struct{}

type ticketInput struct {
	ID   string `path:"id" maxLength:"20" doc:"Which."`
	Body struct {
		Note string `json:"note" maxLength:"20000" doc:"Anything."`
	}
}

type ticketOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		ID, Note, Client string
	}
}

func (tickets) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "take-ticket", Method: "POST", Path: "/v1/tickets/{id}", Tag: "tickets", Summary: "Take a ticket", Role: auth.Shopper, MaxBody: 10_000,
	}, func(ctx context.Context, in *ticketInput) (*ticketOutput, error) {
		out := &ticketOutput{ETag: `"7"`, CacheControl: "private, max-age=3"}
		out.Body.ID, out.Body.Note, out.Body.Client = in.ID, in.Body.Note, web.ClientIP(ctx).String()
		if in.ID == "gone" {
			return nil, errSoldOut
		}
		return out, nil
	})
	web.Handle(api, "", "/tickets/*", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String()+" "+r.RemoteAddr)
	}))
}

// everybody is a verifier to which each token is a shopper's.
type everybody struct{}

func (everybody) Verify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{Role: auth.Shopper}, nil
}

func TestElsewhere(t *testing.T) {
	t.Parallel()

	// setup is a process that hosts tickets, and one that passes them on to it.
	setup := func(t *testing.T) (front *web.API, back *httptest.Server) {
		t.Helper()
		there := web.New(web.Options{Verifier: everybody{}})
		tickets{}.Routes(there)
		s, err := rpc.NewServer("secret", slog.Default())
		require.NoError(t, err)
		back = httptest.NewServer(s.Pass(there.Handler()))
		t.Cleanup(back.Close)
		client, err := rpc.NewClient(back.URL, "secret", nil)
		require.NoError(t, err)
		t.Cleanup(client.Close)
		front = web.New(web.Options{Verifier: everybody{}, TrustProxy: 1})
		front.Elsewhere("tickets", client, tickets{})
		return front, back
	}
	ask := func(api *web.API, method, path, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer somebody")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, r)
		return w
	}

	t.Run("IsAnsweredThereWithTheShoppersAddress", func(t *testing.T) {
		t.Parallel()

		front, _ := setup(t)
		w := ask(front, "POST", "/v1/tickets/a%20b", `{"note":"hello"}`, "X-Forwarded-For", "198.51.100.1, 203.0.113.9", "X-Request-Id", "r1", "Shop-Token", "guess")
		require.Equal(t, 200, w.Code, w.Body)
		require.JSONEq(t, `{"ID":"a b","Note":"hello","Client":"203.0.113.9"}`, w.Body.String())
		for name, want := range map[string]string{"ETag": `"7"`, "Cache-Control": "private, max-age=3", "X-Request-Id": "r1"} {
			require.Equal(t, []string{want}, w.Header().Values(name))
		}
		for name, values := range w.Header() {
			require.Len(t, values, 1, "%s: %q", name, values)
		}
	})

	t.Run("AProblemIsPassedOnAsItIs", func(t *testing.T) {
		t.Parallel()

		front, _ := setup(t)
		w := ask(front, "POST", "/v1/tickets/gone", `{"note":""}`)
		require.Equal(t, 409, w.Code)
		require.Equal(t, "things.sold_out", codeOf(t, w))
	})

	t.Run("WhatIsNoOperationToo", func(t *testing.T) {
		t.Parallel()

		front, _ := setup(t)
		require.Equal(t, "PUT /tickets/x?a=1;b=2 192.0.2.1:0", ask(front, "PUT", "/tickets/x?a=1;b=2", "").Body.String())
	})

	t.Run("IsGuardedAndLimitedHere", func(t *testing.T) {
		t.Parallel()

		front, back := setup(t)
		back.Close()
		require.Equal(t, "auth.no_token", codeOf(t, ask(front, "POST", "/v1/tickets/a", `{"note":""}`, "Authorization", "")))
		require.Equal(t, "request.too_large", codeOf(t, ask(front, "POST", "/v1/tickets/a", `{"note":"`+strings.Repeat("a", 10_000)+`"}`)))
		front.Intercept(func(op *web.Operation, w http.ResponseWriter, r *http.Request) (func(), bool) {
			web.WriteProblem(w, r, errSoldOut.WithDetail(op.ID))
			return nil, true
		})
		require.Equal(t, "things.sold_out", codeOf(t, ask(front, "POST", "/v1/tickets/a", `{"note":""}`)), "a gate stands before it")
	})

	t.Run("WhenItIsAwayTheShopperIsToldToComeBack", func(t *testing.T) {
		t.Parallel()

		front, back := setup(t)
		back.Close()
		w := ask(front, "POST", "/v1/tickets/a", `{"note":""}`)
		require.Equal(t, 503, w.Code)
		require.Equal(t, "platform.module_unavailable", codeOf(t, w))
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	})

	t.Run("IsDocumentedAsWhatIsAnsweredHere", func(t *testing.T) {
		t.Parallel()

		front, _ := setup(t)
		here := web.New(web.Options{Verifier: everybody{}})
		tickets{}.Routes(here)
		require.Equal(t, ask(here, "GET", "/openapi.json", "").Body.String(), ask(front, "GET", "/openapi.json", "").Body.String())
	})
}

func codeOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p web.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body)
	return p.Code
}
