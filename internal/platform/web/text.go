package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// PostgreSQL stores no NUL character and only valid UTF-8, so neither may come further than this file: not in a path, a
// query, a header that is read, a form, or a body. ErrNUL and ErrNotUTF8 say so.
var (
	ErrNUL     = ErrInvalid.WithDetail("the NUL character is not allowed")
	ErrNotUTF8 = ErrMalformed.WithDetail("text must be UTF-8")
)

// CheckText refuses a text that must not go further: one with a NUL character, or that is not UTF-8.
func CheckText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return ErrNUL
	}
	if !utf8.ValidString(s) {
		return ErrNotUTF8
	}
	return nil
}

// CheckJSON refuses a JSON text that must not go further: like CheckText, and it also knows NUL's escape.
func CheckJSON(b []byte) error {
	if !utf8.Valid(b) {
		return ErrNotUTF8
	}
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case 0:
			return ErrNUL
		case '\\':
			if i+5 < len(b) && b[i+1] == 'u' && string(b[i+2:i+6]) == "0000" {
				return ErrNUL
			}
			i++ // the escaped character, so that \\u0000 is what it says: a backslash and u0000
		}
	}
	return nil
}

// checkURL looks at the path and the query, after unescaping.
func checkURL(u *url.URL) error {
	if err := CheckText(u.Path); err != nil { // unescaped by the server
		return err
	}
	if !strings.Contains(u.RawQuery, "%") {
		return CheckText(u.RawQuery)
	}
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		return ErrMalformed.WithDetail("the query has a broken escape")
	}
	return CheckText(query)
}

// checkHeaders looks at the headers that an operation reads.
func checkHeaders(h http.Header, names []string) error {
	for _, name := range names {
		for _, value := range h[name] {
			if err := CheckText(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// pointerOfNUL finds the first string in a decoded JSON value that holds a NUL character.
func pointerOfNUL(v any, at string) (string, bool) {
	switch v := v.(type) {
	case string:
		return at, strings.IndexByte(v, 0) >= 0
	case []any:
		for i, item := range v {
			if p, ok := pointerOfNUL(item, at+"/"+itoa(i)); ok {
				return p, true
			}
		}
	case map[string]any:
		for k, item := range v {
			if strings.IndexByte(k, 0) >= 0 {
				return at, true
			}
			if p, ok := pointerOfNUL(item, at+"/"+escapePointer(k)); ok {
				return p, true
			}
		}
	}
	return "", false
}
