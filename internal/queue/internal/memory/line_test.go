package memory_test

import (
	"testing"
	"time"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/linetest"
	"github.com/sasapick/shop/internal/queue/internal/memory"
)

func TestLine(t *testing.T) {
	t.Parallel()

	linetest.Run(t, func(testing.TB) (app.Line, func(time.Duration)) {
		c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		return memory.NewLine(c.Now), func(d time.Duration) { c.Advance(d) }
	})
}
