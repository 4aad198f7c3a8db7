// Package app is the implementation of the module queue.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/db"
)

const (
	// Freshness is how old what is told of a room may be: so long after an admin's change does the last instance follow.
	Freshness = time.Second

	loadTimeout = time.Second // of one reading of the rooms, whoever waits for it
)

// Service tells about rooms, and changes them.
type Service struct {
	pool   *pgxpool.Pool
	sql    *db.Queries
	outbox *outbox.Outbox
	audit  *audit.Log
	clock  clock.Clock
	log    *slog.Logger

	loads  singleflight.Group
	latest atomic.Pointer[reading]
}

// reading is all rooms at one moment, or that they could not be read: that is remembered too, so that an outage costs
// one wait per Freshness and not one per request.
type reading struct {
	rooms map[string]queue.Room
	err   error
	at    time.Time
}

// NewService returns the module's service.
func NewService(pool *pgxpool.Pool, events *outbox.Outbox, log *audit.Log, c clock.Clock, logger *slog.Logger) *Service {
	return &Service{pool: pool, sql: db.New(), outbox: events, audit: log, clock: c, log: logger}
}

// Room implements [queue.Service]. What it tells is at most [Freshness] old.
func (s *Service) Room(ctx context.Context, in queue.RoomInput) (queue.Room, error) {
	r := s.latest.Load()
	if age := s.age(r); age < 0 || age >= Freshness {
		select {
		case loaded := <-s.loads.DoChan("", s.load):
			r = loaded.Val.(*reading)
		case <-ctx.Done():
			return queue.Room{}, context.Cause(ctx)
		}
	}
	if r.err != nil {
		return queue.Room{}, r.err
	}
	room, ok := r.rooms[in.Name]
	if !ok {
		return queue.Room{}, queue.ErrNoRoom
	}
	return room, nil
}

// age is negative for what is none, and for what was read before the clock was set back.
func (s *Service) age(r *reading) time.Duration {
	if r == nil {
		return -1
	}
	return s.clock().Sub(r.at)
}

// load reads every room: they are few, and a name that does not exist must not cost a query each time it is asked for.
func (s *Service) load() (any, error) {
	before := s.latest.Load()
	if age := s.age(before); age >= 0 && age < Freshness {
		return before, nil // somebody else has just done it
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	r := &reading{at: s.clock(), rooms: map[string]queue.Room{}} // as old as the question, not as the answer
	rows, err := s.sql.Rooms(ctx, s.pool)
	if err != nil {
		s.log.Warn("the rooms cannot be read", "error.message", err.Error())
		r.err = fmt.Errorf("read rooms: %w", err)
		r.at = s.clock() // it may have taken all of Freshness to fail
	}
	for _, row := range rows {
		r.rooms[row.Name] = toRoom(row).Room
	}
	s.latest.CompareAndSwap(before, r) // a change in this process goes first
	return r, nil
}

// Settings is what an admin decides about a room.
type Settings struct {
	Mode     queue.Mode `json:"mode"`
	Capacity int64      `json:"capacity"`
}

// Room is a room as admins see it.
type Room struct {
	queue.Room
	ID        uuid.UUID
	UpdatedAt time.Time
}

// ETag names the room's settings.
func (r Room) ETag() string { return web.ETag("queue.room", r.ID, r.Version) }

// Rooms returns every room by name, from the truth.
func (s *Service) Rooms(ctx context.Context) ([]Room, error) {
	rows, err := s.sql.Rooms(ctx, s.pool)
	if err != nil {
		return nil, fmt.Errorf("read rooms: %w", err)
	}
	rooms := make([]Room, len(rows))
	for i, row := range rows {
		rooms[i] = toRoom(row)
	}
	return rooms, nil
}

// Change gives a room, which is as it was when ifMatch was read, other settings. This instance follows at once, the
// others within [Freshness].
func (s *Service) Change(ctx context.Context, name, ifMatch string, settings Settings) (Room, error) {
	var changed Room
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		row, err := s.sql.RoomForUpdate(ctx, tx, name)
		if errors.Is(err, pgx.ErrNoRows) {
			return queue.ErrNoRoom
		}
		if err != nil {
			return fmt.Errorf("lock room: %w", err)
		}
		before := toRoom(row)
		if err := web.CheckIfMatch(ifMatch, before.ETag()); err != nil {
			return err
		}
		was := Settings{Mode: before.Mode, Capacity: before.Capacity}
		if was == settings {
			changed = before
			return nil
		}
		row, err = s.sql.ChangeRoom(ctx, tx, db.ChangeRoomParams{
			ID: row.ID, Mode: string(settings.Mode), Capacity: settings.Capacity, UpdatedAt: s.clock(),
		})
		if err != nil {
			return fmt.Errorf("change room: %w", err)
		}
		changed = toRoom(row)
		err = s.audit.Add(ctx, tx, audit.Entry{Action: "rooms.update", Subject: row.ID.String(), Before: was, After: settings})
		if err != nil {
			return err
		}
		return s.outbox.Add(ctx, tx, queue.RoomChanged{
			RoomID: row.ID, Version: row.Version, Name: row.Name, Mode: settings.Mode, Capacity: row.Capacity, At: row.UpdatedAt,
		})
	})
	if err != nil {
		return Room{}, err
	}
	s.latest.Store(&reading{}) // older than anything, and unlike what a reading under way began from
	s.loads.Forget("")
	return changed, nil
}

func toRoom(row db.QueueRoom) Room {
	return Room{
		Room: queue.Room{Name: row.Name, Mode: queue.Mode(row.Mode), Capacity: row.Capacity, Version: row.Version},
		ID:   row.ID, UpdatedAt: row.UpdatedAt,
	}
}
