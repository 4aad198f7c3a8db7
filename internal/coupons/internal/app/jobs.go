package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/jobs"
)

var welcomed = failpoint.New("coupons.welcome.given") // the newcomers have their coupons, and are still listed

// maxNewcomers is how many newcomers are welcomed at once: they share flights.
const maxNewcomers = 256

// Jobs are what coupons do by the clock.
func Jobs(s *Service) []jobs.Job {
	return []jobs.Job{
		{Name: "coupons.settle", Every: 100 * time.Millisecond, Run: s.Settle},
		{Name: "coupons.welcome", Every: 500 * time.Millisecond, Run: s.Welcome},
	}
}

// Welcome gives newcomers the coupons that are for them, until none is left. Who is welcomed twice has one coupon all the same.
func (s *Service) Welcome(ctx context.Context) error {
	return batch.Drain(ctx, maxNewcomers, s.welcomeSome)
}

func (s *Service) welcomeSome(ctx context.Context, most int) (int, error) {
	newcomers, err := s.sql.Newcomers(ctx, s.pool, int32(most))
	if err != nil {
		return 0, fmt.Errorf("read newcomers: %w", err)
	}
	if len(newcomers) == 0 {
		return 0, nil
	}
	campaigns, err := s.sql.WelcomeCampaigns(ctx, s.pool)
	if err != nil {
		return 0, fmt.Errorf("read what welcomes them: %w", err)
	}
	for _, campaign := range campaigns {
		if err := s.welcome(ctx, campaign, newcomers); err != nil {
			return 0, err
		}
	}
	welcomed.Hit()
	if err := s.sql.DeleteNewcomers(ctx, s.pool, newcomers); err != nil {
		return 0, fmt.Errorf("cross off newcomers: %w", err)
	}
	return len(newcomers), nil
}

// welcome gives each newcomer a coupon of the campaign, while there are any.
func (s *Service) welcome(ctx context.Context, campaign uuid.UUID, newcomers []uuid.UUID) error {
	var all errgroup.Group
	for _, account := range newcomers {
		all.Go(func() error {
			_, err := s.give(ctx, coupons.ClaimInput{CampaignID: campaign, AccountID: account})
			if errors.Is(err, coupons.ErrSoldOut) || errors.Is(err, coupons.ErrEnded) || errors.Is(err, coupons.ErrNotOpen) {
				return nil
			}
			return err
		})
	}
	return all.Wait()
}
