package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Encoded is the Body of an answer that was encoded before, described as the T that it was made of. Encode makes one; the same may be
// sent again and again.
type Encoded[T any] struct{ json []byte }

// Encode encodes v as every answer is.
func Encode[T any](v T) (Encoded[T], error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return Encoded[T]{}, fmt.Errorf("encode an answer: %w", err)
	}
	return Encoded[T]{b.Bytes()}, nil
}

func (e Encoded[T]) encoded() []byte { return e.json }

// Bytes are the answer's; nobody changes them.
func (e Encoded[T]) Bytes() []byte { return e.json }

// Schema implements [huma.SchemaProvider].
func (Encoded[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, reflect.TypeFor[T]().Name())
}

// Kept is an answer that is kept whole, to be sent again and again: see [Operation.Ready].
type Kept struct {
	body               []byte
	etag, cacheControl []string // shared between the requests that it answers, as nobody appends to a header's value in place
}

// Keep keeps an answer with its headers; the empty ones are not sent.
func Keep[T any](body Encoded[T], etag, cacheControl string) *Kept {
	k := &Kept{body: body.json}
	if etag != "" {
		k.etag = []string{etag}
	}
	if cacheControl != "" {
		k.cacheControl = []string{cacheControl}
	}
	return k
}

// Header values that never change, as those of the middleware.
var (
	jsonType     = []string{"application/json"}
	problemTypes = []string{problemType}
)

func (k *Kept) send(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if k.etag != nil {
		h["Etag"] = k.etag
	}
	if k.cacheControl != nil {
		h["Cache-Control"] = k.cacheControl
	}
	send(w, k.body)
}

// plain tells whether a request says nothing but which operation it wants, and of what.
func (in intake) plain(r *http.Request) bool {
	if r.URL.RawQuery != "" || r.URL.ForceQuery || r.ContentLength != 0 || r.Body != nil && r.Body != http.NoBody {
		return false
	}
	for _, name := range in.headers {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return true
}
