package web_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestHandle(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		_, _ = w.Write(body)
	})
	web.Handle(s.API, "POST", "/webhooks/toss", echo)
	web.Handle(s.API, "", "/toss/*", echo)

	require.Equal(t, "x", string(s.do(t, request("POST", "/webhooks/toss", "x")).body))
	require.Equal(t, "x", string(s.do(t, request("PUT", "/toss/a/b", "x")).body))
	a := s.do(t, request("POST", "/webhooks/toss", strings.Repeat("x", 1<<20+1)))
	require.Equal(t, "413 request.too_large", itoa(a.StatusCode)+" "+a.problem.Code)
	r := request("POST", "/webhooks/toss", "x")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20+1))), -1
	a = s.do(t, r)
	require.Equal(t, "413 request.too_large", itoa(a.StatusCode)+" "+a.problem.Code)

	require.PanicsWithValue(t, "web: two handlers for POST /webhooks/toss", func() { web.Handle(s.API, "POST", "/webhooks/toss", echo) })

	var routes []string
	for _, r := range s.Routes() {
		if r.Operation == nil {
			routes = append(routes, r.Method+" "+r.Pattern)
		}
	}
	require.Equal(t, []string{"GET /docs", "GET /docs/docs.css", "GET /docs/docs.js", "GET /openapi.json", " /toss/*", "POST /webhooks/toss"}, routes)
	require.Len(t, s.Routes(), len(routes)+len(s.Operations()))
}

func TestRaw(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	web.Raw(s.API, web.Operation{
		ID: "import-things", Method: "POST", Path: "/admin/things/{kind}/import", Summary: "Import", Tag: "things", Role: auth.Manager,
		MaxBody: 10, Accepts: "application/x-ndjson", Produces: "application/x-ndjson",
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = web.CheckJSON(body)
		}
		if err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		_, _ = w.Write([]byte(auth.Must(r.Context()).Role))
	}))
	post := func(role, body string) answer {
		return s.do(t, request("POST", "/admin/things/shoes/import", body, "Authorization", "Bearer "+role, "Content-Type", "application/x-ndjson"))
	}
	require.Equal(t, "manager", string(post("manager", `{}`).body))
	for want, a := range map[string]answer{
		"401 auth.bad_token":    post("x", `{}`),
		"403 auth.forbidden":    post("shopper", `{}`),
		"413 request.too_large": post("manager", `{"a":12345}`),
		"422 request.invalid":   post("manager", `"\u0000"`),
		"400 request.malformed": post("manager", "\"\xff\""),
	} {
		require.Equal(t, want, itoa(a.StatusCode)+" "+a.problem.Code)
	}
	for _, o := range s.Operations() {
		if o.ID == "import-things" {
			require.NotNil(t, o.Spec().RequestBody.Content["application/x-ndjson"])
			require.Equal(t, "kind", o.Spec().Parameters[0].Name)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	type form struct {
		Image huma.FormFile `form:"image" contentType:"image/png,text/plain" required:"true"`
		Alt   string        `form:"alt" maxLength:"10"`
	}
	type input struct {
		RawBody huma.MultipartFormFiles[form]
	}
	web.Register(s.API, web.Operation{
		ID: "upload", Method: "POST", Path: "/v1/images", Summary: "Upload", Tag: "things", MaxBody: 4000, Status: 201,
	}, func(_ context.Context, in *input) (*thingOutput, error) {
		return &thingOutput{Status: 201, Body: thing{Name: in.RawBody.Data().Alt}}, nil
	})

	post := func(alt, file string, size int) answer {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		require.NoError(t, w.WriteField("alt", alt))
		part, err := w.CreateFormFile("image", file)
		require.NoError(t, err)
		_, err = part.Write(bytes.Repeat([]byte("x"), size))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return s.do(t, request("POST", "/v1/images", b.String(), "Content-Type", w.FormDataContentType()))
	}
	a := post("shoe", "a.txt", 10)
	require.Equal(t, 201, a.StatusCode, "%s", a.body)
	require.Contains(t, string(a.body), `"name":"shoe"`)

	chunked := request("POST", "/v1/images", "--b\r\nContent-Disposition: form-data; name=\"alt\"\r\n\r\n"+strings.Repeat("x", 5000)+"\r\n--b--\r\n",
		"Content-Type", "multipart/form-data; boundary=b")
	chunked.ContentLength = -1
	broken := func(contentType, body string) answer {
		return s.do(t, request("POST", "/v1/images", body, "Content-Type", contentType))
	}
	for want, answers := range map[string][]answer{
		"422 request.invalid": {post("a\x00b", "a.txt", 10), post("much too long", "a.txt", 10)},
		"400 request.malformed": {
			post("\xff", "a.txt", 10), broken("multipart/form-data", "x"), broken("multipart/form-data; boundary=b", "x"),
			broken("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"alt\"\r\n\r\nhal"),
		},
		"413 request.too_large":              {post("shoe", "a.txt", 4000), s.do(t, chunked)},
		"415 request.unsupported_media_type": {broken("application/json", "{}"), broken("", "x")},
	} {
		for i, a := range answers {
			require.Equal(t, want, itoa(a.StatusCode)+" "+a.problem.Code, "%d: %s", i, a.body)
		}
	}
}

func TestAnswerThatCannotBeEncoded(t *testing.T) {
	t.Parallel()

	type output struct {
		ETag string `header:"ETag"`
		Body struct {
			Ratio float64 `json:"ratio"`
		}
	}
	s := newShop(t, nil)
	web.Register(s.API, web.Operation{ID: "ratio", Method: "GET", Path: "/v1/ratio", Summary: "Ratio", Tag: "things"},
		func(context.Context, *struct{}) (*output, error) {
			o := &output{ETag: `"x"`}
			o.Body.Ratio = math.NaN()
			return o, nil
		})
	a := s.do(t, request("GET", "/v1/ratio", ""))
	require.Equal(t, "500 internal", itoa(a.StatusCode)+" "+a.problem.Code)
	require.Empty(t, a.Header.Get("ETag"))
	require.Len(t, s.logs.lines(t, "encode answer"), 1)
}

func TestPanicInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	web.Handle(s.API, "GET", "/half", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic("broken")
	}))
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	response, err := server.Client().Get(server.URL + "/half")
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	require.Error(t, err, "half an answer must not look like a whole one")
	require.Eventually(t, func() bool { return len(s.logs.lines(t, "handler panicked")) == 1 }, 10*time.Second, time.Millisecond)
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	registry := prometheus.NewRegistry()
	s := newShop(t, func(o *web.Options) { o.Registerer = registry })
	for _, target := range []string{"/v1/things/" + oneID, "/v1/things/17", "/v1/nothing", "/v1/nothing/else"} {
		s.do(t, request("GET", target, ""))
	}
	s.do(t, request("BREW", "/v1/things", ""))
	s.Router.Get("/direct/{x}", func(http.ResponseWriter, *http.Request) {})
	s.do(t, request("GET", "/direct/1", ""))
	families, err := registry.Gather()
	require.NoError(t, err)
	figures := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			switch {
			case m.GetCounter() != nil:
				figures[name] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				figures[name] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				figures[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	require.Equal(t, map[string]float64{
		"shop_http_requests_in_flight":                           0,
		"shop_http_requests_total GET /direct/{x} 200":           1,
		"shop_http_requests_total GET /v1/things/{id} 200":       1,
		"shop_http_requests_total GET /v1/things/{id} 422":       1,
		"shop_http_requests_total GET unmatched 404":             2,
		"shop_http_requests_total other unmatched 405":           1,
		"shop_http_request_duration_seconds GET /direct/{x}":     1,
		"shop_http_request_duration_seconds GET /v1/things/{id}": 2,
		"shop_http_request_duration_seconds GET unmatched":       2,
		"shop_http_request_duration_seconds other unmatched":     1,
	}, figures)
}

func TestSpans(t *testing.T) {
	t.Parallel()

	recorder := tracetest.NewSpanRecorder()
	s := newShop(t, func(o *web.Options) {
		o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	})
	a := s.do(t, request("GET", "/v1/things/17", "", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", a.problem.TraceID)
	span := recorder.Ended()[0]
	require.Equal(t, "GET /v1/things/{id}", span.Name())
	require.Equal(t, "00f067aa0ba902b7", span.Parent().SpanID().String())
	require.Contains(t, a.Header.Get("Traceparent"), span.SpanContext().SpanID().String())
}

func TestClientIP(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		proxies   int
		remote    string
		forwarded []string
		want      string
	}{
		"Direct":            {0, "203.0.113.9:1", nil, "203.0.113.9"},
		"NotBelieved":       {0, "203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		"OneProxy":          {1, "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"TwoProxies":        {2, "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"ProxyPassedAround": {1, "203.0.113.9:1", nil, "203.0.113.9"},
		"ShorterThanAsked":  {2, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		"Garbage":           {1, "10.0.0.1:1", []string{"evil"}, "10.0.0.1"},
		"Mapped":            {0, "[::ffff:203.0.113.9]:1", nil, "203.0.113.9"},
		"Zone":              {0, "[fe80::1%eth0]:1", nil, "fe80::1"},
		"Unix":              {0, "@", nil, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newShop(t, func(o *web.Options) { o.TrustProxy = c.proxies })
			var got string
			web.Handle(s.API, "GET", "/ip", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = web.ClientIP(r.Context()).String() }))
			r := request("GET", "/ip", "")
			r.RemoteAddr, r.Header["X-Forwarded-For"] = c.remote, c.forwarded
			s.do(t, r)
			require.Equal(t, c.want, got)
		})
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()

	s := newShop(t, func(o *web.Options) { o.Origins = []string{"https://front.example"} })
	preflight := func(origin string) string {
		return s.do(t, request("OPTIONS", "/v1/things", "", "Origin", origin, "Access-Control-Request-Method", "POST")).Header.Get("Access-Control-Allow-Origin")
	}
	require.Equal(t, "https://front.example", preflight("https://front.example"))
	require.Empty(t, preflight("https://evil.example"))
}

func TestServe(t *testing.T) {
	t.Parallel()

	begun, proceed := make(chan struct{}), make(chan struct{})
	server := web.NewServer("", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-proceed
		_, _ = w.Write([]byte("whole"))
	}))
	require.NotZero(t, server.ReadHeaderTimeout)
	require.NotZero(t, server.ReadTimeout)
	require.NotZero(t, server.WriteTimeout)
	require.NotZero(t, server.IdleTimeout)
	require.Equal(t, 16<<10, server.MaxHeaderBytes)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- web.Serve(ctx, server, l, time.Minute) }()
	body := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer response.Body.Close()
		b, _ := io.ReadAll(response.Body)
		body <- string(b)
	}()
	<-begun
	stop()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "no new connection is taken")
	close(proceed)
	require.Equal(t, "whole", <-body, "what ran may finish")
	require.NoError(t, <-served)

	require.Error(t, web.Serve(t.Context(), web.NewServer("", http.NotFoundHandler()), l, time.Second), "the listener is closed")
}

func TestServeCutsOffWhatDoesNotFinish(t *testing.T) {
	t.Parallel()

	begun := make(chan struct{})
	server := web.NewServer("", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- web.Serve(ctx, server, l, 10*time.Millisecond) }()
	go func() {
		if response, err := http.Get("http://" + l.Addr().String()); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-begun
	stop()
	require.ErrorIs(t, <-served, context.DeadlineExceeded)
}
