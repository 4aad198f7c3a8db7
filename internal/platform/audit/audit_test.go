package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	now     = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	manager = auth.Principal{AccountID: uuid.New(), Role: auth.Manager}
)

// setup makes the logs of two modules, each in a database of its own.
func setup(t *testing.T) []audit.Source {
	var sources []audit.Source
	for _, module := range []string{"books", "shoes"} {
		pool, err := pgxpool.New(t.Context(), pgtest.URL(t))
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		_, err = pool.Exec(t.Context(), `CREATE SCHEMA `+module+`; CREATE TABLE `+module+`.audit_log (LIKE platform.audit_template INCLUDING ALL)`)
		require.NoError(t, err)
		sources = append(sources, audit.Source{Module: module, Pool: pool})
	}
	return sources
}

func add(ctx context.Context, t *testing.T, s audit.Source, e audit.Entry) {
	log := audit.New(s.Module, clock.NewManual(now).Now)
	require.NoError(t, pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error { return log.Add(ctx, tx, e) }))
}

func TestAdd(t *testing.T) {
	t.Parallel()

	sources := setup(t)
	books := sources[0]
	type book struct {
		Title string `json:"title"`
	}
	add(auth.With(t.Context(), manager), t, books, audit.Entry{Action: "books.update", Subject: "b1", Before: book{"old"}, After: book{"new"}})
	add(t.Context(), t, books, audit.Entry{Action: "books.expire", Subject: "b1"})

	page, err := audit.List(t.Context(), sources, audit.Filter{}, uuid.Nil)
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.Empty(t, page.NextCursor)

	bySystem, byManager := page.Items[0], page.Items[1]
	require.Equal(t, audit.System, bySystem.ActorRole)
	require.Equal(t, uuid.Nil, bySystem.ActorID)
	require.Nil(t, bySystem.Before)
	require.Nil(t, bySystem.After)

	require.Equal(t, "books", byManager.Module)
	require.Equal(t, manager.AccountID, byManager.ActorID)
	require.Equal(t, "manager", byManager.ActorRole)
	require.Equal(t, "books.update", byManager.Action)
	require.Equal(t, "b1", byManager.Subject)
	require.True(t, now.Equal(byManager.At))
	require.JSONEq(t, `{"title":"old"}`, string(byManager.Before))
	require.JSONEq(t, `{"title":"new"}`, string(byManager.After))

	t.Run("GoesWithItsTransaction", func(t *testing.T) {
		undone := errors.New("undone")
		err := pgx.BeginFunc(t.Context(), books.Pool, func(tx pgx.Tx) error {
			require.NoError(t, audit.New("books", clock.System).Add(t.Context(), tx, audit.Entry{Action: "books.delete", Subject: "b1"}))
			return undone
		})
		require.ErrorIs(t, err, undone)
		page, err := audit.List(t.Context(), sources, audit.Filter{ActionPrefix: "books.delete"}, uuid.Nil)
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})

	t.Run("RefusesWhatJSONCannotExpress", func(t *testing.T) {
		log := audit.New("books", clock.System)
		require.Error(t, log.Add(t.Context(), nil, audit.Entry{Before: func() {}}))
		require.Error(t, log.Add(t.Context(), nil, audit.Entry{After: func() {}}))
	})
}

func TestList(t *testing.T) {
	t.Parallel()

	sources := setup(t)
	ctx := auth.With(t.Context(), manager)
	var want []string // latest first
	for i := range 7 {
		subject := string(rune('a' + i))
		action := []string{"products.update", "products.hide", "orders.refund"}[i%3]
		who := ctx
		if i == 6 {
			who = t.Context()
		}
		add(who, t, sources[i%2], audit.Entry{Action: action, Subject: subject})
		want = append([]string{subject}, want...)
	}

	t.Run("PagesOverAllSources", func(t *testing.T) {
		var got []string
		var cursor uuid.UUID
		for range 10 {
			page, err := audit.List(ctx, sources, audit.Filter{Limit: 3}, cursor)
			require.NoError(t, err)
			for _, r := range page.Items {
				got = append(got, r.Subject)
				require.Equal(t, sources[(r.Subject[0]-'a')%2].Module, r.Module)
			}
			if page.NextCursor == "" {
				break
			}
			require.Len(t, page.Items, 3)
			require.NoError(t, web.DecodeCursor(page.NextCursor, &cursor))
		}
		require.Equal(t, want, got)
	})

	for name, c := range map[string]struct {
		filter audit.Filter
		want   []string
	}{
		"Subject":      {audit.Filter{Subject: "c"}, []string{"c"}},
		"ActionPrefix": {audit.Filter{ActionPrefix: "products."}, []string{"g", "e", "d", "b", "a"}},
		"WholeAction":  {audit.Filter{ActionPrefix: "orders.refund"}, []string{"f", "c"}},
		"NoWildcards":  {audit.Filter{ActionPrefix: "%"}, nil},
		"Actor":        {audit.Filter{ActorID: manager.AccountID}, []string{"f", "e", "d", "c", "b", "a"}},
		"Several":      {audit.Filter{ActorID: manager.AccountID, ActionPrefix: "products.u"}, []string{"d", "a"}},
		"NobodysActor": {audit.Filter{ActorID: uuid.New()}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := audit.List(ctx, sources, c.filter, uuid.Nil)
			require.NoError(t, err)
			var got []string
			for _, r := range page.Items {
				got = append(got, r.Subject)
			}
			require.Equal(t, c.want, got)
		})
	}

	t.Run("FailsWhenOneSourceDoes", func(t *testing.T) {
		_, err := audit.List(ctx, append(sources, audit.Source{Module: "nothing", Pool: sources[0].Pool}), audit.Filter{}, uuid.Nil)
		require.ErrorContains(t, err, "list audit log of nothing")
	})

	t.Run("OfNoSources", func(t *testing.T) {
		page, err := audit.List(ctx, nil, audit.Filter{}, uuid.Nil)
		require.NoError(t, err)
		require.Empty(t, page.Items)
		require.NotNil(t, page.Items)
	})
}

type managers struct{}

func (managers) Verify(context.Context, string) (auth.Principal, error) { return manager, nil }

func TestHTTP(t *testing.T) {
	t.Parallel()

	sources := setup(t)
	api := web.New(web.Options{Verifier: managers{}})
	audit.NewHTTP(sources).Routes(api)
	web.Register(api, web.Operation{ID: "change", Method: "POST", Path: "/admin/change", Summary: "Change", Tag: "test", Role: auth.Manager},
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			add(ctx, t, sources[0], audit.Entry{Action: "books.update", Subject: "b1", After: map[string]int{"price_won": 1}})
			return nil, nil
		})
	do := func(method, target string) (int, []byte) {
		r := httptest.NewRequest(method, target, nil)
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("X-Request-Id", "r1")
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, r)
		return w.Code, w.Body.Bytes()
	}
	for range 2 {
		status, body := do("POST", "/admin/change")
		require.Equal(t, 204, status, "%s", body)
	}

	status, body := do("GET", "/admin/audit-log?limit=1&subject=b1&action=books.&actor="+manager.AccountID.String())
	require.Equal(t, 200, status, "%s", body)
	var page web.Page[audit.Record]
	require.NoError(t, json.Unmarshal(body, &page))
	require.Len(t, page.Items, 1)
	require.Equal(t, "r1", page.Items[0].RequestID)
	require.JSONEq(t, `{"price_won":1}`, string(page.Items[0].After))

	first := page.Items[0].ID
	_, body = do("GET", "/admin/audit-log?limit=1&cursor="+page.NextCursor)
	page = web.Page[audit.Record]{}
	require.NoError(t, json.Unmarshal(body, &page))
	require.NotEqual(t, first, page.Items[0].ID)
	require.Empty(t, page.NextCursor)

	for target, want := range map[string]int{
		"/admin/audit-log?cursor=x":      422,
		"/admin/audit-log?cursor=bnVsbA": 422,
		"/admin/audit-log?actor=x":       422,
		"/admin/audit-log?action=%00":    422,
		"/admin/audit-log?subject=none":  200,
	} {
		status, body := do("GET", target)
		require.Equal(t, want, status, "%s: %s", target, body)
	}
	r := httptest.NewRequest("GET", "/admin/audit-log", nil)
	w := httptest.NewRecorder()
	api.Handler().ServeHTTP(w, r)
	require.Equal(t, 401, w.Code)
}
