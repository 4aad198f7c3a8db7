package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

func TestRoom(t *testing.T) {
	t.Parallel()

	t.Run("MainIsThereAndOff", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		room, err := s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
		require.NoError(t, err)
		require.Equal(t, queue.Room{Name: "main", Mode: queue.Off, Capacity: 1000, Away: queue.Open}, room)

		_, err = s.service.Room(t.Context(), queue.RoomInput{Name: "other"})
		require.ErrorIs(t, err, queue.ErrNoRoom)
	})

	t.Run("EveryInstanceFollowsWithinASecond", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		other := s.instance()
		mode := func(service *app.Service) queue.Mode {
			room, err := service.Room(t.Context(), queue.RoomInput{Name: "main"})
			require.NoError(t, err)
			return room.Mode
		}
		require.Equal(t, queue.Off, mode(other))
		require.Equal(t, queue.Off, mode(s.service))

		s.change("paused")
		require.Equal(t, queue.Paused, mode(s.service), "where it was changed")
		s.clock.Advance(app.Freshness - time.Millisecond)
		require.Equal(t, queue.Off, mode(other), "from memory")
		s.clock.Advance(time.Millisecond)
		require.Equal(t, queue.Paused, mode(other))

		s.change("off")
		require.Equal(t, queue.Off, mode(s.service))
		s.clock.Advance(-time.Hour)
		require.Equal(t, queue.Off, mode(other), "a clock that was set back does not keep it old")
	})

	t.Run("AnOutageChangesNoRoom", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.change("paused")
		_, err := s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
		require.NoError(t, err)
		s.down.Store(true)
		for range 3 {
			s.clock.Advance(time.Hour)
			room, err := s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
			require.NoError(t, err)
			require.Equal(t, queue.Paused, room.Mode)
		}
		s.down.Store(false)
		s.change("off")
		room, err := s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
		require.NoError(t, err)
		require.Equal(t, queue.Off, room.Mode)
	})

	// An outage must not make every request wait for the database.
	t.Run("AFailureIsRememberedToo", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.down.Store(true)
		_, err := s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
		require.ErrorContains(t, err, "read rooms")
		s.down.Store(false)
		_, err = s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
		require.ErrorContains(t, err, "read rooms", "from memory")

		s.clock.Advance(app.Freshness)
		_, err = s.service.Room(t.Context(), queue.RoomInput{Name: "main"})
		require.NoError(t, err)
	})
}

func TestChange(t *testing.T) {
	t.Parallel()

	t.Run("OneOfManyAtOnce", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		etag, other := s.etag(), s.instance()
		var done, stale atomic.Int64
		var wg sync.WaitGroup
		for i := range 10 {
			service := s.service
			if i%2 == 1 {
				service = other
			}
			wg.Go(func() {
				switch _, err := service.Change(t.Context(), "main", etag, app.Settings{Mode: queue.Paused, Capacity: int64(i), Away: queue.Open}); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, web.ErrStale):
					stale.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()

		require.EqualValues(t, 1, done.Load())
		require.EqualValues(t, 9, stale.Load())
		require.Len(t, s.events(), 1)
	})

	t.Run("IsAuditedAndPublished", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		ctx := auth.With(t.Context(), manager)
		room, err := s.service.Change(ctx, "main", s.etag(), app.Settings{Mode: queue.Paused, Capacity: 7, Away: queue.Open})
		require.NoError(t, err)
		same, err := s.service.Change(ctx, "main", room.ETag(), app.Settings{Mode: queue.Paused, Capacity: 7, Away: queue.Open})
		require.NoError(t, err)
		require.Equal(t, room, same, "no change is no new version")
		room, err = s.service.Change(ctx, "main", room.ETag(), app.Settings{Mode: queue.Off, Capacity: 7, Away: queue.Open})
		require.NoError(t, err)

		at := s.clock.Now()
		require.Equal(t, []queue.RoomChanged{
			{RoomID: room.ID, Version: 1, Name: "main", Mode: queue.Paused, Capacity: 7, At: at},
			{RoomID: room.ID, Version: 2, Name: "main", Mode: queue.Off, Capacity: 7, At: at},
		}, s.events())

		var entries int
		err = s.pool.QueryRow(t.Context(), `
			SELECT count(*) FROM queue.audit_log
			WHERE actor_id = $1 AND action = 'rooms.update' AND subject = $2 AND before <> after`,
			manager.AccountID, room.ID.String()).Scan(&entries)
		require.NoError(t, err)
		require.Equal(t, 2, entries)
	})
}

func (s site) events() (found []queue.RoomChanged) {
	s.t.Helper()
	rows, err := s.pool.Query(context.Background(), `SELECT aggregate_version, data FROM queue.outbox WHERE type = 'queue.room_changed.v1' ORDER BY id`)
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var version int64
		var data json.RawMessage
		var e queue.RoomChanged
		require.NoError(s.t, rows.Scan(&version, &data))
		require.NoError(s.t, json.Unmarshal(data, &e))
		require.Equal(s.t, version, e.Version)
		found = append(found, e)
	}
	require.NoError(s.t, rows.Err())
	return found
}
