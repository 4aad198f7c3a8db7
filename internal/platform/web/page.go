package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/sasapick/shop/internal/platform/fault"
)

// ErrBadCursor refuses a cursor that this shop did not give out.
var ErrBadCursor = fault.New(fault.Invalid, "request.bad_cursor", "the cursor is not one that this list gave out")

// PageQuery is embedded in the input of an operation that lists: how many, and from where on.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"The next_cursor of the page before; absent for the first page."`
}

// Page is one page of a list. NextCursor is empty on the last one.
type Page[T any] struct {
	Items      []T    `json:"items" doc:"The items of this page, in order."`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor to get the next page; absent on the last one."`
}

// PageOf cuts a page out of items of which limit+1 were asked for: one more than fits means that there is a next page,
// which begins after the last item shown. key gives the cursor's content.
func PageOf[T any](items []T, limit int, key func(T) any) Page[T] {
	if items == nil {
		items = []T{}
	}
	if limit < 1 || len(items) <= limit {
		return Page[T]{Items: items}
	}
	items = items[:limit]
	return Page[T]{Items: items, NextCursor: EncodeCursor(key(items[limit-1]))}
}

// EncodeCursor makes an opaque cursor of v, which must encode as JSON.
func EncodeCursor(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("web: encode cursor: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor reads what EncodeCursor made into v, and leaves v as it is when s is empty. Anybody can make a cursor, so
// it must hold nothing but a position in a list that the caller may see anyway.
func DecodeCursor(s string, v any) error {
	if s == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || CheckJSON(b) != nil || bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return ErrBadCursor
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if decoder.Decode(v) != nil {
		return ErrBadCursor
	}
	if _, err := decoder.Token(); err != io.EOF {
		return ErrBadCursor
	}
	return nil
}
