package toss

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
)

// Local is a RoundTripper that calls a handler in this process instead of a network, and that fails in the ways of one: a handler
// that aborts is a connection reset, and one that is slower than the caller goes on without it.
type Local struct{ Handler http.Handler }

// RoundTrip serves the request.
func (l Local) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	in := r.Clone(r.Context())
	in.Body, in.RequestURI, in.RemoteAddr = io.NopCloser(bytes.NewReader(body)), r.URL.RequestURI(), "127.0.0.1:0"
	in.Host = r.URL.Host

	served := make(chan result, 1)
	go func() {
		w := &recorder{header: http.Header{}}
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			} else if v != nil {
				served <- result{err: syscall.ECONNRESET}
				return
			}
			served <- result{response: w.response(r)}
		}()
		l.Handler.ServeHTTP(w, in)
	}()
	select {
	case s := <-served:
		if s.err != nil && r.Context().Err() != nil {
			return nil, context.Cause(r.Context())
		}
		return s.response, s.err
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

type result struct {
	response *http.Response
	err      error
}

// recorder keeps what a handler writes.
type recorder struct {
	header http.Header
	sent   http.Header
	status int
	body   bytes.Buffer
}

var errTooMuch = errors.New("the answer is too long")

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(b) > 2*maxAnswer {
		return 0, errTooMuch
	}
	return w.body.Write(b)
}

func (w *recorder) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()), Request: r,
	}
}
