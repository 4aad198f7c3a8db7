package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/queue"
)

func TestEvents(t *testing.T) {
	t.Parallel()

	contracttest.Golden(t, "queue.room_changed.v1", queue.RoomChanged{
		RoomID:   uuid.MustParse("0198a000-0000-7000-8000-000000000001"),
		Version:  1,
		Name:     "main",
		Mode:     queue.Paused,
		Capacity: 1000,
		At:       time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
	})
	contracttest.Golden(t, "queue.room_removed.v1", queue.RoomRemoved{
		RoomID:  uuid.MustParse("0198a000-0000-7000-8000-000000000001"),
		Version: 4,
		Name:    "noon",
		At:      time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
	})
}
