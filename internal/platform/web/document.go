package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
)

// Document reads texts of one JSON value each, by the rules that Register holds a body to: for a handler that is made with Raw and
// reads many of them.
type Document[T any] struct {
	registry huma.Registry
	schema   *huma.Schema
}

// NewDocument returns a reader of T, whose tags are huma's.
func NewDocument[T any]() *Document[T] {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[uuid.UUID](), reflect.TypeFor[uuidText]())
	return &Document[T]{registry, registry.Schema(reflect.TypeFor[T](), true, "")}
}

// Read decodes a text. Faults: ErrMalformed, ErrUnknownField, ErrInvalid.
func (d *Document[T]) Read(text []byte) (value T, err error) {
	var result huma.ValidateResult
	var generic any
	err = unmarshal(text, &generic)
	if err == nil {
		huma.Validate(d.registry, d.schema, huma.NewPathBuffer([]byte("body"), len("body")), huma.ModeWriteToServer, generic, &result)
		if len(result.Errors) == 0 {
			err = unmarshal(text, &value)
		}
	}
	if err != nil {
		result.Errors = append(result.Errors, &huma.ErrorDetail{Location: "body", Message: err.Error()})
	}
	if len(result.Errors) > 0 {
		return value, faultOfHuma(http.StatusUnprocessableEntity, "", result.Errors)
	}
	return value, nil
}
