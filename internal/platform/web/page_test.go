package web_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/platform/web"
)

func TestPageOf(t *testing.T) {
	t.Parallel()

	key := func(n int) any { return n }
	for name, c := range map[string]struct {
		items []int
		limit int
		want  web.Page[int]
	}{
		"Nothing":   {nil, 2, web.Page[int]{Items: []int{}}},
		"LastPage":  {[]int{1, 2}, 2, web.Page[int]{Items: []int{1, 2}}},
		"OneMore":   {[]int{1, 2, 3}, 2, web.Page[int]{Items: []int{1, 2}, NextCursor: web.EncodeCursor(2)}},
		"Unlimited": {[]int{1, 2, 3}, 0, web.Page[int]{Items: []int{1, 2, 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			require.Equal(t, c.want, web.PageOf(c.items, c.limit, key))
		})
	}
}

type position struct {
	At time.Time `json:"at"`
	ID uuid.UUID `json:"id"`
}

func TestCursor(t *testing.T) {
	t.Parallel()

	t.Run("ComesBack", func(t *testing.T) {
		t.Parallel()

		want := position{At: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), ID: uuid.New()}
		var got position
		require.NoError(t, web.DecodeCursor(web.EncodeCursor(want), &got))
		require.Equal(t, want, got)
		require.NoError(t, web.DecodeCursor("", &got))
		require.Equal(t, want, got, "the first page has no position")
	})

	t.Run("IsRefusedWhenItIsNotOurs", func(t *testing.T) {
		t.Parallel()

		raw := base64.RawURLEncoding.EncodeToString
		for name, cursor := range map[string]string{
			"NotBase64":    "%%%",
			"Padded":       base64.URLEncoding.EncodeToString([]byte(`{"id":1}`)),
			"NotJSON":      raw([]byte("x")),
			"Null":         raw([]byte(" null")),
			"OtherType":    raw([]byte(`[1]`)),
			"UnknownField": raw([]byte(`{"x":1}`)),
			"BadUUID":      raw([]byte(`{"id":"x"}`)),
			"Garbage":      raw([]byte(`{} {}`)),
			"NUL":          raw([]byte(`{"id":"\u0000"}`)),
			"NotUTF8":      raw([]byte("{\"id\":\"\xff\"}")),
		} {
			require.ErrorIs(t, web.DecodeCursor(cursor, &position{}), web.ErrBadCursor, name)
		}
		var text string
		require.ErrorIs(t, web.DecodeCursor(raw([]byte(`"\u0000"`)), &text), web.ErrBadCursor)
	})

	t.Run("NeverPanics", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(t *rapid.T) {
			err := web.DecodeCursor(rapid.String().Draw(t, "cursor"), &position{})
			if err != nil {
				require.ErrorIs(t, err, web.ErrBadCursor)
			}
		})
	})
}

func TestETag(t *testing.T) {
	t.Parallel()

	require.Equal(t, web.ETag("a", 1), web.ETag("a", 1))
	require.NotEqual(t, web.ETag("a", 1), web.ETag("a", 2))
	require.NotEqual(t, web.ETag("ab", "c"), web.ETag("a", "bc"))

	tag := `"x"`
	for header, want := range map[string]bool{
		``: false, `"x"`: true, `W/"x"`: true, `*`: true, ` * `: true, `"y"`: false, `"y", "x"`: true, `"y",W/"x"`: true, `"y,x"`: false,
		`x`: false, `"x`: false, `"a,b" , "x"`: true, `,,`: false, `W/`: false,
	} {
		require.Equal(t, want, web.NotModified(header, tag), header)
	}
	require.False(t, web.NotModified("*", ""), "there is nothing to have")
}

func TestCheckJSON(t *testing.T) {
	t.Parallel()

	for body, want := range map[string]error{
		`{"a":"b"}`: nil, `"\\u0000"`: nil, `"\\\u0000"`: web.ErrNUL, `"\u0000"`: web.ErrNUL, `"\u00001"`: web.ErrNUL, `"\u0001"`: nil, `"\u000`: nil,
		"\x00": web.ErrNUL, "\"\xff\"": web.ErrNotUTF8, `\`: nil, `\\`: nil, `"\"\u0000"`: web.ErrNUL, "": nil, `"가\n"`: nil,
	} {
		require.Equal(t, want, web.CheckJSON([]byte(body)), "%q", body)
	}
	require.NoError(t, web.CheckText("가"))
	require.Equal(t, error(web.ErrNUL), web.CheckText("a\x00"))
	require.Equal(t, error(web.ErrNotUTF8), web.CheckText("\xc0\x80"))
}
