package web

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// Stream is the output of an operation that writes its answer while it makes it; the operation's Produces is the media type. An error of
// write becomes a problem if it has written nothing. Later the connection is cut: half an answer must not look like a whole one. A client
// that has left is nobody's failure.
func Stream(contentType string, write func(ctx context.Context, w io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humachi.Unwrap(hc)
		w.Header().Set("Content-Type", contentType)
		to := &leavable{Writer: w}
		err := write(r.Context(), to)
		switch st := stateOf(r.Context()); {
		case err == nil:
		case to.left:
			panic(http.ErrAbortHandler)
		case st != nil && st.sent:
			_ = FaultOf(r.Context(), err) // logs it
			panic(http.ErrAbortHandler)
		default:
			WriteProblem(w, r, err)
		}
	}}
}

// leavable remembers that nobody reads any more.
type leavable struct {
	io.Writer
	left bool
}

func (w *leavable) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.left = w.left || err != nil
	return n, err
}
