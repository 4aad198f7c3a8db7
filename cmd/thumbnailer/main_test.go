package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"net/url"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// event is what S3 tells Lambda of one object: the documented form of a record, version 2.1.
const event = `{"Records": [{
	"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "ap-northeast-2", "eventTime": "2026-01-02T03:04:05.678Z", "eventName": %q,
	"userIdentity": {"principalId": "AWS:AIDAJDPLRKLG7UEXAMPLE"}, "requestParameters": {"sourceIPAddress": "192.0.2.1"},
	"responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
	"s3": {
		"s3SchemaVersion": "1.0", "configurationId": "thumbnails",
		"bucket": {"name": "shop-images", "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::shop-images"},
		"object": {"key": %q, "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5"}
	}
}]}`

func TestThumbnailer(t *testing.T) {
	t.Parallel()

	setup := func(t *testing.T) (tn *thumbnailer, call func(event string) error) {
		t.Helper()
		tn, err := newThumbnailer(t.Context(), stacktest.Blob(t))
		require.NoError(t, err)
		t.Cleanup(func() {
			for e, err := range tn.store.List(context.Background(), "") {
				require.NoError(t, err)
				require.NoError(t, tn.store.Delete(context.Background(), e.Key))
			}
			require.NoError(t, tn.store.Close())
		})
		handler := lambda.NewHandler(tn.handle)
		return tn, func(event string) error {
			require.True(t, json.Valid([]byte(event)))
			_, err := handler.Invoke(t.Context(), []byte(event))
			return err
		}
	}
	original := func(t *testing.T, tn *thumbnailer) (name string) {
		t.Helper()
		var content bytes.Buffer
		require.NoError(t, png.Encode(&content, image.NewGray(image.Rect(0, 0, 1500, 1000))))
		name = media.Name(uuid.New(), content.Bytes())
		require.NoError(t, tn.store.Put(t.Context(), media.Original(name), "image/png", &content))
		return name
	}
	keys := func(t *testing.T, tn *thumbnailer) (found []string) {
		t.Helper()
		for e, err := range tn.store.List(t.Context(), "") {
			require.NoError(t, err)
			found = append(found, e.Key)
		}
		return found
	}

	t.Run("MakesThemOfAnOriginal", func(t *testing.T) {
		t.Parallel()

		tn, call := setup(t)
		name := original(t, tn)
		told := fmt.Sprintf(event, "ObjectCreated:Put", url.QueryEscape(tn.prefix+media.Original(name)))
		require.NoError(t, call(told))
		for _, side := range media.Sides {
			r, err := tn.store.Open(t.Context(), media.Thumbnail(name, side))
			require.NoError(t, err)
			require.Equal(t, media.MediaType, r.ContentType())
			made, err := jpeg.Decode(r)
			require.NoError(t, err)
			require.Equal(t, side, made.Bounds().Dx())
			require.NoError(t, r.Close())
		}
		require.NoError(t, call(told), "S3 may tell it twice")
		require.Len(t, keys(t, tn), 1+len(media.Sides))
		require.NoError(t, tn.store.Delete(t.Context(), media.Original(name)))
		require.NoError(t, media.Make(t.Context(), tn.store, name), "the shop finds them there, and makes none")
	})

	t.Run("PassesOverWhatIsNone", func(t *testing.T) {
		t.Parallel()

		tn, call := setup(t)
		name := original(t, tn)
		for _, other := range []struct{ event, key string }{
			{"ObjectCreated:Put", tn.prefix + media.Thumbnail(name, 640)},
			{"ObjectRemoved:Delete", tn.prefix + media.Original(name)},
			{"ObjectCreated:Put", "elsewhere/" + media.Original(name)},
			{"ObjectCreated:Put", tn.prefix + "images/zz/" + name + "-original"},
			{"ObjectCreated:Put", tn.prefix + name + "-original"},
			{"ObjectCreated:Put", ""},
		} {
			require.NoError(t, call(fmt.Sprintf(event, other.event, url.QueryEscape(other.key))), other)
		}
		require.NoError(t, call(`{"Records": []}`))
		require.NoError(t, call(`{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "shop-images"}`), "what S3 sends when it is set up")
		require.Equal(t, []string{media.Original(name)}, keys(t, tn))
	})

	t.Run("IsCalledAgainAfterAFailure", func(t *testing.T) {
		t.Parallel()

		tn, call := setup(t)
		name := media.Name(uuid.New(), nil)
		told := fmt.Sprintf(event, "ObjectCreated:Put", url.QueryEscape(tn.prefix+media.Original(name)))
		require.ErrorContains(t, call(told), blob.ErrNotFound.Error())
	})
}

func TestAddress(t *testing.T) {
	t.Parallel()

	for _, address := range []string{"", "file:///tmp", "shop-images"} {
		_, err := newThumbnailer(t.Context(), address)
		require.ErrorContains(t, err, "SHOP_BLOB_URL", address)
	}
}
