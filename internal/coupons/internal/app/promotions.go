package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/web"
)

// mostShown is how many coupons a promotion event shows.
const mostShown = 100

// EventSettings is what an admin decides about a promotion event.
type EventSettings struct {
	Title       string    `json:"title"`
	Description string    `json:"description"`
	ImageURL    string    `json:"image_url"`
	StartsAt    time.Time `json:"starts_at"`
	EndsAt      time.Time `json:"ends_at"`
}

// EventEdit is a change of settings; what is nil stays.
type EventEdit struct {
	Title       *string
	Description *string
	ImageURL    *string
	StartsAt    *time.Time
	EndsAt      *time.Time
}

// Event is a promotion that coupons may belong to.
type Event struct {
	ID      uuid.UUID
	Version int64
	EventSettings
	CreatedAt time.Time
	UpdatedAt time.Time
	Coupons   []Campaign // that have not ended, newest first; of what shoppers see
}

// ETag names the settings.
func (e Event) ETag() string { return web.ETag("coupons.event", e.ID, e.Version) }

// CreateEvent makes a promotion event to which nothing belongs.
func (s *Service) CreateEvent(ctx context.Context, settings EventSettings) (Event, error) {
	settings, err := settings.valid()
	if err != nil {
		return Event{}, err
	}
	id := uuid.Must(uuid.NewV7())
	var created Event
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := s.sql.InsertEvent(ctx, tx, db.InsertEventParams{
			ID: id, Title: settings.Title, Description: settings.Description, ImageUrl: settings.ImageURL,
			StartsAt: settings.StartsAt, EndsAt: settings.EndsAt, CreatedAt: s.clock(),
		})
		if err != nil {
			return fmt.Errorf("insert promotion event: %w", err)
		}
		if err := s.audit.Add(ctx, tx, audit.Entry{Action: "coupons.create_event", Subject: id.String(), After: settings}); err != nil {
			return err
		}
		created, err = s.event(ctx, tx, id)
		return err
	})
	return created, err
}

// EditEvent changes a promotion event that is as it was when ifMatch was read.
func (s *Service) EditEvent(ctx context.Context, id uuid.UUID, ifMatch string, edit EventEdit) (Event, error) {
	var edited Event
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		row, err := s.sql.LockEvent(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return coupons.ErrNoEvent
		}
		if err != nil {
			return fmt.Errorf("lock promotion event: %w", err)
		}
		before := toEvent(row)
		if err := web.CheckIfMatch(ifMatch, before.ETag()); err != nil {
			return err
		}
		after, err := before.with(edit).valid()
		if err != nil {
			return err
		}
		if after == before.EventSettings {
			edited = before
			return nil
		}
		err = s.sql.UpdateEvent(ctx, tx, db.UpdateEventParams{
			ID: id, Title: after.Title, Description: after.Description, ImageUrl: after.ImageURL,
			StartsAt: after.StartsAt, EndsAt: after.EndsAt, UpdatedAt: s.clock(),
		})
		if err != nil {
			return fmt.Errorf("update promotion event: %w", err)
		}
		err = s.audit.Add(ctx, tx, audit.Entry{
			Action: "coupons.update_event", Subject: id.String(), Before: before.EventSettings, After: after,
		})
		if err != nil {
			return err
		}
		edited, err = s.event(ctx, tx, id)
		return err
	})
	return edited, err
}

// Event returns a promotion event with its coupons, or coupons.ErrNoEvent.
func (s *Service) Event(ctx context.Context, id uuid.UUID) (Event, error) {
	e, err := s.event(ctx, s.pool, id)
	if err != nil {
		return Event{}, err
	}
	events := []Event{e}
	err = s.fill(ctx, events)
	return events[0], err
}

// Events returns a page of promotion events, newest first: all, or those that have not ended.
func (s *Service) Events(ctx context.Context, q web.PageQuery, notEnded bool) (web.Page[Event], error) {
	before, err := position(q.Cursor)
	if err != nil {
		return web.Page[Event]{}, err
	}
	rows, err := s.sql.Events(ctx, s.pool, db.EventsParams{Before: before, NotEnded: notEnded, Many: int32(q.Limit) + 1})
	if err != nil {
		return web.Page[Event]{}, fmt.Errorf("read promotion events: %w", err)
	}
	events := make([]Event, len(rows))
	for i, row := range rows {
		events[i] = toEvent(row)
	}
	page := web.PageOf(events, q.Limit, func(e Event) any { return e.ID })
	return page, s.fill(ctx, page.Items)
}

// fill puts in the coupons of promotion events. Those of the kinds that nobody can claim by themselves are shown too: people should know
// what there is.
func (s *Service) fill(ctx context.Context, events []Event) error {
	at := make(map[uuid.UUID]int, len(events))
	ids := make([]uuid.UUID, len(events))
	for i, e := range events {
		ids[i], at[e.ID] = e.ID, i
	}
	rows, err := s.sql.CampaignsOfEvents(ctx, s.pool, db.CampaignsOfEventsParams{EventIds: ids, Many: mostShown * int32(len(events))})
	if err != nil {
		return fmt.Errorf("read the coupons of promotion events: %w", err)
	}
	for _, row := range rows {
		c := toCampaign(db.CampaignRow(row))
		if e := &events[at[*c.Terms.EventID]]; len(e.Coupons) < mostShown {
			e.Coupons = append(e.Coupons, c)
		}
	}
	return nil
}

func (s *Service) event(ctx context.Context, from db.DBTX, id uuid.UUID) (Event, error) {
	row, err := s.sql.Event(ctx, from, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Event{}, coupons.ErrNoEvent
	}
	if err != nil {
		return Event{}, fmt.Errorf("read promotion event: %w", err)
	}
	return toEvent(row), nil
}

func toEvent(row db.CouponsEvent) Event {
	return Event{
		ID: row.ID, Version: row.Version,
		EventSettings: EventSettings{
			Title: row.Title, Description: row.Description, ImageURL: row.ImageUrl, StartsAt: row.StartsAt, EndsAt: row.EndsAt,
		},
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}

func (s EventSettings) with(e EventEdit) EventSettings {
	set(&s.Title, e.Title)
	set(&s.Description, e.Description)
	set(&s.ImageURL, e.ImageURL)
	set(&s.StartsAt, e.StartsAt)
	set(&s.EndsAt, e.EndsAt)
	return s
}

// valid returns the settings as they are stored: trimmed, in UTC, to the millisecond.
func (s EventSettings) valid() (EventSettings, error) {
	s.Title, s.Description, s.ImageURL = strings.TrimSpace(s.Title), strings.TrimSpace(s.Description), strings.TrimSpace(s.ImageURL)
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Millisecond), s.EndsAt.UTC().Truncate(time.Millisecond)
	switch {
	case s.Title == "":
		return s, coupons.ErrNoTitle
	case !s.StartsAt.Before(s.EndsAt):
		return s, coupons.ErrBadWindow
	case s.StartsAt.Year() < 2000 || s.EndsAt.Year() > 9999:
		return s, coupons.ErrBadWindow.WithDetail("it must lie between the years 2000 and 9999")
	}
	if s.ImageURL != "" { // it is shown to everybody, so it is nothing but an address of a picture
		if u, err := url.Parse(s.ImageURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return s, coupons.ErrBadImage
		}
	}
	return s, nil
}
