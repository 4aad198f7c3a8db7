package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sasapick/shop/internal/catalog/catalogbench"
)

const (
	listsPath = "/v1/products"
	longer    = 2 // a list takes long: so many times longer than others are lists measured
)

// asking is a list, as it is asked of the shop, and what the shop then asks of Elasticsearch: one search, or two where nothing has the words.
type asking struct {
	list []byte
	raw  [][]byte
}

// lists compares lists with the very searches that the shop makes for them, sent to Elasticsearch by the same client.
func lists(ctx context.Context, r *report, small, large *catalogue) error {
	var things []thing
	var t table
	for _, c := range []*catalogue{small, large} {
		mix, err := c.record(ctx)
		if err != nil {
			return err
		}
		shop, err := c.start(ctx)
		if err != nil {
			return err
		}
		defer shop.stop()
		elasticsearch, err := url.Parse(c.stores.Elasticsearch)
		if err != nil {
			return fmt.Errorf("read the URL of Elasticsearch: %w", err)
		}
		for _, callers := range []int{1, 8} {
			name := fmt.Sprintf("%s, %d at once", c, callers)
			things = append(things,
				c.ask("the shop, "+name, shop.address, shop, callers, len(mix), func(i int) [][]byte { return [][]byte{mix[i].list} }),
				c.ask("Elasticsearch, "+name, elasticsearch.Host, nil, callers, len(mix), func(i int) [][]byte { return mix[i].raw }))
		}
		if c == large {
			twice := 0
			for _, a := range mix {
				twice += len(a.raw) - 1
			}
			t.notes = []string{
				fmt.Sprintf("%d lists, each as often: the queries that relevance is measured by, and filters by brand, colour, size and category; with all facets, 20 products a page. "+
					"%d of them are two searches, as nothing in the large catalogue has the words as they are written", len(mix), twice),
				"the shop keeps no list, and Elasticsearch no answer that has products in it: every one is searched for",
				"the searches were recorded between the shop and Elasticsearch, headers included, and are sent over connections that stay; what comes back is read, and not decoded",
			}
		}
	}
	fmt.Print("lists ")
	all, err := alternate(ctx, large.settings.Rounds, things)
	if err != nil {
		return err
	}
	t.id, t.title, t.unit, t.series = "catalog-lists", "GET /v1/products with a text or filters, beside the searches alone", "lists a second", all
	t.columns = latencies
	for i := 0; i < len(all); i += 2 {
		t.limits = append(t.limits, limit{all[i].name + ": p50 ≤ 1.15 × Elasticsearch alone", all[i], all[i+1], p50Of, 1.15})
	}
	r.add(t)
	return nil
}

// ask sends the requests of one list after the other. All that are compared come to the lists in the same order, and begin each round elsewhere.
func (c *catalogue) ask(name, address string, server *child, callers, lists int, requests func(i int) [][]byte) thing {
	s := c.settings
	s.Run *= longer
	round := 0
	return thing{name, func(ctx context.Context) (sample, error) {
		var next atomic.Int64
		next.Store(int64(lists * round / max(1, s.Rounds)))
		round++
		l := load{callers: callers, caller: func(int) (func(context.Context) error, func(), error) {
			conn, err := dial(address)
			if err != nil {
				return nil, nil, err
			}
			return func(context.Context) error {
				for _, request := range requests(int(next.Add(1)-1) % lists) {
					if err := conn.expect(http.StatusOK, request); err != nil {
						return err
					}
				}
				return nil
			}, conn.close, nil
		}}
		profiled := func() error { return nil }
		if server != nil {
			profiled = server.profile(s.Profile, name, s.Warm+s.Run)
		}
		x, err := l.measure(ctx, s)
		return x, errors.Join(err, profiled())
	}}
}

// record asks for every list once, of a shop that reaches Elasticsearch through this process.
func (c *catalogue) record(ctx context.Context) ([]asking, error) {
	between, err := tap(c.stores.Elasticsearch)
	if err != nil {
		return nil, err
	}
	defer between.close()
	through := *c
	through.stores.Elasticsearch = between.url
	shop, err := through.start(ctx)
	if err != nil {
		return nil, err
	}
	defer shop.stop()
	conn, err := dial(shop.address)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	var mix []asking
	for _, parameters := range catalogbench.Lists() {
		a := asking{list: get(listsPath + "?" + parameters.Encode())}
		if err := conn.expect(http.StatusOK, a.list); err != nil {
			return nil, fmt.Errorf("list %s: %w", parameters.Encode(), err)
		}
		if a.raw = between.take(); len(a.raw) == 0 {
			return nil, fmt.Errorf("list %s: nothing was asked of Elasticsearch", parameters.Encode())
		}
		mix = append(mix, a)
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(mix), func(i, j int) { mix[i], mix[j] = mix[j], mix[i] })
	return mix, nil
}

// listening stands before Elasticsearch, and remembers the searches for lists.
type listening struct {
	url    string
	server *http.Server

	mu    sync.Mutex
	heard [][]byte
}

// facets are what a search for a list asks for, and no other search of the shop does.
var facets = []byte(`"aggregations"`)

func tap(elasticsearch string) (*listening, error) {
	to, err := url.Parse(elasticsearch)
	if err != nil {
		return nil, fmt.Errorf("read the URL of Elasticsearch: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	at := *to
	at.Host = l.Addr().String()
	t := &listening{url: at.String()}
	pass := httputil.NewSingleHostReverseProxy(to)
	t.server = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if bytes.Contains(body, facets) {
			t.hear(r, to.Host, body)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		pass.ServeHTTP(w, r)
	})}
	go func() { _ = t.server.Serve(l) }()
	return t, nil
}

// hear keeps a request as it would have gone to the host.
func (t *listening) hear(r *http.Request, host string, body []byte) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.RequestURI, host, len(body))
	_ = r.Header.WriteSubset(&b, map[string]bool{"Content-Length": true, "Connection": true})
	b.WriteString("\r\n")
	b.Write(body)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = append(t.heard, b.Bytes())
}

// take returns what was heard since the last time.
func (t *listening) take() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	heard := slices.Clone(t.heard)
	t.heard = nil
	return heard
}

func (t *listening) close() { _ = t.server.Close() }
