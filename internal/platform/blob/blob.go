// Package blob keeps files by key: in a folder, in a bucket of S3, or in memory.
//
// A blob is there whole or not at all, and once Put has returned it stays.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob" // s3://
	"gocloud.dev/gcerrors"
)

// ErrNotFound says that there is no blob of that key.
var ErrNotFound = errors.New("there is no such blob")

// Store keeps blobs. Keys are paths of lower-case letters, digits, dots and hyphens, such as images/ab/abcd-640.jpg.
type Store struct {
	bucket *blob.Bucket
	settle func(key string) error // has what was put survive a power cut; nil: it does already
	signs  bool
}

// Open returns the store at an address: file:///var/shop/blobs, a folder that is made if it is not there, or
// s3://bucket?region=ap-northeast-2, whose further parameters are endpoint, use_path_style and prefix; the keys come from the environment,
// as AWS's own programs have them. A bucket is not asked for yet: one that is away must not keep the shop from starting. Where there is no
// address, the blobs are in memory and go with the process.
func Open(ctx context.Context, address string) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the blob store cannot be read")
	}
	switch {
	case address == "":
		return &Store{bucket: memblob.OpenBucket(nil)}, nil
	case u.Scheme == "file":
		return openFolder(folderOf(u))
	case u.Scheme == "s3":
		bucket, err := blob.OpenBucket(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("open the bucket: %w", err)
		}
		return &Store{bucket: bucket, signs: true}, nil
	}
	return nil, fmt.Errorf("the blob store's address begins with file:// or s3://, not with %q", u.Scheme)
}

// Close gives back what the store holds.
func (s *Store) Close() error { return s.bucket.Close() }

// Check says whether the store can be reached.
func (s *Store) Check(ctx context.Context) error {
	ok, err := s.bucket.IsAccessible(ctx)
	if err == nil && !ok {
		err = errors.New("there is no such bucket")
	}
	if err != nil {
		return fmt.Errorf("reach the blob store: %w", err)
	}
	return nil
}

// Put writes a blob, in place of the one that may be there.
func (s *Store) Put(ctx context.Context, key, contentType string, content io.Reader) error {
	if err := s.put(ctx, key, contentType, content); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// put is not the bucket's own Upload: in a folder that keeps the half of what could not be read to its end.
func (s *Store) put(ctx context.Context, key, contentType string, content io.Reader) error {
	ctx, abort := context.WithCancel(ctx)
	defer abort()
	w, err := s.bucket.NewWriter(ctx, key, &blob.WriterOptions{ContentType: contentType, CacheControl: forEver})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, content); err != nil {
		abort() // so that Close keeps nothing
		_ = w.Close()
		return err
	}
	if err := w.Close(); err != nil || s.settle == nil {
		return err
	}
	return s.settle(key)
}

// forEver is what a bucket tells browsers of its blobs, whose keys name what is in them.
const forEver = "public, max-age=31536000, immutable"

// Open returns a blob to be read and closed by the caller, or ErrNotFound. ctx holds for the reading too.
func (s *Store) Open(ctx context.Context, key string) (*Reader, error) {
	r, err := s.bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	return r, nil
}

// Reader reads a blob, from any place of it: Size and ModTime tell of the whole.
type Reader = blob.Reader

// Has says whether there is a blob of that key.
func (s *Store) Has(ctx context.Context, key string) (bool, error) {
	there, err := s.bucket.Exists(ctx, key)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", key, err)
	}
	return there, nil
}

// Delete removes a blob; one that is not there is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Entry is a blob in a list.
type Entry struct {
	Key     string
	Size    int64
	ModTime time.Time // by the store's clock
}

// List yields the blobs whose keys begin with prefix, by key. It ends with the first error.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for list := s.bucket.List(&blob.ListOptions{Prefix: prefix}); ; {
			o, err := list.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			if !yield(Entry{Key: o.Key, Size: o.Size, ModTime: o.ModTime}, nil) {
				return
			}
		}
	}
}

// Link returns an address at which anybody can read the blob for as long as life; "" where the store has none, as a folder.
func (s *Store) Link(ctx context.Context, key string, life time.Duration) (string, error) {
	if !s.signs {
		return "", nil
	}
	link, err := s.bucket.SignedURL(ctx, key, &blob.SignedURLOptions{Expiry: life})
	if err != nil {
		return "", fmt.Errorf("sign a link to %s: %w", key, err)
	}
	return link, nil
}

// Origin is where the links lead, such as https://bucket.s3.ap-northeast-2.amazonaws.com: a page that shows blobs must allow it. "" where
// there are no links.
func (s *Store) Origin(ctx context.Context) (string, error) {
	link, err := s.Link(ctx, "any", time.Minute)
	if err != nil || link == "" {
		return "", err
	}
	u, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("read a link: %w", err)
	}
	return u.Scheme + "://" + u.Host, nil
}
