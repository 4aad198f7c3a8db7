package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// patience is how long a connection may take by itself. An operation with a longer deadline extends it.
	patience = 30 * time.Second
	grace    = 5 * time.Second // for the answer to leave once the deadline has passed
)

// NewServer returns a server whose every phase has a limit, so that no client can hold a connection for ever.
func NewServer(addr string, handler http.Handler) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // what stands before the shop ends TLS, and may keep HTTP/2
	return &http.Server{
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       patience + grace,
		WriteTimeout:      patience + grace,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}

// extend gives one request longer than the server's own limits.
func extend(w http.ResponseWriter, d time.Duration) {
	until := time.Now().Add(d + grace)
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(until) // a recorder in a test has no deadlines
	_ = c.SetWriteDeadline(until)
}

// Serve answers on l until ctx ends. Then no connection is accepted any more, requests that run may finish for up to
// drain, and what is left is cut off, which is an error.
func Serve(ctx context.Context, s *http.Server, l net.Listener, drain time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := s.Shutdown(timeout); err != nil {
		return errors.Join(fmt.Errorf("drain %s: %w", l.Addr(), err), s.Close())
	}
	return nil
}
