// Package treestest is what every app.Trees must do.
package treestest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// Life is how long a tree lives in the places that the suite is given.
const Life = 5 * time.Second

// Run checks the places that make returns, each for a tree of its own. pass lets time go by.
func Run(t *testing.T, make func(t *testing.T) (trees app.Trees, pass func(time.Duration))) {
	get := func(t *testing.T, trees app.Trees) (tree, lease string) {
		t.Helper()
		found, lease, err := trees.Get(t.Context())
		require.NoError(t, err)
		return string(found), lease
	}
	lent := func(t *testing.T, trees app.Trees) string {
		t.Helper()
		tree, lease := get(t, trees)
		require.Empty(t, tree)
		require.NotEmpty(t, lease)
		return lease
	}
	nothing := func(t *testing.T, trees app.Trees) {
		t.Helper()
		tree, lease := get(t, trees)
		require.Empty(t, tree)
		require.Empty(t, lease)
	}

	t.Run("KeepsWhatIsPut", func(t *testing.T) {
		t.Parallel()

		trees, pass := make(t)
		require.NoError(t, trees.Put(t.Context(), lent(t, trees), []byte("oak \x00 \xff")))
		pass(Life - time.Second)
		tree, lease := get(t, trees)
		require.Equal(t, "oak \x00 \xff", tree)
		require.Empty(t, lease)
	})

	t.Run("ForgetsItInTime", func(t *testing.T) {
		t.Parallel()

		trees, pass := make(t)
		require.NoError(t, trees.Put(t.Context(), lent(t, trees), []byte("oak")))
		pass(Life + time.Millisecond)
		lent(t, trees)
	})

	t.Run("LendsToOneAtATime", func(t *testing.T) {
		t.Parallel()

		trees, _ := make(t)
		var leases atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, lease, err := trees.Get(t.Context())
				if err != nil {
					t.Error(err)
				}
				if lease != "" {
					leases.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, leases.Load())
	})

	// Whoever was lent it has died.
	t.Run("LendsAgain", func(t *testing.T) {
		t.Parallel()

		trees, pass := make(t)
		first := lent(t, trees)
		pass(app.TreeLease + time.Millisecond)
		second := lent(t, trees)
		require.NotEqual(t, first, second)
		require.NoError(t, trees.Put(t.Context(), first, []byte("oak"))) // or was only slow
		nothing(t, trees)
		require.NoError(t, trees.Put(t.Context(), second, []byte("elm")))
		tree, _ := get(t, trees)
		require.Equal(t, "elm", tree)
		require.NoError(t, trees.Put(t.Context(), second, []byte("oak")))
		tree, _ = get(t, trees)
		require.Equal(t, "elm", tree, "a lease is for one tree")
	})

	t.Run("DropsIt", func(t *testing.T) {
		t.Parallel()

		trees, _ := make(t)
		require.NoError(t, trees.Drop(t.Context()))
		require.NoError(t, trees.Put(t.Context(), lent(t, trees), []byte("oak")))
		require.NoError(t, trees.Drop(t.Context()))
		lent(t, trees)
	})

	// What was read before a change must not be kept after it.
	t.Run("DropsWhatIsOnItsWay", func(t *testing.T) {
		t.Parallel()

		trees, _ := make(t)
		before := lent(t, trees)
		require.NoError(t, trees.Drop(t.Context()))
		require.NoError(t, trees.Put(t.Context(), before, []byte("oak")))
		after := lent(t, trees)
		require.NoError(t, trees.Put(t.Context(), before, []byte("oak")))
		nothing(t, trees)
		require.NoError(t, trees.Put(t.Context(), after, []byte("elm")))
		tree, _ := get(t, trees)
		require.Equal(t, "elm", tree)
	})
}
