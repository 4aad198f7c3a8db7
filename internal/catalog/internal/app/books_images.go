package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/books"
)

func (s *Service) checkThumbnails(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.ThumbnailsWaiting(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count pictures without thumbnails: %w", err)
	}
	overdue, err := s.sql.ThumbnailsOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for overdue thumbnails: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.ID, "it waits for its thumbnails since %s", w.CreatedAt.Format(time.RFC3339)))
	}
	return found, nil
}

func (s *Service) checkImages(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.CountImages(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count pictures: %w", err)
	}
	wrong, err := s.sql.ImagesOffProducts(ctx, s.pool, db.ImagesOffProductsParams{
		BeforeName: media.BeforeName, AfterName: media.AfterName, RowLimit: books.MostWrong,
	})
	if err != nil {
		return found, fmt.Errorf("compare products with their pictures: %w", err)
	}
	for _, w := range wrong {
		found.Wrong = append(found.Wrong, books.Wrong(w.ID, "it shows %d pictures, and has %d; or they are others", w.Told, w.Shown))
	}
	return found, nil
}
