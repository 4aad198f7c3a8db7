// Package elastic is the search index in Elasticsearch 7, for shops of several processes and of many products.
//
// An index is a generation; what is read is an alias of one of them, so that a new one is built beside it and takes its place at once.
// Every write carries the product's version, and a product that is not to be found is written as a hidden document: whatever comes
// late, or twice, or in another order, the newest stays. The text that shoppers type goes into match queries only, which know no
// syntax.
package elastic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/olivere/elastic/v7"
	"github.com/sony/gobreaker/v2"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

const (
	searchTimeout  = 2 * time.Second
	changeTimeout  = 30 * time.Second // of a bulk request, or of a change to the indexes
	connectTimeout = 2 * time.Second
	retryAfter     = time.Second // advised to shoppers while Elasticsearch is away
	maxAnswer      = 16 << 20
)

// Config says where Elasticsearch is.
type Config struct {
	URL       string            // http://user:password@host:9200; the user is optional
	Alias     string            // what is read; the indexes are named after it
	Transport http.RoundTripper // nil: one with limits
}

// Index is an app.Index.
type Index struct {
	client  *elastic.Client
	alias   string
	breaker *gobreaker.CircuitBreaker[*elastic.SearchResult]
}

var _ app.Index = (*Index)(nil)

// New returns an index. It does not connect: lists answer 503 until Elasticsearch is there, and all else works.
func New(c Config) (*Index, error) {
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the address of Elasticsearch must be a URL such as http://10.0.0.9:9200")
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout: connectTimeout,
			MaxConnsPerHost:     64,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second,
		}
	}
	client, err := elastic.NewSimpleClient(
		elastic.SetURL(c.URL),
		elastic.SetHttpClient(&http.Client{Transport: c.Transport}),
		elastic.SetDecoder(&elastic.NumberDecoder{}),
		elastic.SetRetrier(elastic.RetrierFunc(again)),
	)
	if err != nil {
		return nil, fmt.Errorf("make a client of Elasticsearch: %w", err)
	}
	return &Index{client: client, alias: c.Alias, breaker: gobreaker.NewCircuitBreaker[*elastic.SearchResult](gobreaker.Settings{
		Name:        "elasticsearch",
		MaxRequests: 3,
		Interval:    10 * time.Second,
		Timeout:     2 * time.Second,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.Requests >= 20 && 2*n.TotalFailures >= n.Requests },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
	})}, nil
}

// again repeats once what got no answer: every request here can be, and a connection may have been closed while it was idle. The
// library would otherwise take its only address for dead, and refuse the next request.
func again(_ context.Context, failures int, _ *http.Request, _ *http.Response, _ error) (time.Duration, bool, error) {
	return 0, failures == 1, nil
}

// read makes one search. Whatever keeps it from an answer is catalog.ErrSearchUnavailable; when it happens often nothing is asked for
// a while.
func (x *Index) read(ctx context.Context, s *elastic.SearchService) (*elastic.SearchResult, error) {
	limited, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	s.TimeoutInMillis(int(searchTimeout.Milliseconds())).AllowPartialSearchResults(false).MaxResponseSize(maxAnswer)
	answer, err := x.breaker.Execute(func() (*elastic.SearchResult, error) {
		r, err := s.Do(limited)
		if err == nil && r.TimedOut { // what it has is not all
			err = context.DeadlineExceeded
		}
		return r, err
	})
	if err != nil {
		if ctx.Err() != nil { // the shopper has gone
			return nil, ctx.Err()
		}
		return nil, outage(err)
	}
	return answer, nil
}

// outage tells what is Elasticsearch's condition from what is wrong with a request.
func outage(err error) error {
	if refusal, ok := errors.AsType[*elastic.Error](err); ok {
		switch {
		case refusal.Status >= 500, refusal.Status == http.StatusTooManyRequests, refusal.Status == http.StatusNotFound: // no index yet
		default:
			return err
		}
	}
	return fmt.Errorf("%w: %w", catalog.ErrSearchUnavailable.WithRetryAfter(retryAfter), err)
}
