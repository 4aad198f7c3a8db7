package web

import (
	"errors"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/sasapick/shop/internal/platform/fault"
)

// bodyFault tells what an error of reading a body means; nil when it is none.
func bodyFault(err error) *fault.Error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, multipart.ErrMessageTooLarge):
		return ErrTooLarge.WithDetail("the form has too many or too long fields")
	}
	return nil
}

const maxFieldErrors = 50

// problemOfHuma says what huma found wrong, in the shop's words.
func problemOfHuma(ctx huma.Context, status int, message string, errs []error) *Problem {
	f := faultOfHuma(status, message, errs)
	if ctx == nil {
		return &Problem{Type: "/problems/" + f.Code, Title: f.Message, Status: status, Detail: f.Detail, Code: f.Code}
	}
	p := problemOf(ctx.Context(), f)
	ctx.SetHeader("Cache-Control", "no-store")
	if f.Kind == fault.Internal {
		logger(ctx.Context()).Error("request failed", "error.message", message, "error", errors.Join(errs...))
	}
	return p
}

func faultOfHuma(status int, message string, errs []error) *fault.Error {
	var fields []fault.Field
	unknown, malformed, detail := false, false, ""
	for _, err := range errs {
		if err == nil {
			continue
		}
		if f := bodyFault(err); f != nil {
			return f
		}
		d, ok := err.(huma.ErrorDetailer) //nolint:errorlint // huma's own, as it made it
		if !ok {
			continue
		}
		e := d.ErrorDetail()
		if b, ok := parseBodyError(e.Message); ok {
			if b.malformed {
				malformed, detail = true, b.detail
				continue
			}
			fields = append(fields, fault.Field{Pointer: b.pointer, Detail: b.detail})
			continue
		}
		if e.Message == validation.MsgUnexpectedProperty {
			unknown = true
		}
		fields = append(fields, fieldOf(e))
	}
	fields = oneEach(fields)
	switch {
	case malformed:
		return ErrMalformed.WithDetail(detail)
	case unknown:
		return ErrUnknownField.WithFields(fields...)
	case len(fields) > 0:
		return ErrInvalid.WithFields(fields...)
	case message == "cannot read request body":
		return ErrMalformed.WithDetail("the body cannot be read")
	case message == "request body read timeout":
		return ErrMalformed.WithDetail("the body did not arrive in time")
	}
	switch status {
	case http.StatusBadRequest:
		return ErrMalformed.WithDetail(message)
	case http.StatusUnsupportedMediaType:
		return ErrMediaType
	case http.StatusUnprocessableEntity:
		return ErrInvalid
	case http.StatusNotFound:
		return ErrNoRoute
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	return ErrInternal
}

// oneEach sorts by place and keeps the most telling message of each: that a UUID is too short says less than that it is
// none.
func oneEach(fields []fault.Field) []fault.Field {
	slices.SortStableFunc(fields, func(x, y fault.Field) int { return strings.Compare(x.Pointer, y.Pointer) })
	kept := fields[:0]
	for _, f := range fields {
		if n := len(kept); n > 0 && kept[n-1].Pointer == f.Pointer {
			if f.Detail == notUUID {
				kept[n-1] = f
			}
			continue
		}
		kept = append(kept, f)
	}
	return kept[:min(len(kept), maxFieldErrors)]
}

const notUUID = "must be a UUID"

// fieldOf turns huma's place, such as body.items[3].quantity or query.limit, into a JSON pointer or a parameter's name,
// and its words into ours. The value itself is never repeated: it may be a password.
func fieldOf(e *huma.ErrorDetail) fault.Field {
	place, rest, _ := strings.Cut(e.Location, ".")
	pointer := rest
	if body, ok := strings.CutPrefix(place, "body"); ok {
		if rest != "" {
			body += "." + rest
		}
		pointer = pointerOf(body)
	}
	words := e.Message
	switch {
	case words == validation.MsgUnexpectedProperty:
		words = "is not known here"
	case strings.HasPrefix(words, "expected required property "):
		name := strings.TrimSuffix(strings.TrimPrefix(words, "expected required property "), " to be present")
		return fault.Field{Pointer: pointer + "/" + escapePointer(name), Detail: "is required"}
	case strings.HasPrefix(words, "required ") && strings.HasSuffix(words, " parameter is missing"):
		words = "is required"
	case strings.HasPrefix(words, "invalid value: "):
		words = "is not valid"
	case strings.HasPrefix(words, "expected "):
		words = "must be: " + strings.TrimPrefix(strings.TrimPrefix(words, "expected "), "string to be ")
		if strings.Contains(words, " uuid: ") {
			words = notUUID
		}
	}
	return fault.Field{Pointer: strings.ToValidUTF8(pointer, "?"), Detail: words}
}

// pointerOf turns .items[3].quantity into /items/3/quantity.
func pointerOf(path string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		b.WriteByte('/')
		b.WriteString(escapePointer(part))
	}
	return b.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(s string) string { return pointerEscapes.Replace(s) }
