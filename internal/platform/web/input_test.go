package web_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/platform/web"
)

const oneID = "0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"

func TestInput(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	deep := strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000)
	cases := []struct {
		name   string
		method string
		target string
		body   string
		status int
		code   string
		errors string // pointers
	}{
		{"Good", "POST", "/v1/things", `{"name":"shoe","price_won":1}`, 201, "", ""},
		{"GoodWithLines", "POST", "/v1/things", `{"name":"shoe","price_won":1,"lines":[{"product_id":"` + oneID + `","quantity":2}],"at":"2026-01-02T03:04:05Z"}`, 201, "", ""},
		{"DuplicateKeys", "POST", "/v1/things", `{"name":"a","name":"b","price_won":1}`, 201, "", ""},
		{"EscapedBackslash", "POST", "/v1/things", `{"name":"\\u0000","price_won":1}`, 201, "", ""},
		{"LoneSurrogate", "POST", "/v1/things", `{"name":"\ud800","price_won":1}`, 201, "", ""},
		{"LargestInt", "POST", "/v1/things", `{"name":"a","price_won":9223372036854775807}`, 201, "", ""},
		{"NullWhereOptional", "POST", "/v1/things", `{"name":"a","price_won":1,"at":null,"lines":null}`, 201, "", ""},

		{"Empty", "POST", "/v1/things", ``, 400, "request.malformed", ""},
		{"NotJSON", "POST", "/v1/things", `{`, 400, "request.malformed", ""},
		{"Garbage", "POST", "/v1/things", `{"name":"a","price_won":1} x`, 400, "request.malformed", ""},
		{"TwoValues", "POST", "/v1/things", `{"name":"a","price_won":1}{}`, 400, "request.malformed", ""},
		{"TooDeep", "POST", "/v1/things", `{"name":` + deep + `}`, 400, "request.malformed", ""},
		{"NotUTF8", "POST", "/v1/things", "{\"name\":\"\xff\",\"price_won\":1}", 400, "request.malformed", ""},
		{"RawNUL", "POST", "/v1/things", "{\"name\":\"\x00\",\"price_won\":1}", 422, "request.invalid", ""},
		{"EscapedNUL", "POST", "/v1/things", `{"name":"a\u0000b","price_won":1}`, 422, "request.invalid", "/name"},
		{"EscapedNULInAKey", "POST", "/v1/things", `{"name":"a","price_won":1,"lines":[{"\u0000":1}]}`, 422, "request.invalid", "/lines/0"},
		{"UnknownField", "POST", "/v1/things", `{"name":"a","price_won":1,"role":"admin"}`, 400, "request.unknown_field", "/role"},
		{"UnknownFieldDeep", "POST", "/v1/things", `{"name":"a","price_won":1,"lines":[{"product_id":"` + oneID + `","quantity":1,"x":1}]}`, 400, "request.unknown_field", "/lines/0/x"},
		{"OtherCase", "POST", "/v1/things", `{"Name":"a","price_won":1}`, 400, "request.unknown_field", "/Name /name"},
		{"WrongType", "POST", "/v1/things", `{"name":1,"price_won":1}`, 422, "request.invalid", "/name"},
		{"NotAnObject", "POST", "/v1/things", `[]`, 422, "request.invalid", ""},
		{"Null", "POST", "/v1/things", `null`, 422, "request.invalid", ""},
		{"NullWhereRequired", "POST", "/v1/things", `{"name":null,"price_won":1}`, 422, "request.invalid", "/name"},
		{"Missing", "POST", "/v1/things", `{"price_won":1}`, 422, "request.invalid", "/name"},
		{"Fraction", "POST", "/v1/things", `{"name":"a","price_won":1.5}`, 422, "request.invalid", "/price_won"},
		{"Exponent", "POST", "/v1/things", `{"name":"a","price_won":1e3}`, 422, "request.invalid", "/price_won"},
		{"PointZero", "POST", "/v1/things", `{"name":"a","price_won":1.0}`, 422, "request.invalid", "/price_won"},
		{"Overflow", "POST", "/v1/things", `{"name":"a","price_won":9223372036854775808}`, 422, "request.invalid", "/price_won"},
		{"HugeNumber", "POST", "/v1/things", `{"name":"a","price_won":1e999}`, 422, "request.invalid", ""},
		{"Negative", "POST", "/v1/things", `{"name":"a","price_won":-1}`, 422, "request.invalid", "/price_won"},
		{"TooLong", "POST", "/v1/things", `{"name":"` + strings.Repeat("가", 21) + `","price_won":1}`, 422, "request.invalid", "/name"},
		{"NotInEnum", "POST", "/v1/things", `{"name":"a","price_won":1,"color":"green"}`, 422, "request.invalid", "/color"},
		{"BadUUID", "POST", "/v1/things", `{"name":"a","price_won":1,"lines":[{"product_id":"x","quantity":1}]}`, 422, "request.invalid", "/lines/0/product_id"},
		{"UUIDInAnotherForm", "POST", "/v1/things", `{"name":"a","price_won":1,"lines":[{"product_id":"{` + oneID + `}","quantity":1}]}`, 422, "request.invalid", "/lines/0/product_id"},
		{"BadTime", "POST", "/v1/things", `{"name":"a","price_won":1,"at":"yesterday"}`, 422, "request.invalid", "/at"},
		{"TwoWrong", "POST", "/v1/things", `{"name":"","price_won":-1}`, 422, "request.invalid", "/name /price_won"},
		{"TooLarge", "POST", "/v1/things", `{"name":"` + strings.Repeat("a", 1<<20) + `","price_won":1}`, 413, "request.too_large", ""},

		{"List", "GET", "/v1/things?limit=1&q=%EC%8B%A0%EB%B0%9C", "", 200, "", ""},
		{"UnknownParameter", "GET", "/v1/things?utm_source=x", "", 200, "", ""},
		{"LimitTooLarge", "GET", "/v1/things?limit=101", "", 422, "request.invalid", "limit"},
		{"LimitZero", "GET", "/v1/things?limit=0", "", 422, "request.invalid", "limit"},
		{"LimitNoNumber", "GET", "/v1/things?limit=abc", "", 422, "request.invalid", "limit"},
		{"LimitOverflow", "GET", "/v1/things?limit=99999999999999999999", "", 422, "request.invalid", "limit"},
		{"QueryTooLong", "GET", "/v1/things?q=" + strings.Repeat("a", 21), "", 422, "request.invalid", "q"},
		{"QueryNUL", "GET", "/v1/things?q=a%00b", "", 422, "request.invalid", ""},
		{"QueryNotUTF8", "GET", "/v1/things?q=%ff", "", 400, "request.malformed", ""},
		{"QueryBrokenEscape", "GET", "/v1/things?q=%zz", "", 400, "request.malformed", ""},
		{"QueryRawNotUTF8", "GET", "/v1/things?q=\xff", "", 400, "request.malformed", ""},
		{"PathNUL", "GET", "/v1/things/a%00b", "", 422, "request.invalid", ""},
		{"PathNotUTF8", "GET", "/v1/things/%ff", "", 400, "request.malformed", ""},
		{"PathUUID", "GET", "/v1/things/" + oneID, "", 200, "", ""},
		{"PathNoUUID", "GET", "/v1/things/17", "", 422, "request.invalid", "id"},
		{"PathSlash", "GET", "/v1/things/a%2Fb", "", 422, "request.invalid", "id"},
		{"CursorGarbage", "GET", "/v1/things?cursor=%2B%2B%2B", "", 422, "request.bad_cursor", ""},
		{"CursorOfAnotherList", "GET", "/v1/things?cursor=" + web.EncodeCursor(map[string]int{"a": 1}), "", 422, "request.bad_cursor", ""},
		{"CursorTooLong", "GET", "/v1/things?cursor=" + strings.Repeat("A", 513), "", 422, "request.invalid", "cursor"},
		{"Cursor", "GET", "/v1/things?cursor=" + web.EncodeCursor(uuid.New()), "", 200, "", ""},
		{"NoSuchPath", "GET", "/v1/nothing", "", 404, "request.not_found", ""},
		{"TrailingSlash", "GET", "/v1/things/", "", 404, "request.not_found", ""},
		{"NoSuchMethod", "PATCH", "/v1/things", "", 405, "request.method_not_allowed", ""},
		{"InventedMethod", "BREW", "/v1/things", "", 405, "request.method_not_allowed", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			a := s.do(t, request(c.method, c.target, c.body))
			require.Equal(t, c.status, a.StatusCode, "%s", a.body)
			require.Equal(t, c.code, a.problem.Code)
			var pointers []string
			for _, e := range a.problem.Errors {
				pointers = append(pointers, e.Pointer)
				require.NotEmpty(t, e.Detail)
				for _, inside := range []string{"Go ", "struct", "body.", "\x00"} {
					require.NotContains(t, e.Detail, inside)
				}
			}
			if c.errors != "" {
				require.Equal(t, c.errors, strings.Join(pointers, " "), "%s", a.body)
			}
			if c.status < 400 {
				require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			}
		})
	}
}

// TestInputNeverFails throws anything at an operation: what is wrong with a request is the client's, so 5xx is never the
// answer, and what is taken holds no NUL.
func TestInputNeverFails(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.Custom(func(rt *rapid.T) any {
			return rapid.OneOf(
				rapid.Just[any](nil), rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny(), rapid.Bool().AsAny(),
				rapid.SliceOfN(rapid.Int8(), 0, 3).AsAny(), rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).AsAny(),
			).Draw(rt, "value")
		})
		object := map[string]any{"name": "a", "price_won": 1}
		for _, field := range rapid.SliceOfN(rapid.SampledFrom([]string{"name", "price_won", "lines", "color", "at", "x"}), 0, 3).Draw(rt, "fields") {
			object[field] = value.Draw(rt, field)
		}
		body, err := json.Marshal(object)
		require.NoError(rt, err)
		if rapid.Bool().Draw(rt, "raw") {
			body = rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")
		}
		a := s.do(t, request("POST", "/v1/things", string(body)))
		require.Less(rt, a.StatusCode, 500, "%s", body)
		require.False(rt, a.StatusCode < 300 && bytes.Contains(body, []byte(`\u0000`)) && !bytes.Contains(body, []byte(`\\u0000`)))
	})
}

func TestMediaType(t *testing.T) {
	t.Parallel()

	s := newShop(t, nil)
	for contentType, status := range map[string]int{
		"":                                  201,
		"application/json":                  201,
		"application/json; charset=utf-8":   201,
		"Application/JSON":                  201,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"application/merge-patch+json":      415,
		"json":                              415,
		"a/b/c;;;":                          415,
	} {
		r := request("POST", "/v1/things", `{"name":"a","price_won":1}`)
		r.Header.Set("Content-Type", contentType)
		if contentType == "" {
			r.Header.Del("Content-Type")
		}
		a := s.do(t, r)
		require.Equal(t, status, a.StatusCode, "%q: %s", contentType, a.body)
		if status == 415 {
			require.Equal(t, "request.unsupported_media_type", a.problem.Code)
		}
	}
	for _, accept := range []string{"", "text/html", "json", "application/xml;q=0.9, */*;q=0", ";;;,=", "application/problem+json"} {
		a := s.do(t, request("GET", "/v1/things", "", "Accept", accept))
		require.Equal(t, 200, a.StatusCode, accept)
		require.Equal(t, "application/json", a.Header.Get("Content-Type"), accept)
	}
}
