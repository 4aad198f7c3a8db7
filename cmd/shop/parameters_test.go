package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/web"
)

// absentIsFine are operations that may be told of what is not there: taking nothing away is no failure.
var absentIsFine = []string{"remove-cart-item", "remove-from-room"}

// badParameters are what can be wrong with the path, the query and the headers.
func badParameters(t *testing.T, op web.Operation, g good, other string) []bad {
	t.Helper()
	var cases []bad
	for _, p := range parametersOf(op, "path") {
		at := func(name, value string, want ...int) {
			path := maps.Clone(g.path)
			path[p.Name] = value
			cases = append(cases, bad{name: "{" + p.Name + "}: " + name, path: place(op, path) + g.query, want: want})
		}
		at("NUL", "%00", 422)
		at("invalid UTF-8", "%ff", 400)
		at("long", strings.Repeat("a", 3000), 404, 422)
		at("another script", url.PathEscape("상품"), 404, 422)
		at("SQL", url.PathEscape("'; DROP TABLE x; --"), 404, 422)
		if p.Schema.Format != "uuid" {
			at("nobody", "nonesuch", 404)
			require.NotNil(t, p.Schema.MaxLength, "{%s} may be of any length", p.Name)
			continue
		}
		at("no UUID", "garbage", 404, 422)
		at("number", "1", 404, 422)
		at("braced UUID", url.PathEscape("{"+g.path[p.Name]+"}"), 404, 422)
		if !slices.Contains(absentIsFine, op.ID) {
			at("nil UUID", uuid.Nil.String(), 404)
			at("random UUID", uuid.NewString(), 404)
			at("another kind of id", other, 404)
		}
	}
	for _, p := range parametersOf(op, "query") {
		with := func(name, value string, want ...int) {
			query := p.Name + "=" + value
			if g.query != "" {
				var kept []string
				for pair := range strings.SplitSeq(g.query[1:], "&") {
					if !strings.HasPrefix(pair, p.Name+"=") {
						kept = append(kept, pair)
					}
				}
				query = strings.Join(append(kept, query), "&")
			}
			cases = append(cases, bad{name: "?" + p.Name + ": " + name, path: place(op, g.path) + "?" + query, want: want})
		}
		with("NUL", "%00", 422)
		with("invalid UTF-8", "%ff", 400)
		with("broken escape", "%zz", 400)
		with("SQL", url.QueryEscape("'; DROP TABLE x; --"))
		with("given twice", "1&"+p.Name+"=2")
		schema := p.Schema
		if schema.Type == huma.TypeArray {
			require.NotNil(t, schema.MaxItems, "?%s may have any number of items", p.Name)
			with("too many", strings.Repeat("a&"+p.Name+"=", *schema.MaxItems)+"a", 422)
			schema = schema.Items
		}
		switch schema.Type {
		case huma.TypeInteger:
			require.NotNil(t, schema.Minimum, "?%s has no minimum", p.Name)
			require.NotNil(t, schema.Maximum, "?%s has no maximum", p.Name)
			for _, value := range []string{"garbage", "1.5", "1e400", "0x10", "9223372036854775808", "-9223372036854775809", "99999999999999999999999", "-1", fmt.Sprintf("%.0f", *schema.Maximum+1)} {
				with(value, value, 422)
			}
			with("the most", fmt.Sprintf("%.0f", *schema.Maximum))
		case huma.TypeBoolean:
			with("maybe", "maybe", 422)
		case huma.TypeString:
			switch {
			case len(schema.Enum) > 0:
				with("none of the enum", "nonesuch", 422)
			case schema.Format == "uuid":
				with("no UUID", "garbage", 422)
				with("nil UUID", uuid.Nil.String())
				with("random UUID", uuid.NewString())
			case p.Schema.Type != huma.TypeArray:
				require.NotNil(t, schema.MaxLength, "?%s may be of any length", p.Name)
				with("too long", strings.Repeat("a", *schema.MaxLength+1), 422)
				with("wildcards", url.QueryEscape(`%_\*?[a](b`))
				with("another script", url.QueryEscape("ㄴㅇㅋ 𝔘 \u202e"))
			default:
				with("long", strings.Repeat("a", 5000))
			}
		}
		if p.Name == "cursor" {
			for _, value := range []string{"garbage!", "a", cursor(""), cursor("null"), cursor(`"x"`), cursor("[]"), cursor(`{"id":"x"}`), cursor(`{"unknown":1}`), cursor(`{"id":1}{"id":2}`), cursor("\xff")} {
				with("cursor "+value, value)
			}
			with("no base64", "%21%21", 422)
			with("no JSON", cursor("{"), 422)
			with("NUL within", cursor(`"\u0000"`), 422)
			with("a number without end", cursor("1e999"), 422)
			with("a list", cursor(`[1,2]`), 422)
			with("the least number", cursor("-9223372036854775808"))
			with("an empty position", cursor("{}"))
		}
	}
	header := func(name, header, value string, code string, want ...int) {
		cases = append(cases, bad{name: header + ": " + name, header: map[string]string{header: value}, want: want, code: code})
	}
	if op.Idempotent {
		header("missing", "Idempotency-Key", "", "idempotency.key_required", 400)
		header("too long", "Idempotency-Key", strings.Repeat("k", 256), "request.invalid", 422)
		header("not ASCII", "Idempotency-Key", "열쇠", "request.invalid", 422)
		header("a tab", "Idempotency-Key", "a\tb", "request.invalid", 422)
		header("invalid UTF-8", "Idempotency-Key", "\xff", "request.malformed", 400)
	}
	if p := hasParameter(op, "header", "If-Match"); p {
		if op.Spec().Responses["428"] != nil {
			header("missing", "If-Match", "", "conflict.if_match_required", 428)
			header("blank", "If-Match", " ", "conflict.if_match_required", 428)
		}
		for _, garbage := range []string{"garbage", `"garbage"`, `W/"garbage"`, `"`, ",,,", `"a","b"`} {
			header(garbage, "If-Match", garbage, "conflict.stale", 412)
		}
		header("too long", "If-Match", `"`+strings.Repeat("a", 2000)+`"`, "request.invalid", 422)
		header("invalid UTF-8", "If-Match", "\xff", "request.malformed", 400)
	}
	if hasParameter(op, "header", "If-None-Match") {
		for _, garbage := range []string{"garbage", `"garbage"`, `W/"`, ",,,"} {
			header(garbage, "If-None-Match", garbage, "", 200)
		}
		header("too long", "If-None-Match", strings.Repeat("a", 2000), "request.invalid", 422)
	}
	for _, name := range []string{"Accept", "Accept-Language", "Accept-Encoding", "Traceparent", "X-Request-Id", "X-Forwarded-For", "Queue-Pass", "Expect", "Content-Encoding", "Range"} {
		header("garbage", name, ";;=,\"\\ ;q=garbage", "")
	}
	return cases
}

// cursor is a cursor with this content.
func cursor(content string) string { return base64.RawURLEncoding.EncodeToString([]byte(content)) }
