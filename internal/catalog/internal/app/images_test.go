package app_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// picture is a PNG, another one for each shade.
func picture(t testing.TB, w, h int, shade uint8) []byte {
	t.Helper()
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range p.Pix {
		p.Pix[i] = shade
	}
	p.SetRGBA(0, 0, color.RGBA{255, 0, 0, 255})
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, p))
	return b.Bytes()
}

func (s *shop) addImage(product uuid.UUID, content []byte, replaces uuid.UUID) app.Image {
	s.t.Helper()
	added, fresh, err := s.service().AddImage(s.ctx, app.AddImageInput{ProductID: product, Replaces: replaces, Content: bytes.NewReader(content)})
	require.NoError(s.t, err)
	require.True(s.t, fresh)
	return added
}

// hearImages hands every picture's event to its handler, as the bus does, and once more, as the bus does not.
func (s *shop) hearImages() {
	s.t.Helper()
	rows, err := s.pool.Query(s.ctx, `SELECT type, data FROM catalog.outbox WHERE type = $1`, catalog.ImageAdded{}.EventType())
	require.NoError(s.t, err)
	events, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (e bus.Envelope, err error) { return e, r.Scan(&e.Type, &e.Data) })
	require.NoError(s.t, err)
	for _, e := range slices.Concat(events, events) {
		for _, sub := range app.Subscriptions(s.service()) {
			if sub.Type == e.Type {
				require.NoError(s.t, pgx.BeginFunc(s.ctx, s.pool, func(tx pgx.Tx) error { return sub.Handle(s.ctx, tx, e) }))
			}
		}
	}
}

// show makes the thumbnails of all pictures.
func (s *shop) show() {
	s.t.Helper()
	s.hearImages()
	require.NoError(s.t, s.service().MakeThumbnails(s.ctx))
}

// shown are the pictures that a shopper is shown by an instance whose memory is a second old.
func (s *shop) shown(product uuid.UUID) []string {
	s.t.Helper()
	s.clock.Advance(time.Second)
	body, _, err := s.instances[1].Detail(s.ctx, product)
	require.NoError(s.t, err)
	var p app.Product
	require.NoError(s.t, json.Unmarshal(body.Bytes(), &p))
	if len(p.ImageURLs) > 0 {
		require.Equal(s.t, p.ImageURLs[0], p.ImageURL)
	}
	return p.ImageURLs
}

func urls(images ...app.Image) []string {
	all := make([]string, len(images))
	for i, image := range images {
		all[i] = media.URL(image.Name)
	}
	return all
}

// keys are what is in the store of a picture.
func (s *shop) keys(name string) (found []string) {
	s.t.Helper()
	for e, err := range s.blobs.List(s.ctx, "") {
		require.NoError(s.t, err)
		if media.NameIn(e.Key) == name {
			found = append(found, e.Key)
		}
	}
	return found
}

// sweep goes through all of the store's folders.
func (s *shop) sweep() {
	s.t.Helper()
	for range media.Shards {
		require.NoError(s.t, s.service().SweepImages(s.ctx))
		s.clock.Advance(time.Minute)
	}
}

// aYear is more than the age of any blob: the store has a clock of its own.
const aYear = 366 * 24 * time.Hour

func TestImages(t *testing.T) {
	t.Parallel()

	t.Run("AreShownOnceTheirThumbnailsAreMade", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		before, err := s.service().ManagedProduct(s.ctx, product)
		require.NoError(t, err)
		added := s.addImage(product, picture(t, 1500, 1000, 1), uuid.Nil)
		require.Equal(t, []int{1500, 1000}, []int{added.Width, added.Height})
		require.Empty(t, s.shown(product))
		require.NoError(t, s.service().MakeThumbnails(s.ctx))
		require.Empty(t, s.shown(product), "nobody has heard of it")

		s.show()
		require.Equal(t, urls(added), s.shown(product))
		after, err := s.service().ManagedProduct(s.ctx, product)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 1, 0}, []int64{after.DocVersion - before.DocVersion, after.Version - before.Version, after.Revision - before.Revision})
		require.Equal(t, media.URL(added.Name), after.ImageURL)
		require.EqualValues(t, after.Version, s.count(`SELECT count(*) FROM catalog.outbox WHERE key = $1`, product))
		require.NoError(t, s.feed.Sync(s.ctx))
		list, err := s.service().List(s.ctx, app.Filter{}, web.PageQuery{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, after.ImageURL, list.Items[0].ImageURL)

		for _, side := range media.Sides {
			r, err := s.blobs.Open(s.ctx, media.Thumbnail(added.Name, side))
			require.NoError(t, err)
			made, err := jpeg.Decode(r)
			require.NoError(t, err)
			require.Equal(t, side, made.Bounds().Dx())
			require.NoError(t, r.Close())
		}
		s.show() // all of it again
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.thumbnail_tasks`))
		again, err := s.service().ManagedProduct(s.ctx, product)
		require.NoError(t, err)
		require.Equal(t, after, again)
	})

	t.Run("TheSameAgainIsTheSame", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		content := picture(t, 30, 20, 1)
		ids := make([]uuid.UUID, 8)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				added, _, err := s.instances[i%2].AddImage(s.ctx, app.AddImageInput{ProductID: product, Content: bytes.NewReader(content)})
				if err != nil {
					t.Error(err)
				}
				ids[i] = added.ID
			})
		}
		all.Wait()
		require.Len(t, slices.Compact(ids), 1)
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.images`))
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.outbox WHERE type = 'catalog.image_added.v1'`))
		other := s.addImage(s.product(1), content, uuid.Nil)
		require.NotEqual(t, ids[0], other.ID, "another product's is another one")
	})

	t.Run("AreReplacedWithoutAGap", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		first, second := s.addImage(product, picture(t, 40, 40, 1), uuid.Nil), s.addImage(product, picture(t, 40, 40, 2), uuid.Nil)
		s.show()
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s.clock.Advance(time.Second)
				body, _, err := s.instances[1].Detail(s.ctx, product)
				if err != nil {
					t.Error(err)
					return
				}
				var p app.Product
				if err := json.Unmarshal(body.Bytes(), &p); err != nil || len(p.ImageURLs) != 2 || p.ImageURL == "" {
					t.Errorf("a moment without a picture: %s %v", body.Bytes(), err)
				}
				file := strings.TrimPrefix(p.ImageURL, "/media/")
				key, ok := media.Public(file)
				if there, err := s.blobs.Has(s.ctx, key); !ok || err != nil || !there {
					t.Errorf("a picture without its blob: %s %v", file, err)
				}
			}
		})
		main := first
		for shade := range uint8(5) {
			next := s.addImage(product, picture(t, 40, 40, 10+shade), main.ID)
			require.Equal(t, urls(main, second), s.shown(product), "until it is made")
			s.show()
			require.Equal(t, urls(next, second), s.shown(product))
			require.Len(t, s.keys(main.Name), 5, "pages that were read before show it")
			main = next
		}
		close(stop)
		all.Wait()
	})

	t.Run("AReplacementOutlivesWhatItReplaces", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		old, other := s.addImage(product, picture(t, 40, 40, 1), uuid.Nil), s.addImage(product, picture(t, 40, 40, 2), uuid.Nil)
		s.show()
		next := s.addImage(product, picture(t, 40, 40, 3), old.ID)
		require.NoError(t, s.service().RemoveImage(s.ctx, product, old.ID))
		s.show()
		require.Equal(t, urls(other, next), s.shown(product))
		_, _, err := s.service().AddImage(s.ctx, app.AddImageInput{ProductID: product, Replaces: old.ID, Content: bytes.NewReader(picture(t, 40, 40, 4))})
		require.ErrorIs(t, err, catalog.ErrNoImage)
		_, _, err = s.service().AddImage(s.ctx, app.AddImageInput{ProductID: s.product(1), Replaces: next.ID, Content: bytes.NewReader(picture(t, 40, 40, 4))})
		require.ErrorIs(t, err, catalog.ErrNoImage, "another product's")
	})

	t.Run("HaveAnOrder", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		var added []app.Image
		for shade := range uint8(3) {
			added = append(added, s.addImage(product, picture(t, 40, 40, shade), uuid.Nil))
		}
		a, b, c := added[0], added[1], added[2]
		s.show()
		require.Equal(t, urls(a, b, c), s.shown(product))
		_, err := s.service().OrderImages(s.ctx, product, []uuid.UUID{c.ID, a.ID, b.ID})
		require.NoError(t, err)
		require.Equal(t, urls(c, a, b), s.shown(product))
		for _, other := range [][]uuid.UUID{nil, {a.ID, b.ID}, {a.ID, a.ID, b.ID}, {a.ID, b.ID, c.ID, c.ID}, {a.ID, b.ID, uuid.New()}} {
			_, err := s.service().OrderImages(s.ctx, product, other)
			require.ErrorIs(t, err, catalog.ErrOtherImages)
		}
		require.NoError(t, s.service().RemoveImage(s.ctx, product, c.ID))
		require.Equal(t, urls(a, b), s.shown(product), "the next one is the main one")
		require.ErrorIs(t, s.service().RemoveImage(s.ctx, product, c.ID), catalog.ErrNoImage)
		last := s.addImage(product, picture(t, 40, 40, 9), uuid.Nil)
		require.NoError(t, s.service().RemoveImage(s.ctx, product, last.ID), "it was not shown yet")
		s.show()
		require.Equal(t, urls(a, b), s.shown(product))
		require.NoError(t, s.service().RemoveImage(s.ctx, product, a.ID))
		require.NoError(t, s.service().RemoveImage(s.ctx, product, b.ID))
		require.Empty(t, s.shown(product))
		require.EqualValues(t, 9, s.count(`SELECT count(*) FROM catalog.audit_log WHERE action IN ('products.add_image', 'products.order_images', 'products.remove_image')`))
	})

	t.Run("AreTwentyAtMost", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		for shade := range uint8(20) {
			s.addImage(product, picture(t, 4, 4, shade), uuid.Nil)
		}
		_, _, err := s.service().AddImage(s.ctx, app.AddImageInput{ProductID: product, Content: bytes.NewReader(picture(t, 4, 4, 99))})
		require.ErrorIs(t, err, catalog.ErrTooManyImages)
		_, _, err = s.service().AddImage(s.ctx, app.AddImageInput{ProductID: uuid.New(), Content: bytes.NewReader(nil)})
		require.ErrorIs(t, err, catalog.ErrNoProduct)
	})
}

// What dies between two steps leaves nothing that a shopper sees, and nothing that somebody must clean up.
func TestImagesBrokenOff(t *testing.T) {
	t.Parallel()

	forbid := func(s *shop, event, table string) (allow func()) {
		_, err := s.pool.Exec(s.ctx, `CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it died here'; END $$;
			CREATE TRIGGER die BEFORE `+event+` ON `+table+` FOR EACH ROW EXECUTE FUNCTION public.die()`)
		require.NoError(s.t, err)
		return func() {
			_, err := s.pool.Exec(s.ctx, `DROP FUNCTION public.die() CASCADE`)
			require.NoError(s.t, err)
		}
	}
	all := func(s *shop) (n int) {
		for _, err := range s.blobs.List(s.ctx, "") {
			require.NoError(s.t, err)
			n++
		}
		return n
	}

	t.Run("BetweenBlobAndRow", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product := s.product(1)
		allow := forbid(s, "INSERT", "catalog.images")
		content := picture(t, 40, 40, 1)
		_, _, err := s.service().AddImage(s.ctx, app.AddImageInput{ProductID: product, Content: bytes.NewReader(content)})
		require.ErrorContains(t, err, "it died here")
		require.Equal(t, 1, all(s), "a blob that no row names")
		allow()
		added := s.addImage(product, content, uuid.Nil)
		s.show()
		require.Equal(t, urls(added), s.shown(product))
		require.Equal(t, 6, all(s))
		s.sweep()
		require.Equal(t, 6, all(s), "who uploads it may be at it still")
		s.clock.Advance(aYear)
		s.sweep()
		require.Equal(t, 5, all(s))
		require.Len(t, s.keys(added.Name), 5, "what is named stays")
	})

	t.Run("BetweenRowAndEvent", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product := s.product(1)
		allow := forbid(s, "INSERT", "catalog.outbox")
		content := picture(t, 40, 40, 1)
		_, _, err := s.service().AddImage(s.ctx, app.AddImageInput{ProductID: product, Content: bytes.NewReader(content)})
		require.ErrorContains(t, err, "it died here")
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.images`), "no row without its event")
		allow()
		added := s.addImage(product, content, uuid.Nil)
		s.show()
		require.Equal(t, urls(added), s.shown(product))
	})

	t.Run("BetweenThumbnailsAndProduct", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product := s.product(1)
		added := s.addImage(product, picture(t, 40, 40, 1), uuid.Nil)
		s.hearImages()
		allow := forbid(s, "UPDATE", "catalog.products")
		require.ErrorContains(t, s.service().MakeThumbnails(s.ctx), "it died here")
		require.Len(t, s.keys(added.Name), 5)
		allow()
		require.NoError(t, s.service().MakeThumbnails(s.ctx), "it is not due yet")
		require.Empty(t, s.shown(product))
		s.clock.Advance(time.Minute)
		require.NoError(t, s.service().MakeThumbnails(s.ctx))
		require.Equal(t, urls(added), s.shown(product))
	})

	t.Run("OneThatCannotBeMadeHoldsUpNoOther", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		lost, added := s.addImage(product, picture(t, 40, 40, 1), uuid.Nil), s.addImage(product, picture(t, 40, 40, 2), uuid.Nil)
		require.NoError(t, s.blobs.Delete(s.ctx, media.Original(lost.Name)))
		s.hearImages()
		require.ErrorIs(t, s.service().MakeThumbnails(s.ctx), blob.ErrNotFound)
		require.Equal(t, urls(added), s.shown(product))
		require.NoError(t, s.blobs.Put(s.ctx, media.Original(lost.Name), "image/png", bytes.NewReader(picture(t, 40, 40, 1))))
		s.clock.Advance(time.Minute)
		require.NoError(t, s.service().MakeThumbnails(s.ctx))
		require.Equal(t, urls(lost, added), s.shown(product))
	})

	t.Run("AnUploadThatTookHoursIsRefused", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		began := s.clock.Now().Add(-aYear) // by the database's clock
		require.ErrorIs(t, s.service().InsertImageBegun(s.ctx, product, began), catalog.ErrImagesUnavailable)
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.images`), "its blob may have been swept")
	})

	t.Run("TheStoreIsAway", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		away, err := blob.Open(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, away.Close())
		s.service().SetBlobs(away)
		_, _, err = s.service().AddImage(s.ctx, app.AddImageInput{ProductID: product, Content: bytes.NewReader(picture(t, 40, 40, 1))})
		require.ErrorIs(t, err, catalog.ErrImagesUnavailable)
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.images`))
	})

	t.Run("WhatIsRemovedIsSweptAfterADay", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		kept, removed := s.addImage(product, picture(t, 40, 40, 1), uuid.Nil), s.addImage(product, picture(t, 40, 40, 2), uuid.Nil)
		waiting := s.addImage(product, picture(t, 40, 40, 3), uuid.Nil)
		s.clock.Advance(aYear)
		require.NoError(t, s.service().RemoveImage(s.ctx, product, removed.ID))
		s.hearImages()
		require.NoError(t, s.service().MakeThumbnails(s.ctx))
		require.NoError(t, s.service().RemoveImage(s.ctx, product, waiting.ID))
		require.NoError(t, s.blobs.Put(s.ctx, media.Shard(0)+"left-by-somebody.tmp", "image/jpeg", strings.NewReader("x")))
		s.sweep()
		require.Len(t, s.keys(waiting.Name), 5, "it was removed less than a day ago")
		s.clock.Advance(24 * time.Hour)
		s.sweep()
		require.Equal(t, 5, all(s))
		require.Len(t, s.keys(kept.Name), 5)
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.images`))
		require.Equal(t, urls(kept), s.shown(product))
	})
}

// upload sends a form with one file in it.
func (s site) upload(path, field string, content []byte) webtest.Answer {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(field, "a picture.svg") // its name says nothing
	require.NoError(s.t, err)
	_, err = part.Write(content)
	require.NoError(s.t, err)
	require.NoError(s.t, w.Close())
	return s.manage(http.MethodPost, path, b.String(), "Content-Type", w.FormDataContentType())
}

func TestImagesOverHTTP(t *testing.T) {
	t.Parallel()

	t.Run("AddOrderRemove", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		path := "/admin/products/" + s.product(1).String() + "/images"
		first := s.upload(path, "file", picture(t, 60, 40, 1)).Is(http.StatusCreated)
		require.Equal(t, "processing", first.Text("state"))
		require.Empty(t, first.Text("url"))
		again := s.upload(path, "file", picture(t, 60, 40, 1)).Is(http.StatusOK)
		require.Equal(t, first.Text("id"), again.Text("id"))
		second := s.upload(path, "file", picture(t, 60, 40, 2)).Is(http.StatusCreated)
		s.show()
		ids := func() (ids []any) {
			for _, item := range s.manage(http.MethodGet, path, "").Is(http.StatusOK).Body["items"].([]any) {
				require.Equal(t, "shown", item.(map[string]any)["state"])
				ids = append(ids, item.(map[string]any)["id"])
			}
			return ids
		}
		require.Equal(t, []any{first.Text("id"), second.Text("id")}, ids())
		s.manage(http.MethodPut, path, `{"image_ids":["`+second.Text("id")+`","`+first.Text("id")+`"]}`).Is(http.StatusOK)
		require.Equal(t, []any{second.Text("id"), first.Text("id")}, ids())
		s.manage(http.MethodPut, path, `{"image_ids":["`+second.Text("id")+`"]}`).Says(http.StatusConflict, "catalog.other_images")
		third := s.upload(path+"?replaces="+second.Text("id"), "file", picture(t, 60, 40, 3)).Is(http.StatusCreated)
		s.show()
		require.Equal(t, []any{third.Text("id"), first.Text("id")}, ids())
		require.Equal(t, http.StatusNoContent, s.manage(http.MethodDelete, path+"/"+third.Text("id"), "").Status)
		s.manage(http.MethodDelete, path+"/"+third.Text("id"), "").Says(http.StatusNotFound, "catalog.no_image")
		require.Equal(t, []any{first.Text("id")}, ids())
	})

	t.Run("Golden", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		path := "/admin/products/" + s.product(1).String() + "/images"
		s.upload(path, "file", picture(t, 60, 40, 1)).Is(http.StatusCreated)
		s.show()
		a := s.manage(http.MethodGet, path, "").Is(http.StatusOK)
		a.Golden("product_images", func(text string) string {
			name := media.NameIn(media.Shard(0) + "x")
			for e, err := range s.blobs.List(t.Context(), "") {
				require.NoError(t, err)
				name = media.NameIn(e.Key)
			}
			return strings.ReplaceAll(text, name, "<name>")
		})
	})

	// original.md, fault 55: no check of type or size, a name without a dot was a failure of the shop's, orphans were left.
	t.Run("RefusesWhatIsNoPicture", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		path := "/admin/products/" + s.product(1).String() + "/images"
		whole := picture(t, 60, 40, 1)
		large := append(picture(t, 60, 40, 1), make([]byte, media.MaxBytes)...)
		bomb := bytes.Replace(whole, []byte("\x00\x00\x00\x3c\x00\x00\x00\x28"), []byte("\x00\x00\x4e\x20\x00\x00\x4e\x20"), 1)
		s.upload(path, "file", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)).Says(http.StatusUnsupportedMediaType, "catalog.image_type")
		s.upload(path, "file", []byte("GIF89a")).Says(http.StatusUnsupportedMediaType, "catalog.image_type")
		s.upload(path, "file", nil).Says(http.StatusUnsupportedMediaType, "catalog.image_type")
		s.upload(path, "file", whole[:len(whole)/2]).Says(http.StatusUnprocessableEntity, "catalog.image_broken")
		s.upload(path, "file", bomb).Says(http.StatusUnprocessableEntity, "catalog.image_broken") // the checksum
		s.upload(path, "file", large).Says(http.StatusRequestEntityTooLarge, "request.too_large")
		s.upload(path, "picture", whole).Says(http.StatusUnprocessableEntity, "request.invalid")
		s.upload(path+"?replaces=x", "file", whole).Says(http.StatusUnprocessableEntity, "request.invalid")
		s.upload(path+"?replaces="+uuid.NewString(), "file", whole).Says(http.StatusNotFound, "catalog.no_image")
		s.upload("/admin/products/"+uuid.NewString()+"/images", "file", whole).Says(http.StatusNotFound, "catalog.no_product")
		s.manage(http.MethodPost, path, string(whole)).Says(http.StatusUnsupportedMediaType, "request.unsupported_media_type")
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.images`))
		s.clock.Advance(aYear)
		s.sweep()
		for e, err := range s.blobs.List(t.Context(), "") {
			require.NoError(t, err)
			require.Fail(t, "an orphan", e.Key)
		}
	})

	t.Run("ThumbnailsAreServedForEver", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		product := s.product(1)
		name := s.addImage(product, picture(t, 700, 700, 1), uuid.Nil).Name
		get := func(path string, headers ...string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, s.Request("", http.MethodGet, path, nil, headers...))
			return w
		}
		url := media.URL(name)
		require.Equal(t, http.StatusNotFound, get(url).Code, "it is not made yet")
		s.show()
		whole := get(url)
		require.Equal(t, http.StatusOK, whole.Code)
		require.Equal(t, "image/jpeg", whole.Header().Get("Content-Type"))
		require.Equal(t, "public, max-age=31536000, immutable", whole.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", whole.Header().Get("X-Content-Type-Options"))
		made, err := jpeg.DecodeConfig(whole.Body)
		require.NoError(t, err)
		require.Equal(t, 640, made.Width)
		require.Equal(t, http.StatusNotModified, get(url, "If-None-Match", whole.Header().Get("ETag")).Code)
		part := get(url, "Range", "bytes=0-2")
		require.Equal(t, http.StatusPartialContent, part.Code)
		require.Equal(t, "\xff\xd8\xff", part.Body.String())
		for _, path := range []string{
			"/media/" + name + "-original", "/media/" + name + "-641.jpg", "/media/" + name, "/media/" + strings.ToUpper(name) + "-640.jpg",
			"/media/..%2f..%2fetc%2fpasswd", "/media/../media/x", "/media/" + name[:2] + "%2F" + name + "-640.jpg", "/media/", "/media/.",
			"/media/" + strings.Repeat("0", 64) + "-640.jpg",
		} {
			require.Equal(t, http.StatusNotFound, get(path).Code, path)
		}
	})
}

// FuzzUpload sends bodies that are nearly forms with pictures in them: none is a failure of the shop's. `go test -fuzz=FuzzUpload` goes on for
// longer than CI.
func FuzzUpload(f *testing.F) {
	s := serve(f)
	path := "/admin/products/" + s.product(1).String() + "/images"
	const head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
	for _, content := range [][]byte{picture(f, 8, 8, 1), []byte("<svg/>"), {0xff, 0xd8, 0xff}, nil} {
		f.Add([]byte(head + string(content) + "\r\n--b--\r\n"))
	}
	f.Add([]byte("--b\r\n\r\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		r.Header = http.Header{"Authorization": {"Bearer manager"}, "Content-Type": {"multipart/form-data; boundary=b"}}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.Less(t, w.Code, 500, w.Body.String())
	})
}
