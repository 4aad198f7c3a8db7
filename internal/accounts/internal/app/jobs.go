package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/jobs"
)

const (
	pruneRows         = 200 // in one statement; a session takes its tokens along
	pruneRounds       = 500 // of each table, each time
	endedSessionsKept = 24 * time.Hour
	notificationsKept = 365 * 24 * time.Hour
)

// Jobs are what accounts does by itself.
func Jobs(s *Service) []jobs.Job {
	return []jobs.Job{
		{Name: "accounts.rotate_keys", Every: 10 * time.Minute, Run: s.keyring.rotate},
		{Name: "accounts.prune", Every: time.Minute, Run: s.prune},
		{Name: "accounts.settle_points", Every: 100 * time.Millisecond, Run: s.SettlePoints},
		{Name: "accounts.review_tiers", Every: time.Second, Run: s.ReviewTiers},
	}
}

// prune deletes what nobody will ask for again: revocations of tokens that have run out, tokens and sessions that cannot
// be refreshed, notifications of a year ago.
func (s *Service) prune(ctx context.Context) error {
	now := s.clock()
	for what, prune := range map[string]func() (int64, error){
		"revocations": func() (int64, error) {
			return s.sql.PruneRevocations(ctx, s.pool, db.PruneRevocationsParams{MadeBefore: now.Add(-revokedKept), MaxRows: pruneRows})
		},
		"refresh tokens": func() (int64, error) {
			return s.sql.PruneRefreshTokens(ctx, s.pool, db.PruneRefreshTokensParams{ExpiredBefore: now, MaxRows: pruneRows})
		},
		"sessions": func() (int64, error) {
			return s.sql.PruneSessions(ctx, s.pool, db.PruneSessionsParams{Before: now.Add(-endedSessionsKept), MaxRows: pruneRows})
		},
		"notifications": func() (int64, error) {
			return s.sql.PruneNotifications(ctx, s.pool, db.PruneNotificationsParams{CreatedBefore: now.Add(-notificationsKept), MaxRows: pruneRows})
		},
	} {
		for range pruneRounds {
			pruned, err := prune()
			if err != nil {
				return fmt.Errorf("prune %s: %w", what, err)
			}
			if pruned < pruneRows {
				break
			}
		}
	}
	return nil
}
