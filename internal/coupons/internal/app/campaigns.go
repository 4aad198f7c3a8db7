package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// State is what shoppers are told of a campaign.
type State string

const (
	Scheduled State = "scheduled"
	Open      State = "open"
	SoldOut   State = "sold_out"
	Ended     State = "ended"
)

// Settings is what an admin decides about a campaign.
type Settings struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Quantity    int64     `json:"quantity"`
	StartsAt    time.Time `json:"starts_at"`
	EndsAt      time.Time `json:"ends_at"`
	UsableUntil time.Time `json:"usable_until"` // zero in a new campaign: 30 days after its end
}

// New is a campaign that is made: its settings, and its terms for good.
type New struct {
	Settings
	Terms
	Codes []string `json:"codes,omitempty"` // of the kind code; more can be added
}

// Edit is a change of settings; what is nil stays.
type Edit struct {
	Name        *string
	Description *string
	Quantity    *int64
	StartsAt    *time.Time
	EndsAt      *time.Time
	UsableUntil *time.Time // never earlier than before
}

// Campaign is a kind of coupon, and how many of it are gone.
type Campaign struct {
	ID      uuid.UUID
	Version int64
	Settings
	Terms     Terms
	Taken     int64
	Redeemed  int64 // of which an order has them
	State     State
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ETag names the settings. What is taken moves without it, so that a sale under way makes no edit stale.
func (c Campaign) ETag() string { return web.ETag("coupons.campaign", c.ID, c.Version) }

// Create makes a campaign of which nothing is taken.
func (s *Service) Create(ctx context.Context, in New) (Campaign, error) {
	var err error
	if in.Settings, err = in.Settings.valid(); err != nil {
		return Campaign{}, err
	}
	if in.Terms, err = in.Terms.valid(); err != nil {
		return Campaign{}, err
	}
	if in.Codes, err = codesOf(in.Kind, in.Codes); err != nil {
		return Campaign{}, err
	}
	id, now := uuid.Must(uuid.NewV7()), s.clock()
	var created Campaign
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if in.EventID != nil {
			if _, err := s.event(ctx, tx, *in.EventID); errors.Is(err, coupons.ErrNoEvent) {
				return coupons.ErrNoEvent.WithFields(fault.Field{Pointer: "/event_id", Detail: "names no promotion event"})
			} else if err != nil {
				return err
			}
		}
		d := in.Discount
		err := s.sql.InsertCampaign(ctx, tx, db.InsertCampaignParams{
			ID: id, Name: in.Name, Description: in.Description, Kind: string(in.Kind), MinTier: string(in.MinTier), EventID: in.EventID,
			DiscountWon: d.AmountWon, DiscountPercent: d.Percent, DiscountCapWon: d.CapWon, MinimumWon: d.MinimumWon,
			AppliesTo: string(d.AppliesTo), AppliesIds: d.AppliesIDs, AppliesTags: d.AppliesTags, UsableUntil: in.UsableUntil, CreatedAt: now,
		})
		if err != nil {
			return fmt.Errorf("insert campaign: %w", err)
		}
		err = s.sql.InsertCounter(ctx, tx, db.InsertCounterParams{
			CampaignID: id, Quantity: in.Quantity, StartsAt: in.StartsAt, EndsAt: in.EndsAt,
		})
		if err != nil {
			return fmt.Errorf("insert counter: %w", err)
		}
		if err := s.insertCodes(ctx, tx, id, in.Codes); err != nil {
			return err
		}
		if err := s.audit.Add(ctx, tx, audit.Entry{Action: "coupons.create", Subject: id.String(), After: in}); err != nil {
			return err
		}
		created, err = s.campaign(ctx, tx, id)
		return err
	})
	return created, err
}

// Edit changes a campaign that is as it was when ifMatch was read. The quantity may only grow, and what its coupons can be used until
// only move to a later time: what was promised stays. Claims wait while it happens.
func (s *Service) Edit(ctx context.Context, id uuid.UUID, ifMatch string, edit Edit) (Campaign, error) {
	var edited Campaign
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := s.sql.LockCounter(ctx, tx, id); errors.Is(err, pgx.ErrNoRows) {
			return coupons.ErrNoCampaign
		} else if err != nil {
			return fmt.Errorf("lock counter: %w", err)
		}
		before, err := s.campaign(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := web.CheckIfMatch(ifMatch, before.ETag()); err != nil {
			return err
		}
		after, err := before.with(edit).valid()
		if err != nil {
			return err
		}
		switch {
		case after.Quantity < before.Quantity:
			return coupons.ErrQuantityShort.WithDetail("it is " + strconv.FormatInt(before.Quantity, 10))
		case after.UsableUntil.Before(before.UsableUntil):
			return coupons.ErrUsableShort.WithDetail("it is " + before.UsableUntil.Format(time.RFC3339))
		case after == before.Settings:
			edited = before
			return nil
		}
		err = s.sql.UpdateCampaign(ctx, tx, db.UpdateCampaignParams{
			ID: id, Name: after.Name, Description: after.Description, UsableUntil: after.UsableUntil, UpdatedAt: s.clock(),
		})
		if err != nil {
			return fmt.Errorf("update campaign: %w", err)
		}
		err = s.sql.UpdateCounter(ctx, tx, db.UpdateCounterParams{
			CampaignID: id, Quantity: after.Quantity, StartsAt: after.StartsAt, EndsAt: after.EndsAt,
		})
		if err != nil {
			return fmt.Errorf("update counter: %w", err)
		}
		err = s.audit.Add(ctx, tx, audit.Entry{
			Action: "coupons.update", Subject: id.String(), Before: before.Settings, After: after,
		})
		if err != nil {
			return err
		}
		edited, err = s.campaign(ctx, tx, id)
		return err
	})
	if err == nil {
		s.gone.forget(id)
	}
	return edited, err
}

// Campaign returns a campaign, or coupons.ErrNoCampaign.
func (s *Service) Campaign(ctx context.Context, id uuid.UUID) (Campaign, error) {
	return s.campaign(ctx, s.pool, id)
}

// Campaigns returns a page of all campaigns, newest first.
func (s *Service) Campaigns(ctx context.Context, q web.PageQuery) (web.Page[Campaign], error) {
	before, err := position(q.Cursor)
	if err != nil {
		return web.Page[Campaign]{}, err
	}
	rows, err := s.sql.Campaigns(ctx, s.pool, db.CampaignsParams{Before: before, Many: int32(q.Limit) + 1})
	if err != nil {
		return web.Page[Campaign]{}, fmt.Errorf("read campaigns: %w", err)
	}
	campaigns := make([]Campaign, len(rows))
	for i, row := range rows {
		campaigns[i] = toCampaign(db.CampaignRow(row))
	}
	return web.PageOf(campaigns, q.Limit, func(c Campaign) any { return c.ID }), nil
}

// Counts implements [coupons.Service].
func (s *Service) Counts(ctx context.Context, in coupons.CountsInput) (coupons.Counts, error) {
	rows, err := s.sql.Counts(ctx, s.pool, in.CampaignIDs)
	if err != nil {
		return coupons.Counts{}, fmt.Errorf("read counts: %w", err)
	}
	counts := coupons.Counts{Items: make([]coupons.Count, len(rows))}
	for i, row := range rows {
		counts.Items[i] = coupons.Count(row)
	}
	return counts, nil
}

func (s *Service) campaign(ctx context.Context, from db.DBTX, id uuid.UUID) (Campaign, error) {
	row, err := s.sql.Campaign(ctx, from, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Campaign{}, coupons.ErrNoCampaign
	}
	if err != nil {
		return Campaign{}, fmt.Errorf("read campaign: %w", err)
	}
	return toCampaign(row), nil
}

// position reads a cursor of a list that runs from the newest id to the oldest.
func position(cursor string) (uuid.UUID, error) {
	before := uuid.Max
	err := web.DecodeCursor(cursor, &before)
	return before, err
}

func toCampaign(row db.CampaignRow) Campaign {
	c, n := row.CouponsCampaign, row.CouponsCounter
	return Campaign{
		ID: c.ID, Version: c.Version,
		Settings: Settings{
			Name: c.Name, Description: c.Description, Quantity: n.Quantity, StartsAt: n.StartsAt, EndsAt: n.EndsAt, UsableUntil: c.UsableUntil,
		},
		Terms: toTerms(c), Taken: n.Taken, Redeemed: n.Redeemed,
		State: stateOf(verdict(db.Counter{
			Quantity: n.Quantity, Taken: n.Taken, StartsAt: n.StartsAt, EndsAt: n.EndsAt, Now: row.Now,
		}, true)),
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
}

// stateOf tells in one word what a claim would be told.
func stateOf(refusal error) State {
	switch {
	case errors.Is(refusal, coupons.ErrNotOpen):
		return Scheduled
	case errors.Is(refusal, coupons.ErrEnded):
		return Ended
	case errors.Is(refusal, coupons.ErrSoldOut):
		return SoldOut
	}
	return Open
}

func (s Settings) with(e Edit) Settings {
	set(&s.Name, e.Name)
	set(&s.Description, e.Description)
	set(&s.Quantity, e.Quantity)
	set(&s.StartsAt, e.StartsAt)
	set(&s.EndsAt, e.EndsAt)
	set(&s.UsableUntil, e.UsableUntil)
	if e.UsableUntil == nil && s.UsableUntil.Before(s.EndsAt) { // it moves along
		s.UsableUntil = s.EndsAt
	}
	return s
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// valid returns the settings as they are stored: trimmed, in UTC, to the millisecond.
func (s Settings) valid() (Settings, error) {
	s.Name, s.Description = strings.TrimSpace(s.Name), strings.TrimSpace(s.Description)
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Millisecond), s.EndsAt.UTC().Truncate(time.Millisecond)
	switch {
	case s.Name == "":
		return s, coupons.ErrNoName
	case !s.StartsAt.Before(s.EndsAt):
		return s, coupons.ErrBadWindow
	case s.StartsAt.Year() < 2000 || s.EndsAt.Year() > 9999: // what RFC 3339 can write, whatever the zone it came in
		return s, coupons.ErrBadWindow.WithDetail("it must lie between the years 2000 and 9999")
	}
	if s.UsableUntil.IsZero() {
		s.UsableUntil = s.EndsAt.Add(usableAfter)
		if s.UsableUntil.After(lastDay) {
			s.UsableUntil = lastDay
		}
	}
	s.UsableUntil = s.UsableUntil.UTC().Truncate(time.Millisecond)
	if s.UsableUntil.Before(s.EndsAt) || s.UsableUntil.After(lastDay) {
		return s, coupons.ErrBadUsable
	}
	return s, nil
}
