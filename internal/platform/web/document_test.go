package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestDocument(t *testing.T) {
	t.Parallel()

	type thing struct {
		ID   uuid.UUID `json:"id"`
		Name string    `json:"name" minLength:"2" maxLength:"5"`
		Tags []string  `json:"tags,omitempty" maxItems:"2"`
	}
	document := web.NewDocument[thing]()
	id := uuid.New()
	got, err := document.Read([]byte(`{"id":"` + id.String() + `","name":"신발","tags":["a"]}`))
	require.NoError(t, err)
	require.Equal(t, thing{id, "신발", []string{"a"}}, got)
	for text, want := range map[string]struct {
		err     error
		pointer string
	}{
		`{`:                               {err: web.ErrMalformed},
		`{"id":"` + id.String() + `"} {}`: {err: web.ErrMalformed},
		"{\"name\":\"\xff\"}":             {err: web.ErrMalformed},
		`null`:                            {err: web.ErrInvalid},
		`[]`:                              {err: web.ErrInvalid},
		`{"id":"` + id.String() + `"}`:    {web.ErrInvalid, "/name"},
		`{"id":"x","name":"신발"}`:          {web.ErrInvalid, "/id"},
		`{"id":"` + id.String() + `","name":"a"}`:                       {web.ErrInvalid, "/name"},
		`{"id":"` + id.String() + `","name":"a\u0000"}`:                 {web.ErrInvalid, "/name"},
		`{"id":"` + id.String() + `","name":"ab","tags":["a","b","c"]}`: {web.ErrInvalid, "/tags"},
		`{"id":"` + id.String() + `","name":"ab","Tags":[]}`:            {web.ErrUnknownField, "/Tags"},
		`{"id":"` + id.String() + `","name":"ab","tags":[1]}`:           {web.ErrInvalid, "/tags/0"},
	} {
		_, err := document.Read([]byte(text))
		require.ErrorIs(t, err, want.err, text)
		if want.pointer != "" {
			f, _ := fault.As(err)
			require.Equal(t, want.pointer, f.Fields[0].Pointer, text)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()

	broken := errors.New("the source ran dry")
	var logs bytes.Buffer
	api := web.New(web.Options{Logger: slog.New(slog.NewJSONHandler(&logs, nil))})
	for path, write := range map[string]func(w io.Writer) error{
		"/whole":  func(w io.Writer) error { _, err := io.WriteString(w, "a\nb\n"); return err },
		"/none":   func(io.Writer) error { return broken },
		"/broken": func(w io.Writer) error { _, err := io.WriteString(w, "a\n"); return errors.Join(err, broken) },
		"/left": func(w io.Writer) error {
			for {
				if _, err := io.WriteString(w, strings.Repeat("a\n", 1<<16)); err != nil {
					return fmt.Errorf("write a page: %w", err)
				}
			}
		},
	} {
		web.Register(api, web.Operation{ID: path[1:], Method: http.MethodGet, Path: path, Tag: "tests", Summary: "Stream", Produces: "text/plain"},
			func(context.Context, *struct{}) (*huma.StreamResponse, error) {
				return web.Stream("text/plain", func(_ context.Context, w io.Writer) error { return write(w) }), nil
			})
	}
	server := httptest.NewServer(api.Handler())
	t.Cleanup(server.Close)
	get := func(path string) (*http.Response, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return answer, string(body), err
	}

	answer, body, err := get("/whole")
	require.NoError(t, err)
	require.Equal(t, "text/plain", answer.Header.Get("Content-Type"))
	require.Equal(t, "a\nb\n", body)
	answer, body, err = get("/none")
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
	require.Contains(t, body, `"code":"internal"`)
	_, _, err = get("/broken")
	require.Error(t, err, "half an answer must not look like a whole one")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/left", nil)
	require.NoError(t, err)
	left, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, left.Body.Close())
	server.Close() // waits for the handler
	require.NotContains(t, logs.String(), `"error.message":"write a page`, "a client that leaves is nobody's failure")
	require.Contains(t, api.OpenAPI().Paths["/whole"].Get.Responses["200"].Content, "text/plain")
}
