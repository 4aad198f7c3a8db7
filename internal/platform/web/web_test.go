package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

var errSoldOut = fault.New(fault.Exhausted, "things.sold_out", "nothing is left")

// tokens are the verifier's: a token is the name of its role.
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (auth.Principal, error) {
	if token == "unknowable" {
		return auth.Principal{}, auth.ErrUnavailable
	}
	if role := auth.Role(token); role.AtLeast(auth.Shopper) {
		return auth.Principal{AccountID: uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"), Role: role}, nil
	}
	return auth.Principal{}, auth.ErrBadToken
}

// logs collects what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// lines returns the lines with this message.
func (l *logs) lines(t *testing.T, message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for line := range bytes.Lines(l.buf.Bytes()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal(line, &m))
		if m["msg"] == message {
			found = append(found, m)
		}
	}
	return found
}

type line struct {
	ProductID uuid.UUID `json:"product_id" format:"uuid"`
	Quantity  int64     `json:"quantity" minimum:"1" maximum:"99" example:"2"`
}

type makeInput struct {
	Body struct {
		Name  string     `json:"name" minLength:"1" maxLength:"20" example:"shoe"`
		Price int64      `json:"price_won" minimum:"0"`
		Lines []line     `json:"lines,omitempty" maxItems:"3"`
		Color string     `json:"color,omitempty" enum:"red,blue"`
		At    *time.Time `json:"at,omitempty"`
	}
}

type thing struct {
	ID    uuid.UUID  `json:"id" format:"uuid"`
	Name  string     `json:"name" example:"shoe"`
	Owner *uuid.UUID `json:"owner" format:"uuid"`
	Tags  []string   `json:"tags"`
}

type thingOutput struct {
	Status int
	ETag   string `header:"ETag"`
	idempotency.Replay
	Body thing
}

type listInput struct {
	web.PageQuery
	Q string `query:"q" maxLength:"20"`
}

type listOutput struct {
	Body struct {
		web.Page[thing]
		Facets map[string]int `json:"facets,omitempty"`
	}
}

type oneInput struct {
	web.Conditional
	ID uuid.UUID `path:"id" format:"uuid"`
}

type editInput struct {
	web.Precondition
	ID uuid.UUID `path:"id" format:"uuid"`
}

type placeInput struct {
	web.Idempotency
	Body struct {
		Quantity int64 `json:"quantity" minimum:"1" maximum:"9"`
	}
}

// shop is an API with an operation of every kind.
type shop struct {
	*web.API
	logs *logs

	mu   sync.Mutex
	fail func(ctx context.Context) error // what the operation «fail» does
}

func newShop(t testing.TB, change func(*web.Options)) *shop {
	s := &shop{logs: &logs{}}
	o := web.Options{Title: "Test", Version: "1", Verifier: tokens{}, Logger: slog.New(slog.NewJSONHandler(s.logs, nil))}
	if change != nil {
		change(&o)
	}
	s.API = web.New(o)
	op := func(id, method, path string, role auth.Role, more ...func(*web.Operation)) web.Operation {
		o := web.Operation{ID: id, Method: method, Path: path, Summary: id, Tag: "things", Role: role}
		for _, m := range more {
			m(&o)
		}
		return o
	}
	web.Register(s.API, op("make-thing", "POST", "/v1/things", auth.None, func(o *web.Operation) {
		o.Status, o.Problems, o.ReadOnlySafe = 201, []*fault.Error{errSoldOut}, true
	}), func(_ context.Context, in *makeInput) (*thingOutput, error) {
		return &thingOutput{Status: 201, Body: thing{Name: in.Body.Name}}, nil
	})
	web.Register(s.API, op("list-things", "GET", "/v1/things", auth.None), func(_ context.Context, in *listInput) (*listOutput, error) {
		var after uuid.UUID
		return &listOutput{}, web.DecodeCursor(in.Cursor, &after)
	})
	web.Register(s.API, op("get-thing", "GET", "/v1/things/{id}", auth.None), func(_ context.Context, in *oneInput) (*thingOutput, error) {
		etag := web.ETag(in.ID, 1)
		if web.NotModified(in.IfNoneMatch, etag) {
			return nil, web.Unchanged(etag, "public, max-age=5")
		}
		return &thingOutput{ETag: etag, Body: thing{ID: in.ID}}, nil
	})
	web.Register(s.API, op("edit-thing", "PUT", "/admin/things/{id}", auth.Manager), func(_ context.Context, in *editInput) (*struct{}, error) {
		return nil, web.CheckIfMatch(in.IfMatch, web.ETag(in.ID, 1))
	})
	web.Register(s.API, op("place-thing", "POST", "/v1/orders", auth.Shopper, func(o *web.Operation) { o.Idempotent, o.MaxBody = true, 1000 }),
		func(ctx context.Context, in *placeInput) (*thingOutput, error) {
			return &thingOutput{Replay: idempotency.Replay{Replayed: in.Key == "again"}, Body: thing{ID: auth.Must(ctx).AccountID}}, nil
		})
	web.Register(s.API, op("delete-thing", "DELETE", "/admin/things/{id}", auth.Admin), func(_ context.Context, _ *editInput) (*struct{}, error) {
		return nil, nil
	})
	web.Register(s.API, op("fail", "GET", "/v1/fail", auth.None, func(o *web.Operation) { o.Deadline = time.Minute }), func(ctx context.Context, _ *struct{}) (*thingOutput, error) {
		s.mu.Lock()
		fail := s.fail
		s.mu.Unlock()
		return nil, fail(ctx)
	})
	return s
}

// answer is a response, read.
type answer struct {
	*http.Response
	body    []byte
	problem web.Problem
}

func (s *shop) do(t testing.TB, r *http.Request) answer {
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, r)
	return read(t, recorder.Result())
}

func read(t testing.TB, r *http.Response) answer {
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	a := answer{Response: r, body: body}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/problem+json") && len(body) > 0 {
		require.NoError(t, json.Unmarshal(body, &a.problem), "%s", body)
		require.Equal(t, r.StatusCode, a.problem.Status)
		require.Equal(t, "/problems/"+a.problem.Code, a.problem.Type)
		require.NotEmpty(t, a.problem.Title)
		require.Len(t, a.problem.TraceID, 32)
		require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	}
	return a
}

func request(method, target, body string, headers ...string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://shop.test/", reader)
	u, err := r.URL.Parse(target)
	if err != nil { // what a client may send, but the library would not
		path, query, _ := strings.Cut(target, "?")
		r.URL.Path, r.URL.RawQuery = path, query
	} else {
		r.URL = u
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestRoles(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	cases := []struct {
		name, method, target, authorization string
		status                              int
		code                                string
	}{
		{"PublicWithoutToken", "GET", "/v1/things", "", 200, ""},
		{"PublicWithBadToken", "GET", "/v1/things", "Bearer x", 200, ""},
		{"PublicWhileTokensCannotBeChecked", "GET", "/v1/things", "Bearer unknowable", 200, ""},
		{"NoToken", "POST", "/v1/orders", "", 401, "auth.no_token"},
		{"BadToken", "POST", "/v1/orders", "Bearer x", 401, "auth.bad_token"},
		{"OtherScheme", "POST", "/v1/orders", "Basic shopper", 401, "auth.no_token"},
		{"OnlyScheme", "POST", "/v1/orders", "Bearer ", 401, "auth.no_token"},
		{"SchemeInLowerCase", "POST", "/v1/orders", "bearer shopper", 200, ""},
		{"CannotBeChecked", "POST", "/v1/orders", "Bearer unknowable", 503, "auth.unavailable"},
		{"Shopper", "POST", "/v1/orders", "Bearer shopper", 200, ""},
		{"Higher", "POST", "/v1/orders", "Bearer admin", 200, ""},
		{"TooLow", "PUT", "/admin/things/" + oneID, "Bearer shopper", 403, "auth.forbidden"},
		{"TooLowForAdmin", "DELETE", "/admin/things/" + oneID, "Bearer manager", 403, "auth.forbidden"},
		{"Admin", "DELETE", "/admin/things/" + oneID, "Bearer admin", 204, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			body := ""
			if c.method == "POST" {
				body = `{"quantity":1}`
			}
			a := s.do(t, request(c.method, c.target, body, "Authorization", c.authorization, "Idempotency-Key", "k"))
			require.Equal(t, c.status, a.StatusCode, "%s", a.body)
			require.Equal(t, c.code, a.problem.Code)
			require.Equal(t, c.status == 401, a.Header.Get("WWW-Authenticate") != "")
			if c.status == 200 && c.method == "POST" {
				require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			}
		})
	}

	t.Run("BeforeTheBodyIsRead", func(t *testing.T) {
		t.Parallel()

		r := request("POST", "/v1/orders", "x")
		r.Body = io.NopCloser(unreadable{t})
		require.Equal(t, 401, s.do(t, r).StatusCode)
	})
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestIdempotencyHeader(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	for key, want := range map[string]string{
		"":                       "400 idempotency.key_required",
		"k":                      "200 ",
		"again":                  "200 ",
		strings.Repeat("k", 255): "200 ",
		strings.Repeat("k", 256): "422 request.invalid",
		"é":                      "422 request.invalid",
		"\xff":                   "400 request.malformed",
	} {
		a := s.do(t, request("POST", "/v1/orders", `{"quantity":1}`, "Authorization", "Bearer shopper", "Idempotency-Key", key))
		require.Equal(t, want, itoa(a.StatusCode)+" "+a.problem.Code, "%q: %s", key, a.body)
		if key == "again" {
			require.Equal(t, []string{"true"}, a.Header.Values("Idempotency-Replayed"))
		} else {
			require.Empty(t, a.Header.Values("Idempotency-Replayed"))
		}
	}
	require.Equal(t, web.Idempotency{Key: "k"}.KeyOf("/p", 1), idempotency.Of("k", "/p", 1))
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	post := func(body io.Reader) answer {
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/orders", body)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer shopper")
		r.Header.Set("Idempotency-Key", "k")
		response, err := server.Client().Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		return read(t, response)
	}
	exact := `{"quantity":1}` + strings.Repeat(" ", 1000-len(`{"quantity":1}`))
	for name, c := range map[string]struct {
		body   io.Reader
		status int
	}{
		"Exact":          {strings.NewReader(exact), 200},
		"OneMore":        {strings.NewReader(exact + " "), 413},
		"ExactInChunks":  {io.MultiReader(strings.NewReader(exact)), 200},
		"OneMoreInChunk": {io.MultiReader(strings.NewReader(exact + " ")), 413},
	} {
		a := post(c.body)
		require.Equal(t, c.status, a.StatusCode, "%s: %s", name, a.body)
		if c.status == 413 {
			require.Equal(t, "request.too_large", a.problem.Code)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)

	t.Run("ListsAreNeverNull", func(t *testing.T) {
		t.Parallel()

		require.JSONEq(t, `{"items":[]}`, string(s.do(t, request("GET", "/v1/things", "")).body))
		require.JSONEq(t, `{"id":"00000000-0000-0000-0000-000000000000","name":"a","owner":null,"tags":[]}`,
			string(s.do(t, request("POST", "/v1/things", `{"name":"a","price_won":1}`)).body))
	})

	t.Run("HEADIsGETWithoutABody", func(t *testing.T) {
		t.Parallel()

		server := httptest.NewServer(s.Handler())
		t.Cleanup(server.Close)
		for path, status := range map[string]int{"/v1/things": 200, "/v1/things/17": 422, "/v1/nothing": 404} {
			response, err := server.Client().Head(server.URL + path)
			require.NoError(t, err)
			require.Equal(t, status, response.StatusCode, path)
			require.NoError(t, response.Body.Close())
		}
	})

	t.Run("AllowSaysWhatIsTaken", func(t *testing.T) {
		t.Parallel()

		require.Equal(t, "GET, HEAD, POST", s.do(t, request("PATCH", "/v1/things", "")).Header.Get("Allow"))
		require.Equal(t, "DELETE, PUT", s.do(t, request("GET", "/admin/things/1", "")).Header.Get("Allow"))
	})

	t.Run("Conditional", func(t *testing.T) {
		t.Parallel()

		a := s.do(t, request("GET", "/v1/things/"+oneID, ""))
		etag := a.Header.Get("ETag")
		require.Regexp(t, `^"[A-Za-z0-9_-]{22}"$`, etag)
		a = s.do(t, request("GET", "/v1/things/"+oneID, "", "If-None-Match", `"x", W/`+etag, "Authorization", "Bearer shopper"))
		require.Equal(t, 304, a.StatusCode)
		require.Empty(t, a.body)
		require.Empty(t, a.Header.Get("Content-Type"))
		require.Equal(t, etag, a.Header.Get("ETag"))
		require.Equal(t, []string{"public, max-age=5"}, a.Header.Values("Cache-Control"))

		for ifMatch, want := range map[string]string{"": "428 conflict.if_match_required", `"x"`: "412 conflict.stale", "W/" + etag: "412 conflict.stale", etag: "204 ", "*": "204 "} {
			a := s.do(t, request("PUT", "/admin/things/"+oneID, "", "If-Match", ifMatch, "Authorization", "Bearer manager"))
			require.Equal(t, want, itoa(a.StatusCode)+" "+a.problem.Code, ifMatch)
		}
	})

	t.Run("Headers", func(t *testing.T) {
		t.Parallel()

		for _, path := range []string{"/v1/things", "/v1/nothing", "/v1/things?q=%00"} {
			a := s.do(t, request("GET", path, ""))
			require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
			require.Equal(t, "DENY", a.Header.Get("X-Frame-Options"))
			require.Contains(t, a.Header.Get("Content-Security-Policy"), "default-src 'none'")
			require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"))
		}
	})
}

func TestTracing(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a := s.do(t, request("GET", "/v1/nothing", "", "Traceparent", parent, "X-Request-Id", "job:7/a"))
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", a.problem.TraceID)
	require.Equal(t, "job:7/a", a.Header.Get("X-Request-Id"))
	require.Regexp(t, "^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$", a.Header.Get("Traceparent"))
	require.NotEqual(t, parent, a.Header.Get("Traceparent"))

	seen := map[string]bool{}
	for _, id := range []string{"", "with space", "new\nline", strings.Repeat("x", 129), "é"} {
		a := s.do(t, request("GET", "/v1/nothing", "", "X-Request-Id", id, "Traceparent", "00-junk"))
		made, err := uuid.Parse(a.Header.Get("X-Request-Id"))
		require.NoError(t, err)
		require.EqualValues(t, 7, made.Version())
		require.False(t, seen[a.problem.TraceID])
		seen[a.problem.TraceID] = true
		require.Equal(t, "/v1/nothing", a.problem.Instance)
	}

	line := s.logs.lines(t, "request")[0]
	require.Equal(t, "GET", line["http.request.method"])
	require.Equal(t, "/v1/nothing", line["url.path"])
	require.EqualValues(t, 404, line["http.response.status_code"])
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", line["trace.id"])
	require.Equal(t, "job:7/a", line["http.request.id"])
	require.Equal(t, "192.0.2.1", line["client.ip"])
	require.Equal(t, "request.not_found", line["error.code"])
	require.Positive(t, line["event.duration"])
}

func TestReadOnly(t *testing.T) {
	t.Parallel()

	readOnly := true
	s := newShop(t, func(o *web.Options) { o.ReadOnly = func() bool { return readOnly } })
	order := func() answer {
		return s.do(t, request("POST", "/v1/orders", `{"quantity":1}`, "Authorization", "Bearer admin", "Idempotency-Key", "k"))
	}
	a := order()
	require.Equal(t, "503 shop.read_only", itoa(a.StatusCode)+" "+a.problem.Code)
	require.Equal(t, "30", a.Header.Get("Retry-After"))
	require.Equal(t, 200, s.do(t, request("GET", "/v1/things", "")).StatusCode)
	require.Equal(t, 201, s.do(t, request("POST", "/v1/things", `{"name":"a","price_won":1}`)).StatusCode, "it is ReadOnlySafe")
	require.Equal(t, 204, s.do(t, request("DELETE", "/admin/things/"+oneID, "", "Authorization", "Bearer admin")).StatusCode)
	require.Equal(t, 401, s.do(t, request("POST", "/v1/orders", "{}")).StatusCode)
	readOnly = false
	require.Equal(t, 200, order().StatusCode)
}

func TestIntercept(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	answered := 0
	s.Intercept(func(op *web.Operation, w http.ResponseWriter, r *http.Request) (func(), bool) {
		if op.ID != "place-thing" {
			return func() { answered++ }, false
		}
		require.Equal(t, auth.Shopper, auth.Must(r.Context()).Role)
		w.Header().Set("Queue-Position", "7")
		web.WriteProblemWith(w, r, fault.New(fault.Throttled, "queue.waiting", "wait in line").WithRetryAfter(time.Second),
			map[string]any{"ticket": map[string]any{"position": 7}, "code": "ignored"})
		return nil, true
	})
	r := request("POST", "/v1/orders", "x", "Authorization", "Bearer shopper")
	r.Body = io.NopCloser(unreadable{t})
	a := s.do(t, r)
	require.Equal(t, "429 queue.waiting", itoa(a.StatusCode)+" "+a.problem.Code)
	require.Equal(t, "7", a.Header.Get("Queue-Position"))
	require.Equal(t, "1", a.Header.Get("Retry-After"))
	require.Contains(t, string(a.body), `"ticket":{"position":7}`)
	require.Equal(t, 401, s.do(t, request("POST", "/v1/orders", "x")).StatusCode, "the role comes first")
	require.Zero(t, answered)
	require.Equal(t, 200, s.do(t, request("GET", "/v1/things", "")).StatusCode)
	require.Equal(t, 1, answered, "it is told of the answer")
}

// A path without parameters takes its own methods, and not those of one with parameters that it looks like.
func TestAPathOfItsOwn(t *testing.T) {
	t.Parallel()

	api := web.New(web.Options{})
	for method, path := range map[string]string{"GET": "/v1/things/export", "PATCH": "/v1/things/{id}", "DELETE": "/v1/things/{id}"} {
		web.Raw(api, web.Operation{ID: strings.ToLower(method) + "-it", Method: method, Path: path, Tag: "things", Summary: "Something"},
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	}
	for request, status := range map[string]int{
		"GET /v1/things/export": 204, "HEAD /v1/things/export": 204, "PATCH /v1/things/export": 405, "DELETE /v1/things/export": 405, "OPTIONS /v1/things/export": 405, "PUT /v1/things/export": 405,
		"PATCH /v1/things/1": 204, "DELETE /v1/things/1": 204, "GET /v1/things/1": 405,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
		require.Equal(t, status, w.Code, request)
		if status == 405 {
			want := "GET, HEAD"
			if path == "/v1/things/1" {
				want = "DELETE, PATCH"
			}
			require.Equal(t, want, w.Header().Get("Allow"), request)
		}
	}
}
