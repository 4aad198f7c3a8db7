package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// reported is a line of an import's report.
type reported struct {
	Line    int
	ID      string
	Outcome string
	Code    string
	Errors  json.RawMessage

	Lines, Created, Updated, Unchanged, Refused int
}

// desk is a shop on a network, where bodies and answers can be on their way at once.
type desk struct {
	site
	url string
}

func open(t testing.TB) desk {
	t.Helper()
	return onNetwork(t, serve(t))
}

func onNetwork(t testing.TB, s site) desk {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return desk{s, server.URL}
}

func (d desk) do(method, path string, body io.Reader) *http.Response {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, body)
	require.NoError(d.t, err)
	r.Header.Set("Authorization", "Bearer manager")
	if body != nil {
		r.Header.Set("Content-Type", "application/x-ndjson")
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// put imports a file, and returns the report with its end.
func (d desk) put(body io.Reader) (lines []reported, end reported) {
	d.t.Helper()
	answer := d.do("POST", "/admin/products/import", body)
	require.Equal(d.t, 200, answer.StatusCode)
	require.Equal(d.t, "application/x-ndjson", answer.Header.Get("Content-Type"))
	for decoder := json.NewDecoder(answer.Body); ; {
		var r reported
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(d.t, err)
		lines = append(lines, r)
	}
	require.NotEmpty(d.t, lines)
	return lines[:len(lines)-1], lines[len(lines)-1]
}

// get exports what comes after a product.
func (d desk) get(after string) string {
	d.t.Helper()
	answer := d.do("GET", "/admin/products/export"+after, nil)
	require.Equal(d.t, 200, answer.StatusCode)
	text, err := io.ReadAll(answer.Body)
	require.NoError(d.t, err)
	return string(text)
}

// line is a product of a file.
func (d desk) line(id uuid.UUID, more string) string {
	return fmt.Sprintf(`{"id":%q,"category_id":%q,"name":"나이키 운동화","brand":"나이키","list_price_won":2000,"price_won":1000%s}`, id, d.category, more) + "\n"
}

func (d desk) file(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(d.line(seed.IDOf(i), fmt.Sprintf(`,"name_en":"No. %d","tags":["a","b"],"state":"published"`, i)))
	}
	return b.String()
}

// trace is everything that an import may leave.
func (d desk) trace() string {
	d.t.Helper()
	var sum string
	require.NoError(d.t, d.pool.QueryRow(d.t.Context(), `
		SELECT md5((SELECT string_agg(p::text, E'\n' ORDER BY p.id) FROM catalog.products p)
		        || (SELECT string_agg(s::text, E'\n' ORDER BY s.id) FROM catalog.pools s)
		        || (SELECT count(*) FROM catalog.outbox) || (SELECT count(*) FROM catalog.audit_log))`).Scan(&sum))
	return sum
}

func TestImport(t *testing.T) {
	t.Parallel()

	t.Run("ReportsEachLine", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		known, soldOut, draft := d.product(5), d.product(0), uuid.New()
		drop := d.drop(known, 2)
		one, two, three := uuid.New(), uuid.New(), uuid.New()
		file := []struct{ text, outcome, code, pointer string }{
			{d.line(one, ""), "created", "", ""},
			{d.line(known, `,"state":"hidden"`), "updated", "", ""},
			{"\n", "", "", ""},
			{"{\n", "error", "request.malformed", ""},
			{`{"id":"x"}` + "\n", "error", "request.invalid", "/id"},
			{d.line(two, `,"stock":5`), "error", "request.unknown_field", "/stock"},
			{d.line(two, `,"name":"`+strings.Repeat("길", 201)+`"`), "error", "request.invalid", "/name"},
			{d.line(two, `,"price_won":3000`), "error", "request.invalid", "/list_price_won"},
			{d.line(two, `,"tags":["a",""]`), "error", "request.invalid", "/tags/1"},
			{d.line(two, `,"category_id":"`+uuid.NewString()+`"`), "error", "request.invalid", "/category_id"},
			{d.line(two, `,"state":"gone"`), "error", "request.invalid", "/state"},
			{d.line(two, `,"state":"published","publish_at":"2030-01-01T00:00:00Z"`), "error", "request.invalid", "/publish_at"},
			{d.line(two, `,"name_en":"a`+"\\u0000"+`"`), "error", "request.invalid", "/name_en"},
			{d.line(two, `,"name_en":"`+"\xff"+`"`), "error", "request.malformed", ""},
			{d.line(uuid.Nil, ""), "error", "request.invalid", "/id"},
			{d.line(drop, ""), "error", "request.invalid", "/id"},
			{strings.Repeat(" ", 300<<10) + d.line(two, ""), "error", "request.too_large", ""},
			{d.line(soldOut, `,"state":"draft"`), "error", "request.invalid", "/state"},
			{d.line(two, `,"state":"published","sale_stopped":true`), "created", "", ""},
			{d.line(two, ""), "unchanged", "", ""},
			{d.line(two, `,"sale_stopped":false`), "updated", "", ""},
			{d.line(draft, `,"publish_at":"2030-01-01T09:00:00+09:00"`), "created", "", ""},
			{d.line(draft, ""), "unchanged", "", ""},
			{strings.TrimSpace(d.line(three, "")), "created", "", ""},
		}
		var body strings.Builder
		for _, l := range file {
			body.WriteString(l.text)
		}
		lines, end := d.put(strings.NewReader(body.String()))
		n := 0
		for i, want := range file {
			if want.outcome == "" {
				continue
			}
			got := lines[n]
			n++
			require.Equal(t, i+1, got.Line)
			require.Equal(t, want.outcome, got.Outcome, "line %d: %+v", i+1, got)
			require.Equal(t, want.code, got.Code, "line %d", i+1)
			if want.pointer != "" {
				require.Contains(t, string(got.Errors), `"pointer":"`+want.pointer+`"`, "line %d", i+1)
			}
			if want.outcome != "error" {
				require.NotEmpty(t, got.ID)
			}
		}
		require.Len(t, lines, n)
		require.Equal(t, reported{Outcome: "done", Lines: 23, Created: 4, Updated: 2, Unchanged: 2, Refused: 15}, end)

		p, err := d.service().ManagedProduct(t.Context(), known)
		require.NoError(t, err)
		require.Equal(t, "hidden", p.State)
		require.Empty(t, p.Color, "what is left out is empty")
		require.EqualValues(t, 3, p.OnHand)
		require.EqualValues(t, 1, d.count(`SELECT count(*) FROM catalog.audit_log WHERE subject = $1 AND action = 'products.update' AND before ->> 'state' = 'published' AND after ->> 'state' = 'hidden'`, known.String()))
		require.EqualValues(t, 2, d.count(`SELECT max(aggregate_version) FROM catalog.outbox WHERE key = $1`, two))
		require.EqualValues(t, 1, d.count(`SELECT count(*) FROM catalog.products WHERE id = $1 AND publish_at = '2030-01-01' AND state = 'draft'`, draft))
		require.Equal(t, "나이키 운동화", d.detail(0, two).Name)
		d.sync()
		require.Equal(t, json.Number("2"), d.site.get("/v1/products").Body["total"])
	})

	t.Run("AgainChangesNothing", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		file := d.file(1100)
		_, end := d.put(strings.NewReader(file))
		require.Equal(t, reported{Outcome: "done", Lines: 1100, Created: 1100}, end)
		before := d.trace()
		_, end = d.put(strings.NewReader(file))
		require.Equal(t, reported{Outcome: "done", Lines: 1100, Unchanged: 1100}, end)
		require.Equal(t, before, d.trace())
	})

	// medusa#14727 (T11): a change of 414 variants took twelve minutes, with more statements for each.
	t.Run("AsksLittleOfTheDatabase", func(t *testing.T) {
		t.Parallel()

		var asked atomic.Int64
		d := onNetwork(t, served(t, watched(t, func(string) { asked.Add(1) })))
		for _, change := range []string{"", `,"color":"블랙"`} {
			asked.Store(0)
			var file strings.Builder
			for i := range 1000 {
				file.WriteString(d.line(seed.IDOf(i), change))
			}
			_, end := d.put(strings.NewReader(file.String()))
			require.Equal(t, 1000, end.Created+end.Updated)
			t.Logf("%d statements for 1,000 products", asked.Load())
			require.Less(t, asked.Load(), int64(200))
		}
	})

	// A program that waits for what became of a line before it sends the next one.
	t.Run("TellsAsItGoes", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		body, in := io.Pipe()
		answer := make(chan *http.Response, 1)
		go func() { answer <- d.do("POST", "/admin/products/import", body) }()
		_, err := io.WriteString(in, d.line(seed.IDOf(0), ""))
		require.NoError(t, err)
		reports := bufio.NewScanner((<-answer).Body)
		for n := 1; n <= 3; n++ {
			require.True(t, reports.Scan())
			require.JSONEq(t, fmt.Sprintf(`{"line":%d,"id":%q,"outcome":"created"}`, n, seed.IDOf(n-1)), reports.Text())
			require.EqualValues(t, n, d.count(`SELECT count(*) FROM catalog.products`), "what is told is kept")
			_, err := io.WriteString(in, d.line(seed.IDOf(n), ""))
			require.NoError(t, err)
		}
		require.NoError(t, in.Close())
		for range 2 {
			require.True(t, reports.Scan())
		}
		require.Contains(t, reports.Text(), `"outcome":"done"`)
	})

	t.Run("BrokenOffGoesOn", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		file := d.file(2000)
		for _, cut := range []int{700, 120_000, 200_001} {
			body, in := io.Pipe()
			go func() {
				_, _ = io.WriteString(in, file[:cut])
				in.CloseWithError(errors.New("the cable was pulled"))
			}()
			r, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/admin/products/import", body)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer manager")
			if answer, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		}
		lines, end := d.put(strings.NewReader(file))
		require.Equal(t, 2000, end.Created+end.Unchanged)
		require.Len(t, lines, 2000)
		require.EqualValues(t, 2000, d.count(`SELECT count(*) FROM catalog.products`))
		require.EqualValues(t, 2000, d.count(`SELECT count(*) FROM catalog.outbox WHERE type = 'catalog.product_changed.v1' AND aggregate_version = 1`))
		require.EqualValues(t, 2000, d.count(`SELECT count(*) FROM catalog.outbox WHERE type = 'catalog.product_changed.v1'`))
	})

	t.Run("TwiceAtOnce", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		file := strings.SplitAfter(strings.TrimSpace(d.file(600)), "\n")
		var created, unchanged int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				mine := slices.Clone(file)
				mine[len(mine)-1] += "\n"
				if i%2 == 1 {
					slices.Reverse(mine)
				}
				_, end := d.put(strings.NewReader(strings.Join(mine, "")))
				mu.Lock()
				defer mu.Unlock()
				created, unchanged = created+end.Created, unchanged+end.Unchanged
			})
		}
		wg.Wait()
		require.Equal(t, 600, created)
		require.Equal(t, 1800, unchanged)
		require.EqualValues(t, 600, d.count(`SELECT count(*) FROM catalog.outbox WHERE type = 'catalog.product_changed.v1'`))
	})

	t.Run("AmongSalesAndEdits", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		product := d.product(100)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 30 {
				if _, end := d.put(strings.NewReader(d.line(product, fmt.Sprintf(`,"name_en":"No. %d"`, i)))); end.Updated != 1 {
					t.Errorf("%+v", end)
				}
			}
		})
		wg.Go(func() { work(d.shop, rand.New(rand.NewPCG(1, 1)), []uuid.UUID{product}) })
		wg.Wait()
		require.NoError(t, d.service().PublishChanges(t.Context()))
		d.sound()
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		d.Do("shopper", "POST", "/admin/products/import", d.line(uuid.New(), ""), "Content-Type", "application/x-ndjson").Is(403)
		d.manage("POST", "/admin/products/import", d.line(uuid.New(), "")).Says(415, "request.unsupported_media_type")
		r := d.Request("manager", "POST", "/admin/products/import", d.line(uuid.New(), ""), "Content-Type", "application/x-ndjson")
		r.ContentLength = 5 << 30
		d.Send(r).Says(413, "request.too_large")
		require.Zero(t, d.count(`SELECT count(*) FROM catalog.products`))
		_, end := d.put(strings.NewReader("\n\n"))
		require.Equal(t, reported{Outcome: "done"}, end)
	})

	// Whatever the lines are, each is told of, and the shop goes on.
	t.Run("Garbage", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		rapid.Check(t, func(rt *rapid.T) {
			var body []byte
			want := 0
			for range rapid.IntRange(1, 12).Draw(rt, "lines") {
				line := []byte(strings.TrimSpace(d.line(uuid.New(), "")))
				for range rapid.IntRange(0, 3).Draw(rt, "changes") {
					line[rapid.IntRange(0, len(line)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
				}
				for _, l := range bytes.Split(line, []byte("\n")) {
					if len(bytes.TrimSpace(l)) > 0 {
						want++
					}
				}
				body = append(append(body, line...), '\n')
			}
			lines, end := d.put(bytes.NewReader(body))
			require.Equal(rt, "done", end.Outcome)
			require.Len(rt, lines, want)
		})
	})
}

func TestExport(t *testing.T) {
	t.Parallel()

	t.Run("IsWhatTheImportTakes", func(t *testing.T) {
		t.Parallel()

		d := open(t)
		require.NoError(t, seed.Fill(t.Context(), d.pool, 1200, nil))
		draft, err := d.service().CreateProduct(d.ctx, fields(d.shop, "<초안> & \"따옴표\""))
		require.NoError(t, err)
		_, err = d.service().EditProduct(d.ctx, draft.ID, "*", func(f *app.Fields) { at := opened.Add(time.Hour); f.PublishAt = &at })
		require.NoError(t, err)
		_, err = d.service().ActOnProduct(d.ctx, seed.IDOf(7), "stop_sale", "")
		require.NoError(t, err)
		_, err = d.service().ActOnProduct(d.ctx, seed.IDOf(8), "hide", "")
		require.NoError(t, err)

		file := d.get("")
		require.Equal(t, 1201, strings.Count(file, "\n"))
		before := d.trace()
		_, end := d.put(strings.NewReader(file))
		require.Equal(t, reported{Outcome: "done", Lines: 1201, Unchanged: 1201}, end)
		require.Equal(t, before, d.trace())

		parts := strings.SplitAfter(file, "\n")
		require.Equal(t, strings.Join(parts[701:], ""), d.get("?after="+seed.IDOf(700).String()), "it goes on")
		require.Empty(t, d.get("?after="+uuid.Max.String()))
		d.manage("GET", "/admin/products/export?after=x", "").Says(422, "request.invalid")

		for i := range 1200 {
			if i%2 == 0 {
				parts[i] = strings.Replace(parts[i], `"brand":"`, `"brand":"새 `, 1)
			}
		}
		_, end = d.put(strings.NewReader(strings.Join(parts, "")))
		require.Equal(t, reported{Outcome: "done", Lines: 1201, Updated: 600, Unchanged: 601}, end)
		require.Equal(t, strings.Join(parts, ""), d.get(""))
	})

	t.Run("IsOfOneInstant", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		require.NoError(t, seed.Fill(t.Context(), s.pool, 1200, nil))
		pages, products := 0, 0
		err := s.service().Export(t.Context(), uuid.Nil, func(page []app.Line) error {
			pages++
			for _, l := range page {
				products++
				require.Equal(t, "published", l.State)
			}
			_, err := s.service().ActOnProduct(s.ctx, seed.IDOf(1199-pages), "hide", "")
			require.NoError(t, err)
			s.product(1)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 1200, products)
	})
}

// Whatever a line is, it is read or refused with a fault of the client's, and what is read is written and read alike.
func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"id":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d","category_id":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d","name":"a","brand":"b","list_price_won":2,"price_won":1}`))
	f.Add([]byte(`{"id":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d","category_id":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d","name":"가","name_en":"","brand":"b","list_price_won":2,"price_won":1,"tags":["x","y"],"limit_per_customer":3,"state":"draft","sale_stopped":false,"publish_at":"2026-01-02T03:04:05+09:00"}`))
	f.Add([]byte(`{"id":null}`))
	f.Add([]byte("{\"name\":\"\\u0000\\ud800\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		line, err := app.ReadLine(text)
		if err != nil {
			problem, ok := fault.As(err)
			require.True(t, ok, err)
			require.Less(t, web.Status(problem.Kind), 500)
			return
		}
		again, err := json.Marshal(line)
		require.NoError(t, err)
		same, err := app.ReadLine(again)
		require.NoError(t, err)
		require.Equal(t, line, same)
	})
}
