package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	ndjson       = "application/x-ndjson"
	maxImport    = 4 << 30       // bytes
	bulkDeadline = 2 * time.Hour // of a million lines over a slow line
	maxLine      = 256 << 10     // bytes: a description of 10,000 characters takes half of it, all escaped
	maxLines     = 500           // in one transaction
)

func (a *Admin) bulkRoutes(api *web.API) {
	web.Raw(api, web.Operation{
		ID: "import-products", Method: http.MethodPost, Path: "/admin/products/import", Tag: tag,
		Summary: "Make and change products, one a line",
		Description: "The body is NDJSON: a product a line, as the export has it, of at most 256 KiB. A line says the whole product; state, sale_stopped and " +
			"publish_at stay as they are where they are left out. The answer is NDJSON too and comes while you send, so read it meanwhile: for each line " +
			"{line, id, outcome} with the outcome created, updated, unchanged or error, the latter with code and errors as in a problem. A line " +
			"that is told is kept; one that is refused is no matter to the others. The last line has the outcome done and counts the others, or " +
			"stopped and a code. Where it was stopped or the connection broke, send the same again: what is so already is unchanged.",
		Role: auth.Manager, MaxBody: maxImport, Deadline: bulkDeadline,
		Accepts: ndjson, Produces: ndjson,
	}, http.HandlerFunc(a.importProducts))
	web.Register(api, web.Operation{
		ID: "export-products", Method: http.MethodGet, Path: "/admin/products/export", Tag: tag,
		Summary: "Show all products, one a line",
		Description: "NDJSON in the order of the ids, of every state, as all are at the moment of the request; the import takes it as it is. Whoever reads " +
			"500 lines in more than half a minute is cut off, and goes on after the last line that came whole.",
		Role: auth.Manager, Deadline: bulkDeadline,
		Produces: ndjson,
	}, a.exportProducts)
}

// report is what is told of a line.
type report struct {
	Line    int              `json:"line"`
	ID      *uuid.UUID       `json:"id,omitempty"`
	Outcome string           `json:"outcome"`
	Code    string           `json:"code,omitempty"`
	Errors  []web.FieldError `json:"errors,omitempty"`
}

// reportEnd is the last line of a report.
type reportEnd struct {
	Outcome   string `json:"outcome"`
	Code      string `json:"code,omitempty"`
	Lines     int    `json:"lines"`
	Created   int    `json:"created"`
	Updated   int    `json:"updated"`
	Unchanged int    `json:"unchanged"`
	Refused   int    `json:"refused"`
}

// The outcomes of an import.
const (
	importDone    = "done"
	importStopped = "stopped"
)

// importing is an import on its way: what has been read and is not told yet, and how many lines were.
type importing struct {
	service *Service
	in      *bufio.Reader
	out     *json.Encoder
	flush   func() error
	read    int // lines, from the first

	batch   []Line
	reports []report // of the lines that were read, in their order; those without an outcome stand in batch
	told    reportEnd
}

var lines = web.NewDocument[Line]()

func (a *Admin) importProducts(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // HTTP/1 would swallow the body at the first byte of the answer; HTTP/2 does not need it
	w.Header().Set("Content-Type", ndjson)
	buffered := bufio.NewWriter(w)
	out := json.NewEncoder(buffered)
	out.SetEscapeHTML(false)
	i := &importing{
		service: a.service, in: bufio.NewReaderSize(r.Body, maxLine), out: out,
		flush: func() error { return errors.Join(buffered.Flush(), control.Flush()) },
	}
	err := i.run(r.Context())
	if err != nil && i.told.Lines == 0 {
		web.WriteProblem(w, r, err)
		return
	}
	i.told.Outcome = importDone
	if err != nil {
		i.told.Outcome, i.told.Code = importStopped, web.FaultOf(r.Context(), err).Code
	}
	_ = out.Encode(i.told) // a client that has left reads no end
	_ = i.flush()
}

// run goes through the lines until the last, many at a time where many are there already.
func (i *importing) run(ctx context.Context) error {
	for {
		line, err := i.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return bodyFault(err)
		}
		if len(line) > 0 {
			if err := i.take(ctx, line); err != nil {
				return err
			}
		}
		if last := err != nil; last || len(i.reports) >= maxLines || !i.more() {
			if err := i.land(ctx); err != nil || last {
				return err
			}
		}
	}
}

// bodyFault is a body that is too large, or a client that has left.
func bodyFault(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return web.ErrMalformed.WithDetail("the body broke off")
}

var errLongLine = web.ErrTooLarge.WithDetail("a line has at most 256 KiB")

// next reads a line, without blanks around it. One that is too long is passed over, and reported.
func (i *importing) next() ([]byte, error) {
	i.read++
	line, err := i.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		i.refuse(nil, errLongLine)
		for line = nil; errors.Is(err, bufio.ErrBufferFull); {
			_, err = i.in.ReadSlice('\n')
		}
	}
	return bytes.TrimSpace(line), err
}

// more tells whether another whole line has arrived: if not, nobody waits for it.
func (i *importing) more() bool {
	ahead, _ := i.in.Peek(i.in.Buffered())
	return bytes.IndexByte(ahead, '\n') >= 0
}

// take puts a line to the others that are imported with it.
func (i *importing) take(ctx context.Context, text []byte) error {
	line, err := lines.Read(text)
	if err != nil {
		i.refuse(nil, asFault(err))
		return nil
	}
	for _, other := range i.batch {
		if other.ID == line.ID { // it is changed again, after that
			if err := i.land(ctx); err != nil {
				return err
			}
			break
		}
	}
	i.batch = append(i.batch, line)
	i.reports = append(i.reports, report{Line: i.read, ID: &line.ID})
	return nil
}

func (i *importing) refuse(id *uuid.UUID, f *fault.Error) {
	i.reports = append(i.reports, reportOf(i.read, id, refused(f)))
}

func reportOf(line int, id *uuid.UUID, o outcome) report {
	r := report{Line: line, ID: id, Outcome: o.what}
	if o.fault == nil {
		return r
	}
	r.Code = o.fault.Code
	for _, f := range o.fault.Fields {
		r.Errors = append(r.Errors, web.FieldError(f))
	}
	if r.Errors == nil {
		r.Errors = []web.FieldError{{Detail: o.fault.Detail}}
	}
	return r
}

// land imports what was taken, and tells of it what is kept by then.
func (i *importing) land(ctx context.Context) error {
	if len(i.reports) == 0 {
		return nil
	}
	var outcomes []outcome
	if len(i.batch) > 0 {
		var err error
		if outcomes, err = i.service.importLines(ctx, i.batch); err != nil {
			return err
		}
	}
	for _, r := range i.reports {
		if r.Outcome == "" {
			r, outcomes = reportOf(r.Line, r.ID, outcomes[0]), outcomes[1:]
		}
		i.told.count(r.Outcome)
		if err := i.out.Encode(r); err != nil {
			return bodyFault(err)
		}
	}
	i.batch, i.reports = i.batch[:0], i.reports[:0]
	if err := i.flush(); err != nil {
		return bodyFault(err)
	}
	return nil
}

func (e *reportEnd) count(outcome string) {
	e.Lines++
	switch outcome {
	case lineCreated:
		e.Created++
	case lineUpdated:
		e.Updated++
	case lineUnchanged:
		e.Unchanged++
	case lineError:
		e.Refused++
	}
}

type exportInput struct {
	After uuid.UUID `query:"after" doc:"The id of the last product that you have; left out: from the beginning." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

func (a *Admin) exportProducts(_ context.Context, in *exportInput) (*huma.StreamResponse, error) {
	return web.Stream(ndjson, func(ctx context.Context, w io.Writer) error {
		buffered := bufio.NewWriter(w)
		out := json.NewEncoder(buffered)
		out.SetEscapeHTML(false)
		return a.service.Export(ctx, in.After, func(page []Line) error {
			for _, l := range page {
				if err := out.Encode(l); err != nil {
					return err
				}
			}
			return buffered.Flush()
		})
	}), nil
}
