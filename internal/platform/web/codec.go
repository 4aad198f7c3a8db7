package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}}

// marshal encodes first and sends then, so that a value that cannot be encoded still becomes an honest 500. A client that
// has left meanwhile is no failure.
func marshal(w io.Writer, v any) error {
	if ready, ok := v.(interface{ encoded() []byte }); ok {
		send(w, ready.encoded())
		return nil
	}
	e := encoders.Get().(*encoder)
	defer func() {
		if e.buf.Cap() <= 64<<10 {
			e.buf.Reset()
			encoders.Put(e)
		}
	}()
	e.buf.Reset()
	st, _ := w.(*state)
	if err := e.json.Encode(v); err != nil {
		if st == nil || st.sent {
			return err
		}
		st.api.log.Error("encode answer", "error.message", err.Error(), "http.request.id", st.requestID(), "url.path", st.path)
		st.reset()
		st.code = ErrInternal.Code
		st.Header()["Cache-Control"] = noStore
		st.Header().Set("Content-Type", problemType)
		st.WriteHeader(http.StatusInternalServerError)
		e.buf.Reset()
		_ = e.json.Encode(&Problem{
			Type: "/problems/" + ErrInternal.Code, Title: ErrInternal.Message, Status: http.StatusInternalServerError,
			Instance: st.path, Code: ErrInternal.Code, TraceID: st.traceID(),
		})
	}
	send(w, e.buf.Bytes())
	return nil
}

func send(w io.Writer, body []byte) {
	if st, ok := w.(*state); ok && len(body) > 2048 { // net/http counts shorter ones itself
		st.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	_, _ = w.Write(body)
}

// bodyError carries what is wrong with a body through huma, which keeps nothing of an error but its text.
type bodyError struct {
	malformed       bool
	pointer, detail string
}

const bodyErrorMark = "\x00body"

func (e bodyError) Error() string {
	kind := "invalid"
	if e.malformed {
		kind = "malformed"
	}
	return strings.Join([]string{bodyErrorMark, kind, e.pointer, e.detail}, "\x00")
}

func parseBodyError(s string) (bodyError, bool) {
	if !strings.HasPrefix(s, bodyErrorMark) {
		return bodyError{}, false
	}
	parts := strings.SplitN(s[len(bodyErrorMark)+1:], "\x00", 3)
	return bodyError{malformed: parts[0] == "malformed", pointer: parts[1], detail: parts[2]}, true
}

// unmarshal decodes a JSON body. huma calls it twice: into an any for the schema to look at, and into the handler's type.
func unmarshal(data []byte, v any) error {
	generic, first := v.(*any)
	if first {
		switch err := CheckJSON(data); err {
		case nil:
		case ErrNUL:
			e := bodyError{detail: ErrNUL.Detail}
			if json.Unmarshal(data, generic) == nil {
				e.pointer, _ = pointerOfNUL(*generic, "")
			}
			return e
		default:
			return bodyError{malformed: true, detail: ErrNotUTF8.Detail}
		}
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return bodyError{malformed: true, detail: "the body is not JSON: " + strings.TrimPrefix(syntax.Error(), "json: ") + " (at byte " + strconv.FormatInt(syntax.Offset, 10) + ")"}
	case errors.As(err, &mismatch):
		pointer := ""
		for name := range strings.SplitSeq(mismatch.Field, ".") {
			if name != "" {
				pointer += "/" + escapePointer(name)
			}
		}
		return bodyError{pointer: pointer, detail: "must be " + nounOf(mismatch.Type)}
	}
	return bodyError{detail: "the body has a value that cannot be read"}
}

func nounOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number, without fraction or exponent, that is not too large"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0 on, without fraction or exponent, that is not too large"
	case reflect.Float32, reflect.Float64:
		return "a number that is not too large"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	default:
		return "an object"
	}
}
