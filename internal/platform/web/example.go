package web

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const exampleDepth = 8 // a tree of categories has no end

// Example makes a value that satisfies a schema as far as its examples, bounds and formats say how. Tests build requests
// from it, and the documentation shows it. A pattern is only met when the field has an example.
func (a *API) Example(s *huma.Schema) any {
	return a.example(s, exampleDepth)
}

func (a *API) example(s *huma.Schema, depth int) any {
	if s == nil || depth == 0 {
		return nil
	}
	if len(s.Examples) > 0 {
		return s.Examples[0]
	}
	if s.Default != nil {
		return s.Default
	}
	if s.Ref != "" {
		return a.example(a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref), depth)
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	for _, choice := range [][]*huma.Schema{s.OneOf, s.AnyOf, s.AllOf} {
		if len(choice) > 0 {
			return a.example(choice[0], depth-1)
		}
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, property := range s.Properties {
			if depth == 1 && !required(s, name) {
				continue
			}
			object[name] = a.example(property, depth-1)
		}
		return object
	case huma.TypeArray:
		if depth <= 2 && s.MinItems == nil {
			return []any{}
		}
		list := []any{a.example(s.Items, depth-1)}
		for s.MinItems != nil && len(list) < *s.MinItems {
			list = append(list, a.example(s.Items, depth-1))
		}
		return list
	case huma.TypeBoolean:
		return false
	case huma.TypeInteger, huma.TypeNumber:
		switch {
		case s.Minimum != nil && *s.Minimum > 0:
			return *s.Minimum
		case s.ExclusiveMinimum != nil && *s.ExclusiveMinimum >= 0:
			return *s.ExclusiveMinimum + 1
		case s.Maximum != nil && *s.Maximum < 1:
			return *s.Maximum
		}
		return 1
	case huma.TypeString:
		return exampleText(s)
	}
	return nil
}

func exampleText(s *huma.Schema) string {
	text := map[string]string{
		"uuid":          "0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d",
		"date-time":     "2026-01-02T03:04:05.678Z",
		"date":          "2026-01-02",
		"time":          "03:04:05Z",
		"email":         "shopper@example.com",
		"uri":           "https://example.com/",
		"uri-reference": "/v1/products",
		"ipv4":          "192.0.2.1",
		"ip":            "192.0.2.1",
	}[s.Format]
	if text == "" {
		text = "text"
	}
	if s.MinLength != nil && len(text) < *s.MinLength {
		text += strings.Repeat("x", *s.MinLength-len(text))
	}
	if s.MaxLength != nil && len(text) > *s.MaxLength {
		text = text[:*s.MaxLength]
	}
	return text
}

func required(s *huma.Schema, name string) bool {
	for _, r := range s.Required {
		if r == name {
			return true
		}
	}
	return false
}
