// Package contracttest checks that a module's contract could be served from another process.
//
// A contract is an interface of methods func(ctx, XxxInput) (Xxx, error) and a set of events. Their values must be the same
// after a trip through JSON: no functions, no channels, no interfaces, no hidden fields.
package contracttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Event is what a module publishes: the same methods as outbox.Event.
type Event interface {
	EventType() string
	AggregateID() uuid.UUID
	AggregateVersion() int64
}

// Check fails the test for each way in which the interface T is no contract.
func Check[T any](t testing.TB) {
	t.Helper()
	for _, v := range violations(reflect.TypeFor[T]()) {
		t.Errorf("%v is no contract: %s", reflect.TypeFor[T](), v)
	}
}

// CheckEvents fails the test for each way in which the events, which the module publishes, could not be read elsewhere. An
// event's wire type is the module, the type's name in snake case and a version: coupons.claimed.v1.
func CheckEvents(t testing.TB, module string, events ...Event) {
	t.Helper()
	if len(events) == 0 {
		t.Errorf("no events of %s are given", module)
	}
	for _, e := range events {
		for _, v := range eventViolations(module, e) {
			t.Errorf("%T is no event: %s", e, v)
		}
	}
}

// Golden compares the value's JSON with testdata/<name>.json, which is what others read: a difference is a change of the
// published language. With SHOP_UPDATE_GOLDEN=1 it writes the file instead.
func Golden(t testing.TB, name string, value any) {
	t.Helper()
	var encoded bytes.Buffer
	e := json.NewEncoder(&encoded)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		t.Errorf("encode %s: %v", name, err)
		return
	}
	got := encoded.Bytes()
	file := filepath.Join("testdata", name+".json")
	if os.Getenv("SHOP_UPDATE_GOLDEN") == "1" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Errorf("make testdata: %v", err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Errorf("write %s: %v", file, err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("read the golden file (SHOP_UPDATE_GOLDEN=1 writes it): %v", err)
		return
	}
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), got) {
		t.Errorf("%s is not what is published any more\nwas:\n%s\nis:\n%s", file, want, got)
	}
}

func violations(contract reflect.Type) []string {
	if contract.Kind() != reflect.Interface {
		return []string{"it is no interface"}
	}
	if contract.NumMethod() == 0 {
		return []string{"it has no methods"}
	}
	var found []string
	for m := range contract.Methods() {
		for _, v := range methodViolations(contract, m) {
			found = append(found, m.Name+": "+v)
		}
	}
	return found
}

func methodViolations(contract reflect.Type, m reflect.Method) []string {
	f := m.Type
	if !m.IsExported() {
		return []string{"nobody else can implement a hidden method"}
	}
	if f.IsVariadic() || f.NumIn() != 2 || f.In(0) != reflect.TypeFor[context.Context]() {
		return []string{fmt.Sprintf("the arguments must be (context.Context, %sInput)", m.Name)}
	}
	if f.NumOut() != 2 || f.Out(1) != reflect.TypeFor[error]() {
		return []string{"the results must be (a value, error)"}
	}
	var found []string
	in, out := f.In(1), f.Out(0)
	if in.Name() != m.Name+"Input" {
		found = append(found, fmt.Sprintf("the input is %v and not %sInput", in, m.Name))
	}
	for _, part := range []struct {
		what string
		is   reflect.Type
	}{{"input", in}, {"result", out}} {
		if part.is.Kind() != reflect.Struct || part.is.Name() == "" {
			found = append(found, fmt.Sprintf("the %s is %v and not a named struct", part.what, part.is))
			continue
		}
		if part.is.PkgPath() != contract.PkgPath() {
			found = append(found, fmt.Sprintf("the %s %v belongs to another package", part.what, part.is))
		}
		found = append(found, valueViolations(part.is)...)
	}
	return found
}

var version = regexp.MustCompile(`^v[1-9][0-9]*$`)

func eventViolations(module string, e Event) []string {
	t := reflect.TypeOf(e)
	if t.Kind() != reflect.Struct {
		return []string{"it must be a struct, and its methods on the value"}
	}
	var found []string
	rest, ok := strings.CutPrefix(e.EventType(), module+"."+snake(t.Name())+".")
	if !ok || !version.MatchString(rest) {
		found = append(found, fmt.Sprintf("its type is %q and not %s.%s.v1", e.EventType(), module, snake(t.Name())))
	}
	if v := valueViolations(t); len(v) > 0 {
		return append(found, v...)
	}
	full := reflect.New(t).Elem()
	fill(full, 0)
	sample := full.Interface().(Event)
	var wire struct {
		Version int64 `json:"version"`
	}
	if data, err := json.Marshal(sample); err != nil || json.Unmarshal(data, &wire) != nil || wire.Version == 0 || wire.Version != sample.AggregateVersion() {
		found = append(found, "its aggregate's version is not the field version")
	}
	if sample.AggregateID() == uuid.Nil {
		found = append(found, "its aggregate's id is not one of its fields")
	}
	return found
}

// snake turns RoomChanged into room_changed.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
