package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTap: what was heard between a shop and its Elasticsearch can be sent again as it is, and is answered the same.
func TestTap(t *testing.T) {
	t.Parallel()

	var bodies []string
	elasticsearch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+r.URL.String()+" "+r.Header.Get("Accept-Encoding")+" "+string(body))
		for range 3 { // in chunks
			_, _ = io.WriteString(w, strings.Repeat("x", 5000))
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer elasticsearch.Close()
	between, err := tap(elasticsearch.URL)
	require.NoError(t, err)
	defer between.close()
	search := `{"aggregations":{},"size":21}`
	for _, body := range []string{`{"size":1}`, search} {
		answer, err := http.Post(between.url+"/shop/_search?timeout=2s", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	heard := between.take()
	require.Len(t, heard, 1, "other searches are not lists")
	require.Empty(t, between.take())

	conn, err := dial(strings.TrimPrefix(elasticsearch.URL, "http://"))
	require.NoError(t, err)
	defer conn.close()
	for range 2 {
		status, body, err := conn.do(heard[0], nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Len(t, body, 15_000)
	}
	require.Equal(t, []string{"POST /shop/_search?timeout=2s gzip " + search}, slices.Compact(bodies[1:]))
}

func TestLimit(t *testing.T) {
	t.Parallel()

	small := &series{samples: []sample{{p99: 10 * time.Millisecond}, {p99: 20 * time.Millisecond}, {p99: 10 * time.Millisecond}}}
	large := &series{samples: []sample{{p99: 12 * time.Millisecond}, {p99: 20 * time.Millisecond}, {p99: 30 * time.Millisecond}}}
	require.Equal(t, "large: 1.20 × (rounds 1.00 to 3.00): pass", limit{"large", large, small, p99Of, 1.2}.String())
	require.Equal(t, "large: 1.20 × (rounds 1.00 to 3.00): FAIL", limit{"large", large, small, p99Of, 1.1}.String())
	require.Equal(t, "large: 1.20 × (rounds 1.00 to 3.00)", limit{"large", large, small, p99Of, 0}.String())
}

func TestZipf(t *testing.T) {
	t.Parallel()

	draw, counts := zipf(rand.New(rand.NewPCG(1, 1)), 1000), make([]int, 1000)
	for range 100_000 {
		counts[draw()]++
	}
	require.InDelta(t, 2.14, float64(counts[0])/float64(counts[1]), 0.15) // 2^1.1
	require.Positive(t, counts[999]+counts[998]+counts[997])
}

func TestSizeOf(t *testing.T) {
	t.Parallel()

	f, err := os.Create(filepath.Join(t.TempDir(), "lines"))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var lines lineCount
	_, err = io.WriteString(io.MultiWriter(f, &lines), "one\ntwo\nthree\n")
	require.NoError(t, err)
	require.EqualValues(t, 3, lines)
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	size, err := sizeOf(f, 2)
	require.NoError(t, err)
	read, err := io.ReadAll(io.LimitReader(f, size))
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(read))
	_, err = sizeOf(f, 4)
	require.ErrorIs(t, err, io.EOF)
}
