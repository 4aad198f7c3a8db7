package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// eventsKept is how far back the outbox surely has every event: it keeps them for three days.
const eventsKept = 48 * time.Hour

// Books are what must hold of the module's books.
func Books(s *Service) []books.Invariant {
	return append([]books.Invariant{
		{
			Module: "coupons", Name: "claims.taken", Check: s.checkTaken,
			Says: "what a campaign counts as taken is the number of its coupons",
		},
		{
			Module: "coupons", Name: "claims.limit", Check: s.checkLimit,
			Says: "no campaign has given more coupons than it has",
		},
		{
			Module: "coupons", Name: "claims.one_each", Check: s.checkOneEach,
			Says: "no account holds two coupons of one campaign",
		},
		{
			Module: "coupons", Name: "claims.events", Check: s.checkEvents,
			Says: "each coupon of the last two days was told once, and none was told that nobody holds",
		},
		{
			Module: "coupons", Name: "campaigns.log", Check: s.checkLog,
			Says: "each change of a campaign stands in the audit log",
		},
	}, redemptionBooks(s)...)
}

// counted is the checkpoint of claims.taken: the coupons with ids before Until, by campaign. Coupons are never deleted, so these
// numbers hold for good.
type counted struct {
	Until   string              `json:"until"`
	Coupons map[uuid.UUID]int64 `json:"coupons"`
}

func (s *Service) checkTaken(ctx context.Context, from string) (found books.Finding, err error) {
	before := counted{Coupons: map[uuid.UUID]int64{}}
	if from != "" {
		if err := json.Unmarshal([]byte(from), &before); err != nil {
			return found, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	since, until, err := books.Span(before.Until, time.Time{})
	if err != nil {
		return found, err
	}
	rows, after := maps.Clone(before.Coupons), counted{Until: until.String(), Coupons: before.Coupons}
	var counters []db.CountersNowRow
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if counters, err = s.sql.CountersNow(ctx, tx); err != nil {
			return fmt.Errorf("read the counters: %w", err)
		}
		fresh, err := s.sql.CouponsFrom(ctx, tx, db.CouponsFromParams{Since: since, Until: until})
		if err != nil {
			return fmt.Errorf("count the coupons: %w", err)
		}
		for _, f := range fresh {
			found.Looked += f.Many
			rows[f.CampaignID] += f.Many
			after.Coupons[f.CampaignID] += f.Settled
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	found.Looked += int64(len(counters))
	for _, c := range counters {
		n := rows[c.ID]
		delete(rows, c.ID)
		switch {
		case c.Taken == nil:
			found.Wrong = append(found.Wrong, books.Wrong(c.ID, "the campaign has no counter, and %d coupons", n))
		case *c.Taken != n:
			found.Wrong = append(found.Wrong, books.Wrong(c.ID, "%d are counted as taken, and there are %d coupons", *c.Taken, n))
		}
	}
	for campaign, n := range rows {
		if n > 0 {
			found.Wrong = append(found.Wrong, books.Wrong(campaign, "there is no such campaign, and there are %d coupons of it", n))
		}
	}
	through, err := json.Marshal(after)
	found.Through = string(through)
	return found, err
}

func (s *Service) checkLimit(ctx context.Context, _ string) (found books.Finding, err error) {
	counters, err := s.sql.CountersNow(ctx, s.pool)
	if err != nil {
		return found, fmt.Errorf("read the counters: %w", err)
	}
	found.Looked = int64(len(counters))
	for _, c := range counters {
		if c.Taken != nil && *c.Taken > *c.Quantity {
			found.Wrong = append(found.Wrong, books.Wrong(c.ID, "%d of %d are taken", *c.Taken, *c.Quantity))
		}
	}
	return found, nil
}

func (s *Service) checkOneEach(ctx context.Context, from string) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Time{})
	if err != nil {
		return found, err
	}
	found.Through = through.String()
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if found.Looked, err = s.sql.CountCouponsFrom(ctx, tx, since); err != nil {
			return fmt.Errorf("count the coupons: %w", err)
		}
		var twice []db.HeldTwiceFromRow
		if since == uuid.Nil {
			twice, err = s.heldTwice(ctx, tx)
		} else {
			twice, err = s.sql.HeldTwiceFrom(ctx, tx, db.HeldTwiceFromParams{Since: since, AtMost: books.MostWrong})
		}
		if err != nil {
			return fmt.Errorf("look for coupons that are held twice: %w", err)
		}
		for _, k := range twice {
			found.Wrong = append(found.Wrong, books.Wrong(k.ID, "account %s holds another coupon of campaign %s", k.AccountID, k.CampaignID))
		}
		return nil
	})
	return found, err
}

// heldTwice looks at all coupons, and reads no more than an index of them.
func (s *Service) heldTwice(ctx context.Context, tx pgx.Tx) ([]db.HeldTwiceFromRow, error) {
	rows, err := s.sql.HeldTwice(ctx, tx, books.MostWrong)
	all := make([]db.HeldTwiceFromRow, len(rows))
	for i, r := range rows {
		all[i] = db.HeldTwiceFromRow(r)
	}
	return all, err
}

func (s *Service) checkEvents(ctx context.Context, from string) (found books.Finding, err error) {
	since, through, err := books.Span(from, time.Now().Add(-eventsKept))
	if err != nil {
		return found, err
	}
	found.Through = through.String()
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if found.Looked, err = s.sql.CountCouponsFrom(ctx, tx, since); err != nil {
			return fmt.Errorf("count the coupons: %w", err)
		}
		untold, err := s.sql.CouponsUntold(ctx, tx, db.CouponsUntoldParams{Since: since, AtMost: books.MostWrong})
		if err != nil {
			return fmt.Errorf("look for coupons without an event: %w", err)
		}
		for _, k := range untold {
			found.Wrong = append(found.Wrong, books.Wrong(k.ID, "no event tells of its version %d", k.Version))
		}
		bare, err := s.sql.EventsOfNoCoupon(ctx, tx, db.EventsOfNoCouponParams{Since: since, AtMost: books.MostWrong})
		if err != nil {
			return fmt.Errorf("look for events without a coupon: %w", err)
		}
		for _, e := range bare {
			found.Wrong = append(found.Wrong, books.Wrong(e.Key, "an event tells of its version %d, which is not there", e.AggregateVersion))
		}
		return nil
	})
	return found, err
}

func (s *Service) checkLog(ctx context.Context, _ string) (found books.Finding, err error) {
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if found.Looked, err = s.sql.CountCampaigns(ctx, tx); err != nil {
			return fmt.Errorf("count the campaigns: %w", err)
		}
		off, err := s.sql.CampaignsOffLog(ctx, tx, books.MostWrong)
		if err != nil {
			return fmt.Errorf("compare campaigns with the audit log: %w", err)
		}
		for _, c := range off {
			found.Wrong = append(found.Wrong, books.Wrong(c.ID, "version %d, and %d changes in the audit log", c.Version, c.Changes))
		}
		return nil
	})
	return found, err
}
