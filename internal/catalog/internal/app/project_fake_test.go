package app_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/storetest"
)

func TestShelves(t *testing.T) {
	t.Parallel()

	storetest.RunProjection(t, func(*testing.T) app.Projection { return newShelves() })
}

// shelves is a projection in memory, whose writes can be watched and refused.
type shelves struct {
	mu          sync.Mutex
	generations map[string]map[uuid.UUID]app.Document
	current     string
	written     func(generation string, d app.Document) // nil: nobody watches
	refuse      error                                   // of every write
}

func newShelves() *shelves { return &shelves{generations: map[string]map[uuid.UUID]app.Document{}} }

func (s *shelves) Create(_ context.Context, generation string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generations[generation] == nil {
		s.generations[generation] = map[uuid.UUID]app.Document{}
	}
	return s.refuse
}

func (s *shelves) PutInto(ctx context.Context, generation string, documents []app.Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	into := s.generations[generation]
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.refuse != nil:
		return s.refuse
	case into == nil:
		return app.ErrNoGeneration
	}
	for _, d := range documents {
		if s.written != nil {
			s.written(generation, d)
		}
		if into[d.ID].Version <= d.Version {
			into[d.ID] = d
		}
	}
	return nil
}

func (s *shelves) Adopt(_ context.Context, generation string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = generation
	return nil
}

func (s *shelves) Drop(_ context.Context, generation string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.generations, generation)
	return nil
}

func (s *shelves) Current(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, ctx.Err()
}

func (s *shelves) Standings(_ context.Context, ids []uuid.UUID) (map[uuid.UUID]app.Standing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[uuid.UUID]app.Standing{}
	for _, id := range ids {
		if d, ok := s.generations[s.current][id]; ok {
			found[id] = d.Standing()
		}
	}
	return found, nil
}

func (s *shelves) Visible(_ context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.SortedFunc(maps.Keys(s.generations[s.current]), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range sorted {
		if id.String() <= cursor || !s.generations[s.current][id].Visible {
			continue
		}
		if len(ids) == limit {
			return ids, ids[limit-1].String(), nil
		}
		ids = append(ids, id)
	}
	return ids, "", nil
}

// has is a document of a generation.
func (s *shelves) has(generation string, id uuid.UUID) app.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generations[generation][id]
}

// made are the generations that there are, the oldest first.
func (s *shelves) made() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.generations))
}

func (s *shelves) set(change func(*shelves)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}
