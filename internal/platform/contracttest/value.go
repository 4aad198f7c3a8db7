package contracttest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

var (
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// valueViolations says why a value of type t would not be the same after a trip through JSON.
func valueViolations(t reflect.Type) []string {
	w := walk{seen: map[reflect.Type]bool{}}
	w.typ(t.Name(), t)
	if len(w.found) > 0 {
		return w.found
	}
	for _, depth := range []int{0, maxDepth} { // full, and empty
		v := reflect.New(t)
		if depth == 0 {
			fill(v.Elem(), 0)
		}
		if err := roundTrip(v); err != nil {
			w.found = append(w.found, fmt.Sprintf("%s does not survive JSON: %v", t.Name(), err))
		}
	}
	return w.found
}

type walk struct {
	seen  map[reflect.Type]bool
	found []string
}

func (w *walk) add(path, format string, args ...any) {
	w.found = append(w.found, path+" "+fmt.Sprintf(format, args...))
}

func (w *walk) typ(path string, t reflect.Type) {
	if ownWire(t) {
		return
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	case reflect.Slice, reflect.Array:
		w.typ(path+"[]", t.Elem())
	case reflect.Map:
		if t.Key().Kind() != reflect.String && !ownWire(t.Key()) {
			w.add(path, "is a map whose keys are no text")
		}
		w.typ(path+"[]", t.Elem())
	case reflect.Pointer: // a value that may be absent, never a way to share state
		if k := t.Elem().Kind(); k == reflect.Pointer || k == reflect.Map || k == reflect.Slice {
			w.add(path, "is a pointer to a %v", k)
			return
		}
		w.typ(path, t.Elem())
	case reflect.Struct:
		w.fields(path, t)
	default:
		w.add(path, "is a %v", t.Kind())
	}
}

func (w *walk) fields(path string, t reflect.Type) {
	if w.seen[t] {
		return
	}
	w.seen[t] = true
	for f := range t.Fields() {
		at := path + "." + f.Name
		tag, tagged := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case !f.IsExported():
			w.add(at, "is hidden, so it gets lost on the way")
			continue
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct: // its fields are this one's
		case tag == "-":
			w.add(at, "is left out of the JSON, so it gets lost on the way")
			continue
		case !fieldName.MatchString(name):
			w.add(at, "has no snake_case name in the JSON")
		}
		w.typ(at, f.Type)
	}
}

// ownWire tells whether a type says itself how it is written and read.
func ownWire(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer &&
		(p.Implements(jsonMarshaler) && p.Implements(jsonUnmarshaler) || p.Implements(textMarshaler) && p.Implements(textUnmarshaler))
}

// maxDepth ends the filling of types that contain themselves.
const maxDepth = 4

// fill gives v and all below it values that are not zero.
func fill(v reflect.Value, depth int) {
	if depth >= maxDepth {
		return
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(`a "b" 각 <c>`)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1<<(v.Type().Bits()-1) - 1) // the largest: a float64 on the way would lose it
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1<<v.Type().Bits() - 1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				fill(f, depth+1)
			}
		}
	}
}

func roundTrip(sent reflect.Value) error {
	data, err := json.Marshal(sent.Interface())
	if err != nil {
		return err
	}
	received := reflect.New(sent.Type().Elem())
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(received.Interface()); err != nil {
		return err
	}
	if !reflect.DeepEqual(sent.Interface(), received.Interface()) {
		return fmt.Errorf("%+v came back as %+v", sent.Elem(), received.Elem())
	}
	return nil
}
