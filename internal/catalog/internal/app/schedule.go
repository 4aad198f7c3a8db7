package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// maxDue is how many drafts one transaction publishes.
const maxDue = 500

// PublishDue shows the drafts whose moment has come. One instance decides that it has, so that no two ever disagree by their clocks:
// each shows a draft as late as any other change.
func (s *Service) PublishDue(ctx context.Context) error {
	for {
		var published []db.PublishDueRow
		err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
			at := s.clock()
			var err error
			if published, err = s.sql.PublishDue(ctx, tx, db.PublishDueParams{At: at, RowLimit: maxDue}); err != nil {
				return fmt.Errorf("publish what is due: %w", err)
			}
			ids := make([]uuid.UUID, len(published))
			events := make([]outbox.Event, len(published))
			entries := make([]audit.Entry, len(published))
			for i, r := range published {
				ids[i] = r.ID
				events[i] = changed(r.ID, r.Version, r.DocVersion, at)
				entries[i] = audit.Entry{Action: "products.publish", Subject: r.ID.String(), Before: auditedState{StateDraft}, After: auditedState{StatePublished}}
			}
			if err := s.outbox.Add(ctx, tx, events...); err != nil {
				return err
			}
			if err := s.sql.LookForRestocks(ctx, tx, ids); err != nil {
				return fmt.Errorf("look for restocks: %w", err)
			}
			return s.audit.Add(ctx, tx, entries...)
		})
		if err != nil || len(published) == 0 {
			return err
		}
		for _, p := range published {
			s.details.Invalidate(p.ID, p.DocVersion)
		}
	}
}

// auditedState is what the audit log keeps of a product that was published by the clock.
type auditedState struct {
	State string `json:"state"`
}
