package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/outbox"
)

var (
	imageStored      = failpoint.New("catalog.image.stored") // the blob is there, no row names it
	imageCommit      = failpoint.New("catalog.image.commit")
	imageCommitted   = failpoint.New("catalog.image.committed")
	thumbnailsMade   = failpoint.New("catalog.thumbnails.made") // they are in the store, and nobody is shown them
	thumbnailsCommit = failpoint.New("catalog.thumbnails.commit")
)

// maxImages is how many pictures a product may have.
const maxImages = 20

// Image is a picture of a product.
type Image struct {
	ID        uuid.UUID
	ProductID uuid.UUID
	Name      string // of its blobs
	Width     int
	Height    int
	SizeBytes int64
	Shown     bool // false: its thumbnails are being made
	CreatedAt time.Time
}

func imageOf(r db.CatalogImage) Image {
	return Image{
		ID: r.ID, ProductID: r.ProductID, Name: r.Name, Width: int(r.Width), Height: int(r.Height), SizeBytes: r.SizeBytes,
		Shown: r.ShownAt != nil, CreatedAt: r.CreatedAt,
	}
}

// Images lists a product's pictures in order, the main one first, with those that are not shown yet.
func (s *Service) Images(ctx context.Context, product uuid.UUID) ([]Image, error) {
	if _, err := s.beginImage(ctx, product); err != nil {
		return nil, err
	}
	rows, err := s.imagesOf(ctx, s.pool, product)
	images := make([]Image, len(rows))
	for i, r := range rows {
		images[i] = imageOf(r)
	}
	return images, err
}

func (s *Service) imagesOf(ctx context.Context, conn db.DBTX, product uuid.UUID) ([]db.CatalogImage, error) {
	rows, err := s.sql.ImagesOf(ctx, conn, product)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	return rows, nil
}

func (s *Service) beginImage(ctx context.Context, product uuid.UUID) (time.Time, error) {
	began, err := s.sql.BeginImage(ctx, s.pool, product)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, catalog.ErrNoProduct
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look up product: %w", err)
	}
	return began, nil
}

// AddImageInput is a picture to be added to a product.
type AddImageInput struct {
	ProductID uuid.UUID
	Replaces  uuid.UUID // a picture whose place it takes; the zero UUID: none, it is the last
	Content   io.Reader // at most media.MaxBytes
}

// AddImage gives a product one more picture, which shoppers see once its thumbnails are made; until then they see the one that it replaces.
// The same content again is the same picture: added is false then.
//
// The blob is written before the row that names it: one that nobody names in the end is swept after a day.
func (s *Service) AddImage(ctx context.Context, in AddImageInput) (image Image, added bool, err error) {
	began, err := s.beginImage(ctx, in.ProductID)
	if err != nil {
		return Image{}, false, err
	}
	content, err := io.ReadAll(in.Content)
	if err != nil {
		return Image{}, false, fmt.Errorf("read the picture: %w", err)
	}
	width, height, mediaType, err := media.Measure(ctx, content)
	if err != nil {
		return Image{}, false, err
	}
	hash := sha256.Sum256(content)
	before, err := s.imagesOf(ctx, s.pool, in.ProductID)
	if err != nil {
		return Image{}, false, err
	}
	if same, ok := withContent(before, hash[:]); ok {
		return same, false, nil
	}
	id := uuid.Must(uuid.NewV7())
	row := db.InsertImageParams{
		ID: id, ProductID: in.ProductID, Name: media.Name(id, content), ContentHash: hash[:], Width: int32(width), Height: int32(height),
		SizeBytes: int64(len(content)), At: s.clock(), Began: began,
	}
	if err := s.blobs.Put(ctx, media.Original(row.Name), mediaType, bytes.NewReader(content)); err != nil {
		return Image{}, false, fmt.Errorf("%w: %w", catalog.ErrImagesUnavailable.WithRetryAfter(time.Second), err)
	}
	imageStored.Hit()
	if in.Replaces != uuid.Nil {
		row.Replaces = &in.Replaces
	}
	err = s.changeImages(ctx, in.ProductID, func(tx pgx.Tx, images []db.CatalogImage) error {
		image, added, err = s.insertImage(ctx, tx, row, images)
		imageCommit.Hit()
		return err
	})
	if err != nil {
		return Image{}, false, err
	}
	imageCommitted.Hit()
	return image, added, nil
}

func withContent(images []db.CatalogImage, hash []byte) (Image, bool) {
	i := slices.IndexFunc(images, func(r db.CatalogImage) bool { return bytes.Equal(r.ContentHash, hash) })
	if i < 0 {
		return Image{}, false
	}
	return imageOf(images[i]), true
}

// insertImage adds a row to those of a product that there are.
func (s *Service) insertImage(ctx context.Context, tx pgx.Tx, row db.InsertImageParams, images []db.CatalogImage) (image Image, added bool, err error) {
	if same, ok := withContent(images, row.ContentHash); ok {
		return same, false, nil
	}
	if row.Replaces != nil && !slices.ContainsFunc(images, func(r db.CatalogImage) bool { return r.ID == *row.Replaces }) {
		return Image{}, false, catalog.ErrNoImage
	}
	if len(images) >= maxImages {
		return Image{}, false, catalog.ErrTooManyImages
	}
	inserted, err := s.sql.InsertImage(ctx, tx, row)
	if err != nil {
		return Image{}, false, fmt.Errorf("insert picture: %w", err)
	}
	if inserted == 0 {
		return Image{}, false, catalog.ErrImagesUnavailable
	}
	image = Image{
		ID: row.ID, ProductID: row.ProductID, Name: row.Name, Width: int(row.Width), Height: int(row.Height), SizeBytes: row.SizeBytes, CreatedAt: row.At,
	}
	err = s.outbox.Add(ctx, tx, catalog.ImageAdded{ImageID: row.ID, ProductID: row.ProductID, Version: 1, At: row.At})
	if err != nil {
		return Image{}, false, err
	}
	return image, true, s.audit.Add(ctx, tx, audit.Entry{Action: "products.add_image", Subject: row.ProductID.String(), After: auditedImage{row.ID, row.Name, row.Replaces}})
}

// auditedImage is what the audit log keeps of a picture.
type auditedImage struct {
	ImageID  uuid.UUID  `json:"image_id"`
	Name     string     `json:"name"`
	Replaces *uuid.UUID `json:"replaces,omitempty"`
}

// OrderImages puts a product's pictures into this order, the main one first. Each must be named once: ErrOtherImages.
func (s *Service) OrderImages(ctx context.Context, product uuid.UUID, order []uuid.UUID) ([]Image, error) {
	err := s.changeImages(ctx, product, func(tx pgx.Tx, images []db.CatalogImage) error {
		before := make([]uuid.UUID, len(images))
		for i, r := range images {
			before[i] = r.ID
		}
		if !slices.Equal(sorted(before), sorted(order)) {
			return catalog.ErrOtherImages
		}
		if slices.Equal(before, order) {
			return nil
		}
		if err := s.sql.OrderImages(ctx, tx, db.OrderImagesParams{ProductID: product, ImageIds: order}); err != nil {
			return fmt.Errorf("order pictures: %w", err)
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "products.order_images", Subject: product.String(), Before: before, After: order})
	})
	if err != nil {
		return nil, err
	}
	return s.Images(ctx, product)
}

func sorted(ids []uuid.UUID) []uuid.UUID {
	return slices.SortedFunc(slices.Values(ids), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

// RemoveImage takes a picture from a product. Its blobs stay for a day.
func (s *Service) RemoveImage(ctx context.Context, product, image uuid.UUID) error {
	return s.changeImages(ctx, product, func(tx pgx.Tx, images []db.CatalogImage) error {
		i := slices.IndexFunc(images, func(r db.CatalogImage) bool { return r.ID == image })
		if i < 0 {
			return catalog.ErrNoImage
		}
		if err := s.sql.RemoveImage(ctx, tx, db.RemoveImageParams{ID: image, At: s.clock()}); err != nil {
			return fmt.Errorf("remove picture: %w", err)
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "products.remove_image", Subject: product.String(), Before: auditedImage{ImageID: image, Name: images[i].Name}})
	})
}

// changeImages changes the pictures of a product under its lock, and then says on the product which are shown: a change of these is a new
// version of its document.
func (s *Service) changeImages(ctx context.Context, product uuid.UUID, change func(tx pgx.Tx, images []db.CatalogImage) error) error {
	var version int64
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := s.sql.LockProduct(ctx, tx, product); errors.Is(err, pgx.ErrNoRows) {
			return catalog.ErrNoProduct
		} else if err != nil {
			return fmt.Errorf("lock product: %w", err)
		}
		images, err := s.imagesOf(ctx, tx, product)
		if err != nil {
			return err
		}
		if err := change(tx, images); err != nil {
			return err
		}
		version, err = s.tellImages(ctx, tx, product)
		return err
	})
	if err == nil {
		s.details.Invalidate(product, version)
	}
	return err
}

// tellImages returns the version of the product's document that has them; 0: it had them before.
func (s *Service) tellImages(ctx context.Context, tx pgx.Tx, product uuid.UUID) (version int64, err error) {
	images, err := s.imagesOf(ctx, tx, product)
	if err != nil {
		return 0, err
	}
	told := db.SetProductImagesParams{ID: product, Urls: []string{}, At: s.clock()}
	for _, r := range images {
		if r.ShownAt != nil {
			told.Urls = append(told.Urls, media.URL(r.Name))
		}
	}
	if len(told.Urls) > 0 {
		told.Url = &told.Urls[0]
	}
	versions, err := s.sql.SetProductImages(ctx, tx, told)
	if err != nil {
		return 0, fmt.Errorf("tell a product's pictures: %w", err)
	}
	var events []outbox.Event
	for _, v := range versions {
		version, events = v.DocVersion, append(events, changed(product, v.Version, v.DocVersion, told.At))
	}
	return version, s.outbox.Add(ctx, tx, events...)
}
