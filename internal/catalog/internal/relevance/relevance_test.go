package relevance_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/relevance"
)

func TestQueries(t *testing.T) {
	t.Parallel()

	documents := relevance.Catalogue()
	texts := map[string]bool{}
	tuning, heldOut := 0, 0
	for _, class := range relevance.Classes {
		tuning, heldOut = tuning+len(class.Tuning()), heldOut+len(class.HeldOut())
		for _, q := range class.Queries {
			require.False(t, texts[q.Text], "%s: twice", q.Text)
			texts[q.Text] = true
			require.NotZero(t, relevance.Recall(gradesOf(q, documents), []int{relevance.Best}), "%s: the catalogue has nothing of it", q.Text)
		}
	}
	require.Equal(t, []int{60, 40}, []int{tuning, heldOut})
}

// gradesOf grades documents, the best first.
func gradesOf(q relevance.Query, documents []app.Document) []int {
	var grades []int
	for g := relevance.Best; g >= 0; g-- {
		for _, d := range documents {
			if relevance.Grade(q.Wants, d) == g {
				grades = append(grades, g)
			}
		}
	}
	return grades
}

func TestGrade(t *testing.T) {
	t.Parallel()

	w := relevance.Wants{Brand: "나이키", Color: "블랙", Kinds: []string{"sneakers"}}
	var seen [relevance.Best + 1]int
	for _, d := range relevance.Catalogue() {
		seen[relevance.Grade(w, d)]++
	}
	for g, n := range seen {
		require.NotZero(t, n, "grade %d", g)
	}
	require.Greater(t, seen[0], seen[1])
	require.Greater(t, seen[1], seen[2])
	require.Greater(t, seen[2], seen[3])
}

func TestMeasures(t *testing.T) {
	t.Parallel()

	all := []int{0, 3, 0, 1, 3, 2}
	require.InDelta(t, 1, relevance.NDCG([]int{3, 3, 2, 1}, all), 1e-9)
	require.Zero(t, relevance.NDCG(nil, all))
	require.Zero(t, relevance.NDCG([]int{0, 0}, all))
	require.Greater(t, relevance.NDCG([]int{3, 0, 3}, all), relevance.NDCG([]int{0, 3, 3}, all), "places count")
	require.InDelta(t, 7/(7+7/1.584962500721156+3/2.0+1/2.321928094887362), relevance.NDCG([]int{3}, all), 1e-9)

	require.InDelta(t, 0.5, relevance.Recall([]int{1, 3, 2}, all), 1e-9)
	many := make([]int, 100)
	for i := range many {
		many[i] = relevance.Best
	}
	require.InDelta(t, 1, relevance.Recall(many[:20], many), 1e-9, "no more than fit on the page")
	require.InDelta(t, 0.5, relevance.Recall(append(make([]int, 10), many...), many), 1e-9, "what comes later does not count")
}
