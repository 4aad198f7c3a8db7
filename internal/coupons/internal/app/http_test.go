package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/web"
)

// tokens are the principals that a test's tokens speak for.
type tokens map[string]auth.Principal

func (t tokens) Verify(_ context.Context, token string) (auth.Principal, error) {
	p, ok := t[token]
	if !ok {
		return auth.Principal{}, auth.ErrBadToken
	}
	return p, nil
}

// site is a shop over HTTP, with somebody of each role.
type site struct {
	shop
	api *web.API
}

func serve(t testing.TB, quantity int64) site {
	t.Helper()
	s := site{shop: setup(t, quantity)}
	s.api = web.New(web.Options{
		Logger: slog.New(slog.DiscardHandler),
		Verifier: tokens{
			"shopper": {AccountID: uuid.New(), Role: auth.Shopper},
			"another": {AccountID: uuid.New(), Role: auth.Shopper},
			"manager": {AccountID: uuid.New(), Role: auth.Manager},
		},
	})
	app.NewHTTP(s.instances[0]).Routes(s.api)
	app.NewAdmin(s.instances[0]).Routes(s.api)
	return s
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
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	require.NoError(s.t, d.Decode(&a.body), "%s", data)
	return a
}

// golden compares a body in which the ids that differ from run to run are named.
func (s site) golden(name string, a answer) {
	s.t.Helper()
	data, err := json.Marshal(a.body)
	require.NoError(s.t, err)
	text := strings.ReplaceAll(string(data), s.campaign.ID.String(), "<coupon>")
	var body map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(text), &body))
	for _, varies := range []string{"trace_id", "claimed_at"} {
		if _, there := body[varies]; there {
			body[varies] = "<" + varies + ">"
		}
	}
	if id, _ := body["id"].(string); id != "" && id != "<coupon>" {
		body["id"] = "<id>"
	}
	contracttest.Golden(s.t, name, body)
}

func TestHTTP(t *testing.T) {
	t.Parallel()

	t.Run("Claim", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		coupon := "/v1/coupons/" + s.campaign.ID.String()
		shown := s.do("", "GET", coupon, "")
		require.Equal(t, 200, shown.status)
		s.golden("get-coupon", shown)

		first := s.do("shopper", "POST", coupon+"/claims", "")
		require.Equal(t, 201, first.status)
		s.golden("claim-coupon", first)
		again := s.do("shopper", "POST", coupon+"/claims", "")
		require.Equal(t, 200, again.status)
		require.Equal(t, first.body, again.body)

		refused := s.do("another", "POST", coupon+"/claims", "")
		require.Equal(t, 409, refused.status)
		require.Equal(t, "coupons.sold_out", refused.text("code"))
		require.Equal(t, "sold_out", s.do("", "GET", coupon, "").text("state"))

		held := s.do("shopper", "GET", "/v1/me/coupons", "")
		require.Equal(t, 200, held.status)
		require.Len(t, held.body["items"], 1)
		require.Equal(t, first.text("id"), held.body["items"].([]any)[0].(map[string]any)["id"])
		require.Equal(t, []any{}, s.do("another", "GET", "/v1/me/coupons", "").body["items"])
	})

	t.Run("Absent", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		for _, c := range []struct {
			token, method, path string
			status              int
		}{
			{"", "GET", "/v1/coupons/" + uuid.NewString(), 404},
			{"shopper", "POST", "/v1/coupons/" + uuid.NewString() + "/claims", 404},
			{"manager", "GET", "/admin/coupons/" + uuid.NewString(), 404},
			{"", "GET", "/v1/coupons/17", 422},
			{"shopper", "POST", "/v1/coupons/17/claims", 422},
			{"shopper", "GET", "/v1/me/coupons?cursor=bm9uc2Vuc2U", 422},
			{"shopper", "GET", "/v1/me/coupons?limit=0", 422},
			{"manager", "GET", "/admin/coupons?cursor=%21", 422},
		} {
			require.Equal(t, c.status, s.do(c.token, c.method, c.path, "").status, "%s %s", c.method, c.path)
		}
	})

	t.Run("MyCouponsByPages", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		for range 5 {
			c := s.create(app.Settings{Name: "Another", Quantity: 1, StartsAt: longAgo, EndsAt: farAway})
			require.Equal(t, 201, s.do("shopper", "POST", "/v1/coupons/"+c.ID.String()+"/claims", "").status)
		}
		seen, cursor := map[any]bool{}, ""
		for _, want := range []int{2, 2, 1} {
			page := s.do("shopper", "GET", "/v1/me/coupons?limit=2&cursor="+cursor, "")
			items := page.body["items"].([]any)
			require.Len(t, items, want)
			for _, item := range items {
				seen[item.(map[string]any)["id"]] = true
			}
			cursor = page.text("next_cursor")
		}
		require.Empty(t, cursor)
		require.Len(t, seen, 5)
	})

	t.Run("Roles", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		for _, o := range s.api.Operations() {
			path := strings.ReplaceAll(o.Path, "{id}", s.campaign.ID.String())
			for _, token := range []string{"", "stolen", "shopper", "manager"} {
				want := 0
				switch {
				case o.Role == auth.None:
				case token == "" || token == "stolen":
					want = 401
				case o.Role == auth.Manager && token == "shopper":
					want = 403
				}
				got := s.do(token, o.Method, path, "").status
				if want != 0 {
					require.Equal(t, want, got, "%s as %q", o.ID, token)
				} else {
					require.NotContains(t, []int{401, 403}, got, "%s as %q", o.ID, token)
				}
			}
			require.Equal(t, strings.HasPrefix(o.Path, "/admin/"), o.Role == auth.Manager, o.ID)
		}
	})
}

func TestAdmin(t *testing.T) {
	t.Parallel()

	const valid = `{"name":" Summer ","quantity":5,"starts_at":"2020-01-01T09:00:00+09:00","ends_at":"2120-01-01T00:00:00.1239Z"}`

	t.Run("Create", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		created := s.do("manager", "POST", "/admin/coupons", valid)
		require.Equal(t, 201, created.status)
		require.Equal(t, "/admin/coupons/"+created.text("id"), created.header.Get("Location"))
		s.golden("create-coupon", created)

		shown := s.do("manager", "GET", created.header.Get("Location"), "")
		require.Equal(t, created.body, shown.body)
		require.NotEmpty(t, shown.header.Get("ETag"))
		require.Equal(t, created.header.Get("ETag"), shown.header.Get("ETag"))

		list := s.do("manager", "GET", "/admin/coupons?limit=1", "")
		require.Equal(t, created.body, list.body["items"].([]any)[0], "newest first")
		rest := s.do("manager", "GET", "/admin/coupons?limit=1&cursor="+list.text("next_cursor"), "")
		require.Equal(t, s.campaign.ID.String(), rest.body["items"].([]any)[0].(map[string]any)["id"])
		require.Empty(t, rest.text("next_cursor"))
	})

	t.Run("CreateRefuses", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		for _, c := range []struct {
			old, replacement, code string
			status                 int
		}{
			{`"quantity":5`, `"quantity":0`, "request.invalid", 422},
			{`"quantity":5`, `"quantity":-1`, "request.invalid", 422},
			{`"quantity":5`, `"quantity":100000001`, "request.invalid", 422},
			{`"quantity":5`, `"quantity":5,"taken":1`, "request.unknown_field", 400},
			{`" Summer "`, `""`, "request.invalid", 422},
			{`" Summer "`, `"  "`, "coupons.no_name", 422},
			{`" Summer "`, `"a\u0000"`, "request.invalid", 422},
			{`" Summer "`, `"` + strings.Repeat("가", 101) + `"`, "request.invalid", 422},
			{`2120-01-01T00:00:00.1239Z`, `2020-01-01T00:00:00Z`, "coupons.bad_window", 422},
			{`2120-01-01T00:00:00.1239Z`, `9999-12-31T23:59:59-23:59`, "coupons.bad_window", 422},
			{`2120-01-01T00:00:00.1239Z`, `soon`, "request.invalid", 422},
		} {
			body := strings.Replace(valid, c.old, c.replacement, 1)
			refused := s.do("manager", "POST", "/admin/coupons", body)
			require.Equal(t, c.status, refused.status, "%s: %v", body, refused.body)
			require.Equal(t, c.code, refused.text("code"), body)
		}
		require.Len(t, s.do("manager", "GET", "/admin/coupons", "").body["items"], 1)
	})

	t.Run("Edit", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 10)
		path := "/admin/coupons/" + s.campaign.ID.String()
		etag := s.do("manager", "GET", path, "").header.Get("ETag")

		edited := s.do("manager", "PATCH", path, `{"quantity":20}`, "If-Match", etag)
		require.Equal(t, 200, edited.status)
		s.golden("edit-coupon", edited)
		require.NotEqual(t, etag, edited.header.Get("ETag"))

		for _, c := range []struct {
			ifMatch, body, code string
			status              int
		}{
			{etag, `{"quantity":30}`, "conflict.stale", 412},
			{"", `{"quantity":30}`, "conflict.if_match_required", 428},
			{edited.header.Get("ETag"), `{"quantity":19}`, "coupons.quantity_may_only_grow", 409},
			{edited.header.Get("ETag"), `{"taken":0}`, "request.unknown_field", 400},
		} {
			refused := s.do("manager", "PATCH", path, c.body, "If-Match", c.ifMatch)
			require.Equal(t, c.status, refused.status, c.code)
			require.Equal(t, c.code, refused.text("code"))
		}
		require.Equal(t, json.Number("20"), s.do("", "GET", "/v1/coupons/"+s.campaign.ID.String(), "").body["quantity"])
	})
}
