package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/outbox"
)

var (
	publishCommit    = failpoint.New("catalog.publish.commit") // the documents have a new version, and an event each
	publishCommitted = failpoint.New("catalog.publish.committed")
)

// maxMarks is how many marks one transaction takes.
const maxMarks = 5000

// Jobs are what the catalog does by the clock.
func Jobs(s *Service) []jobs.Job {
	return append([]jobs.Job{
		{Name: "catalog.settle", Every: 100 * time.Millisecond, Run: s.Settle},
		// At most once a second a product, however fast it sells.
		{Name: "catalog.publish_changes", Every: time.Second, Run: s.PublishChanges},
		{Name: "catalog.publish_due", Every: 500 * time.Millisecond, Run: s.PublishDue},
		{Name: "catalog.tell_restocks", Every: time.Second, Run: s.TellRestocks},
	}, imageJobs(s)...)
}

// PublishChanges gives the products that sold, or whose availability changed, a new version of their document.
func (s *Service) PublishChanges(ctx context.Context) error {
	for {
		n := 0
		err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
			marks, err := s.sql.TakeMarks(ctx, tx, maxMarks)
			if err != nil {
				return fmt.Errorf("take marks: %w", err)
			}
			if n = len(marks); n == 0 {
				return nil
			}
			touch := db.TouchProductsParams{At: s.clock()}
			for _, m := range marks {
				touch.ProductIds, touch.Sold = append(touch.ProductIds, m.ProductID), append(touch.Sold, m.Sold)
			}
			touched, err := s.sql.TouchProducts(ctx, tx, touch)
			if err != nil {
				return fmt.Errorf("touch products: %w", err)
			}
			if err := s.sql.LookForRestocks(ctx, tx, touch.ProductIds); err != nil {
				return fmt.Errorf("look for restocks: %w", err)
			}
			events := make([]outbox.Event, len(touched))
			for i, p := range touched {
				events[i] = changed(p.ID, p.Version, p.DocVersion, touch.At)
			}
			err = s.outbox.Add(ctx, tx, events...)
			publishCommit.Hit()
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		publishCommitted.Hit()
	}
}

func changed(id uuid.UUID, version, docVersion int64, at time.Time) catalog.ProductChanged {
	return catalog.ProductChanged{ProductID: id, Version: version, DocVersion: docVersion, At: at}
}
