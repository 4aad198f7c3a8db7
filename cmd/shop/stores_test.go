package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// onStores are the settings of a shop that reads details from Cassandra and lists from Elasticsearch, in places of the test's own, which go
// with it.
func onStores(t *testing.T) map[string]string {
	t.Helper()
	hosts, keyspace := stacktest.Cassandra(t)
	address, alias := stacktest.Elasticsearch(t)
	return map[string]string{
		"SHOP_CASSANDRA_HOSTS": strings.Join(hosts, ","), "SHOP_CASSANDRA_KEYSPACE": keyspace,
		"SHOP_ELASTICSEARCH_URL": address, "SHOP_ELASTICSEARCH_ALIAS": alias,
	}
}

// look is what somebody who is not signed in is answered at a shop.
func (f *fleet) look(shop int, path string) answer {
	return f.send(shop, "", http.MethodGet, path, nil)
}

// send makes one request at a shop, and may be called from anywhere: status 0 says that there was no answer, or no whole one. Headers are
// pairs of name and value.
func (f *fleet) send(shop int, token, method, path string, body any, headers ...string) (a answer) {
	var reader io.Reader
	if body != nil {
		b, _ := json.Marshal(body)
		reader = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, f.shops[shop].base+path, reader)
	if err != nil {
		return answer{Text: err.Error()}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := f.doors[shop].http.Do(r)
	if err != nil {
		return answer{Text: err.Error()}
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{Text: err.Error()}
	}
	a = answer{Status: response.StatusCode, Header: response.Header, Text: string(b)}
	_ = json.Unmarshal(b, &a.Body)
	return a
}

// admin is the admin at one of the shops.
func (f *fleet) admin(shop int) client { return client{p: f.shops[shop], token: f.boss.token} }

// atRest waits until nothing of the catalogue has changed for as long as the audit lets a product be.
func (f *fleet) atRest() {
	f.t.Helper()
	f.shops[0].await("the catalogue to be at rest", func() bool {
		return f.count(`SELECT (SELECT count(*) FROM catalog.product_marks) + (SELECT count(*) FROM catalog.products WHERE updated_at > now() - interval '6 seconds')`) == 0
	})
}

// audited is what `shop audit --full` says, by invariant.
func (f *fleet) audited() (lines map[string]books.Line, balanced bool) {
	f.t.Helper()
	out, code := f.shops[0].run("audit", "--full", "--json")
	_, report, found := strings.Cut(out, "{\n")
	require.True(f.t, found, out)
	var r books.Report
	require.NoError(f.t, json.NewDecoder(strings.NewReader("{"+report)).Decode(&r), out)
	require.Equal(f.t, r.Balanced, code == 0, out)
	lines = map[string]books.Line{}
	for _, l := range r.Items {
		lines[l.ID] = l
	}
	return lines, r.Balanced
}

// The books of what is kept of the catalogue outside of the shop's processes.
var copiesOfTheCatalogue = []string{"catalog.projections.cassandra", "catalog.projections.search"}

// equal fails the test unless the books balance, and both stores have been compared with every product, and every product with them.
func (f *fleet) equal() {
	f.t.Helper()
	f.atRest()
	lines, balanced := f.audited()
	require.True(f.t, balanced, "%+v", slices.DeleteFunc(slices.Collect(maps.Values(lines)), func(l books.Line) bool { return l.State == books.Sound }))
	rows := f.count(`SELECT count(*) + count(*) FILTER (WHERE state = 'published') FROM catalog.products`)
	for _, id := range copiesOfTheCatalogue {
		require.EqualValues(f.t, rows, lines[id].Looked, id)
	}
}
