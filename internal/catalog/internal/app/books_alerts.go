package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sasapick/shop/internal/platform/books"
)

// checkLooks and checkAlerts look at different ends: what is to be looked at is in time, and nothing that is to be was left out.
func (s *Service) checkLooks(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.LooksWaiting(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count looks: %w", err)
	}
	overdue, err := s.sql.LooksOverdue(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for overdue looks: %w", err)
	}
	for _, w := range overdue {
		found.Wrong = append(found.Wrong, books.Wrong(w.ProductID, "whether it can be had again is to be looked at since %s", w.AskedAt.Format(time.RFC3339)))
	}
	return found, nil
}

func (s *Service) checkAlerts(ctx context.Context, _ string) (found books.Finding, err error) {
	if found.Looked, err = s.sql.AlertsWaiting(ctx, s.pool); err != nil {
		return found, fmt.Errorf("count alerts: %w", err)
	}
	forgotten, err := s.sql.AlertsForgotten(ctx, s.pool, books.MostWrong)
	if err != nil {
		return found, fmt.Errorf("look for forgotten alerts: %w", err)
	}
	for _, w := range forgotten {
		found.Wrong = append(found.Wrong, books.Wrong(w.ProductID, "it can be had, and %d accounts wait to be told so", w.Accounts))
	}
	return found, nil
}
