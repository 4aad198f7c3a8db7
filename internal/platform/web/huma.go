package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/google/uuid"
)

// huma is configured by package variables. The shop's rules are the only ones in this process.
func init() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return problemOfHuma(nil, status, message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return problemOfHuma(ctx, status, message, errs)
	}
}

func newHuma(a *API) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", a.schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[uuid.UUID](), reflect.TypeFor[uuidText]())
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	return huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: a.options.Title, Version: a.options.Version, Description: a.options.Description},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The access token that POST /v1/sessions gives."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	}, adapter{a})
}

// adapter puts huma's operations on the router, behind route.
type adapter struct{ api *API }

func (ad adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { ad.api.Router.ServeHTTP(w, r) }

func (ad adapter) Handle(spec *huma.Operation, handler func(huma.Context)) {
	op := ad.api.naming
	op.spec = spec
	in := intakeOf(spec)
	ad.api.Router.Method(spec.Method, spec.Path, ad.api.route(op, in, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if op.quick != nil && in.plain(r) && op.quick(w, r) {
			return
		}
		delete(r.Header, "Accept") // only JSON is offered, and huma's reading of this header panics on garbage
		handler(humachi.NewContext(spec, r, w))
	})))
}
