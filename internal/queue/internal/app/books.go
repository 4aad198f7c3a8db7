package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/queue/internal/db"
)

// eventsKept is how far back the outbox surely has every event: it keeps them for three days.
const eventsKept = 48 * time.Hour

// Books are what must hold of the module's books. Rooms are few: each look is at all of them.
func Books(s *Service) []books.Invariant {
	return []books.Invariant{
		{
			Module: "queue", Name: "rooms.gates", Check: s.checkGates,
			Says: "every operation that waits in line has its room: the gate lets everyone through where there is none",
		},
		{
			Module: "queue", Name: "rooms.log", Check: s.checkLog,
			Says: "each change of a room stands in the audit log",
		},
		{
			Module: "queue", Name: "rooms.events", Check: s.checkEvents,
			Says: "each change of a room in the last two days was told",
		},
	}
}

func (s *Service) checkGates(ctx context.Context, _ string) (found books.Finding, err error) {
	rooms, err := s.sql.Rooms(ctx, s.pool)
	if err != nil {
		return found, fmt.Errorf("read rooms: %w", err)
	}
	for _, operation := range slices.Sorted(maps.Keys(gated)) {
		found.Looked++
		if !slices.ContainsFunc(rooms, func(r db.QueueRoom) bool { return r.Name == mainRoom }) {
			found.Wrong = append(found.Wrong, books.Mismatch{Subject: operation, Detail: "its room " + mainRoom + " is not there"})
		}
	}
	return found, nil
}

func (s *Service) checkLog(ctx context.Context, _ string) (found books.Finding, err error) {
	rooms, err := s.sql.RoomsWithLog(ctx, s.pool)
	if err != nil {
		return found, fmt.Errorf("read rooms: %w", err)
	}
	for _, r := range rooms {
		found.Looked++
		if r.Version != r.Changes {
			found.Wrong = append(found.Wrong, books.Wrong(r.ID, "room %s: version %d, and %d changes in the audit log", r.Name, r.Version, r.Changes))
		}
	}
	return found, nil
}

func (s *Service) checkEvents(ctx context.Context, _ string) (found books.Finding, err error) {
	rooms, err := s.sql.RoomsWithLog(ctx, s.pool)
	if err != nil {
		return found, fmt.Errorf("read rooms: %w", err)
	}
	kept := s.clock().Add(-eventsKept)
	for _, r := range rooms {
		found.Looked++
		if r.Told > r.Version || r.Told < r.Version && r.UpdatedAt.After(kept) {
			found.Wrong = append(found.Wrong, books.Wrong(r.ID, "room %s: version %d, and its latest event is of version %d", r.Name, r.Version, r.Told))
		}
	}
	return found, nil
}
