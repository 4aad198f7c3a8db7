package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/db"
)

// beat is how often each instance tells its load, and rooms are steered by all of them.
const beat = time.Second

// Run tells this instance's load behind the gates of the rooms in the mode auto, until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	instance := uuid.New()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := g.tell(ctx, instance); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "the load behind the gates cannot be told", "error.message", err.Error())
		}
	}
}

func (g *Gate) tell(ctx context.Context, instance uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	rooms, err := g.service.known(ctx)
	if err != nil {
		return err
	}
	for _, room := range rooms.rooms {
		if room.Mode != queue.Auto {
			continue
		}
		l := g.pressureOf(room).Read(room.Target)
		err := g.service.sql.PutLoad(ctx, g.service.pool, db.PutLoadParams{
			RoomID: room.ID, Instance: instance, Done: l.Done, Slow: l.Slow, Shed: l.Shed, Flying: l.Flying,
		})
		if err != nil {
			return fmt.Errorf("note the load: %w", err)
		}
	}
	return nil
}

// pressureOf returns what the requests of a room are to this instance.
func (g *Gate) pressureOf(room Room) *Pressure {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pressures[room.ID]
	if p == nil {
		p = NewPressure()
		g.pressures[room.ID] = p
	}
	return p
}

// Steer sets the slots and flights of the rooms in the mode auto by what all instances have told. One instance does, under the job's lease; the
// next one goes on from what stands in the row.
func (d *Doors) Steer(ctx context.Context) error {
	rooms, err := d.service.known(ctx)
	if err != nil {
		return err
	}
	var steered []Room
	for _, room := range rooms.rooms {
		if room.Mode == queue.Auto {
			steered = append(steered, room)
		}
	}
	if len(steered) == 0 {
		return nil
	}
	told, err := d.service.sql.Loads(ctx, d.service.pool)
	if err != nil {
		return fmt.Errorf("read the loads: %w", err)
	}
	loads := map[uuid.UUID]db.LoadsRow{}
	for _, row := range told {
		loads[row.RoomID] = row
	}
	var failed []error
	for _, room := range steered {
		if l, ok := loads[room.ID]; ok {
			failed = append(failed, d.steer(ctx, room, l))
		}
	}
	failed = append(failed, d.service.sql.TrimLoads(ctx, d.service.pool))
	return errors.Join(failed...)
}

func (d *Doors) steer(ctx context.Context, room Room, l db.LoadsRow) error {
	f, err := d.Figures(ctx, room)
	if err != nil {
		return fmt.Errorf("count room %s: %w", room.Name, err)
	}
	helm := d.helm(room, l.Instances)
	helm.Steer(Reading{Load: Load{Done: l.Done, Slow: l.Slow, Shed: l.Shed, Flying: l.Flying}, Taken: f.Active + f.Proceed, Called: f.Proceed}, room.Capacity)
	each := (helm.Flights + l.Instances - 1) / l.Instances
	d.steered.WithLabelValues(room.Name, "slots").Set(float64(helm.Slots))
	d.steered.WithLabelValues(room.Name, "flights").Set(float64(helm.Flights))
	if err := d.service.sql.SteerRoom(ctx, d.service.pool, db.SteerRoomParams{ID: room.ID, Slots: &helm.Slots, Flights: &each}); err != nil {
		return fmt.Errorf("steer room %s: %w", room.Name, err)
	}
	return nil
}

// forgotten is how long after its last beat a helm is another's.
const forgotten = 5 * beat

// helm is the one that this instance has steered the room by until now, or one that stands where another has left it.
func (d *Doors) helm(room Room, instances int64) *Helm {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	h := d.helms[room.ID]
	if h == nil || now.Sub(h.at) > forgotten {
		h = &steering{helm: NewHelm(room.Slots, room.Flights*instances)}
		d.helms[room.ID] = h
	}
	h.at = now
	return h.helm
}

// steering is how this instance steers a room.
type steering struct {
	helm *Helm
	at   time.Time // of the last beat
}
