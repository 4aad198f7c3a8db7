package app_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// site is a shop over HTTP, with somebody of each role.
type site struct {
	shop
	*webtest.Site
}

func serve(t testing.TB, quantity int64) site {
	t.Helper()
	s := setup(t, quantity)
	tokens := webtest.Tokens{
		"shopper": {AccountID: uuid.New(), Role: auth.Shopper},
		"another": {AccountID: uuid.New(), Role: auth.Shopper},
		"manager": {AccountID: uuid.New(), Role: auth.Manager},
	}
	return site{s, webtest.New(t, web.Options{Verifier: tokens}, app.NewHTTP(s.instances[0]), app.NewAdmin(s.instances[0]))}
}

var claimedAt = regexp.MustCompile(`"claimed_at":"[^"]*"`)

// named is a body's text in which what differs from run to run has a name.
func (s site) named(text string) string {
	return claimedAt.ReplaceAllString(strings.ReplaceAll(text, s.campaign.ID.String(), "<coupon>"), `"claimed_at":"<claimed_at>"`)
}

func TestHTTP(t *testing.T) {
	t.Parallel()

	t.Run("Claim", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		coupon := "/v1/coupons/" + s.campaign.ID.String()
		shown := s.Do("", "GET", coupon, "")
		require.Equal(t, 200, shown.Status)
		shown.Golden("get-coupon", s.named)

		first := s.Do("shopper", "POST", coupon+"/claims", "")
		require.Equal(t, 201, first.Status)
		first.Golden("claim-coupon", s.named)
		again := s.Do("shopper", "POST", coupon+"/claims", "")
		require.Equal(t, 200, again.Status)
		require.Equal(t, first.Body, again.Body)

		refused := s.Do("another", "POST", coupon+"/claims", "")
		require.Equal(t, 409, refused.Status)
		require.Equal(t, "coupons.sold_out", refused.Text("code"))
		require.Equal(t, "sold_out", s.Do("", "GET", coupon, "").Text("state"))

		held := s.Do("shopper", "GET", "/v1/me/coupons", "")
		require.Equal(t, 200, held.Status)
		require.Len(t, held.Body["items"], 1)
		require.Equal(t, first.Text("id"), held.Body["items"].([]any)[0].(map[string]any)["id"])
		require.Equal(t, []any{}, s.Do("another", "GET", "/v1/me/coupons", "").Body["items"])
	})

	t.Run("ClaimByCode", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		c := s.kind(app.ByCode, 1, "", "SPRING-26", "SUMMER-26")
		const path = "/v1/me/coupons"
		first := s.Do("shopper", "POST", path, `{"code":"spring-26"}`)
		require.Equal(t, 201, first.Status)
		require.Equal(t, c.ID.String(), first.Text("coupon_id"))
		again := s.Do("shopper", "POST", path, `{"code":"SUMMER-26"}`)
		require.Equal(t, 200, again.Status)
		require.Equal(t, first.Body, again.Body)
		for _, c := range []struct {
			path, body, code string
			status           int
		}{
			{path, `{"code":"SUMMER-26"}`, "coupons.sold_out", 409},
			{path, `{"code":"WINTER-26"}`, "coupons.no_code", 404},
			{path, `{"code":""}`, "request.invalid", 422},
			{"/v1/coupons/" + c.ID.String() + "/claims", "", "coupons.code_needed", 409},
		} {
			refused := s.Do("another", "POST", c.path, c.body)
			require.Equal(t, c.status, refused.Status, c.code)
			require.Equal(t, c.code, refused.Text("code"))
		}

		require.Equal(t, 204, s.Do("manager", "POST", "/admin/coupons/"+c.ID.String()+"/codes", `{"codes":["autumn-26"]}`).Status)
		codes := s.Do("manager", "GET", "/admin/coupons/"+c.ID.String()+"/codes?limit=2", "")
		require.Equal(t, []any{"AUTUMN-26", "SPRING-26"}, codes.Body["items"])
	})

	t.Run("MyCoupon", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		coupon := s.Do("shopper", "POST", "/v1/coupons/"+s.campaign.ID.String()+"/claims", "")
		s.exec(`INSERT INTO coupons.redemptions SELECT gen_random_uuid(), id, campaign_id, account_id, 1000, 'held', now(), now() FROM coupons.coupons`)
		mine := s.Do("shopper", "GET", "/v1/me/coupons", "")
		mine.Golden("list-my-coupons", func(text string) string {
			return regexp.MustCompile(`"order_id":"[^"]*"`).ReplaceAllString(strings.ReplaceAll(s.named(text), coupon.Text("id"), "<mine>"), `"order_id":"<order>"`)
		})
	})

	t.Run("Events", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		made := s.Do("manager", "POST", "/admin/events",
			`{"title":" Spring ","description":"A week","image_url":"https://images.example.com/a.jpg","starts_at":"2020-01-01T00:00:00Z","ends_at":"2120-01-01T00:00:00Z"}`)
		require.Equal(t, 201, made.Status)
		event := uuid.MustParse(made.Text("id"))
		require.Equal(t, "/admin/events/"+event.String(), made.Header.Get("Location"))
		s.make(app.New{
			Settings: app.Settings{Name: "In it", Quantity: 5, StartsAt: longAgo, EndsAt: farAway},
			Terms: app.Terms{
				Kind: app.ByTier, MinTier: "gold", EventID: &event,
				Discount: app.Discount{Percent: 10, CapWon: 5000, MinimumWon: 20_000, AppliesTo: app.Tags, AppliesTags: []string{"sale"}},
			},
		})
		shown := s.Do("", "GET", "/v1/events/"+event.String(), "")
		require.Equal(t, 200, shown.Status)
		shown.Golden("get-event", func(text string) string { return strings.ReplaceAll(text, event.String(), "<event>") })
		require.Equal(t, []any{shown.Body}, s.Do("", "GET", "/v1/events", "").Body["items"])

		etag := s.Do("manager", "GET", "/admin/events/"+event.String(), "").Header.Get("ETag")
		require.Equal(t, made.Header.Get("ETag"), etag)
		require.Equal(t, 428, s.Do("manager", "PATCH", "/admin/events/"+event.String(), `{"title":"Summer"}`).Status)
		edited := s.Do("manager", "PATCH", "/admin/events/"+event.String(), `{"title":"Summer","ends_at":"2020-01-02T00:00:00Z"}`, "If-Match", etag)
		require.Equal(t, 200, edited.Status)
		require.Equal(t, 412, s.Do("manager", "PATCH", "/admin/events/"+event.String(), `{"title":"Winter"}`, "If-Match", etag).Status)
		require.Empty(t, s.Do("", "GET", "/v1/events", "").Body["items"], "it has ended")
		require.Len(t, s.Do("manager", "GET", "/admin/events", "").Body["items"], 1)
		require.Equal(t, 404, s.Do("", "GET", "/v1/events/"+uuid.NewString(), "").Status)
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
			require.Equal(t, c.status, s.Do(c.token, c.method, c.path, "").Status, "%s %s", c.method, c.path)
		}
	})

	t.Run("MyCouponsByPages", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		for range 5 {
			c := s.create(app.Settings{Name: "Another", Quantity: 1, StartsAt: longAgo, EndsAt: farAway})
			require.Equal(t, 201, s.Do("shopper", "POST", "/v1/coupons/"+c.ID.String()+"/claims", "").Status)
		}
		seen, cursor := map[any]bool{}, ""
		for _, want := range []int{2, 2, 1} {
			page := s.Do("shopper", "GET", "/v1/me/coupons?limit=2&cursor="+cursor, "")
			items := page.Body["items"].([]any)
			require.Len(t, items, want)
			for _, item := range items {
				seen[item.(map[string]any)["id"]] = true
			}
			cursor = page.Text("next_cursor")
		}
		require.Empty(t, cursor)
		require.Len(t, seen, 5)
	})

	t.Run("Roles", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		for _, o := range s.Operations() {
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
				got := s.Do(token, o.Method, path, "").Status
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

	const valid = `{"name":" Summer ","quantity":5,"discount":{"amount_won":3000,"minimum_won":20000},"starts_at":"2020-01-01T09:00:00+09:00","ends_at":"2120-01-01T00:00:00.1239Z"}`

	t.Run("Create", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 1)
		created := s.Do("manager", "POST", "/admin/coupons", valid)
		require.Equal(t, 201, created.Status)
		require.Equal(t, "/admin/coupons/"+created.Text("id"), created.Header.Get("Location"))
		created.Golden("create-coupon", s.named)

		shown := s.Do("manager", "GET", created.Header.Get("Location"), "")
		require.Equal(t, created.Body, shown.Body)
		require.NotEmpty(t, shown.Header.Get("ETag"))
		require.Equal(t, created.Header.Get("ETag"), shown.Header.Get("ETag"))

		list := s.Do("manager", "GET", "/admin/coupons?limit=1", "")
		require.Equal(t, created.Body, list.Body["items"].([]any)[0], "newest first")
		rest := s.Do("manager", "GET", "/admin/coupons?limit=1&cursor="+list.Text("next_cursor"), "")
		require.Equal(t, s.campaign.ID.String(), rest.Body["items"].([]any)[0].(map[string]any)["id"])
		require.Empty(t, rest.Text("next_cursor"))
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
			{`"discount":{"amount_won":3000,"minimum_won":20000},`, ``, "request.invalid", 422},
			{`"amount_won":3000`, `"amount_won":0`, "coupons.bad_discount", 422},
			{`"amount_won":3000`, `"amount_won":3000,"percent":10`, "coupons.bad_discount", 422},
			{`"amount_won":3000`, `"amount_won":3000,"cap_won":10`, "coupons.bad_discount", 422},
			{`"amount_won":3000`, `"percent":101`, "request.invalid", 422},
			{`"amount_won":3000`, `"amount_won":3000,"applies_to":"tag"`, "coupons.bad_discount", 422},
			{`"amount_won":3000`, `"amount_won":3000,"applies_to":"product"`, "coupons.bad_discount", 422},
			{`"amount_won":3000`, `"amount_won":3000,"applies_tags":["a"]`, "coupons.bad_discount", 422},
			{`"quantity":5`, `"quantity":5,"kind":"tier"`, "coupons.bad_kind", 422},
			{`"quantity":5`, `"quantity":5,"min_tier":"gold"`, "coupons.bad_kind", 422},
			{`"quantity":5`, `"quantity":5,"kind":"code"`, "coupons.bad_kind", 422},
			{`"quantity":5`, `"quantity":5,"codes":["ABCD"]`, "coupons.bad_kind", 422},
			{`"quantity":5`, `"quantity":5,"kind":"code","codes":["A B C"]`, "coupons.bad_code", 422},
			{`"quantity":5`, `"quantity":5,"usable_until":"2119-12-31T00:00:00Z"`, "coupons.bad_usable_until", 422},
			{`"quantity":5`, `"quantity":5,"event_id":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`, "coupons.no_event", 404},
		} {
			body := strings.Replace(valid, c.old, c.replacement, 1)
			refused := s.Do("manager", "POST", "/admin/coupons", body)
			require.Equal(t, c.status, refused.Status, "%s: %v", body, refused.Body)
			require.Equal(t, c.code, refused.Text("code"), body)
		}
		require.Len(t, s.Do("manager", "GET", "/admin/coupons", "").Body["items"], 1)
	})

	t.Run("Edit", func(t *testing.T) {
		t.Parallel()

		s := serve(t, 10)
		path := "/admin/coupons/" + s.campaign.ID.String()
		etag := s.Do("manager", "GET", path, "").Header.Get("ETag")

		edited := s.Do("manager", "PATCH", path, `{"quantity":20}`, "If-Match", etag)
		require.Equal(t, 200, edited.Status)
		edited.Golden("edit-coupon", s.named)
		require.NotEqual(t, etag, edited.Header.Get("ETag"))

		for _, c := range []struct {
			ifMatch, body, code string
			status              int
		}{
			{etag, `{"quantity":30}`, "conflict.stale", 412},
			{"", `{"quantity":30}`, "conflict.if_match_required", 428},
			{edited.Header.Get("ETag"), `{"quantity":19}`, "coupons.quantity_may_only_grow", 409},
			{edited.Header.Get("ETag"), `{"taken":0}`, "request.unknown_field", 400},
		} {
			refused := s.Do("manager", "PATCH", path, c.body, "If-Match", c.ifMatch)
			require.Equal(t, c.status, refused.Status, c.code)
			require.Equal(t, c.code, refused.Text("code"))
		}
		require.Equal(t, json.Number("20"), s.Do("", "GET", "/v1/coupons/"+s.campaign.ID.String(), "").Body["quantity"])
	})
}
