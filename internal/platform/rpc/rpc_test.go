package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type askInput struct {
	Question string `json:"question"`
}

type reply struct {
	Text string `json:"text"`
	Left int64  `json:"left"`
}

var errSoldOut = fault.New(fault.Exhausted, "things.sold_out", "nothing is left")

// world is a server on a socket of the loopback, and a client of it.
type world struct {
	server *httptest.Server
	client *rpc.Client
	log    *strings.Builder
}

// ask is the one method that there is.
type ask func(ctx context.Context, in askInput) (reply, error)

func setup(t *testing.T, method ask) world {
	t.Helper()
	return setupWith(t, "", "", method)
}

func setupWith(t *testing.T, ours, theirs string, method ask) world {
	t.Helper()
	w := world{log: &strings.Builder{}}
	s, err := rpc.NewServer(theirs, slog.New(slog.NewTextHandler(w.log, nil)), rpc.On("things", "Ask", method))
	require.NoError(t, err)
	return w.on(t, ours, s)
}

// on puts any handler at the other end.
func (w world) on(t *testing.T, token string, h http.Handler) world {
	t.Helper()
	w.server = httptest.NewServer(h)
	t.Cleanup(w.server.Close)
	w.client = newClient(t, w.server.URL, token)
	return w
}

func newClient(t *testing.T, address, token string) *rpc.Client {
	t.Helper()
	c, err := rpc.NewClient(address, token, nil)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (w world) ask(ctx context.Context, question string) (reply, error) {
	return rpc.Call[askInput, reply](ctx, w.client, "things", "Ask", askInput{Question: question})
}

type raw struct {
	status int
	body   string
}

// raw is a request as somebody else may make it.
func (w world) raw(t *testing.T, method, path, mediaType, body string) raw {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", mediaType)
	response, err := w.client.Transport().RoundTrip(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return raw{response.StatusCode, string(answer)}
}

func echo(_ context.Context, in askInput) (reply, error) { return reply{Text: in.Question}, nil }

func TestCall(t *testing.T) {
	t.Parallel()

	t.Run("AnswersWhatTheMethodAnswers", func(t *testing.T) {
		t.Parallel()

		got, err := setup(t, echo).ask(t.Context(), `각 "b" <c>`)

		require.NoError(t, err)
		require.Equal(t, reply{Text: `각 "b" <c>`}, got)
	})

	t.Run("AFaultStaysTheFaultThatItIs", func(t *testing.T) {
		t.Parallel()

		sent := errSoldOut.WithDetail("all 100 went").WithFields(fault.Field{Pointer: "/question", Detail: "no"}).WithRetryAfter(1500 * time.Millisecond)
		w := setup(t, func(context.Context, askInput) (reply, error) {
			return reply{Text: "half"}, errors.Join(errors.New("hidden"), sent)
		})
		got, err := w.ask(t.Context(), "")

		require.ErrorIs(t, err, errSoldOut)
		require.False(t, rpc.IsOutage(err))
		f, ok := fault.As(err)
		require.True(t, ok)
		require.Equal(t, sent, f)
		require.NotContains(t, err.Error(), "hidden")
		require.Zero(t, got)
		require.Empty(t, w.log, "a fault is an answer")
	})

	t.Run("AnythingElseIsAnOutageThatSaysNothingOfTheInside", func(t *testing.T) {
		t.Parallel()

		w := setup(t, func(context.Context, askInput) (reply, error) { return reply{}, errors.New("password of db-7") })
		_, err := w.ask(t.Context(), "")

		requireOutage(t, err)
		require.ErrorContains(t, err, "call things.Ask: answered 500")
		require.NotContains(t, err.Error(), "password")
		require.Contains(t, w.log.String(), "password of db-7")
		require.Equal(t, "internal server error\n", w.raw(t, "POST", "/rpc/things/Ask", "application/json", `{}`).body)
	})

	t.Run("APanicIsAnOutage", func(t *testing.T) {
		t.Parallel()

		w := setup(t, func(context.Context, askInput) (reply, error) { panic(http.ErrAbortHandler) })
		_, err := w.ask(t.Context(), "")
		requireOutage(t, err)
	})

	t.Run("NobodyAtTheAddress", func(t *testing.T) {
		t.Parallel()

		w := setup(t, echo)
		w.server.Close()
		_, err := w.ask(t.Context(), "")
		requireOutage(t, err)
	})

	t.Run("ARefusedConnectionIsTriedOnceMore", func(t *testing.T) {
		t.Parallel()

		refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		for _, c := range []struct {
			dials []error // nil: as it is
			want  int
		}{{[]error{refused, nil}, 0}, {[]error{refused, refused, nil}, 1}, {[]error{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, nil}, 1}} {
			w := setup(t, echo)
			w.client.Dial(func(ctx context.Context, network, address string) (net.Conn, error) {
				err := c.dials[0]
				c.dials = c.dials[1:]
				if err != nil {
					return nil, err
				}
				return (&net.Dialer{}).DialContext(ctx, network, address)
			})
			_, err := w.ask(t.Context(), "")
			require.Len(t, c.dials, c.want)
			require.Equal(t, c.want > 0, rpc.IsOutage(err), "%v", err)
		}
	})

	t.Run("NothingThatMayHaveArrivedIsRepeated", func(t *testing.T) {
		t.Parallel()

		var asked atomic.Int64
		w := world{}.on(t, "", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			asked.Add(1)
			panic(http.ErrAbortHandler)
		}))
		for range 10 {
			_, err := w.ask(t.Context(), "")
			requireOutage(t, err)
		}
		require.EqualValues(t, 10, asked.Load())
	})

	t.Run("AnUnknownMethodIsAnOutage", func(t *testing.T) {
		t.Parallel()

		w := setup(t, echo)
		_, err := rpc.Call[askInput, reply](t.Context(), w.client, "things", "Tell", askInput{})
		requireOutage(t, err)
		require.ErrorContains(t, err, "404")
	})

	t.Run("TheTraceTravels", func(t *testing.T) {
		t.Parallel()

		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
		w := setup(t, func(ctx context.Context, _ askInput) (reply, error) {
			return reply{Text: trace.SpanContextFromContext(ctx).TraceID().String()}, nil
		})
		got, err := w.ask(trace.ContextWithSpanContext(t.Context(), span), "")
		require.NoError(t, err)
		require.Equal(t, span.TraceID().String(), got.Text)
	})
}

func TestAnswers(t *testing.T) {
	t.Parallel()

	const mediaType = "application/vnd.shop.fault+json"
	for name, h := range map[string]http.HandlerFunc{
		"HalfAnAnswer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"text":"half"}`)
		},
		"HalfOfTheJSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"left":7,"text":"ha`)
		},
		"AnotherJSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"text":"half","left":"many"}`)
		},
		"AnotherStatus": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `{"text":"hello"}`)
		},
		"Nothing":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json") },
		"AnotherType": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"text":"hello"}`) },
		"TooLarge": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"text":"`+strings.Repeat("a", 17<<20)+`"}`)
		},
		"Redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusTemporaryRedirect) },
		"AFaultOfSomebodyElse": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"code":"things.sold_out"}`)
		},
		"AFaultWithoutACode": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{}`)
		},
		"HalfAFault": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"code":"things.so`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := world{}.on(t, "", h).ask(t.Context(), "")
			requireOutage(t, err)
			require.Zero(t, got)
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()

	t.Run("TravelsAndIsKeptThere", func(t *testing.T) {
		t.Parallel()

		w := setup(t, func(ctx context.Context, _ askInput) (reply, error) {
			until, _ := ctx.Deadline()
			return reply{Left: time.Until(until).Milliseconds()}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got, err := w.ask(ctx, "")
		require.NoError(t, err)
		require.InDelta(t, 9_000, got.Left, 1_000)
		got, err = w.ask(t.Context(), "")
		require.NoError(t, err)
		require.InDelta(t, 29_000, got.Left, 1_000, "who would wait for ever does not")
	})

	t.Run("TheServerGivesUpWithTheCaller", func(t *testing.T) {
		t.Parallel()

		gaveUp := make(chan error, 1)
		w := setup(t, func(ctx context.Context, _ askInput) (reply, error) {
			<-ctx.Done()
			gaveUp <- ctx.Err()
			return reply{}, ctx.Err()
		})
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/rpc/things/Ask", strings.NewReader(`{}`))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Shop-Deadline", "20") // of a caller who does not hang up
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		require.ErrorIs(t, <-gaveUp, context.DeadlineExceeded)
		require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	})

	t.Run("ASlowServerIsNotWaitedFor", func(t *testing.T) {
		t.Parallel()

		let := make(chan struct{})
		w := world{}.on(t, "", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-let }))
		defer close(let)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := w.ask(ctx, "")
		requireOutage(t, err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})

	t.Run("ASlowAnswerIsNotWaitedFor", func(t *testing.T) {
		t.Parallel()

		w := world{}.on(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"text":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := w.ask(ctx, "")
		requireOutage(t, err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})

	t.Run("WhoHasNoTimeLeftDoesNotAsk", func(t *testing.T) {
		t.Parallel()

		var asked atomic.Int64
		w := world{}.on(t, "", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := w.ask(ctx, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, asked.Load())
	})

	t.Run("WhoHangsUpIsHeardThere", func(t *testing.T) {
		t.Parallel()

		began, gaveUp := make(chan struct{}), make(chan error, 1)
		w := setup(t, func(ctx context.Context, _ askInput) (reply, error) {
			close(began)
			<-ctx.Done()
			gaveUp <- ctx.Err()
			return reply{}, ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		_, err := w.ask(ctx, "")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, <-gaveUp, context.Canceled)
	})
}

func TestRequests(t *testing.T) {
	t.Parallel()

	t.Run("TooLarge", func(t *testing.T) {
		t.Parallel()

		var asked atomic.Int64
		w := setup(t, func(context.Context, askInput) (reply, error) { asked.Add(1); return reply{}, nil })
		_, err := w.ask(t.Context(), strings.Repeat("a", 1<<20))
		requireOutage(t, err)
		require.Zero(t, asked.Load())
	})

	w := setup(t, echo)
	for name, c := range map[string]struct {
		method, path, mediaType, body string
		status                        int
	}{
		"Good":        {"POST", "/rpc/things/Ask", "application/json", `{}`, 200},
		"Unreadable":  {"POST", "/rpc/things/Ask", "application/json", `{"question":`, 400},
		"WrongType":   {"POST", "/rpc/things/Ask", "application/json", `{"question":1}`, 400},
		"Form":        {"POST", "/rpc/things/Ask", "text/plain", `{}`, 415}, // what a page of a stranger may make a browser send
		"Read":        {"GET", "/rpc/things/Ask", "", ``, 405},
		"NoMethod":    {"POST", "/rpc/things/", "application/json", `{}`, 404},
		"OtherModule": {"POST", "/rpc/others/Ask", "application/json", `{}`, 404},
		"What":        {"GET", "/rpc", "", ``, 200},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.status, w.raw(t, c.method, c.path, c.mediaType, c.body).status)
		})
	}

	t.Run("TwoMethodsOfOneName", func(t *testing.T) {
		t.Parallel()

		_, err := rpc.NewServer("", slog.Default(), rpc.On("things", "Ask", echo), rpc.On("things", "Ask", echo))
		require.ErrorContains(t, err, "two methods for things.Ask")
	})

	t.Run("AMethodUnderAnothersName", func(t *testing.T) {
		t.Parallel()

		_, err := rpc.NewServer("", slog.Default(), rpc.On("things", "Tell", echo))
		require.EqualError(t, err, "things.Tell takes askInput")
	})
}

func TestToken(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		ours, theirs string
		status       string // empty: let in
	}{
		"Right":   {"secret", "secret", ""},
		"None":    {"", "secret", "401"},
		"Wrong":   {"secres", "secret", "401"},
		"Shorter": {"secre", "secret", "401"},
		"Unasked": {"secret", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := setupWith(t, c.ours, c.theirs, echo)
			_, err := w.ask(t.Context(), "")
			checked := w.client.Check(t.Context(), "things")
			if c.status == "" {
				require.NoError(t, err)
				require.NoError(t, checked)
				return
			}
			requireOutage(t, err)
			require.ErrorContains(t, err, c.status)
			require.ErrorContains(t, checked, c.status)
		})
	}

	for address, status := range map[string]int{
		"127.0.0.1:8081": 200, "[::1]:8081": 200, "10.1.2.3:8081": 200, "192.168.0.7:8081": 200, "[fd00::7]:8081": 200,
		"203.0.113.7:8081": 403, "[2001:db8::7]:8081": 403, "": 403,
	} {
		t.Run("WithoutOneOn "+address, func(t *testing.T) {
			t.Parallel()

			s, err := rpc.NewServer("", slog.Default(), rpc.On("things", "Ask", echo))
			require.NoError(t, err)
			r := httptest.NewRequest("POST", "/rpc/things/Ask", strings.NewReader(`{}`))
			r.Header.Set("Content-Type", "application/json")
			if address != "" {
				local, err := net.ResolveTCPAddr("tcp", address)
				require.NoError(t, err)
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			}
			recorded := httptest.NewRecorder()
			s.ServeHTTP(recorded, r)
			require.Equal(t, status, recorded.Code)
		})
	}
}

// A process that hangs is not waited for by everybody. original 56: calls between the services had no limit in time, and no breaker.
func TestBreaker(t *testing.T) {
	t.Parallel()

	// piped is a process at the other end of pipes, in a bubble of its own time.
	piped := func(t *testing.T, h http.HandlerFunc) world {
		pipes := make(chan net.Conn)
		server := &http.Server{Handler: h}
		go func() { _ = server.Serve(listener{pipes, t.Context()}) }()
		w := world{client: newClient(t, "http://there", "")}
		w.client.Dial(func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case pipes <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		t.Cleanup(func() { _ = server.Close() })
		return w
	}
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"back"}`)
	}

	t.Run("AsksNobodyWhoHangsAndAfterASecondAFew", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			var asked, healthy atomic.Int64
			w := piped(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if healthy.Load() == 0 {
					hang(r)
					return
				}
				answer(w)
			})
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				_, err := w.ask(ctx, "")
				cancel()
				requireOutage(t, err)
			}
			require.EqualValues(t, 20, asked.Load())
			began := time.Now()
			for range 100 {
				_, err := w.ask(t.Context(), "")
				requireOutage(t, err)
			}
			require.Zero(t, time.Since(began), "nobody waits")
			require.EqualValues(t, 20, asked.Load(), "and nothing is sent")

			healthy.Store(1)
			time.Sleep(time.Second + time.Millisecond)
			for range 100 {
				got, err := w.ask(t.Context(), "")
				require.NoError(t, err)
				require.Equal(t, "back", got.Text)
			}
		})
	})

	t.Run("IsNotOpenedByThoseWhoLeave", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			first := make(chan struct{}, 100)
			var patient atomic.Bool
			w := piped(t, func(w http.ResponseWriter, r *http.Request) {
				if patient.Load() {
					answer(w)
					return
				}
				first <- struct{}{}
				hang(r)
			})
			for range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-first
					cancel()
				}()
				_, err := w.ask(ctx, "")
				requireOutage(t, err)
			}
			patient.Store(true)
			_, err := w.ask(t.Context(), "")
			require.NoError(t, err)
		})
	})

	t.Run("IsNotOpenedByFaults", func(t *testing.T) {
		t.Parallel()

		w := setup(t, func(context.Context, askInput) (reply, error) { return reply{}, errSoldOut })
		for range 50 {
			_, err := w.ask(t.Context(), "")
			require.ErrorIs(t, err, errSoldOut)
		}
	})
}

// hang waits until whoever asked has left.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// listener hands out pipes until the test ends.
type listener struct {
	pipes <-chan net.Conn
	until context.Context
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.pipes:
		return c, nil
	case <-l.until.Done():
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error   { return nil }
func (l listener) Addr() net.Addr { return &net.UnixAddr{} }

func TestPass(t *testing.T) {
	t.Parallel()

	setup := func(t *testing.T, token string) (*rpc.Server, *http.Request) {
		s, err := rpc.NewServer("secret", slog.Default())
		require.NoError(t, err)
		r := httptest.NewRequest("GET", "/v1/things", nil)
		r.RemoteAddr = "10.0.0.1:5000"
		r.Header.Set("Shop-Token", token)
		return s, r
	}

	t.Run("TheShoppersAddressIsBelieved", func(t *testing.T) {
		t.Parallel()

		s, r := setup(t, "secret")
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		var seen *http.Request
		s.Pass(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, "203.0.113.9:0", seen.RemoteAddr)
		require.Empty(t, seen.Header.Get("X-Forwarded-For"))
		require.Empty(t, seen.Header.Get("Shop-Token"), "it stays here")
	})

	t.Run("AStrangerIsNot", func(t *testing.T) {
		t.Parallel()

		s, r := setup(t, "guess")
		recorded := httptest.NewRecorder()
		s.Pass(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let in") })).ServeHTTP(recorded, r)
		require.Equal(t, http.StatusUnauthorized, recorded.Code)
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()

	w := setup(t, echo)
	require.NoError(t, w.client.Check(t.Context(), "things"))
	require.ErrorContains(t, w.client.Check(t.Context(), "others"), "does not host others")

	other := world{}.on(t, "", http.NotFoundHandler())
	require.ErrorContains(t, other.client.Check(t.Context(), "things"), "is it the private address of a shop")

	w.server.Close()
	require.Error(t, w.client.Check(t.Context(), "things"))
}

func TestAddress(t *testing.T) {
	t.Parallel()

	for _, address := range []string{"", "10.0.0.7:8081", "ftp://10.0.0.7", "http://", "http://%zz"} {
		_, err := rpc.NewClient(address, "", nil)
		require.ErrorContains(t, err, "must be a URL", address)
	}
}

func requireOutage(t *testing.T, err error) {
	t.Helper()
	require.True(t, rpc.IsOutage(err), "%v", err)
	_, isFault := fault.As(err)
	require.False(t, isFault, "%v", err)
}
