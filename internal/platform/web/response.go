package web

import (
	"io"
	"net/http"
)

// response counts what is answered, and holds the status back until the first byte of a body: until then a failure can
// still become a problem.
type response struct {
	http.ResponseWriter
	status  int   // 0: none yet
	sent    bool  // the header is on its way
	written int64 // bytes of the body
}

func (w *response) WriteHeader(status int) {
	if w.sent {
		return
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.status = status
}

// send lets the header go.
func (w *response) send() {
	if w.sent {
		return
	}
	w.sent = true
	if w.status == 0 {
		w.status = http.StatusOK
	}
	h := w.Header()
	if replayed := h["Idempotency-Replayed"]; len(replayed) == 1 && replayed[0] == "false" {
		delete(h, "Idempotency-Replayed") // huma writes every bool; the contract knows only true
	}
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		delete(h, "Content-Type")
		delete(h, "Content-Length")
	}
	w.ResponseWriter.WriteHeader(w.status)
}

func (w *response) Write(b []byte) (int, error) {
	w.send()
	n, err := w.ResponseWriter.Write(b)
	w.written += int64(n)
	return n, err
}

// ReadFrom keeps the server's fast way of sending files.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.send()
	n, err := io.Copy(w.ResponseWriter, r)
	w.written += n
	return n, err
}

func (w *response) Flush() { _ = w.FlushError() }

func (w *response) FlushError() error {
	w.send()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// reset forgets an answer of which nothing has been sent yet.
func (w *response) reset() {
	w.status = 0
	h := w.Header()
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Location", "Cache-Control"} {
		delete(h, name)
	}
}
