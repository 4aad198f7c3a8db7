package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
)

const (
	defaultMaxBody  = 1 << 20
	defaultDeadline = 10 * time.Second
)

// Operation is what a module declares of one method on one path. From all of them the role table, the OpenAPI document
// and the tests that go over every operation are made.
type Operation struct {
	ID          string // kebab-case: place-order
	Method      string
	Path        string
	Summary     string
	Description string
	Tag         string // the module's name

	Role         auth.Role      // the least that is needed; None: public
	Status       int            // of success; 0: 200, or 204 when there is no body
	Also         map[int]string // other statuses of success that the handler may set, and what each says
	Idempotent   bool           // the header Idempotency-Key is required; the input embeds Idempotency
	Problems     []*fault.Error // the module's own; what the platform answers is added
	MaxBody      int64          // bytes; 0: 1 MiB
	Deadline     time.Duration  // 0: 10 s
	ReadOnlySafe bool           // also answered while the shop is read-only, such as signing in
	Hidden       bool           // not in the OpenAPI document

	// Ready may answer a plain read, one without query, body or any of the operation's headers, with what is kept for it. It must not wait,
	// since there is no deadline yet, and no interceptor is asked. nil: the handler answers.
	Ready func(r *http.Request) *Kept

	// Media types of an operation that is made with Raw, or answers with Stream, for its documentation.
	Accepts  string
	Produces string

	spec  *huma.Operation
	quick func(w http.ResponseWriter, r *http.Request) bool // see quickly
}

// Spec is the operation as the OpenAPI document has it, with parameters and schemas; also for hidden ones. It is nil until
// the operation is registered, and must not be changed.
func (o *Operation) Spec() *huma.Operation { return o.spec }

// Mutates tells whether the method is one that changes something.
func (o *Operation) Mutates() bool {
	return o.Method != http.MethodGet && o.Method != http.MethodHead && o.Method != http.MethodOptions
}

// stopsWhenReadOnly tells whether the operation is refused while the shop is read-only. What needs a manager never is:
// the switch is one of these.
func (o *Operation) stopsWhenReadOnly() bool {
	return o.Mutates() && !o.ReadOnlySafe && !o.Role.AtLeast(auth.Manager)
}

// Routes is implemented by what a module has to say over HTTP.
type Routes interface {
	Routes(api *API)
}

// Register adds an operation to the API. I and O are structs as huma reads them: parameters by the tags path, query and
// header, and a field Body; the output has headers, a Body, and may have a Status.
//
// A declaration that makes no sense panics, since it is a programmer's error.
func Register[I, O any](api *API, op Operation, handler func(ctx context.Context, in *I) (*O, error)) {
	api.registering.Lock()
	defer api.registering.Unlock()

	o := api.add(op)
	if o.Idempotent && !hasHeader(reflect.TypeFor[I](), "Idempotency-Key") {
		panic(fmt.Sprintf("web: %s is idempotent: its input must embed web.Idempotency", o.ID))
	}
	fill := emptyLists(reflect.TypeFor[O]())
	api.naming = o
	answer := func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, answerOf(ctx, err)
		}
		if out != nil && len(fill) > 0 {
			v := reflect.ValueOf(out).Elem()
			for _, path := range fill {
				if f := v.FieldByIndex(path); f.IsNil() {
					f.Set(reflect.MakeSlice(f.Type(), 0, 0))
				}
			}
		}
		return out, nil
	}
	o.quick = quickly(o, answer)
	huma.Register(api.huma, api.describe(o, reflect.TypeFor[I]()), answer)
	api.naming = nil
	api.nullablePointers()
	o.requireParameters(reflect.TypeFor[I]())
	o.describeAlso()
}

// describeAlso documents the other statuses of success: their body is that of the first.
func (o *Operation) describeAlso() {
	for status, says := range o.Also {
		also := *o.spec.Responses[itoa(o.spec.DefaultStatus)]
		also.Description = says
		o.spec.Responses[itoa(status)] = &also
	}
}

// requireParameters panics where huma passed over a parameter: it reads no embedded struct whose type is not exported, and the
// field would be zero in every request.
func (o *Operation) requireParameters(input reflect.Type) {
	var declared []string
	for _, f := range reflect.VisibleFields(input) {
		for _, in := range []string{"path", "query", "header"} {
			if name, _, _ := strings.Cut(f.Tag.Get(in), ","); name != "" {
				declared = append(declared, in+" "+strings.ToLower(name))
			}
		}
	}
	for _, name := range pathParameters(o.Path) {
		declared = append(declared, "path "+strings.ToLower(name))
	}
	for _, d := range declared {
		if !slices.ContainsFunc(o.spec.Parameters, func(p *huma.Param) bool { return p.In+" "+strings.ToLower(p.Name) == d }) {
			panic(fmt.Sprintf("web: huma does not read the parameter %q of %s; is it in an embedded struct whose type is not exported?", d, o.ID))
		}
	}
}

// answerOf turns a handler's error into what huma answers with.
func answerOf(ctx context.Context, err error) error {
	st := stateOf(ctx)
	var same unchanged
	if errors.As(err, &same) {
		if st != nil {
			for name, values := range same.headers() {
				st.Header()[name] = values
			}
		}
		return same
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = problemOf(ctx, faultOf(ctx, err))
	}
	if st != nil {
		p.setHeaders(st.Header())
	}
	return p
}

var operationID = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// add checks a declaration, fills in what was left out, and takes it into the table.
func (a *API) add(op Operation) *Operation {
	switch {
	case !operationID.MatchString(op.ID):
		panic(fmt.Sprintf("web: operation id %q is not kebab-case", op.ID))
	case op.Method == "" || op.Method != strings.ToUpper(op.Method):
		panic(fmt.Sprintf("web: %s has no method", op.ID))
	case !strings.HasPrefix(op.Path, "/"):
		panic(fmt.Sprintf("web: the path of %s does not begin with /", op.ID))
	case op.Summary == "" || op.Tag == "":
		panic(fmt.Sprintf("web: %s has no summary or no tag", op.ID))
	case op.Role != auth.None && !op.Role.AtLeast(auth.Shopper):
		panic(fmt.Sprintf("web: %s needs the role %q, which does not exist", op.ID, op.Role))
	case strings.HasPrefix(op.Path, "/admin") && !op.Role.AtLeast(auth.Manager):
		panic(fmt.Sprintf("web: %s is below /admin, so it must need a manager", op.ID))
	}
	for _, other := range a.operations {
		if other.ID == op.ID {
			panic(fmt.Sprintf("web: two operations have the id %s", op.ID))
		}
	}
	a.addRoute(op.Method, op.Path, &op)
	if op.MaxBody == 0 {
		op.MaxBody = defaultMaxBody
	}
	if op.Deadline == 0 {
		op.Deadline = defaultDeadline
	}
	o := &op
	a.operations = append(a.operations, o)
	return o
}

func hasHeader(t reflect.Type, name string) bool {
	for _, f := range reflect.VisibleFields(t) {
		if strings.EqualFold(f.Tag.Get("header"), name) {
			return true
		}
	}
	return false
}

// emptyLists finds the slices that stand directly in an output or its Body, and are always shown.
func emptyLists(t reflect.Type) [][]int {
	var found [][]int
	body, ok := t.FieldByName("Body")
	if !ok || len(body.Index) != 1 {
		return nil
	}
	if body.Type.Kind() == reflect.Slice && body.Type.Elem().Kind() != reflect.Uint8 {
		return [][]int{body.Index}
	}
	if body.Type.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(body.Type) {
		if !f.IsExported() || f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() == reflect.Uint8 ||
			strings.Contains(f.Tag.Get("json"), ",omit") || behindPointer(body.Type, f.Index) {
			continue
		}
		found = append(found, append(append([]int{}, body.Index...), f.Index...))
	}
	return found
}

func behindPointer(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		t = t.Field(i).Type
		if t.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}
