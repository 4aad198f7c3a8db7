package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// site is a shop over HTTP.
type site struct {
	*shop
	*webtest.Site
}

func serve(t testing.TB) site {
	t.Helper()
	return served(t, setup(t))
}

func served(t testing.TB, s *shop) site {
	t.Helper()
	tokens := webtest.Tokens{
		"shopper": {AccountID: uuid.New(), Role: auth.Shopper},
		"manager": {AccountID: uuid.New(), Role: auth.Manager},
	}
	return site{s, webtest.New(t, web.Options{Verifier: tokens}, app.NewHTTP(s.service()), app.NewAdmin(s.service()))}
}

func (s site) get(path string, headers ...string) webtest.Answer {
	s.t.Helper()
	return s.Do("", http.MethodGet, path, "", headers...)
}

func (s site) manage(method, path, body string, headers ...string) webtest.Answer {
	s.t.Helper()
	return s.Do("manager", method, path, body, headers...)
}

func (s site) sync() {
	s.t.Helper()
	require.NoError(s.t, s.feed.Sync(s.t.Context()))
}

func TestProductOverHTTP(t *testing.T) {
	t.Parallel()

	t.Run("Golden", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		id := uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d")
		category := uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b0000")
		_, err := s.pool.Exec(t.Context(), `
			WITH c AS (INSERT INTO catalog.categories (id, slug, name, name_en, created_at, updated_at) VALUES ($2, 'shoes', '신발', 'Shoes', $3, $3)),
			p AS (INSERT INTO catalog.products (id, category_id, name, name_en, brand, color, size, list_price_won, price_won, description, tags,
			      limit_per_customer, state, sales_count, created_at, updated_at, published_at)
			      VALUES ($1, $2, '나이키 러닝 운동화', 'Nike Running Sneakers', '나이키', '블랙', '270', 129000, 99900, '가볍고 <튼튼> & 편합니다.', '{신발,러닝}', 2, 'published', 7, $3, $3, $3))
			INSERT INTO catalog.pools (id, product_id, on_hand, low_at) VALUES ($1, $1, 8, 10)`, id, category, opened)
		require.NoError(t, err)
		s.sync()
		contracttest.Golden(t, "product", json.RawMessage(s.get("/v1/products/"+id.String()).Raw))
		contracttest.Golden(t, "products", json.RawMessage(s.get("/v1/products?q="+url.QueryEscape("운동화")).Raw))
		contracttest.Golden(t, "suggestions", json.RawMessage(s.get("/v1/products/suggest?q="+url.QueryEscape("나잌")).Raw))
		contracttest.Golden(t, "managed_product", json.RawMessage(s.manage(http.MethodGet, "/admin/products/"+id.String(), "").Raw))
	})

	t.Run("ETag", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		path := "/v1/products/" + s.product(20).String()
		first := s.get(path)
		require.Equal(t, http.StatusOK, first.Status)
		etag := first.Header.Get("ETag")
		require.Regexp(t, `^"[^"]+"$`, etag)
		require.NotEmpty(t, first.Header.Get("Cache-Control"))
		again := s.get(path, "If-None-Match", etag)
		require.Equal(t, http.StatusNotModified, again.Status)
		require.Empty(t, again.Raw)
		require.Equal(t, etag, again.Header.Get("ETag"))

		managed := s.manage(http.MethodGet, "/admin"+strings.TrimPrefix(path, "/v1"), "")
		edited := s.manage(http.MethodPatch, "/admin"+strings.TrimPrefix(path, "/v1"), `{"price_won":80000}`, "If-Match", managed.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, edited.Status, edited.Raw)
		changed := s.get(path, "If-None-Match", etag)
		require.Equal(t, http.StatusOK, changed.Status)
		require.Equal(t, json.Number("80000"), changed.Body["price_won"])
		require.NotEqual(t, etag, changed.Header.Get("ETag"))
	})

	t.Run("KnownIsAnsweredAlike", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		product := s.product(20)
		path := "/v1/products/" + product.String()
		first := s.get(path)       // read and encoded
		plain := s.get(path)       // kept
		asked := s.get(path + "?") // kept, but decoded
		for _, again := range []webtest.Answer{plain, asked} {
			require.Equal(t, first.Status, again.Status)
			require.Equal(t, first.Raw, again.Raw)
			for _, h := range []http.Header{first.Header, again.Header} {
				h.Del("X-Request-Id")
				h.Del("Traceparent")
			}
			require.Equal(t, first.Header, again.Header)
		}
		for _, other := range []string{strings.ReplaceAll(product.String(), "-", ""), "{" + product.String() + "}", "urn:uuid:" + product.String()} {
			require.Equal(t, http.StatusUnprocessableEntity, s.get("/v1/products/"+url.PathEscape(other)).Status, other)
		}
		require.Equal(t, http.StatusNotModified, s.get(path, "If-None-Match", first.Header.Get("ETag")).Status)
	})

	t.Run("AvailabilityIsFreshWithinASecond", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		product := s.product(11)
		path := "/v1/products/" + product.String()
		require.Equal(t, "in_stock", s.get(path).Text("availability"))
		etag := s.get(path).Header.Get("ETag")
		_, err := s.reserve(1, uuid.New(), catalog.Line{ProductID: product, Quantity: 11})
		require.NoError(t, err)
		s.clock.Advance(time.Second)
		require.Equal(t, "sold_out", s.get(path).Text("availability"))
		require.Equal(t, http.StatusOK, s.get(path, "If-None-Match", etag).Status, "another availability is another ETag")
	})

	t.Run("HiddenIsAbsent", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		product := s.product(5)
		path := "/v1/products/" + product.String()
		require.Equal(t, http.StatusOK, s.get(path).Status)
		require.Equal(t, http.StatusOK, s.manage(http.MethodPost, "/admin/products/"+product.String()+"/hide", "").Status)
		require.Equal(t, http.StatusNotFound, s.get(path).Status)
		require.Equal(t, "catalog.no_product", s.get("/v1/products/"+uuid.NewString()).Text("code"))
		require.Equal(t, http.StatusUnprocessableEntity, s.get("/v1/products/shoes").Status)
		s.sync()
		require.Equal(t, json.Number("0"), s.get("/v1/products").Body["total"])
	})

	// However many ask for a product at once, the database is asked once a second.
	t.Run("Stampede", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		product := s.product(5)
		s.sync()
		want := s.get("/v1/products/" + product.String()).Raw
		acquired := s.pool.Stat().AcquireCount()
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if got := s.get("/v1/products/" + product.String()); got.Raw != want {
					t.Errorf("%s", got.Raw)
				}
			})
		}
		wg.Wait()
		require.Less(t, s.pool.Stat().AcquireCount()-acquired, int64(20))
	})
}

func TestAdminOverHTTP(t *testing.T) {
	t.Parallel()

	t.Run("LifeOfAProduct", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		body := `{"category_id":"` + s.category.String() + `","name":"나이키 운동화","brand":"나이키","list_price_won":100000,"price_won":90000,"tags":["신발"]}`
		require.Equal(t, http.StatusForbidden, s.Do("shopper", http.MethodPost, "/admin/products", body).Status)
		made := s.manage(http.MethodPost, "/admin/products", body)
		require.Equal(t, http.StatusCreated, made.Status, made.Raw)
		require.Equal(t, "draft", made.Text("state"))
		path := made.Header.Get("Location")
		require.Equal(t, http.StatusNotFound, s.get("/v1/products/"+made.Text("id")).Status)

		require.Equal(t, http.StatusPreconditionRequired, s.manage(http.MethodPatch, path, `{"name":"x"}`).Status)
		require.Equal(t, http.StatusPreconditionFailed, s.manage(http.MethodPatch, path, `{"name":"x"}`, "If-Match", `"old"`).Status)
		dear := s.manage(http.MethodPatch, path, `{"price_won":100001}`, "If-Match", made.Header.Get("ETag"))
		require.Equal(t, http.StatusUnprocessableEntity, dear.Status)
		edited := s.manage(http.MethodPatch, path, `{"name":"나이키 런닝화","tags":[]}`, "If-Match", made.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, edited.Status, edited.Raw)
		require.Equal(t, http.StatusPreconditionFailed, s.manage(http.MethodPatch, path, `{"name":"x"}`, "If-Match", made.Header.Get("ETag")).Status)
		same := s.manage(http.MethodPatch, path, `{"name":"나이키 런닝화"}`, "If-Match", edited.Header.Get("ETag"))
		require.Equal(t, edited.Header.Get("ETag"), same.Header.Get("ETag"), "nothing changed")

		require.Equal(t, "published", s.manage(http.MethodPost, path+"/publish", "").Text("state"))
		published := s.manage(http.MethodPost, path+"/publish", "")
		require.Equal(t, http.StatusPreconditionFailed, s.manage(http.MethodPost, path+"/hide", "", "If-Match", edited.Header.Get("ETag")).Status)
		require.Equal(t, true, s.manage(http.MethodPost, path+"/stop-sale", "").Body["sale_stopped"])
		require.Equal(t, false, s.get("/v1/products/" + made.Text("id")).Body["on_sale"])
		resumed := s.manage(http.MethodPost, path+"/resume-sale", "")
		require.Equal(t, false, resumed.Body["sale_stopped"])
		require.NotNil(t, published.Body["published_at"])
		require.Equal(t, http.StatusPreconditionRequired, s.manage(http.MethodDelete, path, "").Status)
		require.Equal(t, http.StatusNoContent, s.manage(http.MethodDelete, path, "", "If-Match", resumed.Header.Get("ETag")).Status)
		require.Equal(t, "hidden", s.manage(http.MethodGet, path, "").Text("state"))

		var actions string
		require.NoError(t, s.pool.QueryRow(t.Context(),
			`SELECT string_agg(action, ' ' ORDER BY id) FROM catalog.audit_log WHERE subject = $1`, made.Text("id")).Scan(&actions))
		require.Equal(t, "products.create products.update products.publish products.stop_sale products.resume_sale products.delete", actions)
		require.EqualValues(t, 6, s.count(`SELECT max(aggregate_version) FROM catalog.outbox WHERE key = $1`, made.Text("id")))
		require.EqualValues(t, 6, s.count(`SELECT count(*) FROM catalog.outbox WHERE key = $1`, made.Text("id")))
	})

	t.Run("BadBodies", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		for body, status := range map[string]int{
			`{"category_id":"` + uuid.NewString() + `","name":"a","brand":"b","list_price_won":2,"price_won":1}`:                                  422,
			`{"category_id":"` + s.category.String() + `","name":"","brand":"b","list_price_won":2,"price_won":1}`:                                422,
			`{"category_id":"` + s.category.String() + `","name":"a","brand":"b","list_price_won":2,"price_won":-1}`:                              422,
			`{"category_id":"` + s.category.String() + `","name":"a\u0000","brand":"b","list_price_won":2,"price_won":1}`:                         422,
			`{"category_id":"` + s.category.String() + `","name":"a","brand":"b","list_price_won":2,"price_won":1,"tags":[""]}`:                   422,
			`{"category_id":"` + s.category.String() + `","name":"a","brand":"b","list_price_won":2,"price_won":1,"stock":5}`:                     400,
			`{"category_id":"` + s.category.String() + `","name":"a","brand":"b","list_price_won":9223372036854775807,"price_won":9000000000000}`: 422,
			`{`: 400,
		} {
			require.Equal(t, status, s.manage(http.MethodPost, "/admin/products", body).Status, body)
		}
		missing := "/admin/products/" + uuid.NewString()
		require.Equal(t, http.StatusNotFound, s.manage(http.MethodGet, missing, "").Status)
		require.Equal(t, http.StatusNotFound, s.manage(http.MethodPost, missing+"/publish", "").Status)
		require.Equal(t, http.StatusNotFound, s.manage(http.MethodGet, missing+"/stock-movements", "").Status)
	})

	t.Run("StockMovements", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		path := "/admin/products/" + s.product(0).String() + "/stock-movements"
		body := `{"kind":"receive","quantity":30,"reason":"delivery"}`
		require.Equal(t, "idempotency.key_required", s.manage(http.MethodPost, path, body).Text("code"))
		first := s.manage(http.MethodPost, path, body, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusCreated, first.Status, first.Raw)
		require.Empty(t, first.Header.Get("Idempotency-Replayed"))
		again := s.manage(http.MethodPost, path, `{"quantity":30, "reason":"delivery", "kind":"receive"}`, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusCreated, again.Status)
		require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
		require.Equal(t, first.Raw, again.Raw)
		other := s.manage(http.MethodPost, path, `{"kind":"damage","quantity":1,"reason":"broken"}`, "Idempotency-Key", "k1")
		require.Equal(t, "idempotency.key_reused", other.Text("code"))
		require.Equal(t, http.StatusUnprocessableEntity, other.Status)
		require.Equal(t, http.StatusCreated, s.manage(http.MethodPost, path, `{"kind":"damage","quantity":1,"reason":"broken"}`, "Idempotency-Key", "k2").Status)
		below := s.manage(http.MethodPost, path, `{"kind":"adjust","quantity":-30,"reason":"count"}`, "Idempotency-Key", "k3")
		require.Equal(t, "catalog.stock_below_reserved", below.Text("code"))

		page := s.manage(http.MethodGet, path+"?limit=1", "")
		require.Equal(t, "damage", page.Body["items"].([]any)[0].(map[string]any)["kind"])
		page = s.manage(http.MethodGet, path+"?limit=1&cursor="+page.Text("next_cursor"), "")
		require.Equal(t, "receive", page.Body["items"].([]any)[0].(map[string]any)["kind"])
		require.Empty(t, page.Text("next_cursor"))
	})

	t.Run("ListOfEveryState", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.product(1)
		hidden := s.product(1)
		s.manage(http.MethodPost, "/admin/products/"+hidden.String()+"/hide", "")
		draft, err := s.service().CreateProduct(s.ctx, fields(s.shop, "100% 면_티셔츠"))
		require.NoError(t, err)
		items := func(query string) []any {
			return s.manage(http.MethodGet, "/admin/products"+query, "").Body["items"].([]any)
		}
		require.Len(t, items(""), 3)
		require.Len(t, items("?state=hidden"), 1)
		require.Len(t, items("?q=NIKE"), 3)
		require.Len(t, items("?q="+url.QueryEscape("0% 면_")), 1, "no character has a meaning")
		require.Empty(t, items("?q="+url.QueryEscape("%면%")))
		require.Equal(t, draft.ID.String(), items("?limit=1")[0].(map[string]any)["id"], "the newest first")
		require.Equal(t, http.StatusUnprocessableEntity, s.manage(http.MethodGet, "/admin/products?state=gone", "").Status)
		require.Equal(t, http.StatusUnprocessableEntity, s.manage(http.MethodGet, "/admin/products?cursor=!", "").Status)
	})

	t.Run("Categories", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		before := s.get("/v1/categories")
		require.Equal(t, http.StatusNotModified, s.get("/v1/categories", "If-None-Match", before.Header.Get("ETag")).Status)
		top := s.manage(http.MethodPost, "/admin/categories", `{"slug":"shoes","name":"신발"}`)
		require.Equal(t, http.StatusCreated, top.Status, top.Raw)
		sub := s.manage(http.MethodPost, "/admin/categories", `{"slug":"boots","name":"부츠","parent_id":"`+top.Text("id")+`"}`)
		require.Equal(t, http.StatusCreated, sub.Status, sub.Raw)
		tree := s.get("/v1/categories", "If-None-Match", before.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, tree.Status)
		var got app.CategoryTree
		tree.Into(&got)
		require.Len(t, got.Items, 2)
		require.Equal(t, "boots", got.Items[1].Children[0].Slug)

		path := "/admin/categories/" + sub.Text("id")
		cycle := s.manage(http.MethodPatch, "/admin/categories/"+top.Text("id"), `{"parent_id":"`+sub.Text("id")+`"}`, "If-Match", top.Header.Get("ETag"))
		require.Equal(t, "catalog.category_cycle", cycle.Text("code"))
		require.Equal(t, http.StatusPreconditionRequired, s.manage(http.MethodPatch, path, `{"name":"x"}`).Status)
		renamed := s.manage(http.MethodPatch, path, `{"name":"장화"}`, "If-Match", sub.Header.Get("ETag"))
		require.Equal(t, top.Text("id"), renamed.Text("parent_id"), "what is left out stays")
		moved := s.manage(http.MethodPatch, path, `{"parent_id":null}`, "If-Match", renamed.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, moved.Status, moved.Raw)
		require.Nil(t, moved.Body["parent_id"])
		require.Equal(t, http.StatusUnprocessableEntity, s.manage(http.MethodPatch, path, `{"parent_id":"x"}`, "If-Match", moved.Header.Get("ETag")).Status)
		require.Equal(t, http.StatusNoContent, s.manage(http.MethodDelete, path, "", "If-Match", moved.Header.Get("ETag")).Status)
		require.Len(t, s.manage(http.MethodGet, "/admin/categories", "").Body["items"], 2)
	})
}
