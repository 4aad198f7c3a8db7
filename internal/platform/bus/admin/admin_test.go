package admin_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/admin"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/bus/pglog"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestMain(m *testing.M) { bustest.Main(m) }

var adapter = bustest.Adapter{Open: func(_ testing.TB, pool *pgxpool.Pool) bus.Transport { return pglog.New(pool) }}

// roles takes a role's name for a token.
type roles struct{}

func (roles) Verify(_ context.Context, token string) (auth.Principal, error) {
	return auth.Principal{AccountID: uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"), Role: auth.Role(token)}, nil
}

type site struct {
	*bustest.World
	t   *testing.T
	api *web.API
}

func setup(t *testing.T) *site {
	w := bustest.NewWorld(t, adapter)
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	api := web.New(web.Options{Verifier: roles{}, Logger: slog.New(slog.DiscardHandler)})
	admin.New(admin.Config{
		Modules: []string{w.Source, w.Hearer}, Pool: func(string) *pgxpool.Pool { return w.Pool }, Consumers: consumers, Clock: clock.System,
	}).Routes(api)
	return &site{World: w, t: t, api: api}
}

// ask answers with the status and the body, which it also reads into out.
func (s *site) ask(role auth.Role, method, path string, out any) int {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "/admin/bus"+path, nil)
	r.Header.Set("Authorization", "Bearer "+string(role))
	recorder := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(recorder, r)
	if out != nil {
		require.NoError(s.t, json.Unmarshal(recorder.Body.Bytes(), out), recorder.Body.String())
	}
	return recorder.Code
}

var errRefused = fault.New(fault.Conflict, "test.refused", "the handler refuses this event")

func TestHTTP(t *testing.T) {
	t.Parallel()

	s := setup(t)
	s.Refuse(func(e bustest.Event) error {
		if e.Version == 1 {
			return errRefused
		}
		return nil
	})
	first, second := uuid.New(), uuid.New()
	s.Publish(s.Next(first), s.Next(first), s.Next(first))
	s.Publish(s.Next(second), s.Next(second))
	s.Eventually(func() bool { return s.Parked() == 5 }, "parked events")
	s.Eventually(func() bool { return s.Unpublished() == 0 }, "marks")
	parked := "/" + s.Hearer + "/parked"

	var shown struct{ Items []admin.Module }
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "GET", "", &shown))
	require.Equal(t, []admin.Module{
		{Module: s.Source, Positions: []admin.Position{}},
		{Module: s.Hearer, Parked: 5, Positions: []admin.Position{{Topic: bus.Topic(s.Source), Done: 5, End: 5}}},
	}, shown.Items)

	s.Exec(`INSERT INTO platform.cursors VALUES ('shop.gone', $1, 2)`, bus.Topic(s.Source))
	var left struct{ Abandoned []admin.Abandoned }
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "GET", "", &left))
	require.Len(t, left.Abandoned, 1)
	require.Positive(t, left.Abandoned[0].AgeMS)
	left.Abandoned[0].AgeMS = 0
	require.Equal(t, admin.Abandoned{Group: "shop.gone", Position: admin.Position{Topic: bus.Topic(s.Source), Done: 2, End: 5, Lag: 3}}, left.Abandoned[0])

	var page web.Page[admin.ParkedEvent]
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "GET", parked+"?limit=3", &page))
	require.Len(t, page.Items, 3)
	require.Contains(t, page.Items[0].Reason, "test.refused")
	var rest web.Page[admin.ParkedEvent]
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "GET", parked+"?limit=3&cursor="+page.NextCursor, &rest))
	require.Len(t, rest.Items, 2)
	require.Empty(t, rest.NextCursor)
	var one admin.ParkedEvent
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "GET", parked+"/"+page.Items[0].EventID.String(), &one))
	require.Equal(t, page.Items[0], one)

	replay := parked + "/" + one.EventID.String() + "/replay"
	var replayed admin.Replayed
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "POST", replay, &replayed))
	require.Zero(t, replayed.Done)
	require.Contains(t, replayed.Failed, "test.refused")
	s.Refuse(nil)
	require.Equal(t, http.StatusOK, s.ask(auth.Manager, "POST", replay, &replayed))
	require.Equal(t, 3, replayed.Done)
	require.Equal(t, []int64{1, 2, 3}, s.Heard(first))

	dropped := parked + "/" + rest.Items[0].EventID.String()
	require.Equal(t, http.StatusForbidden, s.ask(auth.Manager, "DELETE", dropped, nil))
	require.Equal(t, http.StatusNoContent, s.ask(auth.Admin, "DELETE", dropped, nil))
	require.Equal(t, http.StatusNotFound, s.ask(auth.Admin, "DELETE", dropped, nil))
	require.Equal(t, 1, s.Parked())

	audited := `SELECT count(*) FROM ` + s.Hearer + `.audit_log WHERE action = $1 AND actor_role = $2 AND (after IS NULL) = $3`
	require.Equal(t, 3, s.Int(audited, "bus.replay", "manager", true))
	require.Equal(t, 1, s.Int(audited, "bus.replay", "manager", false), "a replay that failed is written down too")
	require.Equal(t, 1, s.Int(audited, "bus.drop", "admin", true))
}

func TestHTTPRefuses(t *testing.T) {
	t.Parallel()

	s := setup(t)
	event := "/parked/" + uuid.NewString()
	for path, status := range map[string]int{
		"/nobody/parked":                    http.StatusNotFound,
		"/nobody" + event:                   http.StatusNotFound,
		"/" + s.Source + "/parked":          http.StatusOK, // hears nothing, so it has parked nothing
		"/" + s.Source + event:              http.StatusNotFound,
		"/" + s.Hearer + event:              http.StatusNotFound,
		"/" + s.Hearer + "/parked/x":        http.StatusUnprocessableEntity,
		"/" + s.Hearer + "/parked?cursor=x": http.StatusUnprocessableEntity,
	} {
		require.Equal(t, status, s.ask(auth.Manager, "GET", path, nil), path)
		require.Equal(t, http.StatusForbidden, s.ask(auth.Shopper, "GET", path, nil), path)
	}
	require.Equal(t, http.StatusNotFound, s.ask(auth.Manager, "POST", "/"+s.Hearer+event+"/replay", nil))
}
