package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/web"
)

// bad is what is done to a good request, and what must be answered.
type bad struct {
	name    string
	path    string            // instead of the good one
	header  map[string]string // beside the good ones; "" removes one
	body    []byte
	chunked bool

	want []int  // none: anything that is documented and no failure of ours
	code string // of the problem; "": any
}

func (c bad) judge(t *testing.T, api *web.API, op web.Operation, a said) {
	t.Helper()
	require.NoError(t, conforms(api, op, a), c.name)
	if len(c.want) > 0 {
		require.Contains(t, c.want, a.Status, "%s: %s", c.name, a)
	}
	if c.code != "" {
		require.Equal(t, c.code, a.field("code"), "%s: %s", c.name, a)
	}
}

// badBodies are what can be wrong with the body as a whole, and with each of its fields.
func badBodies(t *testing.T, api *web.API, op web.Operation, g good) []bad {
	t.Helper()
	if op.Spec().RequestBody == nil {
		return nil
	}
	refused := []int{400, 422}
	small, _ := json.Marshal(map[string]any{})
	huge := bytes.Repeat([]byte(" "), int(min(op.MaxBody, 16<<20))+1) // more is a file, whose reader has tests of its own
	huge[0] = '"'
	if head, _, form := bytes.Cut(g.raw, []byte("\r\n\r\n")); form {
		copy(huge, append(bytes.Clone(head), "\r\n\r\n"...))
	}
	cases := []bad{
		{name: "no JSON", body: []byte("{"), want: []int{400}},
		{name: "text", body: []byte("quantity=1"), want: []int{400}},
		{name: "invalid UTF-8", body: []byte("{\"name\":\"\xff\"}"), want: []int{400}},
		{name: "deep", body: bytes.Repeat([]byte("["), 100_000), want: []int{400}},
		{name: "deep objects", body: bytes.Repeat([]byte(`{"a":`), 100_000), want: []int{400}},
		{name: "huge", body: huge, want: []int{413}},
		{name: "huge, of unknown length", body: huge, chunked: true, want: []int{413}},
	}
	schema := bodySchema(op)
	if schema == nil { // it is read by the handler itself, which may keep it as it is
		for i := range cases {
			if !slices.Contains(cases[i].want, 413) || op.MaxBody > int64(len(huge)) {
				cases[i].want = nil
			}
		}
		return cases
	}
	tree := normal(t, g.body)
	valid := render(tree, "", "", nil)
	empty := refused
	if !op.Spec().RequestBody.Required {
		empty = nil
	}
	cases = append(cases,
		bad{name: "trailing garbage", body: append(bytes.Clone(valid), "garbage"...), want: []int{400}, code: "request.malformed"},
		bad{name: "two bodies", body: append(bytes.Clone(valid), valid...), want: []int{400}, code: "request.malformed"},
		bad{name: "empty", body: []byte{}, want: empty},
		bad{name: "blank", body: []byte(" "), want: empty},
		bad{name: "null", body: []byte("null"), want: empty},
		bad{name: "list", body: []byte("[]"), want: []int{422}},
		bad{name: "number", body: []byte("1"), want: []int{422}},
		bad{name: "NUL", body: append([]byte{0}, valid...), want: refused},
		bad{name: "byte order mark", body: append([]byte("\xef\xbb\xbf"), valid...), want: []int{400}},
		bad{name: "UTF-16", body: []byte("\xfe\xff\x00{\x00}"), want: []int{400}},
		bad{name: "form", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: valid, want: []int{415}},
		bad{name: "multipart", header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, body: valid, want: []int{415}},
		bad{name: "garbage as its type", header: map[string]string{"Content-Type": ";;;"}, body: valid, want: []int{415}},
		bad{name: "wrong type and no JSON", header: map[string]string{"Content-Type": "text/plain"}, body: small, want: []int{415}},
	)
	for _, name := range []string{"role", "id", "account_id", "__proto__", "constructor", "is_admin"} {
		if members, ok := tree.(map[string]any); ok && members[name] == nil && property(api, schema, name) == nil {
			cases = append(cases, bad{
				name: "unknown field " + name, body: []byte(strings.Replace(string(valid), "{", `{"`+name+`":"admin",`, 1)), want: []int{400}, code: "request.unknown_field",
			})
		}
	}
	for _, f := range fieldsOf(api, schema, tree, "", true, true) {
		cases = append(cases, f.mutations(t, tree)...)
	}
	return cases
}

func property(api *web.API, schema *huma.Schema, name string) *huma.Schema {
	return resolved(api, schema).Properties[name]
}

func resolved(api *web.API, s *huma.Schema) *huma.Schema {
	for s.Ref != "" {
		s = api.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// fieldOfBody is one value in a body.
type fieldOfBody struct {
	pointer  string
	schema   *huma.Schema
	required bool
	item     bool // of a list
}

// fieldsOf are the values in a good body, below the body itself.
func fieldsOf(api *web.API, schema *huma.Schema, value any, pointer string, required, top bool) []fieldOfBody {
	schema = resolved(api, schema)
	var found []fieldOfBody
	if !top {
		found = append(found, fieldOfBody{pointer: pointer, schema: schema, required: required})
	}
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if p := schema.Properties[name]; p != nil {
				found = append(found, fieldsOf(api, p, value[name], pointer+"/"+name, slices.Contains(schema.Required, name), false)...)
			}
		}
	case []any:
		for i, item := range value {
			inner := fieldsOf(api, schema.Items, item, fmt.Sprintf("%s/%d", pointer, i), true, false)
			inner[0].item = true
			found = append(found, inner...)
		}
	}
	return found
}

// mutations are the ways in which a field can be wrong.
func (f fieldOfBody) mutations(t *testing.T, tree any) []bad {
	t.Helper()
	var cases []bad
	invalid := []int{422}
	add := func(name, raw string, want ...int) {
		cases = append(cases, bad{name: f.pointer + ": " + name, body: render(tree, "", f.pointer, []byte(raw)), want: want})
	}
	null := invalid
	if !f.required || f.schema.Nullable {
		null = nil // it is as if it were left out
	}
	add("null", "null", null...)
	if f.schema.Type == huma.TypeObject {
		add("unknown field", `{"a":{"a":{"a":[1]}}}`, 400)
	} else {
		add("object", `{"a":{"a":{"a":[1]}}}`, invalid...)
	}
	if !f.item {
		whole := string(render(tree, "", "", nil))
		name := f.pointer[strings.LastIndex(f.pointer, "/")+1:]
		cases = append(cases, bad{name: f.pointer + ": given twice", body: []byte(strings.Replace(whole, `"`+name+`":`, `"`+name+`":{"a":1},"`+name+`":`, 1))})
		if f.required {
			cases = append(cases, bad{name: f.pointer + ": left out", body: render(tree, f.pointer, "", nil), want: invalid})
		}
		if upper := strings.ToUpper(name); upper != name && strings.Count(f.pointer, "/") == 1 {
			cases = append(cases, bad{name: f.pointer + ": in capitals", body: []byte(strings.Replace(whole, `"`+name+`":`, `"`+upper+`":`, 1)), want: []int{400, 422}})
		}
	}
	switch f.schema.Type {
	case huma.TypeString:
		add("number", "12345", invalid...)
		add("list", "[]", invalid...)
		add("true", "true", invalid...)
		add("NUL", `"a\u0000b"`, invalid...)
		add("invalid UTF-8", "\"\xff\xfe\"", 400)
		add("half a surrogate", `"\ud800"`)
		add("right to left, combined and astral", `"\u202e\u0301𝔘"`)
		add("SQL", `"'; DROP TABLE x; --"`)
		bounded := f.schema.MaxLength != nil || slices.Contains([]string{"date-time", "uuid"}, f.schema.Format) || len(f.schema.Enum) > 0
		require.True(t, bounded || f.item, "%s may be of any length", f.pointer)
		if f.schema.MaxLength != nil {
			add("too long", `"`+strings.Repeat("a", *f.schema.MaxLength+1)+`"`, invalid...)
			add("as long as it may be, of four bytes each", `"`+strings.Repeat("𝔘", *f.schema.MaxLength)+`"`)
		}
		add("100,000 characters", `"`+strings.Repeat("a", 100_000)+`"`, invalid...)
		if f.schema.MinLength != nil && *f.schema.MinLength > 0 {
			add("empty", `""`, invalid...)
			add("blank", `"`+strings.Repeat(" ", *f.schema.MinLength)+`"`)
		}
		switch f.schema.Format {
		case "uuid":
			add("no UUID", `"garbage"`, invalid...)
			add("braced UUID", `"{0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d}"`, invalid...)
			add("nil UUID", `"00000000-0000-0000-0000-000000000000"`)
			add("random UUID", `"`+uuid.NewString()+`"`)
		case "date-time":
			add("no time", `"yesterday"`, invalid...)
			for _, extreme := range []string{"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1583-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999Z", "2026-06-30T23:59:60Z"} {
				add(extreme, `"`+extreme+`"`)
			}
		}
		if len(f.schema.Enum) > 0 {
			add("none of the enum", `"nonesuch"`, invalid...)
		}
	case huma.TypeInteger:
		for _, raw := range []string{`"1"`, "1.5", "9223372036854775808", "-9223372036854775809", "1e400", "-1e400", "true", "[]"} {
			add(raw, raw, invalid...)
		}
		require.NotNil(t, f.schema.Minimum, "%s has no minimum", f.pointer)
		require.NotNil(t, f.schema.Maximum, "%s has no maximum", f.pointer)
		for _, raw := range []string{"-1", "0", "-9223372036854775808", "9223372036854775807", "1e3"} {
			var want []int
			if raw[0] == '-' && *f.schema.Minimum >= 0 || raw == "9223372036854775807" || raw == "0" && *f.schema.Minimum > 0 {
				want = invalid
			}
			add(raw, raw, want...)
		}
		add("the most", fmt.Sprintf("%.0f", *f.schema.Maximum))
		add("one more than the most", fmt.Sprintf("%.0f", *f.schema.Maximum+1), invalid...)
	case huma.TypeBoolean:
		for _, raw := range []string{`"true"`, "1", "[]"} {
			add(raw, raw, invalid...)
		}
	case huma.TypeArray:
		add("text", `"a"`, invalid...)
		add("list of null", "[null]", invalid...)
		add("empty", "[]")
		require.NotNil(t, f.schema.MaxItems, "%s may have any number of items", f.pointer)
	case huma.TypeObject:
		add("list", "[]", invalid...)
		add("text", `"a"`, invalid...)
	default:
		t.Errorf("%s has the type %q, which is not tested", f.pointer, f.schema.Type)
	}
	return cases
}

// normal is a value as JSON has it.
func normal(t *testing.T, v any) any {
	t.Helper()
	var tree any
	d := json.NewDecoder(bytes.NewReader(encode(t, v)))
	d.UseNumber()
	require.NoError(t, d.Decode(&tree))
	return tree
}

// render encodes a body, without what is at one pointer, and with these bytes at another.
func render(v any, without, at string, raw []byte) []byte {
	var b bytes.Buffer
	var write func(v any, pointer string)
	write = func(v any, pointer string) {
		if pointer == at && at != "" {
			b.Write(raw)
			return
		}
		switch v := v.(type) {
		case map[string]any:
			b.WriteByte('{')
			first := true
			for _, name := range slices.Sorted(maps.Keys(v)) {
				inner := pointer + "/" + name
				if inner == without {
					continue
				}
				if !first {
					b.WriteByte(',')
				}
				first = false
				fmt.Fprintf(&b, "%q:", name)
				write(v[name], inner)
			}
			b.WriteByte('}')
		case []any:
			b.WriteByte('[')
			for i, item := range v {
				if i > 0 {
					b.WriteByte(',')
				}
				write(item, fmt.Sprintf("%s/%d", pointer, i))
			}
			b.WriteByte(']')
		default:
			encoded, err := json.Marshal(v)
			if err != nil {
				panic(err) // it came out of JSON
			}
			b.Write(encoded)
		}
	}
	write(v, "")
	return b.Bytes()
}
