package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/fault"
)

var (
	ErrStale           = fault.New(fault.Stale, "conflict.stale", "it was changed since you read it: read it again")
	ErrIfMatchRequired = fault.New(fault.Required, "conflict.if_match_required", "the header If-Match with the document's ETag is required here")
)

// Conditional is embedded in the input of a read whose answer has an ETag.
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" maxLength:"1024" doc:"The ETag of what you have: 304 when it is still the same."`
}

// Precondition is embedded in the input of an edit of a document: it must name the version that was read.
type Precondition struct {
	IfMatch string `header:"If-Match" maxLength:"1024" doc:"The ETag of the document as you read it: 412 when it was changed since."`
}

// ETag makes a strong entity tag of what the answer depends on, such as an id and a version. The parts must encode as
// JSON.
func ETag(parts ...any) string {
	b := make([]byte, 0, 128)
	for _, p := range parts {
		switch p := p.(type) { // as JSON has them, without its price
		case uuid.UUID:
			b = append(append(append(b, '"'), p[:]...), '"')
		case int:
			b = strconv.AppendInt(b, int64(p), 10)
		case int64:
			b = strconv.AppendInt(b, p, 10)
		default:
			encoded, err := json.Marshal(p)
			if err != nil {
				panic("web: make ETag: " + err.Error())
			}
			b = append(b, encoded...)
		}
		b = append(b, '\n')
	}
	sum := sha256.Sum256(b)
	return etagOf(sum[:])
}

func etagOf(sum []byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// NotModified tells whether a client that has ifNoneMatch has the present version (RFC 9110 §13.1.2: compared weakly).
func NotModified(ifNoneMatch, etag string) bool {
	return matches(ifNoneMatch, etag, func(tag string) bool {
		return strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/")
	})
}

// CheckIfMatch refuses an edit that was not made from the present version (RFC 9110 §13.1.1: compared strongly).
func CheckIfMatch(ifMatch, etag string) error {
	if strings.TrimSpace(ifMatch) == "" {
		return ErrIfMatchRequired
	}
	if !matches(ifMatch, etag, func(tag string) bool { return tag == etag && !strings.HasPrefix(tag, "W/") }) {
		return ErrStale
	}
	return nil
}

func matches(list, etag string, same func(string) bool) bool {
	if etag == "" || list == "" {
		return false
	}
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for list != "" {
		list = strings.TrimLeft(list, " \t,")
		weak := ""
		if strings.HasPrefix(list, "W/") {
			weak, list = "W/", list[2:]
		}
		if !strings.HasPrefix(list, `"`) {
			return false
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if same(weak + list[:end+2]) {
			return true
		}
		list = list[end+2:]
	}
	return false
}

// Unchanged is returned as the error of a read when NotModified holds: the answer is 304 with the ETag, and with
// cacheControl unless that is empty.
func Unchanged(etag, cacheControl string) error {
	return unchanged{etag: etag, cacheControl: cacheControl}
}

type unchanged struct{ etag, cacheControl string }

func (u unchanged) Error() string  { return "not modified" }
func (u unchanged) GetStatus() int { return http.StatusNotModified }

func (u unchanged) headers() http.Header {
	h := http.Header{"Etag": {u.etag}}
	if u.cacheControl != "" {
		h.Set("Cache-Control", u.cacheControl)
	}
	return h
}
