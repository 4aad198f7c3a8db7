package switches_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/switches"
	"github.com/sasapick/shop/internal/platform/web"
)

// role is a verifier for which a token is the name of a role.
type role struct{ account uuid.UUID }

func (r role) Verify(_ context.Context, token string) (auth.Principal, error) {
	return auth.Principal{AccountID: r.account, Role: auth.Role(token)}, nil
}

func TestReadOnly(t *testing.T) {
	t.Parallel()

	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: pg.Platform, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	now := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	here := switches.New(pool, slog.New(slog.DiscardHandler), now.Now)
	there := switches.New(pool, slog.New(slog.DiscardHandler), now.Now) // another instance
	admin := uuid.Must(uuid.NewV7())
	api := web.New(web.Options{Logger: slog.New(slog.DiscardHandler), Verifier: role{admin}, ReadOnly: here.ReadOnly})
	here.Routes(api)
	web.Register(api, web.Operation{ID: "buy", Method: "POST", Path: "/buy", Tag: "t", Summary: "Buy"}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	web.Register(api, web.Operation{ID: "look", Method: "GET", Path: "/look", Tag: "t", Summary: "Look"}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	do := func(as, method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+as)
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, r)
		return w
	}

	require.NoError(t, here.Refresh(t.Context()))
	require.False(t, here.ReadOnly(), "what nobody turned is off")
	require.Equal(t, http.StatusNoContent, do("shopper", "POST", "/buy", "").Code)

	require.Equal(t, http.StatusForbidden, do("manager", "PUT", "/admin/switches/read_only", `{"enabled":true,"reason":"no"}`).Code)
	require.Equal(t, http.StatusNotFound, do("admin", "PUT", "/admin/switches/self_destruct", `{"enabled":true,"reason":"no"}`).Code)
	turned := do("admin", "PUT", "/admin/switches/read_only", `{"enabled":true,"reason":"restoring a backup"}`)
	require.Equal(t, http.StatusOK, turned.Code, turned.Body)

	refused := do("shopper", "POST", "/buy", "")
	require.Equal(t, http.StatusServiceUnavailable, refused.Code)
	require.Contains(t, refused.Body.String(), "shop.read_only")
	require.NotEmpty(t, refused.Header().Get("Retry-After"))
	require.Equal(t, http.StatusNoContent, do("shopper", "GET", "/look", "").Code, "reading goes on")
	require.False(t, there.ReadOnly())
	require.NoError(t, there.Refresh(t.Context()))
	require.True(t, there.ReadOnly(), "the other instance learns of it")

	require.Equal(t, http.StatusOK, do("admin", "PUT", "/admin/switches/read_only", `{"enabled":false,"reason":"done"}`).Code)
	require.Equal(t, http.StatusNoContent, do("shopper", "POST", "/buy", "").Code)
	require.Contains(t, do("manager", "GET", "/admin/switches", "").Body.String(), `"reason":"done"`)

	log, err := audit.List(t.Context(), []audit.Source{{Module: pg.Platform, Pool: pool}}, audit.Filter{Subject: switches.ReadOnly, Limit: 10}, uuid.Nil)
	require.NoError(t, err)
	require.Len(t, log.Items, 2, "each turn is in the audit log, a refused one is not")
	require.Equal(t, admin, log.Items[0].ActorID)
}
