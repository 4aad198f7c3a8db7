package memory_test

import (
	"testing"
	"time"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/treestest"
	"github.com/sasapick/shop/internal/platform/clock"
)

func TestTrees(t *testing.T) {
	t.Parallel()

	treestest.Run(t, func(*testing.T) (app.Trees, func(time.Duration)) {
		now := clock.NewManual(time.Now())
		return memory.NewTrees(now.Now, treestest.Life), now.Advance
	})
}
