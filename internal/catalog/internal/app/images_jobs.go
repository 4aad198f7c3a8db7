package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/jobs"
)

const (
	thumbnailsEvery = 200 * time.Millisecond
	thumbnailsLimit = time.Minute // for one picture, as the store may hang
	maxThumbnails   = 20          // pictures in a run
	sweepEvery      = time.Minute
	sweepAfter      = 24 * time.Hour // far more than the hour within which an upload names its blob
	maxSwept        = 500            // rows that are looked at in one query
)

// imageJobs make thumbnails, and sweep what nobody needs.
func imageJobs(s *Service) []jobs.Job {
	return []jobs.Job{
		{Name: "catalog.make_thumbnails", Every: thumbnailsEvery, Run: s.MakeThumbnails},
		{Name: "catalog.sweep_images", Every: sweepEvery, Run: s.SweepImages},
	}
}

// askThumbnails has the thumbnails of a picture made: what leaves the module is the business of a job on a row.
func (s *Service) askThumbnails(ctx context.Context, tx pgx.Tx, image uuid.UUID) error {
	if err := s.sql.AskThumbnails(ctx, tx, db.AskThumbnailsParams{ImageID: image, At: s.clock()}); err != nil {
		return fmt.Errorf("ask for thumbnails: %w", err)
	}
	return nil
}

// MakeThumbnails makes those that are due, and shows the pictures whose are made. One that fails is tried again later, and later each time.
func (s *Service) MakeThumbnails(ctx context.Context) error {
	var failed []error
	for range maxThumbnails {
		task, err := s.sql.TakeThumbnailTask(ctx, s.pool, s.clock())
		if errors.Is(err, pgx.ErrNoRows) {
			break
		}
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("take a task: %w", err))...)
		}
		if err := s.makeThumbnails(ctx, task); err != nil {
			failed = append(failed, fmt.Errorf("make the thumbnails of %s: %w", task.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (s *Service) makeThumbnails(ctx context.Context, task db.TakeThumbnailTaskRow) error {
	ctx, cancel := context.WithTimeout(ctx, thumbnailsLimit)
	defer cancel()
	if err := media.Make(ctx, s.blobs, task.Name); err != nil {
		return err
	}
	thumbnailsMade.Hit()
	return s.changeImages(ctx, task.ProductID, func(tx pgx.Tx, _ []db.CatalogImage) error {
		if err := s.sql.DeleteThumbnailTask(ctx, tx, task.ID); err != nil {
			return fmt.Errorf("end the task: %w", err)
		}
		replaced, err := s.sql.ShowImage(ctx, tx, db.ShowImageParams{ID: task.ID, At: s.clock()})
		if errors.Is(err, pgx.ErrNoRows) { // it was removed meanwhile, or is shown
			return nil
		}
		if err != nil {
			return fmt.Errorf("show picture: %w", err)
		}
		if replaced != nil {
			err := s.sql.TakePlace(ctx, tx, db.TakePlaceParams{Old: *replaced, New: task.ID, ProductID: task.ProductID, At: s.clock()})
			if err != nil {
				return fmt.Errorf("take the place of a picture: %w", err)
			}
		}
		thumbnailsCommit.Hit()
		return nil
	})
}

// SweepImages deletes, after a day, the blobs of pictures that were removed, and those that no row ever named: uploads that were broken
// off. It looks through one of the store's folders at a time, another one each minute.
func (s *Service) SweepImages(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepEvery)
	defer cancel()
	removed, err := s.sql.RemovedImages(ctx, s.pool, db.RemovedImagesParams{Before: s.clock().Add(-sweepAfter), RowLimit: maxSwept})
	if err != nil {
		return fmt.Errorf("list removed pictures: %w", err)
	}
	for _, r := range removed {
		if err := media.Delete(ctx, s.blobs, r.Name); err != nil {
			return fmt.Errorf("delete a removed picture: %w", err)
		}
		if err := s.sql.DeleteImage(ctx, s.pool, r.ID); err != nil {
			return fmt.Errorf("delete the row of a removed picture: %w", err)
		}
	}
	return s.sweepShard(ctx, int(s.clock().Unix()/int64(sweepEvery.Seconds())%media.Shards))
}

func (s *Service) sweepShard(ctx context.Context, n int) error {
	old := map[string][]string{} // keys by the name of their picture
	for e, err := range s.blobs.List(ctx, media.Shard(n)) {
		if err != nil {
			return err
		}
		if s.clock().Sub(e.ModTime) < sweepAfter {
			continue
		}
		name := media.NameIn(e.Key)
		if _, known := old[name]; !known && len(old) == maxSwept { // the keys of a name stand together
			if err := s.sweep(ctx, old); err != nil {
				return err
			}
			clear(old)
		}
		old[name] = append(old[name], e.Key)
	}
	return s.sweep(ctx, old)
}

// sweep deletes the keys of names that are no picture's. No name comes twice, so none of these can become one's meanwhile.
func (s *Service) sweep(ctx context.Context, keys map[string][]string) error {
	if len(keys) == 0 {
		return nil
	}
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	named, err := s.sql.NamedImages(ctx, s.pool, names)
	if err != nil {
		return fmt.Errorf("look for the rows of pictures: %w", err)
	}
	for _, name := range named {
		delete(keys, name)
	}
	for _, orphans := range keys {
		for _, key := range orphans {
			if err := s.blobs.Delete(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}
