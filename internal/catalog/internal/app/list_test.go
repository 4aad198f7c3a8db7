package app_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/platform/webtest"
)

func TestList(t *testing.T) {
	t.Parallel()

	s := serve(t)
	require.NoError(t, seed.Fill(t.Context(), s.pool, 1000, nil))
	require.Equal(t, http.StatusServiceUnavailable, s.get("/v1/products").Status, "not before the index is built")
	require.Equal(t, http.StatusServiceUnavailable, s.get("/v1/products/suggest?q=a").Status)
	s.sync()

	total := func(query string) int {
		t.Helper()
		a := s.get("/v1/products" + query)
		require.Equal(t, http.StatusOK, a.Status, a.Raw)
		n, err := a.Body["total"].(json.Number).Int64()
		require.NoError(t, err)
		return int(n)
	}
	ids := func(a webtest.Answer) []string {
		t.Helper()
		require.Equal(t, http.StatusOK, a.Status, a.Raw)
		var list []string
		for _, item := range a.Body["items"].([]any) {
			list = append(list, item.(map[string]any)["id"].(string))
		}
		return list
	}

	t.Run("Filters", func(t *testing.T) {
		require.Equal(t, 1000, total(""))
		shoes := 0
		leaves := map[uuid.UUID]bool{}
		var top uuid.UUID
		parents := map[uuid.UUID]uuid.UUID{}
		for _, c := range seed.Categories() {
			parents[c.ID] = c.ParentID
			if c.Slug == "shoes" {
				top = c.ID
			}
			if parents[c.ParentID] == top && top != uuid.Nil {
				leaves[c.ID] = true
			}
		}
		for n := range 1000 {
			if leaves[seed.ProductOf(n).CategoryID] {
				shoes++
			}
		}
		require.NotZero(t, shoes)
		require.Equal(t, shoes, total("?category=shoes"))
		require.Equal(t, shoes, total("?category="+top.String()))
		nike, lg := total("?brand="+url.QueryEscape("나이키")), total("?brand=lg")
		require.NotZero(t, nike)
		require.Equal(t, nike+lg, total("?brand=LG&brand="+url.QueryEscape("나이키")))
		require.Less(t, total("?in_stock=true"), 1000)
		require.Equal(t, 1000, total("?max_price=10000")+total("?min_price=10001"))
		require.NotZero(t, total("?q="+url.QueryEscape("나이키 운동화")))
		require.Equal(t, total("?q=nike+sneakers"), total("?q="+url.QueryEscape("나이키운동화")))
	})

	t.Run("BadFilters", func(t *testing.T) {
		for _, query := range []string{
			"?category=nothing", "?category=" + uuid.NewString(), "?sort=best", "?min_price=-1", "?min_price=ten", "?min_price=2&max_price=1",
			"?in_stock=maybe", "?limit=0", "?limit=101", "?cursor=!!", "?q=%00", "?q=" + url.QueryEscape(string(make([]byte, 200))),
		} {
			a := s.get("/v1/products" + query)
			require.Equal(t, http.StatusUnprocessableEntity, a.Status, query)
		}
	})

	t.Run("PagesOfEverySort", func(t *testing.T) {
		for _, sort := range []string{"relevance", "newest", "price_asc", "price_desc", "sales"} {
			seen := map[string]bool{}
			path := "/v1/products?limit=10&q=black&sort=" + sort
			want := total("?q=black")
			for cursor, pages := "", 0; ; pages++ {
				require.Less(t, pages, 20)
				a := s.get(path + "&cursor=" + cursor)
				for _, id := range ids(a) {
					require.False(t, seen[id], "twice")
					seen[id] = true
				}
				if cursor = a.Text("next_cursor"); cursor == "" {
					require.Positive(t, pages)
					break
				}
				require.Equal(t, http.StatusUnprocessableEntity, s.get("/v1/products?q=white&sort="+sort+"&cursor="+cursor).Status)
			}
			require.Len(t, seen, want)
		}
	})

	// Fuzz-ish: whatever is sent, the answer is a page or a 422.
	t.Run("Garbage", func(t *testing.T) {
		cursor := s.get("/v1/products?limit=1").Text("next_cursor")
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		require.NoError(t, err)
		rapid.Check(t, func(rt *rapid.T) {
			broken := slices.Clone(raw)
			for range rapid.IntRange(1, 4).Draw(rt, "changes") {
				broken[rapid.IntRange(0, len(broken)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
			}
			query := url.Values{
				"q":         {rapid.String().Draw(rt, "q")},
				"brand":     rapid.SliceOfN(rapid.String(), 0, 3).Draw(rt, "brand"),
				"sort":      {rapid.SampledFrom([]string{"relevance", "newest", "sales", "price_asc"}).Draw(rt, "sort")},
				"min_price": {fmt.Sprint(rapid.Int64().Draw(rt, "min"))},
			}
			if rapid.Bool().Draw(rt, "list") {
				query = url.Values{"limit": {"1"}}
			}
			query.Set("cursor", base64.RawURLEncoding.EncodeToString(broken))
			for _, path := range []string{"/v1/products?" + query.Encode(), "/v1/products/suggest?" + query.Encode()} {
				if a := s.get(path); a.Status != http.StatusOK && a.Status != http.StatusUnprocessableEntity && a.Status != http.StatusBadRequest {
					rt.Fatalf("%s: %d %s", path, a.Status, a.Raw)
				}
			}
		})
	})

	t.Run("CursorOfTheWrongLength", func(t *testing.T) {
		cursor := s.get("/v1/products?limit=1").Text("next_cursor")
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		require.NoError(t, err)
		for _, values := range []string{"[]", "[1]", "[1,2,3]", "null"} {
			broken := string(raw[:len(`{"f":"0123456789abcdef","v":`)]) + values + `,"i":"` + uuid.NewString() + `"}`
			require.Equal(t, http.StatusUnprocessableEntity, s.get("/v1/products?limit=1&cursor="+base64.RawURLEncoding.EncodeToString([]byte(broken))).Status, values)
		}
	})
}

func TestFeed(t *testing.T) {
	t.Parallel()

	// A reader who goes by the time, or by a sequence, misses what commits late.
	t.Run("MissesNoLateCommit", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		early, late := s.product(5), s.product(5)
		s.sync()
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `UPDATE catalog.products SET name = '늦은 상품', doc_version = doc_version + 1 WHERE id = $1`, late)
		require.NoError(t, err)
		for i := range 3 { // others begin later and commit before it
			_, err = s.pool.Exec(t.Context(), `UPDATE catalog.products SET name = $2, doc_version = doc_version + 1 WHERE id = $1`, early, fmt.Sprintf("이른 상품 %d", i))
			require.NoError(t, err)
			s.sync()
		}
		require.NoError(t, tx.Commit(t.Context()))
		s.sync()
		require.Equal(t, json.Number("1"), s.get("/v1/products?q=" + url.QueryEscape("늦은")).Body["total"])
		require.Equal(t, json.Number("1"), s.get("/v1/products?q=" + url.QueryEscape("이른")).Body["total"])
		require.Equal(t, json.Number("2"), s.get("/v1/products").Body["total"])
	})

	// vendure#3066: the index still says in stock after the last piece is sold.
	t.Run("SoldOutShowsInLists", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		product := s.product(1)
		s.sync()
		require.Equal(t, json.Number("1"), s.get("/v1/products?in_stock=true").Body["total"])
		_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 1})
		require.NoError(t, err)
		require.NoError(t, s.service().PublishChanges(t.Context()))
		s.sync()
		require.Equal(t, json.Number("0"), s.get("/v1/products?in_stock=true").Body["total"])
		require.Equal(t, "sold_out", s.get("/v1/products").Body["items"].([]any)[0].(map[string]any)["availability"])
	})

	// A page that was given out stays the same list although products come and go on both sides of it.
	t.Run("PagesUnderChanges", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		require.NoError(t, seed.Fill(t.Context(), s.pool, 300, nil))
		s.sync()
		stays := map[string]bool{}
		for n := range 300 {
			if n%3 != 0 {
				stays[seed.IDOf(n).String()] = true
			}
		}
		seen := map[string]bool{}
		for cursor, n := "", 0; ; n++ {
			a := s.get("/v1/products?limit=20&sort=newest&cursor=" + cursor)
			for _, item := range a.Body["items"].([]any) {
				id := item.(map[string]any)["id"].(string)
				require.False(t, seen[id], "twice")
				seen[id] = true
			}
			if cursor = a.Text("next_cursor"); cursor == "" {
				break
			}
			for i := range 6 {
				_, err := s.service().ActOnProduct(s.ctx, seed.IDOf((n*6+i)*3%300), "hide", "")
				require.NoError(t, err)
			}
			s.product(1)
			s.sync()
		}
		for id := range maps.Keys(stays) {
			require.True(t, seen[id], "what did not change is there")
		}
	})
}

func TestSeed(t *testing.T) {
	t.Parallel()

	s := setup(t)
	fingerprint := func() string {
		t.Helper()
		var sum string
		require.NoError(t, s.pool.QueryRow(t.Context(), `
			SELECT md5((SELECT string_agg(p::text, E'\n' ORDER BY p.id) FROM catalog.products p)
			        || (SELECT string_agg(s::text, E'\n' ORDER BY s.id) FROM catalog.pools s)
			        || (SELECT string_agg(m::text, E'\n' ORDER BY m.id) FROM catalog.stock_movements m)
			        || (SELECT string_agg(c::text, E'\n' ORDER BY c.id) FROM catalog.categories c))`).Scan(&sum))
		return sum
	}
	var heard []int
	require.NoError(t, seed.Fill(t.Context(), s.pool, 50, nil))
	require.NoError(t, seed.Fill(t.Context(), s.pool, 120, func(done int) { heard = append(heard, done) }))
	require.Equal(t, []int{120}, heard)
	require.EqualValues(t, 120, s.count(`SELECT count(*) FROM catalog.products`))
	s.books()
	before := fingerprint()
	require.NoError(t, seed.Fill(t.Context(), s.pool, 120, nil))
	require.Equal(t, before, fingerprint(), "the second time changes nothing")
	require.Error(t, seed.Fill(t.Context(), s.pool, seed.Max+1, nil))

	// What is seeded sells as everything does.
	for n := range 120 {
		if p := seed.ProductOf(n); p.Stock > 0 {
			_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: p.ID, Quantity: p.Stock})
			require.NoError(t, err)
			break
		}
	}
	require.NoError(t, s.service().PublishChanges(t.Context()))
	require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.outbox WHERE type = $1 AND aggregate_version = 1`, catalog.ProductChanged{}.EventType()))
	index := memory.New()
	require.NoError(t, app.NewFeed(s.pool, index, nil).Sync(t.Context()))
	require.Equal(t, 120, index.Len())
}
