package web_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/rpc"
	"github.com/sasapick/shop/internal/platform/web"
)

// original 59: failures were answered with 200, and with the words of whatever had failed.
func TestFailures(t *testing.T) {
	t.Parallel()

	secret := errors.New("password of db-7")
	cases := []struct {
		name   string
		fail   func(ctx context.Context) error
		status int
		code   string
		retry  string
	}{
		{"Fault", func(context.Context) error { return errSoldOut.WithDetail("all 100 went") }, 409, "things.sold_out", ""},
		{"FaultInAChain", func(context.Context) error { return errors.Join(secret, errSoldOut) }, 409, "things.sold_out", ""},
		{"RetryAfterRoundsUp", func(context.Context) error {
			return fault.New(fault.Throttled, "things.busy", "busy").WithRetryAfter(1001 * time.Millisecond)
		}, 429, "things.busy", "2"},
		{"Fields", func(context.Context) error {
			return web.ErrInvalid.WithFields(fault.Field{Pointer: "/a", Detail: "no"})
		}, 422, "request.invalid", ""},
		{"Unknown", func(context.Context) error { return secret }, 500, "internal", ""},
		{"UnknownKind", func(context.Context) error { return fault.New("odd", "things.odd", "odd") }, 500, "things.odd", ""},
		{"Panic", func(context.Context) error { panic(secret) }, 500, "internal", ""},
		{"NilPointer", func(context.Context) error { return (*fail)(nil) }, 500, "internal", ""},
		{"StatementTimeout", func(context.Context) error { return fmt.Errorf("query: %w", &pgconn.PgError{Code: "57014"}) }, 504, "request.timeout", ""},
		{"Deadlock", func(context.Context) error { return &pgconn.PgError{Code: "40P01"} }, 503, "platform.busy", "1"},
		{"LockTimeout", func(context.Context) error { return &pgconn.PgError{Code: "55P03"} }, 503, "platform.busy", "1"},
		{"DatabaseIsAway", func(context.Context) error { return &pgconn.PgError{Code: "57P01", Message: "password"} }, 503, "platform.database_unavailable", "1"},
		{"AnotherProcessIsAway", func(context.Context) error {
			return fmt.Errorf("open the payment: %w", &rpc.Outage{Module: "payments", Method: "Open", Err: secret})
		}, 503, "platform.module_unavailable", "1"},
		{"Constraint", func(context.Context) error { return &pgconn.PgError{Code: "23505", Message: "password"} }, 500, "internal", ""},
		{"OtherDeadline", func(context.Context) error { return context.DeadlineExceeded }, 500, "internal", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			s := newShop(t, nil)
			s.fail = c.fail
			a := s.do(t, request("GET", "/v1/fail", "", "X-Request-Id", "r1"))
			require.Equal(t, c.status, a.StatusCode)
			require.Equal(t, c.code, a.problem.Code)
			require.Equal(t, c.retry, a.Header.Get("Retry-After"))
			require.NotContains(t, string(a.body), "password", "nothing of ours leaks")
			failures := append(s.logs.lines(t, "request failed"), s.logs.lines(t, "handler panicked")...)
			if c.code == "internal" {
				require.Len(t, failures, 1)
				require.Equal(t, "r1", failures[0]["http.request.id"])
				require.NotEmpty(t, failures[0]["error.message"])
			} else {
				require.Empty(t, failures)
			}
		})
	}

	t.Run("Deadline", func(t *testing.T) {
		t.Parallel()

		s := newShop(t, nil)
		s.fail = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		a := s.do(t, request("GET", "/v1/fail", "").WithContext(ctx))
		require.Equal(t, "504 request.timeout", itoa(a.StatusCode)+" "+a.problem.Code)
	})

	t.Run("ClientWentAway", func(t *testing.T) {
		t.Parallel()

		s := newShop(t, nil)
		s.fail = func(ctx context.Context) error { return ctx.Err() }
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.do(t, request("GET", "/v1/fail", "").WithContext(ctx))
		require.Empty(t, s.logs.lines(t, "request failed"))
		require.EqualValues(t, 499, s.logs.lines(t, "request")[0]["http.response.status_code"])
	})
}

type fail struct{ text string }

func (f *fail) Error() string { return f.text } // panics when f is nil
