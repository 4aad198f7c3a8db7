package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// maxLooked bounds the names that one suggestion looks at in a part: after one letter there are too many to rank them all.
const maxLooked = 1000

// Suggest implements app.Index: brands first, then products, the best sellers first.
func (x *Index) Suggest(_ context.Context, typed string, limit int) ([]string, error) {
	now := x.present.Load()
	typed = korean.Fold(typed)
	hurried := korean.OnlyInitials(typed)
	prefix := lettersOf(typed)
	if hurried {
		prefix = initialsOf(typed)
	}
	if prefix == "" || limit <= 0 {
		return []string{}, nil
	}
	suggestions := make([]string, 0, limit)
	for _, b := range now.brands {
		if key := pick(hurried, b.initials, b.letters); strings.HasPrefix(key, prefix) && len(suggestions) < limit {
			suggestions = append(suggestions, b.name)
		}
	}

	type candidate struct {
		name  string
		sales int64
	}
	var candidates []candidate
	seen := map[string]bool{}
	for _, s := range suggestions {
		seen[s] = true
	}
	for _, p := range now.parts {
		sorted := pick(hurried, p.seg.initials, p.seg.letters)
		first, _ := slices.BinarySearchFunc(sorted, prefix, func(c completion, key string) int { return strings.Compare(c.key, key) })
		for looked, c := range sorted[first:] {
			if looked == maxLooked || !strings.HasPrefix(c.key, prefix) {
				break
			}
			item := p.seg.items[c.item]
			if p.dead.has(int(c.item)) || seen[item.Name] {
				continue
			}
			seen[item.Name] = true
			candidates = append(candidates, candidate{item.Name, item.SalesCount})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.sales, a.sales), strings.Compare(a.name, b.name))
	})
	for _, c := range candidates[:min(len(candidates), limit-len(suggestions))] {
		suggestions = append(suggestions, c.name)
	}
	return suggestions, nil
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
