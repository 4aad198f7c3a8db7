package web

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Route is one method on one path, whether or not an Operation stands behind it.
type Route struct {
	Method    string // empty: every method
	Pattern   string
	Operation *Operation // nil for what was added with Handle
}

// Routes are all routes of the API, sorted: what a test must have seen to have seen everything.
func (a *API) Routes() []Route {
	a.registering.Lock()
	defer a.registering.Unlock()
	routes := slices.Clone(a.routes)
	slices.SortFunc(routes, func(x, y Route) int {
		if c := strings.Compare(x.Pattern, y.Pattern); c != 0 {
			return c
		}
		return strings.Compare(x.Method, y.Method)
	})
	return routes
}

func (a *API) addRoute(method, pattern string, op *Operation) {
	for _, r := range a.routes {
		if r.Method == method && r.Pattern == pattern {
			panic(fmt.Sprintf("web: two handlers for %s %s", method, pattern))
		}
	}
	a.routes = append(a.routes, Route{Method: method, Pattern: pattern, Operation: op})
}

// Handle adds a public handler that is no operation: a page, an asset, a webhook. An empty method means every method, and
// the pattern is chi's. It passes the middleware as all do, and its body is limited to 1 MiB.
func Handle(api *API, method, pattern string, handler http.Handler) {
	api.registering.Lock()
	defer api.registering.Unlock()

	api.addRoute(method, pattern, nil)
	if api.elsewhere != nil {
		handler = api.elsewhere
	}
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if st := stateOf(r.Context()); st != nil {
			st.pattern = pattern
		}
		if r.ContentLength > defaultMaxBody {
			WriteProblem(w, r, tooLarge(defaultMaxBody))
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			limitBody(w, r, defaultMaxBody)
		}
		handler.ServeHTTP(w, r)
	})
	if method == "" {
		api.Router.Handle(pattern, limited)
		return
	}
	api.Router.Method(method, pattern, limited)
}

// Raw adds an operation whose handler reads and writes the messages itself, such as an import that is streamed. Role,
// limits, deadline and documentation are those of the declaration; the handler answers failures with WriteProblem and
// checks what it reads with CheckText or CheckJSON.
func Raw(api *API, op Operation, handler http.Handler) {
	api.registering.Lock()
	defer api.registering.Unlock()

	o := api.add(op)
	spec := api.describe(o, nil)
	o.spec = &spec
	for _, name := range pathParameters(o.Path) {
		spec.Parameters = append(spec.Parameters, &huma.Param{
			Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString},
		})
	}
	if o.Accepts != "" {
		schema := &huma.Schema{Type: huma.TypeString, Format: "binary"}
		if o.Accepts == "application/json" {
			schema = &huma.Schema{} // any: the handler says what it takes
		}
		spec.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{o.Accepts: {Schema: schema}}}
	}
	if status := cmp.Or(o.Status, http.StatusOK); spec.Responses[itoa(status)] == nil {
		spec.Responses[itoa(status)] = &huma.Response{Description: http.StatusText(status)}
	}
	if !o.Hidden {
		api.huma.OpenAPI().AddOperation(&spec)
	}
	api.Router.Method(o.Method, o.Path, api.route(o, intakeOf(&spec), handler))
}

var pathParameter = regexp.MustCompile(`\{([^}:]+)(:[^}]*)?\}`)

func pathParameters(path string) []string {
	var names []string
	for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}
