package catalogbench_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/catalogbench"
)

func TestLists(t *testing.T) {
	t.Parallel()

	texts, filters := 0, map[string]int{}
	for _, list := range catalogbench.Lists() {
		if list.Has("q") {
			texts++
		}
		for name := range list {
			filters[name]++
		}
	}
	require.Equal(t, 100, texts)
	for _, name := range []string{"brand", "category", "color"} {
		require.Greater(t, filters[name], 10, name)
	}
}
