package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/propagation"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
)

const (
	connections = 512              // to one address; a rush of calls waits for one, as it would for a pool of PostgreSQL's
	idleFor     = 60 * time.Second // shorter than the server's, so that a call does not meet a connection that is being closed
	dialTimeout = 2 * time.Second  // of one connection

	judgedBy = 20          // calls; of fewer nothing follows
	openFor  = time.Second // for which nobody asks, once half of the calls were outages
	trials   = 3           // calls that then find out

	refusedPause = 50 * time.Millisecond // before the one repetition of a call whose connection was refused
)

// Client reaches the modules that one other process hosts. While most calls end in an [Outage], the others are one at once, without being
// sent: who waits for a process that hangs holds what somebody else needs. After a second a few are let through to see.
type Client struct {
	base      *url.URL
	token     string
	transport *http.Transport
	breaker   *gobreaker.CircuitBreaker[[]byte]
	durations *prometheus.HistogramVec
}

// NewClient returns a client of the private address of another process, such as http://10.0.0.7:8081. It does not connect: a process
// that is away must not keep this one from starting. Without a registry its calls are not measured.
func NewClient(address, token string, metrics prometheus.Registerer) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, errors.New("the address of another process must be a URL such as http://10.0.0.7:8081")
	}
	c := &Client{
		base: base, token: token,
		transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
			MaxIdleConns:    connections,
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     idleFor,
			TLSHandshakeTimeout: dialTimeout,
			DisableCompression:  true,
		},
		breaker: gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
			MaxRequests:  trials,
			Interval:     10 * time.Second,
			Timeout:      openFor,
			ReadyToTrip:  func(n gobreaker.Counts) bool { return n.Requests >= judgedBy && 2*n.TotalFailures >= n.Requests },
			IsSuccessful: func(err error) bool { return !IsOutage(err) },
			IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) }, // whoever asked has left
		}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_rpc_call_seconds", Help: "Time that a module in another process took to answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"method", "outcome"}),
	}
	if metrics != nil {
		if err := metrics.Register(c.durations); err != nil {
			return nil, fmt.Errorf("register metrics of calls to another process: %w", err)
		}
	}
	return c, nil
}

// Close ends the connections that are idle.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Base is the address of the other process. It must not be changed.
func (c *Client) Base() *url.URL { return c.base }

// Transport is the pool of connections to the other process, for what is passed on to it.
func (c *Client) Transport() http.RoundTripper { return c.transport }

// Sign shows the token, and takes away whatever else claims to be one.
func (c *Client) Sign(h http.Header) {
	h.Del(tokenHeader)
	if c.token != "" {
		h.Set(tokenHeader, c.token)
	}
}

// Call asks the process that hosts the module. The error is the fault that the method answered, or an [Outage].
func Call[In, Out any](ctx context.Context, c *Client, module, method string, in In) (Out, error) {
	var out Out
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("encode the input of %s.%s: %w", module, method, err)
	}
	asked := time.Now()
	answer, err := c.breaker.Execute(func() ([]byte, error) { return c.call(ctx, module, method, body) })
	outcome := "ok"
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		err, outcome = &Outage{module, method, err}, "broken"
	case IsOutage(err):
		outcome = "outage"
	case err != nil:
		outcome = "fault"
	}
	c.durations.WithLabelValues(method, outcome).Observe(time.Since(asked).Seconds())
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		var none Out // and not half of an answer
		return none, &Outage{module, method, fmt.Errorf("decode the answer: %w", err)}
	}
	return out, nil
}

func (c *Client) call(ctx context.Context, module, method string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	response, err := c.post(ctx, "/rpc/"+module+"/"+method, body)
	if refused(err) && clock.Sleep(ctx, refusedPause) == nil { // nothing was sent
		response, err = c.post(ctx, "/rpc/"+module+"/"+method, body)
	}
	if err != nil {
		return nil, &Outage{module, method, err}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := read(response)
	if err != nil {
		return nil, &Outage{module, method, err}
	}
	switch response.Header.Get("Content-Type") {
	case jsonType:
		if response.StatusCode == http.StatusOK {
			return answer, nil
		}
	case faultType:
		f := &fault.Error{}
		if err := json.Unmarshal(answer, f); err == nil && f.Code != "" && response.StatusCode == faultStatus {
			return nil, f
		}
	}
	return nil, &Outage{module, method, fmt.Errorf("answered %s", response.Status)}
}

func (c *Client) post(ctx context.Context, path string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	until, _ := ctx.Deadline()
	left := time.Until(until).Milliseconds()
	if left < 1 {
		return nil, context.DeadlineExceeded
	}
	request.Header.Set("Content-Type", jsonType)
	request.Header.Set(deadlineHeader, strconv.FormatInt(left, 10))
	c.Sign(request.Header)
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := c.transport.RoundTrip(request)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return response, err
}

// read takes the whole answer; half of one is an error.
func read(response *http.Response) ([]byte, error) {
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return answer, nil
}

// refused tells that there was no connection, so that nothing can have been sent.
func refused(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED)
}

// Check fails unless the other process can be reached, takes our token and hosts the module.
func (c *Client) Check(ctx context.Context, module string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/rpc", nil)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	c.Sign(request.Header)
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("reach %s: %w", c.base.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := read(response)
	if err != nil {
		return fmt.Errorf("reach %s: %w", c.base.Host, err)
	}
	var hosted hosted
	if response.StatusCode != http.StatusOK || json.Unmarshal(answer, &hosted) != nil {
		return fmt.Errorf("%s answered %s: is it the private address of a shop, with the same token?", c.base.Host, response.Status)
	}
	if !slices.Contains(hosted.Modules, module) {
		return fmt.Errorf("%s does not host %s", c.base.Host, module)
	}
	return nil
}
