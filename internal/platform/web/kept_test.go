package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

func TestReady(t *testing.T) {
	t.Parallel()

	type body struct {
		Text string `json:"text"`
	}
	type input struct {
		web.Conditional
		web.PageQuery
		ID string `path:"id"`
	}
	type output struct {
		ETag         string `header:"ETag"`
		CacheControl string `header:"Cache-Control"`
		Body         web.Encoded[body]
	}
	s := webtest.New(t, web.Options{Verifier: webtest.Tokens{"shopper": {Role: "shopper"}}})
	for _, size := range []string{"short", strings.Repeat("긴 글 <&> ", 1000)} {
		encoded, err := web.Encode(body{size})
		require.NoError(t, err)
		kept := web.Keep(encoded, `"a"`, "public, max-age=1")
		path := "/v1/short/"
		if len(size) > 10 {
			path = "/v1/long/"
		}
		var decoded int
		web.Register(s.API, web.Operation{
			ID: "read" + strings.ReplaceAll(strings.TrimSuffix(path, "/"), "/", "-"), Method: http.MethodGet, Path: path + "{id}", Tag: "t", Summary: "s",
			Ready: func(r *http.Request) *web.Kept {
				if r.PathValue("id") == "kept" {
					return kept
				}
				return nil
			},
		}, func(context.Context, *input) (*output, error) {
			decoded++
			return &output{ETag: `"a"`, CacheControl: "public, max-age=1", Body: encoded}, nil
		})

		slow := s.Do("", http.MethodGet, path+"other", "")
		require.Equal(t, 1, decoded)
		require.Equal(t, size, slow.Text("text"))
		for _, token := range []string{"", "shopper"} {
			quick := s.Do(token, http.MethodGet, path+"kept", "")
			require.Equal(t, 1, decoded, "nothing was decoded")
			require.Equal(t, slow.Raw, quick.Raw)
			for _, h := range []http.Header{slow.Header, quick.Header} {
				h.Del("X-Request-Id")
				h.Del("Traceparent")
			}
			require.Equal(t, slow.Header, quick.Header)
		}
		require.Equal(t, size, s.Do("", http.MethodGet, path+"kept?limit=5", "").Text("text"))
		require.Equal(t, http.StatusUnprocessableEntity, s.Do("", http.MethodGet, path+"kept?limit=x", "").Status)
		s.Do("", http.MethodGet, path+"kept", "", "If-None-Match", `"a"`)
		s.Do("", http.MethodGet, path+"kept", "{}")
		require.Equal(t, 4, decoded, "who says more is listened to")
	}
}
