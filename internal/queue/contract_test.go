package queue_test

import (
	"testing"

	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/queue"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Check[queue.Service](t)
	contracttest.CheckEvents(t, "queue", queue.RoomChanged{}, queue.RoomRemoved{})
}
