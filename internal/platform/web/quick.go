package web

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
)

// quickly answers plain requests of an operation whose input is nothing but ids in its path: huma finds these, and the answer, by
// reflection over all that might be there, which costs as much as a short answer itself. It is nil for other operations. What it
// returns says whether it has answered: an id that is none is huma's to complain of.
func quickly[I, O any](op *Operation, handler func(ctx context.Context, in *I) (*O, error)) func(w http.ResponseWriter, r *http.Request) bool {
	input, output := reflect.TypeFor[I](), reflect.TypeFor[O]()
	names := make([]string, input.NumField())
	for i := range names {
		f := input.Field(i)
		if f.Type != reflect.TypeFor[uuid.UUID]() || f.Tag.Get("path") == "" {
			return nil
		}
		names[i] = f.Tag.Get("path")
	}
	body, status := -1, -1
	for i := range output.NumField() {
		switch f := output.Field(i); {
		case f.Name == "Body" && f.Type.Kind() == reflect.Struct:
			body = i
		case f.Name == "Status" && f.Type.Kind() == reflect.Int:
			status = i
		default:
			return nil
		}
	}
	if body < 0 {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		in := new(I)
		ids := reflect.ValueOf(in).Elem()
		for i, name := range names {
			text := chi.URLParam(r, name)
			id, err := uuid.Parse(text)
			if err != nil || len(text) != 36 { // the library would also read other forms
				return false
			}
			*ids.Field(i).Addr().Interface().(*uuid.UUID) = id
		}
		out, err := handler(r.Context(), in)
		h := w.Header()
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				w.WriteHeader(http.StatusNotModified)
				return true
			}
			h["Content-Type"] = problemTypes
			w.WriteHeader(p.Status)
			_ = marshal(w, p)
			return true
		}
		answer := reflect.ValueOf(out).Elem()
		code := op.spec.DefaultStatus
		if status >= 0 {
			code = int(answer.Field(status).Int())
		}
		h["Content-Type"] = jsonType
		w.WriteHeader(code)
		_ = marshal(w, answer.Field(body).Addr().Interface())
		return true
	}
}
