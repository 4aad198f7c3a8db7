package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestOpenAPI(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	a := s.do(t, request("GET", "/openapi.json", ""))
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "application/openapi+json; charset=utf-8", a.Header.Get("Content-Type"))
	b := newShop(t, nil).do(t, request("GET", "/openapi.json", ""))
	require.Equal(t, string(a.body), string(b.body), "the same code makes the same document")
	require.Equal(t, 304, s.do(t, request("GET", "/openapi.json", "", "If-None-Match", a.Header.Get("ETag"))).StatusCode)

	var doc struct {
		OpenAPI    string `json:"openapi"`
		Tags       []struct{ Name string }
		Components struct {
			Schemas         map[string]json.RawMessage `json:"schemas"`
			SecuritySchemes map[string]any             `json:"securitySchemes"`
		}
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Description string
			Role        string                `json:"x-role"`
			Security    []map[string][]string `json:"security"`
			Parameters  []struct {
				Name, In string
				Required bool
			}
			RequestBody *struct {
				Content map[string]struct{ Example any }
			} `json:"requestBody"`
			Responses map[string]struct {
				Content map[string]struct {
					Schema   map[string]any
					Example  any
					Examples map[string]any
				}
				Headers map[string]any
			}
		}
	}
	require.NoError(t, json.Unmarshal(a.body, &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	require.Equal(t, "things", doc.Tags[0].Name)
	require.Contains(t, doc.Components.SecuritySchemes, "bearer")
	require.Contains(t, doc.Components.Schemas, "Problem")
	require.NotContains(t, string(a.body), "$schema")

	place := doc.Paths["/v1/orders"]["post"]
	require.Equal(t, "place-thing", place.OperationID)
	require.Equal(t, "shopper", place.Role)
	require.Contains(t, place.Description, "shopper")
	require.Equal(t, []map[string][]string{{"bearer": {}}}, place.Security)
	require.Equal(t, "Idempotency-Key", place.Parameters[0].Name)
	require.True(t, place.Parameters[0].Required)
	require.Equal(t, map[string]any{"quantity": 1.0}, place.RequestBody.Content["application/json"].Example)
	codes := func(status string) []string {
		var codes []string
		for code := range place.Responses[status].Content["application/problem+json"].Examples {
			codes = append(codes, code)
		}
		slices.Sort(codes)
		return codes
	}
	require.Equal(t, []string{"idempotency.key_required", "request.malformed", "request.unknown_field"}, codes("400"))
	require.Equal(t, []string{"auth.bad_token", "auth.no_token"}, codes("401"))
	require.Equal(t, []string{"auth.forbidden"}, codes("403"))
	require.Equal(t, []string{"idempotency.in_progress"}, codes("409"))
	require.Equal(t, []string{"request.too_large"}, codes("413"))
	require.Equal(t, []string{"request.unsupported_media_type"}, codes("415"))
	require.Equal(t, []string{"idempotency.key_reused", "request.invalid"}, codes("422"))
	require.Contains(t, codes("503"), "shop.read_only")
	require.Contains(t, place.Responses["503"].Headers, "Retry-After")
	require.Equal(t, map[string]any{"$ref": "#/components/schemas/Problem"}, place.Responses["409"].Content["application/problem+json"].Schema)

	make := doc.Paths["/v1/things"]["post"]
	require.Equal(t, "public", make.Role)
	require.Empty(t, make.Security)
	require.Contains(t, make.Responses["409"].Content["application/problem+json"].Examples, "things.sold_out")
	require.NotContains(t, make.Responses, "401")
	require.NotNil(t, make.Responses["201"].Content["application/json"].Example)
	require.NotContains(t, make.Responses, "default")

	edit := doc.Paths["/admin/things/{id}"]["put"]
	require.Contains(t, edit.Responses["412"].Content["application/problem+json"].Examples, "conflict.stale")
	require.Contains(t, edit.Responses["428"].Content["application/problem+json"].Examples, "conflict.if_match_required")

	require.JSONEq(t, `{"type":["string","null"],"format":"uuid","minLength":36,"maxLength":36}`, property(t, doc.Components.Schemas["Thing"], "owner"))
	require.JSONEq(t, `{"type":"array","items":{"type":"string"}}`, property(t, doc.Components.Schemas["Thing"], "tags"))
}

func property(t *testing.T, schema json.RawMessage, name string) string {
	var s struct{ Properties map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(schema, &s))
	return string(s.Properties[name])
}

// TestOperations shows what the tests of the whole shop are made from: each operation with its role, and a request that
// satisfies its schema.
func TestOperations(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	var table []string
	for _, o := range s.Operations() {
		table = append(table, o.Method+" "+o.Path+" "+string(o.Role))
	}
	require.Equal(t, []string{
		"DELETE /admin/things/{id} admin", "PUT /admin/things/{id} manager", "GET /v1/fail ", "POST /v1/orders shopper",
		"GET /v1/things ", "POST /v1/things ", "GET /v1/things/{id} ",
	}, table)
	for _, o := range s.Operations() {
		if o.Spec().RequestBody == nil {
			continue
		}
		body, err := json.Marshal(s.Example(o.Spec().RequestBody.Content["application/json"].Schema))
		require.NoError(t, err)
		a := s.do(t, request(o.Method, o.Path, string(body), "Authorization", "Bearer admin", "Idempotency-Key", "k"))
		require.Less(t, a.StatusCode, 300, "%s: %s → %s", o.ID, body, a.body)
	}
}

func TestExample(t *testing.T) {
	t.Parallel()

	type node struct {
		Name     string `json:"name"`
		Children []node `json:"children"`
	}
	type all struct {
		ID      string   `json:"id" format:"uuid"`
		Email   string   `json:"email" format:"email"`
		Kind    string   `json:"kind" enum:"b,a"`
		Long    string   `json:"long" minLength:"8"`
		Short   string   `json:"short" maxLength:"2"`
		Count   int64    `json:"count" minimum:"3"`
		Zero    int64    `json:"zero" maximum:"0"`
		Over    int64    `json:"over" exclusiveMinimum:"5"`
		Default int      `json:"default" default:"7"`
		Given   string   `json:"given" example:"here"`
		Two     []string `json:"two" minItems:"2"`
		Flag    bool     `json:"flag"`
		Tree    node     `json:"tree"`
	}
	s := newShop(t, nil)
	registry := s.OpenAPI().Components.Schemas
	schema := registry.Schema(reflect.TypeFor[all](), true, "")
	b, err := json.Marshal(s.Example(schema))
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(b, &value))
	result := &huma.ValidateResult{}
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, result)
	require.Empty(t, result.Errors, "%s", b)
	require.Contains(t, string(b), `"given":"here"`)
}

func TestDeclarationsThatMakeNoSense(t *testing.T) {
	t.Parallel()

	good := web.Operation{ID: "do", Method: "POST", Path: "/v1/do", Summary: "Do", Tag: "things"}
	handler := func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }
	for name, c := range map[string]struct {
		change func(*web.Operation)
		want   string
	}{
		"NoID":          {func(o *web.Operation) { o.ID = "" }, "kebab-case"},
		"CamelID":       {func(o *web.Operation) { o.ID = "doIt" }, "kebab-case"},
		"TakenID":       {func(o *web.Operation) { o.ID = "get-thing" }, "two operations"},
		"TakenPath":     {func(o *web.Operation) { o.Path = "/v1/things" }, "two handlers"},
		"NoMethod":      {func(o *web.Operation) { o.Method = "" }, "no method"},
		"NoPath":        {func(o *web.Operation) { o.Path = "v1" }, "begin with /"},
		"NoSummary":     {func(o *web.Operation) { o.Summary = "" }, "no summary"},
		"NoTag":         {func(o *web.Operation) { o.Tag = "" }, "no tag"},
		"NoSuchRole":    {func(o *web.Operation) { o.Role = "root" }, "does not exist"},
		"AdminForAll":   {func(o *web.Operation) { o.Path = "/admin/do" }, "below /admin"},
		"NoKeyInInput":  {func(o *web.Operation) { o.Idempotent = true }, "web.Idempotency"},
		"ShopperAtBack": {func(o *web.Operation) { o.Path, o.Role = "/admin/do", auth.Shopper }, "below /admin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newShop(t, nil)
			op := good
			c.change(&op)
			defer func() { require.Contains(t, recover(), c.want) }()
			web.Register(s.API, op, handler)
			t.Error("it was taken")
		})
	}
	s := newShop(t, nil)
	web.Register(s.API, good, handler)
	require.Equal(t, 204, s.do(t, request("POST", "/v1/do", "")).StatusCode)
}

func TestDocs(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	page := s.do(t, request("GET", "/docs", ""))
	require.Equal(t, 200, page.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	policy := page.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "script-src 'self'")
	require.NotContains(t, policy, "unsafe")
	html := string(page.body)
	for _, forbidden := range []string{"http://", "https://", "style=", "onclick=", "<style", "<script>"} {
		require.NotContains(t, html, forbidden)
	}
	for path, contentType := range map[string]string{"/docs/docs.css": "text/css; charset=utf-8", "/docs/docs.js": "text/javascript; charset=utf-8"} {
		require.Contains(t, html, path)
		a := s.do(t, request("GET", path, ""))
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Equal(t, contentType, a.Header.Get("Content-Type"))
		require.NotEmpty(t, a.body)
		require.NotContains(t, strings.ReplaceAll(string(a.body), "http://www.w3.org/", ""), "http://")
		require.NotContains(t, string(a.body), "https://")
		require.NotContains(t, string(a.body), "innerHTML", "what the document says is text")
		require.Equal(t, 304, s.do(t, request("GET", path, "", "If-None-Match", a.Header.Get("ETag"))).StatusCode)
	}
}
