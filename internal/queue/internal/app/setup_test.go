package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var manager = auth.Principal{AccountID: uuid.MustParse("0198b1f2-0000-7000-8000-000000000001"), Role: auth.Manager}

// site is an instance of the module over HTTP, with some operations of other modules behind its gate.
type site struct {
	t       testing.TB
	pool    *pgxpool.Pool
	down    *atomic.Bool // whether the database can be reached
	clock   *clock.Manual
	service *app.Service
	api     *web.API
}

func serve(t testing.TB) site {
	t.Helper()
	s := site{t: t, down: &atomic.Bool{}, clock: clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC))}
	config := pgtest.New(t, "queue").Config()
	config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) {
		if s.down.Load() {
			return true, errors.New("the database is down")
		}
		return true, nil
	}
	var err error
	s.pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	log := slog.New(slog.DiscardHandler)
	s.service = s.instance()
	s.api = web.New(web.Options{Logger: log, Verifier: tokens{"shopper": {AccountID: uuid.New(), Role: auth.Shopper}, "manager": manager}})
	app.NewHTTP(s.service, s.clock.Now).Routes(s.api)
	app.NewAdmin(s.service).Routes(s.api)
	app.NewGate(s.service, log).Routes(s.api)
	for _, id := range []string{"place-order", "place-preorder", "claim-coupon", "cancel-order"} {
		web.Register(s.api, web.Operation{
			ID: id, Method: http.MethodPost, Path: "/v1/" + id, Tag: "others", Summary: "Of another module", Role: auth.Shopper,
		}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	}
	return s
}

// instance is another instance of the service on the same database.
func (s site) instance() *app.Service {
	return app.NewService(s.pool, outbox.New("queue", s.clock.Now), audit.New("queue", s.clock.Now), s.clock.Now, slog.New(slog.DiscardHandler))
}

type tokens map[string]auth.Principal

func (t tokens) Verify(_ context.Context, token string) (auth.Principal, error) {
	p, ok := t[token]
	if !ok {
		return auth.Principal{}, auth.ErrBadToken
	}
	return p, nil
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(field string) string { s, _ := a.body[field].(string); return s }

func (s site) do(token, method, path, body string, headers ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), body: map[string]any{}}
	data, err := io.ReadAll(w.Body)
	require.NoError(s.t, err)
	if len(data) > 0 {
		require.NoError(s.t, json.Unmarshal(data, &a.body), "%s", data)
	}
	return a
}

// etag is that of the room main, as a manager reads it.
func (s site) etag() string {
	s.t.Helper()
	list := s.do("manager", "GET", "/admin/rooms", "")
	require.Equal(s.t, 200, list.status)
	require.Len(s.t, list.body["items"], 1)
	return list.body["items"].([]any)[0].(map[string]any)["etag"].(string)
}

// change sets the mode of the room main over HTTP.
func (s site) change(mode string) answer {
	s.t.Helper()
	a := s.do("manager", "PUT", "/admin/rooms/main", `{"mode":"`+mode+`","capacity":1000}`, "If-Match", s.etag())
	require.Equal(s.t, 200, a.status, "%v", a.body)
	return a
}
