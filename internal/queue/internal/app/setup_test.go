package app_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
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
	"github.com/sasapick/shop/internal/platform/webtest"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var manager = auth.Principal{AccountID: uuid.MustParse("0198b1f2-0000-7000-8000-000000000001"), Role: auth.Manager}

// site is an instance of the module over HTTP, with some operations of other modules behind its gate.
type site struct {
	*webtest.Site
	t       testing.TB
	pool    *pgxpool.Pool
	down    *atomic.Bool // whether the database can be reached
	clock   *clock.Manual
	service *app.Service
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
	tokens := webtest.Tokens{"shopper": {AccountID: uuid.New(), Role: auth.Shopper}, "manager": manager}
	s.Site = webtest.New(t, web.Options{Verifier: tokens}, app.NewHTTP(s.service, s.clock.Now), app.NewAdmin(s.service), app.NewGate(s.service, log))
	for _, id := range []string{"place-order", "place-preorder", "claim-coupon", "claim-coupon-by-code", "cancel-order"} {
		web.Register(s.API, web.Operation{
			ID: id, Method: http.MethodPost, Path: "/v1/" + id, Tag: "others", Summary: "Of another module", Role: auth.Shopper,
		}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	}
	return s
}

// instance is another instance of the service on the same database.
func (s site) instance() *app.Service {
	return app.NewService(s.pool, outbox.New("queue", s.clock.Now), audit.New("queue", s.clock.Now), s.clock.Now, slog.New(slog.DiscardHandler))
}

// etag is that of the room main, as a manager reads it.
func (s site) etag() string {
	s.t.Helper()
	list := s.Do("manager", "GET", "/admin/rooms", "")
	require.Equal(s.t, 200, list.Status)
	require.Len(s.t, list.Body["items"], 1)
	return list.Body["items"].([]any)[0].(map[string]any)["etag"].(string)
}

// change sets the mode of the room main over HTTP.
func (s site) change(mode string) webtest.Answer {
	s.t.Helper()
	a := s.Do("manager", "PUT", "/admin/rooms/main", `{"mode":"`+mode+`","capacity":1000}`, "If-Match", s.etag())
	require.Equal(s.t, 200, a.Status, "%v", a.Body)
	return a
}
