package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Code is the SQLSTATE with which PostgreSQL refused, or "" if the error is not PostgreSQL's.
func Code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// IsUnavailable says that the database could not be reached, went away in the middle or has no room left. What was being
// done may or may not have happened; the same call later may succeed.
//
// The end of the caller's own context is not unavailability, and neither is a failed call to another service.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if code := Code(err); code != "" {
		// 25P03: a process that was paused in a transaction finds that the server has ended its session.
		return code == "25P03" || slices.ContainsFunc([]string{"08", "53", "57P0"}, func(class string) bool { return strings.HasPrefix(code, class) })
	}
	if errors.Is(err, ErrExhausted) || errors.Is(err, puddle.ErrClosedPool) {
		return true
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return true
	}
	var http *url.Error
	if errors.As(err, &http) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "conn closed") // pgx keeps this error to itself
}
