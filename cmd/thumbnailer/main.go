// Command thumbnailer is a function of AWS Lambda that makes the thumbnails of a picture when its original comes into the shop's bucket. The
// shop makes them too, and shows what is there, whoever made it: where pictures come by the thousand, this takes the work off it.
//
// It is called by s3:ObjectCreated:* of keys that end with -original, and finds the bucket in SHOP_BLOB_URL, as the shop has it. It needs
// 1,024 megabytes for the largest pictures.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/blob"
)

func main() {
	t, err := newThumbnailer(context.Background(), os.Getenv("SHOP_BLOB_URL"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "thumbnailer:", err)
		os.Exit(1)
	}
	lambda.Start(t.handle)
}

type thumbnailer struct {
	store  *blob.Store
	prefix string // of the store's keys in the bucket
}

func newThumbnailer(ctx context.Context, address string) (*thumbnailer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" {
		return nil, fmt.Errorf("SHOP_BLOB_URL must be a bucket, such as s3://bucket?region=ap-northeast-2")
	}
	store, err := blob.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	return &thumbnailer{store, u.Query().Get("prefix")}, nil
}

// handle makes the thumbnails of the originals that an event tells of. Whatever else it tells of is passed over, the thumbnails before all: it
// must not call itself. A failure has Lambda call again.
func (t *thumbnailer) handle(ctx context.Context, e events.S3Event) error {
	for _, r := range e.Records {
		key, ours := strings.CutPrefix(r.S3.Object.URLDecodedKey, t.prefix)
		name, original := media.IsOriginal(key)
		if !ours || !original || !strings.HasPrefix(r.EventName, "ObjectCreated:") {
			continue
		}
		if err := media.Make(ctx, t.store, name); err != nil {
			return fmt.Errorf("make the thumbnails of %s: %w", name, err)
		}
	}
	return nil
}
