package elastic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/elastic"
)

// transport plays Elasticsearch.
type transport func(r *http.Request) (status int, body string, err error)

func (answer transport) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := answer(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func play(t *testing.T, answer transport) *elastic.Index {
	t.Helper()
	x, err := elastic.New(elastic.Config{URL: "http://127.0.0.1:1", Alias: "products", Transport: answer})
	require.NoError(t, err)
	return x
}

const nothing = `{"hits":{"total":{"value":0},"hits":[]},"aggregations":{}}`

func ask(ctx context.Context, x *elastic.Index) error {
	_, err := x.Find(ctx, app.Query{Sort: app.ByNewest, Limit: 1})
	return err
}

func TestNew(t *testing.T) {
	t.Parallel()

	for _, address := range []string{"", "localhost:9200", "http://", "ftp://localhost", ":"} {
		_, err := elastic.New(elastic.Config{URL: address, Alias: "products"})
		require.Error(t, err, address)
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()

	t.Run("IsAFaultThatAdvisesToComeBack", func(t *testing.T) {
		t.Parallel()

		for answer, unavailable := range map[string]bool{
			"503 {}":                         true,
			"500 {}":                         true,
			"429 {}":                         true,
			"404 {}":                         true,
			"400 {}":                         false, // we asked for something wrong
			`200 {"timed_out":true}`:         true,
			"200 ":                           true,
			"0 connection reset by the peer": true,
		} {
			x := play(t, func(*http.Request) (int, string, error) {
				var status int
				_, err := fmt.Sscan(answer, &status)
				require.NoError(t, err)
				_, body, _ := strings.Cut(answer, " ")
				if status == 0 {
					return 0, "", errors.New(body)
				}
				return status, body, nil
			})
			err := ask(t.Context(), x)
			require.Error(t, err, answer)
			require.Equal(t, unavailable, errors.Is(err, catalog.ErrSearchUnavailable), "%s: %v", answer, err)
			_, err = x.Suggest(t.Context(), "나", 1)
			require.Equal(t, unavailable, errors.Is(err, catalog.ErrSearchUnavailable), "%s: %v", answer, err)
		}
	})

	t.Run("HalfAListIsNoList", func(t *testing.T) {
		t.Parallel()

		x := play(t, func(r *http.Request) (int, string, error) {
			require.Equal(t, "false", r.URL.Query().Get("allow_partial_search_results"))
			return 200, nothing, nil
		})
		require.NoError(t, ask(t.Context(), x))
	})

	t.Run("OneBrokenConnectionIsNone", func(t *testing.T) {
		t.Parallel()

		calls := 0
		x := play(t, func(*http.Request) (int, string, error) {
			if calls++; calls%2 == 1 {
				return 0, "", errors.New("closed while it was idle")
			}
			return 200, nothing, nil
		})
		for range 10 {
			require.NoError(t, ask(t.Context(), x))
		}
	})

	t.Run("IsNotAskedAgainForAWhile", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			calls, away := 0, true
			x := play(t, func(*http.Request) (int, string, error) {
				calls++
				if away {
					return 0, "", errors.New("connection refused")
				}
				return 200, nothing, nil
			})
			for range 100 {
				require.ErrorIs(t, ask(t.Context(), x), catalog.ErrSearchUnavailable)
			}
			require.Less(t, calls, 60, "the breaker is open")
			away = false
			require.ErrorIs(t, ask(t.Context(), x), catalog.ErrSearchUnavailable)
			time.Sleep(2*time.Second + 1) // of the bubble: nobody waits
			for range 100 {
				require.NoError(t, ask(t.Context(), x))
			}
		})
	})

	t.Run("TakesTwoSecondsAtMost", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			x := play(t, func(r *http.Request) (int, string, error) {
				<-r.Context().Done()
				return 0, "", r.Context().Err()
			})
			began := time.Now()
			require.ErrorIs(t, ask(t.Context(), x), catalog.ErrSearchUnavailable)
			require.Equal(t, 2*time.Second, time.Since(began))
		})
	})

	t.Run("AShopperWhoLeavesIsNone", func(t *testing.T) {
		t.Parallel()

		calls := 0
		x := play(t, func(r *http.Request) (int, string, error) {
			calls++
			return 200, nothing, r.Context().Err()
		})
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			err := ask(gone, x)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, catalog.ErrSearchUnavailable)
		}
		require.NoError(t, ask(t.Context(), x), "the breaker is closed")
	})
}

// lines of a bulk request: the ids, with their versions.
func lines(t *testing.T, r *http.Request) (ids []string) {
	t.Helper()
	decoder := json.NewDecoder(r.Body)
	for {
		var line struct {
			Index struct {
				ID string `json:"_id"`
			} `json:"index"`
		}
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return ids
		} else if err != nil {
			t.Error(err)
			return ids
		}
		if line.Index.ID != "" {
			ids = append(ids, line.Index.ID)
		}
	}
}

func items(statuses ...int) string {
	list := make([]string, len(statuses))
	for i, s := range statuses {
		list[i] = fmt.Sprintf(`{"index":{"status":%d}}`, s)
	}
	return `{"items":[` + strings.Join(list, ",") + `]}`
}

func TestPut(t *testing.T) {
	t.Parallel()

	three := []app.Document{product(1, "가"), product(2, "나"), product(3, "다")}

	t.Run("SendsAgainWhatThereWasNoRoomFor", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			var sent [][]string
			answers := []string{"", items(200, 429, 409), items(429), items(201)}
			x := play(t, func(r *http.Request) (int, string, error) {
				sent = append(sent, lines(t, r))
				if answer := answers[len(sent)-1]; answer != "" {
					return 200, answer, nil
				}
				return 429, "{}", nil
			})
			require.NoError(t, x.Put(t.Context(), three))
			id := func(n int) string { return three[n].ID.String() }
			require.Equal(t, [][]string{{id(0), id(1), id(2)}, {id(0), id(1), id(2)}, {id(1)}, {id(1)}}, sent)
		})
	})

	t.Run("GivesUpInTheEnd", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			calls := 0
			x := play(t, func(*http.Request) (int, string, error) {
				calls++
				return 429, "{}", nil
			})
			began := time.Now()
			require.ErrorIs(t, x.Put(t.Context(), three), catalog.ErrSearchUnavailable)
			require.Equal(t, 6, calls)
			require.Greater(t, time.Since(began), time.Second)
			require.Less(t, time.Since(began), 10*time.Second)

			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			require.ErrorIs(t, x.Put(ctx, three), context.DeadlineExceeded)
		})
	})

	t.Run("SaysWhichOneIsWrong", func(t *testing.T) {
		t.Parallel()

		x := play(t, func(*http.Request) (int, string, error) {
			return 200, `{"items":[{"index":{"status":200}},{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"no"}}},{"index":{"status":200}}]}`, nil
		})
		err := x.Put(t.Context(), three)
		require.ErrorContains(t, err, three[1].ID.String())
		require.NotErrorIs(t, err, catalog.ErrSearchUnavailable, "another time it will be no better")
		x = play(t, func(*http.Request) (int, string, error) { return 200, items(200), nil })
		require.Error(t, x.Put(t.Context(), three), "not all were answered")
	})

	t.Run("SplitsByBytes", func(t *testing.T) {
		t.Parallel()

		var large []app.Document
		for n := range 100 {
			d := product(n, "상품")
			d.Description = strings.Repeat("설명 ", 20_000)
			large = append(large, d)
		}
		var requests, written atomic.Int64 // several are under way together
		x := play(t, func(r *http.Request) (int, string, error) {
			requests.Add(1)
			require.LessOrEqual(t, r.ContentLength, int64(1<<20))
			n := len(lines(t, r))
			written.Add(int64(n))
			statuses := make([]int, n)
			for i := range statuses {
				statuses[i] = 200
			}
			return 200, items(statuses...), nil
		})
		require.NoError(t, x.Put(t.Context(), large))
		require.EqualValues(t, 100, written.Load())
		require.Less(t, requests.Load(), int64(20))
		require.Greater(t, requests.Load(), int64(1))
		require.NoError(t, x.Put(t.Context(), nil))
	})
}

// original 53: what a shopper typed was a query of Elasticsearch's, with its errors. saleor PR#16904 (T19): a list counted all there is.
func TestFindAsksInNoLanguage(t *testing.T) {
	t.Parallel()

	var asked []string
	x := play(t, func(r *http.Request) (int, string, error) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		asked = append(asked, string(body))
		return 200, nothing, nil
	})
	_, err := x.Find(t.Context(), app.Query{Text: `nike* OR brand:"x" /a.*/ ~2`, Brands: []string{"*"}, Sort: app.ByRelevance, Limit: 1})
	require.NoError(t, err)
	_, err = x.Suggest(t.Context(), "nike* /a.*/", 1)
	require.NoError(t, err)
	require.Len(t, asked, 3, "as it was written, nearly so, and a suggestion")
	require.Contains(t, asked[0], `"track_total_hits":10000`)
	for _, body := range asked {
		require.NotContains(t, body, `"track_total_hits":true`)
		for _, language := range []string{"query_string", "simple_query_string", "wildcard", "regexp", "script", "intervals"} {
			require.NotContains(t, body, `"`+language+`"`)
		}
	}
}
