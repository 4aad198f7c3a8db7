package web

import (
	"log/slog"
	"net/http"
	"net/http/httputil"

	"github.com/sasapick/shop/internal/platform/rpc"
)

// Elsewhere adds routes that another process answers. Here they are documented, guarded, gated and limited as if they were answered
// here, so that whatever stands before an operation stands before it in one place; the handlers of the routes are not called.
func (a *API) Elsewhere(module string, client *rpc.Client, routes ...Routes) {
	a.elsewhere = passOn(module, client)
	defer func() { a.elsewhere = nil }()
	first := len(a.operations)
	for _, r := range routes {
		r.Routes(a)
	}
	for _, op := range a.operations[first:] {
		op.Ready = nil // what is kept, is kept there
	}
}

// own are the headers that the middleware has set already when an answer comes from elsewhere.
var own = []string{"X-Request-Id", "Traceparent", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy"}

// passOn hands a request to the process that hosts the module, with the shopper's address, and the answer back as it is.
func passOn(module string, client *rpc.Client) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport:     client.Transport(),
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(client.Base())
			pr.Out.Host, pr.Out.URL.RawQuery = pr.In.Host, pr.In.URL.RawQuery
			pr.SetXForwarded()
			client.Sign(pr.Out.Header)
			if st := stateOf(pr.In.Context()); st != nil {
				pr.Out.Header.Set("X-Forwarded-For", st.client.String())
				pr.Out.Header.Set("X-Request-Id", st.requestID())
				pr.Out.Header.Set("Traceparent", st.names[1])
			}
		},
		ModifyResponse: func(r *http.Response) error {
			for _, name := range own {
				r.Header.Del(name)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			WriteProblem(w, r, &rpc.Outage{Module: module, Method: r.Method + " " + r.URL.Path, Err: err})
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("Cache-Control") // the answer has its own
		proxy.ServeHTTP(w, r)
	})
}
