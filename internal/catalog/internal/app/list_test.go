package app_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/platform/web"
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

	// original 53: a page could be of any size, and a price without the other end was no filter.
	t.Run("BadFilters", func(t *testing.T) {
		for _, query := range []string{
			"?category=nothing", "?category=" + uuid.NewString(), "?sort=best", "?min_price=-1", "?min_price=ten", "?min_price=2&max_price=1",
			"?in_stock=maybe", "?limit=0", "?limit=101", "?cursor=!!", "?q=%00", "?q=" + url.QueryEscape(string(make([]byte, 200))),
		} {
			a := s.get("/v1/products" + query)
			require.Equal(t, http.StatusUnprocessableEntity, a.Status, query)
		}
	})

	// original 53: the first two pages were the same, and no list said how much there is.
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

func FuzzList(f *testing.F) {
	s := serve(f)
	require.NoError(f, seed.Fill(f.Context(), s.pool, 300, nil))
	s.sync()
	fuzzLists(f, s)
}

// fuzzLists asks for lists by any query, and for pages of them after any position: each is a page or a fault of the client's.
func fuzzLists(f *testing.F, s site) {
	for _, query := range []string{
		"", "q=%EB%82%98%EC%9D%B4%ED%82%A4&sort=relevance", "q=nike+OR+%22x%22~2&brand=*", "category=shoes&in_stock=true&sort=sales&limit=1", "sort=price_asc&min_price=1&max_price=9",
		"q=%00", "q=%", "limit=101", "min_price=-9223372036854775809", "brand=a&brand=b&color=%F0%9F%91%9F&size=270&tag=", "sort=newest&limit=2", "suggest?q=%E3%84%B4",
	} {
		f.Add(query, int64(0), int64(0), "0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d")
		f.Add(query, int64(math.MaxInt64), int64(math.MinInt64), "")
	}
	ask := func(t *testing.T, path string) (cursor string) {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/products"+path, nil))
		require.Less(t, w.Code, 500, "%s: %s", path, w.Body)
		require.Less(t, w.Body.Len(), 1<<20)
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
		return page.NextCursor
	}
	f.Fuzz(func(t *testing.T, query string, a, b int64, id string) {
		if !utf8.ValidString(query) || strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			t.Skip("no client can send it")
		}
		if suggest, ok := strings.CutPrefix(query, "suggest?"); ok {
			ask(t, "/suggest?"+suggest)
			return
		}
		cursor, err := base64.RawURLEncoding.DecodeString(ask(t, "?"+query))
		if err != nil || len(cursor) == 0 {
			return
		}
		var at map[string]any
		require.NoError(t, json.Unmarshal(cursor, &at))
		at["v"], at["i"] = []int64{a, b}, id
		forged, err := json.Marshal(at)
		require.NoError(t, err)
		ask(t, "?"+query+"&cursor="+base64.RawURLEncoding.EncodeToString(forged))
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

// What sells, and what is left of it, stands in the lists of another process within two seconds: the job that gives documents a new
// version, and that process's own look at them, come often enough.
func TestListsOfAnotherProcess(t *testing.T) {
	t.Parallel()

	s := setup(t)
	index := memory.New()
	feed := app.NewFeed(s.pool, index, s.parts.Log)
	other := s.instance(func(p *app.Parts) { p.Index = app.NewGate(index, feed) })
	first, second := s.product(50), s.product(50)
	listed := func(f app.Filter) (list []app.Summary) {
		t.Helper()
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.NoError(t, feed.Sync(t.Context()))
		f.Sort = app.BySales
		found, err := other.List(t.Context(), f, web.PageQuery{Limit: 10})
		require.NoError(t, err)
		return found.Items
	}
	sell := func(product uuid.UUID, quantity int64) uuid.UUID {
		t.Helper()
		order := uuid.New()
		_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: quantity})
		require.NoError(t, err)
		s.use(order)
		return order
	}
	require.Len(t, listed(app.Filter{InStock: true}), 2)

	sell(first, 3)
	most := sell(second, 5)
	list := listed(app.Filter{})
	require.Equal(t, []uuid.UUID{second, first}, []uuid.UUID{list[0].ID, list[1].ID})
	require.Equal(t, []int64{5, 3}, []int64{list[0].SalesCount, list[1].SalesCount})
	require.NoError(t, s.release(0, most))
	list = listed(app.Filter{})
	require.Equal(t, []uuid.UUID{first, second}, []uuid.UUID{list[0].ID, list[1].ID}, "what was given back is not sold")

	sell(first, 40)
	require.Equal(t, catalog.Low, listed(app.Filter{})[0].Availability)
	_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: first, Quantity: 7})
	require.NoError(t, err)
	require.Equal(t, catalog.SoldOut, listed(app.Filter{})[0].Availability)
	require.Len(t, listed(app.Filter{InStock: true}), 1)
	s.sound()

	every := app.FeedEvery
	for _, j := range app.Jobs(s.service()) {
		if j.Name == "catalog.publish_changes" {
			every += j.Every
		}
	}
	require.Greater(t, every, app.FeedEvery)
	require.LessOrEqual(t, every, 2*time.Second)
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
