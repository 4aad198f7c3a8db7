// Package app is the implementation of the module queue.
package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
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

	loadTimeout = time.Second            // of one reading of the rooms
	leftTimeout = 300 * time.Millisecond // of asking what is left behind them

	// Rooms is how many there may be.
	Rooms = 100

	// passesEnd is how long after its mode was set to off a room's last passes have ended, whichever instance handed them out, if it can read the
	// database: one that can't goes on by what it knew.
	passesEnd = Freshness + PassLife + 2*SlotSlack
)

// Service tells about rooms, and changes them.
type Service struct {
	pool   *pgxpool.Pool
	sql    *db.Queries
	outbox *outbox.Outbox
	audit  *audit.Log
	clock  clock.Clock
	log    *slog.Logger

	drops     catalog.Drops
	campaigns coupons.Service

	loads    singleflight.Group
	latest   atomic.Pointer[reading]
	renewing atomic.Bool // somebody reads them at the moment
}

// reading is all rooms at one moment. Where they cannot be read they are as they were: a gate that is open whenever the database is slow is open when
// it is needed. That they could never be read is remembered too, so that an outage costs one wait per Freshness and not one per request.
type reading struct {
	rooms map[string]Room
	goods map[queue.Goods]string // names of those that stand in front of something and are not off
	err   error                  // they were never read
	at    time.Time
}

// Parts are what a service is made of.
type Parts struct {
	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
	Log       *slog.Logger
	Drops     catalog.Drops
	Campaigns coupons.Service
}

// NewService returns the module's service.
func NewService(p Parts) *Service {
	return &Service{
		pool: p.Pool, sql: db.New(), outbox: p.Outbox, audit: p.Audit, clock: p.Clock, log: p.Log, drops: p.Drops, campaigns: p.Campaigns,
	}
}

// Room implements [queue.Service]. What it tells is at most [Freshness] old.
func (s *Service) Room(ctx context.Context, in queue.RoomInput) (queue.Room, error) {
	room, err := s.room(ctx, in.Name)
	return room.Room, err
}

func (s *Service) room(ctx context.Context, name string) (Room, error) {
	rooms, err := s.known(ctx)
	if err != nil {
		return Room{}, err
	}
	return rooms.room(name)
}

// gate returns the room in front of goods, which may be none, or else the main one.
func (s *Service) gate(ctx context.Context, goods queue.Goods) (Room, error) {
	rooms, err := s.known(ctx)
	if err != nil {
		return Room{}, err
	}
	name, ok := rooms.goods[goods]
	if !ok {
		name = mainRoom
	}
	return rooms.room(name)
}

func (r *reading) room(name string) (Room, error) {
	room, ok := r.rooms[name]
	if !ok {
		return Room{}, queue.ErrNoRoom
	}
	return room, nil
}

// known returns every room. Nobody may change it. Who finds it old waits for a new reading; who comes meanwhile takes the old one.
func (s *Service) known(ctx context.Context) (*reading, error) {
	r := s.latest.Load()
	if age := s.age(r); age < 0 || age >= Freshness {
		if r != nil && r.err == nil && !r.at.IsZero() {
			if !s.renewing.CompareAndSwap(false, true) {
				return r, nil
			}
			defer s.renewing.Store(false)
		}
		select {
		case loaded := <-s.loads.DoChan("", s.load):
			r = loaded.Val.(*reading)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return r, r.err
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
	r := &reading{at: s.clock(), rooms: map[string]Room{}, goods: map[queue.Goods]string{}} // as old as the question, not as the answer
	rows, err := s.sql.Rooms(ctx, s.pool)
	if err != nil {
		s.log.Warn("the rooms cannot be read", "error.message", err.Error())
		r.at = s.clock() // it may have taken all of Freshness to fail
		if before != nil && before.err == nil {
			r.rooms, r.goods = before.rooms, before.goods
		} else {
			r.err = fmt.Errorf("read rooms: %w", err)
		}
		s.latest.CompareAndSwap(before, r)
		return r, nil
	}
	for _, row := range rows {
		room := toRoom(row)
		r.rooms[room.Name] = room
		if room.Goods != (queue.Goods{}) && room.Mode != queue.Off {
			r.goods[room.Goods] = room.Name
		}
	}
	s.look(ctx, before, r)
	s.latest.CompareAndSwap(before, r) // a change in this process goes first
	return r, nil
}

// Settings is what an admin decides about a room.
type Settings struct {
	Mode     queue.Mode `json:"mode"`
	Capacity int64      `json:"capacity"`
	Away     queue.Away `json:"away"`
	OpensAt  time.Time  `json:"opens_at,omitzero"` // zero: it is open
	TargetMS int32      `json:"target_ms"`         // of the mode auto: how long all but one of a hundred requests may take; 0: as before
}

// Room is a room as admins see it.
type Room struct {
	queue.Room
	ID         uuid.UUID
	OpensAt    time.Time     // zero: it is open
	Seed       []byte        // of the lots of those who come before
	GatedFrom  time.Time     // no pass was handed out before
	GatedUntil time.Time     // and none since then, while the mode is off
	Target     time.Duration // of the mode auto
	Slots      int64         // in the mode auto, at the moment
	Flights    int64         // and requests that an instance serves at once
	UpdatedAt  time.Time
	SoldOut    bool // nothing is left of its goods, though orders may give something back
}

// settings are what an admin has decided.
func (r Room) settings() Settings {
	return Settings{Mode: r.Mode, Capacity: r.Capacity, Away: r.Away, OpensAt: r.OpensAt, TargetMS: int32(r.Target.Milliseconds())}
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
		before, err := s.locked(ctx, tx, name, ifMatch)
		if err != nil {
			return err
		}
		was := before.settings()
		settings.OpensAt = settings.OpensAt.UTC().Truncate(time.Millisecond)
		settings.TargetMS = cmp.Or(settings.TargetMS, was.TargetMS)
		if was == settings {
			changed = before
			return nil
		}
		change, err := s.changeOf(before, settings)
		if err != nil {
			return err
		}
		row, err := s.sql.ChangeRoom(ctx, tx, change)
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
	s.forget()
	return changed, nil
}

// locked is a room that is as it was when ifMatch was read, and that nobody else changes before the transaction ends.
func (s *Service) locked(ctx context.Context, tx pgx.Tx, name, ifMatch string) (Room, error) {
	row, err := s.sql.RoomForUpdate(ctx, tx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return Room{}, queue.ErrNoRoom
	}
	if err != nil {
		return Room{}, fmt.Errorf("lock room: %w", err)
	}
	room := toRoom(row)
	return room, web.CheckIfMatch(ifMatch, room.ETag())
}

// Remove removes a room of its own that is off, whose passes have ended and in which nobody stands any more, as empty says.
func (s *Service) Remove(ctx context.Context, name, ifMatch string, empty func(Room) (bool, error)) error {
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		room, err := s.locked(ctx, tx, name, ifMatch)
		if err != nil {
			return err
		}
		now := s.clock()
		if room.Goods == (queue.Goods{}) || room.Mode != queue.Off || now.Sub(room.GatedUntil) < passesEnd {
			return queue.ErrRoomInUse
		}
		if ok, err := empty(room); err != nil {
			return err
		} else if !ok {
			return queue.ErrRoomInUse
		}
		if err := s.sql.DeleteRoom(ctx, tx, room.ID); err != nil {
			return fmt.Errorf("remove room: %w", err)
		}
		if err := s.audit.Add(ctx, tx, audit.Entry{Action: "rooms.delete", Subject: room.ID.String(), Before: NewRoom{Name: room.Name, Goods: room.Goods, Capacity: room.Capacity, Away: room.Away}}); err != nil {
			return err
		}
		return s.outbox.Add(ctx, tx, queue.RoomRemoved{RoomID: room.ID, Version: room.Version + 1, Name: room.Name, At: now})
	})
	if err == nil {
		s.forget()
	}
	return err
}

// removal takes an account's place in a room away, and leaves an entry in the audit log.
func (s *Service) removal(ctx context.Context, room Room, account uuid.UUID, remove func() error) error {
	return s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.audit.Add(ctx, tx, audit.Entry{Action: "rooms.remove", Subject: account.String(), After: map[string]uuid.UUID{"room_id": room.ID}}); err != nil {
			return err
		}
		return remove()
	})
}

// forget has the rooms read again.
func (s *Service) forget() {
	changed := reading{err: errors.New("the rooms were changed, and not read since")} // older than anything, and unlike what a reading under way began from
	if r := s.latest.Load(); r != nil {
		changed.rooms, changed.goods, changed.err = r.rooms, r.goods, r.err
	}
	s.latest.Store(&changed)
	s.loads.Forget("")
}

// changeOf is what settings make of a room. A new opening has a new seed where the old one may be known.
func (s *Service) changeOf(before Room, settings Settings) (db.ChangeRoomParams, error) {
	now := s.clock()
	change := db.ChangeRoomParams{
		ID: before.ID, Mode: string(settings.Mode), Capacity: settings.Capacity, Away: string(settings.Away), OpensAt: orNil(settings.OpensAt), Seed: before.Seed,
		GatedFrom: orNil(before.GatedFrom), GatedUntil: orNil(before.GatedUntil),
		TargetMs: settings.TargetMS, UpdatedAt: now,
	}
	if !settings.OpensAt.IsZero() && change.Seed == nil || settings.OpensAt.After(now) && !before.OpensAt.After(now) {
		change.Seed = make([]byte, 32)
		if _, err := rand.Read(change.Seed); err != nil {
			return change, fmt.Errorf("make a seed: %w", err)
		}
	}
	switch was, is := before.Mode == queue.Off, settings.Mode == queue.Off; {
	case was && !is && (before.GatedFrom.IsZero() || now.Sub(before.GatedUntil) >= passesEnd):
		change.GatedFrom = &now
	case !was && is:
		change.GatedUntil = &now
	}
	return change, nil
}

// NewRoom is what an admin says of a room that there is not yet.
type NewRoom struct {
	Name     string      `json:"name"`
	Goods    queue.Goods `json:"goods"`
	Capacity int64       `json:"capacity"`
	Away     queue.Away  `json:"away"`
}

// Create makes a room in front of goods, which is off.
func (s *Service) Create(ctx context.Context, n NewRoom) (Room, error) {
	var made Room
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if have, err := s.sql.CountRooms(ctx, tx); err != nil {
			return fmt.Errorf("count rooms: %w", err)
		} else if have >= Rooms {
			return queue.ErrManyRooms
		}
		kind := string(n.Goods.Kind)
		row, err := s.sql.InsertRoom(ctx, tx, db.InsertRoomParams{
			ID: uuid.Must(uuid.NewV7()), Name: n.Name, Capacity: n.Capacity, Away: string(n.Away), Goods: &kind, GoodsID: &n.Goods.ID, UpdatedAt: s.clock(),
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return queue.ErrRoomTaken
		}
		if err != nil {
			return fmt.Errorf("make a room: %w", err)
		}
		made = toRoom(row)
		if err := s.audit.Add(ctx, tx, audit.Entry{Action: "rooms.create", Subject: row.ID.String(), After: n}); err != nil {
			return err
		}
		return s.outbox.Add(ctx, tx, queue.RoomChanged{
			RoomID: row.ID, Version: row.Version, Name: row.Name, Mode: made.Mode, Capacity: row.Capacity, At: row.UpdatedAt,
		})
	})
	if err != nil {
		return Room{}, err
	}
	s.forget()
	return made, nil
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func toRoom(row db.QueueRoom) Room {
	r := Room{
		Room: queue.Room{Name: row.Name, Mode: queue.Mode(row.Mode), Capacity: row.Capacity, Away: queue.Away(row.Away), Version: row.Version},
		ID:   row.ID, OpensAt: orZero(row.OpensAt), Seed: row.Seed, GatedFrom: orZero(row.GatedFrom), GatedUntil: orZero(row.GatedUntil),
		Target: time.Duration(row.TargetMs) * time.Millisecond, Slots: LeastSlots, Flights: LeastFlights, UpdatedAt: row.UpdatedAt,
	}
	if row.Slots != nil && row.Flights != nil {
		r.Slots, r.Flights = *row.Slots, *row.Flights
	}
	if row.Goods != nil {
		r.Goods = queue.Goods{Kind: queue.Kind(*row.Goods), ID: *row.GoodsID}
	}
	return r
}
