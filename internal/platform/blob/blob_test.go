package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// TestStore is what every store keeps to.
func TestStore(t *testing.T) {
	t.Parallel()

	for name, open := range map[string]func(t *testing.T) *blob.Store{
		"Folder": func(t *testing.T) *blob.Store { return opened(t, folder(t.TempDir())) },
		"Memory": func(t *testing.T) *blob.Store { return opened(t, "") },
		"S3":     func(t *testing.T) *blob.Store { return emptied(t, opened(t, stacktest.Blob(t))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conform(t, open)
		})
	}
}

func opened(t *testing.T, address string) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func folder(dir string) string { return "file://" + path.Join("/", filepath.ToSlash(dir)) }

// emptied is a store of the test's own, of which it leaves nothing.
func emptied(t *testing.T, s *blob.Store) *blob.Store {
	t.Helper()
	t.Cleanup(func() {
		for e, err := range s.List(context.Background(), "") {
			require.NoError(t, err)
			require.NoError(t, s.Delete(context.Background(), e.Key))
		}
	})
	return s
}

func conform(t *testing.T, open func(t *testing.T) *blob.Store) {
	ctx := t.Context()
	put := func(t *testing.T, s *blob.Store, key, content string) {
		t.Helper()
		require.NoError(t, s.Put(ctx, key, "text/plain", strings.NewReader(content)))
	}
	read := func(t *testing.T, s *blob.Store, key string) string {
		t.Helper()
		r, err := s.Open(ctx, key)
		require.NoError(t, err)
		defer func() { require.NoError(t, r.Close()) }()
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(content)
	}

	t.Run("GivesBackWhatWasPut", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		require.NoError(t, s.Check(ctx))
		for _, content := range []string{"", "a", strings.Repeat("blob", 3<<20)} {
			put(t, s, "images/ab/abcd-640.jpg", content)
			require.Equal(t, content, read(t, s, "images/ab/abcd-640.jpg"), "in place of the one before")
		}
		there, err := s.Has(ctx, "images/ab/abcd-640.jpg")
		require.NoError(t, err)
		require.True(t, there)
	})

	t.Run("TellsWhatIsNotThere", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		put(t, s, "a/b", "x")
		for _, key := range []string{"c", "a", "a/c", "a/b-"} {
			_, err := s.Open(ctx, key)
			require.ErrorIs(t, err, blob.ErrNotFound, key)
			there, err := s.Has(ctx, key)
			require.NoError(t, err)
			require.False(t, there, key)
		}
	})

	t.Run("DeletesOnceAndAgain", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		put(t, s, "a", "x")
		require.NoError(t, s.Delete(ctx, "a"))
		require.NoError(t, s.Delete(ctx, "a"))
		_, err := s.Open(ctx, "a")
		require.ErrorIs(t, err, blob.ErrNotFound)
	})

	t.Run("ReadsFromAnyPlace", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		put(t, s, "a", "0123456789")
		r, err := s.Open(ctx, "a")
		require.NoError(t, err)
		defer func() { require.NoError(t, r.Close()) }()
		require.EqualValues(t, 10, r.Size())
		require.False(t, r.ModTime().IsZero())
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodGet, "/", nil)
		q.Header.Set("Range", "bytes=3-6")
		http.ServeContent(w, q, "a.txt", r.ModTime(), r)
		require.Equal(t, http.StatusPartialContent, w.Code)
		require.Equal(t, "3456", w.Body.String())
	})

	t.Run("ListsByKey", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		keys := []string{"images/aa/1", "images/aa/2", "images/ab/1", "other"}
		for _, key := range keys {
			put(t, s, key, key)
		}
		require.Equal(t, keys[:2], list(t, s, "images/aa/"))
		require.Equal(t, keys[:3], list(t, s, "images/"))
		require.Equal(t, keys[:3], list(t, s, "images/a"))
		require.Empty(t, list(t, s, "none/"))
		for e, err := range s.List(ctx, "images/aa/2") {
			require.NoError(t, err)
			require.EqualValues(t, len("images/aa/2"), e.Size)
			require.False(t, e.ModTime.IsZero())
		}
	})

	t.Run("KeepsNoHalfOfOne", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		put(t, s, "a", "before")
		broken := errors.New("the client went away")
		half := bytes.Repeat([]byte("x"), 6<<20)
		require.ErrorIs(t, s.Put(ctx, "a", "text/plain", io.MultiReader(bytes.NewReader(half), iotest.ErrReader(broken))), broken)
		require.Equal(t, "before", read(t, s, "a"))
		ended, cancel := context.WithCancel(ctx)
		require.Error(t, s.Put(ended, "b", "text/plain", io.MultiReader(bytes.NewReader(half), readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }))))
		_, err := s.Open(ctx, "b")
		require.ErrorIs(t, err, blob.ErrNotFound)
	})

	t.Run("IsThereWhileItIsPutAgain", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		content := strings.Repeat("same", 1<<14)
		put(t, s, "a", content)
		var all errgroup.Group
		for range 2 {
			all.Go(func() error {
				for range 10 {
					if err := s.Put(ctx, "a", "text/plain", strings.NewReader(content)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for range 30 {
			require.Equal(t, content, read(t, s, "a"))
		}
		require.NoError(t, all.Wait())
	})

	t.Run("LinksAreReadByAnybodyForATime", func(t *testing.T) {
		t.Parallel()

		s := open(t)
		put(t, s, "a", "for everybody")
		origin, err := s.Origin(ctx)
		require.NoError(t, err)
		link, err := s.Link(ctx, "a", time.Minute)
		require.NoError(t, err)
		if link == "" {
			require.Empty(t, origin)
			return // a folder has none
		}
		require.True(t, strings.HasPrefix(link, origin+"/"), link)
		status, body, header := get(t, link)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "for everybody", body)
		require.Contains(t, header.Get("Cache-Control"), "immutable")

		forged, err := url.Parse(link)
		require.NoError(t, err)
		q := forged.Query()
		q.Set("X-Amz-Expires", "86400")
		forged.RawQuery = q.Encode()
		status, _, _ = get(t, forged.String())
		require.Equal(t, http.StatusForbidden, status)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func list(t *testing.T, s *blob.Store, prefix string) (keys []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

func get(t *testing.T, link string) (status int, body string, header http.Header) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	require.NoError(t, err)
	a, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Body.Close()) }()
	b, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	return a.StatusCode, string(b), a.Header
}

func TestOpen(t *testing.T) {
	t.Run("KeysStayInTheFolder", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600))
		s := opened(t, folder(filepath.Join(dir, "blobs")))
		keys := []string{"../secret", "a/../../secret", "..", "/../secret"}
		for _, key := range keys {
			_, err := s.Open(t.Context(), key)
			require.Error(t, err, key)
		}
		for _, key := range keys {
			_ = s.Put(t.Context(), key, "text/plain", strings.NewReader("y")) // refused, or put under another name
		}
		kept, err := os.ReadFile(filepath.Join(dir, "secret"))
		require.NoError(t, err)
		require.Equal(t, "x", string(kept))
	})

	t.Run("RefusesOtherAddresses", func(t *testing.T) {
		t.Parallel()

		for _, address := range []string{"http://example.com/bucket", "mem://", ":", "/var/blobs"} {
			_, err := blob.Open(t.Context(), address)
			require.Error(t, err, address)
		}
	})

	t.Run("ABucketThatIsAwayIsTold", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "shop")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "shop-secret")
		s := opened(t, "s3://"+uuid.NewString()+"?endpoint=http://127.0.0.1:1&region=us-east-1&use_path_style=true")
		require.Error(t, s.Check(t.Context()))
		require.Error(t, s.Put(t.Context(), "a", "text/plain", strings.NewReader("x")))
		_, err := s.Has(t.Context(), "a")
		require.Error(t, err)
	})
}
