// Package media is how pictures lie in the blob store: an original, as it was uploaded, which nobody is shown, and thumbnails of it, which
// anybody may see.
//
// A picture's name is a hash of its content and of the id that it was given. What a name stands for never changes, so it is cached for
// ever; and no name comes twice, so whoever deletes late what nobody needed deletes nothing that came since.
package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog/internal/imaging"
	"github.com/sasapick/shop/internal/platform/blob"
)

// Sides are the squares that the thumbnails fit into, in pixels. Another way of making them needs other names: see the package's comment.
var Sides = []int{1280, 640, 320, 160}

const (
	// MaxBytes is how large an original may be.
	MaxBytes = 10 << 20
	// MediaType is that of every thumbnail.
	MediaType = "image/jpeg"

	root     = "images/"
	original = "-original"
	nameSize = 2 * sha256.Size
)

// Name is that of a picture with this content under this id.
func Name(id uuid.UUID, content []byte) string {
	h := sha256.New()
	h.Write(id[:])
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// Original is the key of what was uploaded.
func Original(name string) string { return keyOf(name + original) }

// Thumbnail is the key of the one that fits into a square of that side.
func Thumbnail(name string, side int) string { return keyOf(fileOf(name, side)) }

func fileOf(name string, side int) string { return name + "-" + strconv.Itoa(side) + ".jpg" }

func keyOf(file string) string { return root + file[:2] + "/" + file }

// Shards is into how many folders the pictures are dealt.
const Shards = 256

// Shard is what the keys of a folder begin with.
func Shard(n int) string { return root + hex.EncodeToString([]byte{byte(n)}) + "/" }

// Public says which thumbnail a file's name asks for; nothing else of the store is anybody's.
func Public(file string) (key string, ok bool) {
	for _, side := range Sides {
		if len(file) > nameSize && isName(file[:nameSize]) && file == fileOf(file[:nameSize], side) {
			return keyOf(file), true
		}
	}
	return "", false
}

// NameIn is the name of the picture that a key belongs to; "" if it is no picture's.
func NameIn(key string) string {
	file := key[strings.LastIndexByte(key, '/')+1:]
	if len(file) > nameSize && isName(file[:nameSize]) && keyOf(file) == key {
		return file[:nameSize]
	}
	return ""
}

// IsOriginal says whether a key is that of an original, of which thumbnails are to be made.
func IsOriginal(key string) (name string, ok bool) {
	name = NameIn(key)
	return name, name != "" && key == Original(name)
}

func isName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r < '0' || '9' < r) && (r < 'a' || 'f' < r) }) < 0
}

// decoding is held by who has a picture decoded: one in a process, whoever asks, since a large one takes some 400 megabytes.
var decoding = make(chan struct{}, 1)

func decode(ctx context.Context, content []byte, use func(imaging.Picture) error) error {
	select {
	case decoding <- struct{}{}:
		defer func() { <-decoding }()
	case <-ctx.Done():
		return ctx.Err()
	}
	picture, err := imaging.Read(content)
	if err != nil {
		return err
	}
	return use(picture)
}

// Measure decodes a picture to its end, and tells how large it is when it stands upright, and of what media type. Faults: ErrImageType,
// ErrImageTooLarge, ErrImageBroken.
func Measure(ctx context.Context, content []byte) (width, height int, mediaType string, err error) {
	err = decode(ctx, content, func(p imaging.Picture) error {
		width, height = p.Size()
		return nil
	})
	return width, height, imaging.MediaType(content), err
}

// Make makes the thumbnails of an original that is in the store, unless they are there. It can be repeated, and be done by several at once.
func Make(ctx context.Context, store *blob.Store, name string) error {
	missing := false
	for _, side := range Sides {
		there, err := store.Has(ctx, Thumbnail(name, side))
		if err != nil {
			return err
		}
		missing = missing || !there
	}
	if !missing {
		return nil
	}
	content, err := read(ctx, store, Original(name))
	if err != nil {
		return err
	}
	made := make([][]byte, len(Sides))
	err = decode(ctx, content, func(p imaging.Picture) (err error) {
		for i, side := range Sides { // the largest first: each is made of the one before
			p = p.Within(side)
			if made[i], err = p.JPEG(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, side := range Sides {
		if err := store.Put(ctx, Thumbnail(name, side), MediaType, bytes.NewReader(made[i])); err != nil {
			return err
		}
	}
	return nil
}

func read(ctx context.Context, store *blob.Store, key string) ([]byte, error) {
	r, err := store.Open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	content, err := io.ReadAll(io.LimitReader(r, MaxBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return content, nil
}

// Delete removes a picture from the store. The original goes last: as long as it is there, somebody can tell that something is.
func Delete(ctx context.Context, store *blob.Store, name string) error {
	for _, side := range Sides {
		if err := store.Delete(ctx, Thumbnail(name, side)); err != nil {
			return err
		}
	}
	return store.Delete(ctx, Original(name))
}

// URL is where shoppers see a picture: the thumbnail that fits into 640 × 640.
func URL(name string) string { return BeforeName + name + AfterName }

// What URL puts around a name.
const (
	BeforeName = "/media/"
	AfterName  = "-640.jpg"
)
