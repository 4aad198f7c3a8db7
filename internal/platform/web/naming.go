package web

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
)

// uuidText is how a UUID is described: 36 characters, though the library would also read other forms.
type uuidText string

func (uuidText) Schema(huma.Registry) *huma.Schema {
	length := 36
	return &huma.Schema{Type: huma.TypeString, Format: "uuid", MinLength: &length, MaxLength: &length}
}

// schemaName makes names that are unique over all modules: the type's, after the module's, so that two modules may both
// have an Order.
func (a *API) schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name, ok := a.nameOf[t]; ok {
		return name
	}
	name := nameOfType(t)
	if name == "" {
		name = huma.DefaultSchemaNamer(t, hint)
		if a.naming != nil {
			name = withPrefix(title(a.naming.Tag), name)
		}
	}
	if t.Kind() != reflect.Struct {
		return name // such are not shared, so they need no name of their own
	}
	for unique, n := name, 2; ; n++ {
		if _, taken := a.names[unique]; !taken {
			a.names[unique], a.nameOf[t] = t, unique
			return unique
		}
		unique = name + strconv.Itoa(n)
	}
}

func nameOfType(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	full := t.Name()
	if path := t.PkgPath(); path != "" {
		full = path + "." + full
	}
	var b strings.Builder
	for _, part := range strings.FieldsFunc(full, func(r rune) bool { return strings.ContainsRune("[]*,", r) }) {
		path, base := "", part
		if i := strings.LastIndexByte(part, '.'); i >= 0 {
			path, base = part[:i], part[i+1:]
		}
		b.WriteString(withPrefix(title(moduleOf(path)), title(base)))
	}
	return b.String()
}

// moduleOf finds the module in an import path, or the package for those of the platform. This package's own types need
// no prefix.
func moduleOf(path string) string {
	_, rest, ok := strings.Cut(path, "/internal/")
	if !ok {
		return ""
	}
	rest = strings.TrimPrefix(rest, "platform/")
	module, _, _ := strings.Cut(rest, "/")
	if module = strings.TrimSuffix(module, "_test"); module == "web" {
		return ""
	}
	return module
}

func withPrefix(prefix, name string) string {
	if strings.HasPrefix(name, prefix) {
		return name
	}
	return prefix + name
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// nullablePointers says of each *uuid.UUID that is always shown that it may be null; an alias loses that.
func (a *API) nullablePointers() {
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	for name, t := range a.names {
		schema := schemas[name]
		if schema == nil || t.Kind() != reflect.Struct {
			continue
		}
		for _, f := range reflect.VisibleFields(t) {
			tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Type == reflect.TypeFor[*uuid.UUID]() && !strings.Contains(options, "omit") && schema.Properties[tag] != nil {
				schema.Properties[tag].Nullable = true
			}
		}
	}
}
