package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// document is the OpenAPI document as it is sent: made once, when it is first asked for.
type document struct {
	once sync.Once
	body []byte
	etag string
}

// OpenAPI is the document that /openapi.json serves. It must not be changed.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

func (a *API) openapi() (body []byte, etag string) {
	a.document.once.Do(func() {
		a.registering.Lock()
		defer a.registering.Unlock()
		doc := a.huma.OpenAPI()
		tags := map[string]bool{}
		for _, o := range a.operations {
			if !o.Hidden {
				tags[o.Tag] = true
				a.addExamples(o.spec)
			}
		}
		doc.Tags = nil
		for tag := range tags {
			doc.Tags = append(doc.Tags, &huma.Tag{Name: tag})
		}
		slices.SortFunc(doc.Tags, func(x, y *huma.Tag) int { return strings.Compare(x.Name, y.Name) })

		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(doc); err != nil {
			panic("web: encode the OpenAPI document: " + err.Error()) // an example that JSON cannot express
		}
		sum := sha256.Sum256(b.Bytes())
		a.document.body, a.document.etag = b.Bytes(), etagOf(sum[:])
	})
	return a.document.body, a.document.etag
}

func (a *API) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	body, etag := a.openapi()
	serveBytes(w, r, "application/openapi+json; charset=utf-8", body, etag)
}

// serveBytes answers with something that does not change while the process lives.
func serveBytes(w http.ResponseWriter, r *http.Request, contentType string, body []byte, etag string) {
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "no-cache") // kept, and asked about each time
	if NotModified(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// describe makes huma's operation of ours. input is nil for Raw.
func (a *API) describe(o *Operation, input reflect.Type) huma.Operation {
	spec := huma.Operation{
		OperationID:     o.ID,
		Method:          o.Method,
		Path:            o.Path,
		Summary:         o.Summary,
		Description:     o.Description,
		Tags:            []string{o.Tag},
		DefaultStatus:   o.Status,
		Hidden:          o.Hidden,
		MaxBodyBytes:    -1, // route limits it
		BodyReadTimeout: o.Deadline + grace,
		Responses:       map[string]*huma.Response{},
		Extensions:      map[string]any{"x-role": roleName(o.Role)},
	}
	if o.Role == auth.None {
		spec.Security = []map[string][]string{}
	} else {
		spec.Security = []map[string][]string{{"bearer": {}}}
		spec.Description = strings.TrimSpace(spec.Description + "\n\nNeeds the role " + string(o.Role) + ".")
	}
	if o.Idempotent {
		spec.Extensions["x-idempotent"] = true
	}
	a.describeProblems(&spec, o.problems(input))
	if o.Produces != "" {
		status := cmp.Or(o.Status, http.StatusOK)
		spec.Responses[itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{
			o.Produces: {Schema: &huma.Schema{Type: huma.TypeString}},
		}}
	}
	if input != nil && hasHeader(input, "If-None-Match") {
		spec.Responses[itoa(http.StatusNotModified)] = &huma.Response{Description: "What you have is still the same."}
	}
	return spec
}

func roleName(r auth.Role) string {
	if r == auth.None {
		return "public"
	}
	return string(r)
}

// problems are all that an operation can answer: the module's own, and what the platform adds.
func (o *Operation) problems(input reflect.Type) []*fault.Error {
	all := slices.Clone(o.Problems)
	add := func(faults ...*fault.Error) { all = append(all, faults...) }
	add(ErrInternal, ErrTimeout, ErrDatabase, ErrElsewhere, ErrBusy, ErrMalformed)
	if o.Role != auth.None {
		add(auth.ErrNoToken, auth.ErrBadToken, auth.ErrForbidden, auth.ErrUnavailable)
	}
	if o.stopsWhenReadOnly() {
		add(ErrReadOnly)
	}
	if o.Idempotent {
		add(idempotency.ErrKeyRequired, idempotency.ErrReused, idempotency.ErrInProgress)
	}
	if input == nil {
		if o.Mutates() {
			add(ErrTooLarge)
		}
		if o.Accepts != "" {
			add(ErrMediaType)
		}
		return unique(all)
	}
	for _, f := range reflect.VisibleFields(input) {
		switch {
		case f.Name == "Body" || f.Name == "RawBody":
			add(ErrInvalid, ErrTooLarge, ErrMediaType)
			if f.Name == "Body" {
				add(ErrUnknownField)
			}
		case f.Type == reflect.TypeFor[Precondition]():
			add(ErrIfMatchRequired)
		case f.Tag.Get("header") == "If-Match":
			add(ErrInvalid, ErrStale)
		case f.Tag.Get("query") == "cursor":
			add(ErrInvalid, ErrBadCursor)
		case f.Tag.Get("query") != "" || f.Tag.Get("path") != "" || f.Tag.Get("header") != "":
			add(ErrInvalid)
		}
	}
	return unique(all)
}

func unique(faults []*fault.Error) []*fault.Error {
	seen := map[string]bool{}
	return slices.DeleteFunc(faults, func(f *fault.Error) bool {
		again := seen[f.Code]
		seen[f.Code] = true
		return again
	})
}

// describeProblems groups the problems by status, each with an example under its code.
func (a *API) describeProblems(spec *huma.Operation, faults []*fault.Error) {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, f := range faults {
		status := itoa(Status(f.Kind))
		response := spec.Responses[status]
		if response == nil {
			response = &huma.Response{
				Description: http.StatusText(Status(f.Kind)),
				Content:     map[string]*huma.MediaType{problemType: {Schema: schema, Examples: map[string]*huma.Example{}}},
			}
			spec.Responses[status] = response
		}
		example := &Problem{Type: "/problems/" + f.Code, Title: f.Message, Status: Status(f.Kind), Detail: f.Detail, Code: f.Code}
		response.Content[problemType].Examples[f.Code] = &huma.Example{Summary: f.Message, Value: example}
		if f.RetryAfter > 0 || f.Kind == fault.Throttled {
			response.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "Seconds after which it is worth trying again.", Schema: &huma.Schema{Type: huma.TypeInteger},
			}}
		}
	}
}

// addExamples gives each body of an operation an example, made of its fields' own.
func (a *API) addExamples(spec *huma.Operation) {
	add := func(content map[string]*huma.MediaType) {
		for mediaType, m := range content {
			if mediaType == "application/json" && m.Schema != nil && m.Example == nil && len(m.Examples) == 0 {
				m.Example = a.Example(m.Schema)
			}
		}
	}
	if spec.RequestBody != nil {
		add(spec.RequestBody.Content)
	}
	for _, r := range spec.Responses {
		add(r.Content)
	}
}
