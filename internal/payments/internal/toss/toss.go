// Package toss speaks to Toss Payments, and to the emulator of it, which is the same to this package.
//
// Every POST carries an Idempotency-Key, every call has a deadline, and no answer is believed to mean more than the contract says:
// whatever is not listed there is an outcome that is not known. Nothing here logs, so no secret ever is.
package toss

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/sasapick/shop/internal/payments/internal/app"
)

// DefaultURL is Toss's own address.
const DefaultURL = "https://api.tosspayments.com"

const (
	maxAnswer      = 1 << 20
	connectTimeout = 5 * time.Second
	defaultTimeout = 10 * time.Second
)

// Config says where Toss is and who we are. A zero field takes the default.
type Config struct {
	URL       string // DefaultURL
	SecretKey string
	Timeout   time.Duration     // of a call, 10 s
	Transport http.RoundTripper // one with Toss's limits
	Metrics   prometheus.Registerer
}

// Gateway is an app.Gateway.
type Gateway struct {
	base          string
	authorization string
	timeout       time.Duration
	client        *http.Client
	breaker       *gobreaker.CircuitBreaker[response]
	calls         *prometheus.CounterVec
	durations     *prometheus.HistogramVec
}

var _ app.Gateway = (*Gateway)(nil)

// response is an HTTP answer that was read to its end.
type response struct {
	status int
	body   []byte
}

// New returns a gateway.
func New(c Config) (*Gateway, error) {
	if c.URL == "" {
		c.URL = DefaultURL
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" {
		return nil, errors.New("the address of Toss is not a URL")
	}
	if c.SecretKey == "" {
		return nil, errors.New("no secret key of Toss is set")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	g := &Gateway{
		base: strings.TrimRight(c.URL, "/"), authorization: basic(c.SecretKey), timeout: c.Timeout, client: newClient(c.Transport),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_payments_toss_calls_total", Help: "Calls to Toss by what their answers mean.",
		}, []string{"call", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_payments_toss_call_seconds", Help: "Time that Toss took to answer.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 13),
		}, []string{"call"}),
	}
	g.breaker = gobreaker.NewCircuitBreaker[response](gobreaker.Settings{
		Name:        "toss",
		MaxRequests: 3,
		Interval:    30 * time.Second,
		Timeout:     5 * time.Second,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.Requests >= 20 && 2*n.TotalFailures >= n.Requests },
	})
	if c.Metrics != nil {
		for _, m := range []prometheus.Collector{g.calls, g.durations} {
			if err := c.Metrics.Register(m); err != nil {
				return nil, fmt.Errorf("register metrics of Toss: %w", err)
			}
		}
	}
	return g, nil
}

func basic(key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))
}

// newClient returns a client that follows no redirect: a secret goes to one address only.
func newClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    connectTimeout,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        256,
			MaxIdleConnsPerHost:    64,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Confirm asks for money that was authorised.
func (g *Gateway) Confirm(ctx context.Context, in app.ConfirmRequest) app.Answer {
	r, err := g.call(ctx, "confirm", http.MethodPost, "/v1/payments/confirm", in.IdempotencyKey, map[string]any{
		"paymentKey": in.PaymentKey, "orderId": in.OrderNumber, "amount": in.AmountWon,
	})
	return g.count("confirm", readConfirm(in, r, err))
}

// Payment reads a payment by its key.
func (g *Gateway) Payment(ctx context.Context, paymentKey string) app.Answer {
	r, err := g.call(ctx, "payment", http.MethodGet, "/v1/payments/"+url.PathEscape(paymentKey), "", nil)
	return g.count("payment", readPayment(r, err))
}

// PaymentByOrder reads an order's payment.
func (g *Gateway) PaymentByOrder(ctx context.Context, orderNumber string) app.Answer {
	r, err := g.call(ctx, "payment_by_order", http.MethodGet, "/v1/payments/orders/"+url.PathEscape(orderNumber), "", nil)
	return g.count("payment_by_order", readPayment(r, err))
}

// Cancel gives a payment back, or a part of it.
func (g *Gateway) Cancel(ctx context.Context, in app.CancelRequest) app.Answer {
	body := map[string]any{"cancelReason": in.Reason}
	if in.AmountWon != 0 {
		body["cancelAmount"] = in.AmountWon
	}
	r, err := g.call(ctx, "cancel", http.MethodPost, "/v1/payments/"+url.PathEscape(in.PaymentKey)+"/cancel", in.IdempotencyKey, body)
	return g.count("cancel", readCancel(in, r, err))
}

func (g *Gateway) count(call string, a app.Answer) app.Answer {
	g.calls.WithLabelValues(call, string(a.Outcome)).Inc()
	return a
}

// call makes one HTTP exchange. A 5xx is an error to the breaker only.
func (g *Gateway) call(ctx context.Context, name, method, path, key string, body any) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	began := time.Now()
	defer func() { g.durations.WithLabelValues(name).Observe(time.Since(began).Seconds()) }()

	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return response{}, fmt.Errorf("encode request: %w", err)
		}
		reader = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, g.base+path, reader)
	if err != nil {
		return response{}, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", g.authorization)
	request.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		if key == "" {
			return response{}, errors.New("a POST to Toss needs an idempotency key") // a programmer's error, and nothing was sent
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
	}

	r, err := g.breaker.Execute(func() (response, error) {
		resp, err := g.client.Do(request)
		if err != nil {
			return response{}, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		if err != nil {
			return response{}, err
		}
		if len(b) > maxAnswer {
			return response{}, errTooLong
		}
		if r := (response{status: resp.StatusCode, body: b}); r.status >= 500 {
			return r, errServer
		} else {
			return r, nil
		}
	})
	if errors.Is(err, errServer) {
		err = nil
	}
	return r, err
}

var (
	errServer  = errors.New("server error of Toss")
	errTooLong = errors.New("the answer is too long")
)

// codeOf names a call that got no answer.
func codeOf(err error) string {
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return "SHOP_BREAKER_OPEN"
	case errors.Is(err, context.DeadlineExceeded):
		return "SHOP_TIMEOUT"
	case errors.Is(err, errTooLong):
		return "SHOP_ANSWER_TOO_LONG"
	}
	return "SHOP_UNREACHABLE"
}
