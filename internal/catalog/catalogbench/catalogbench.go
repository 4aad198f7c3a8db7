// Package catalogbench is the way of bench/ into the module: the lists that shoppers of the demo catalogue ask for.
package catalogbench

import (
	"net/url"

	"github.com/sasapick/shop/internal/catalog/internal/relevance"
)

// Lists are the parameters of lists: every query that relevance is measured by, and those of its wishes that a filter grants without a text.
func Lists() []url.Values {
	var all []url.Values
	seen := map[string]bool{}
	add := func(v url.Values) {
		if key := v.Encode(); key != "" && !seen[key] {
			seen[key] = true
			all = append(all, v)
		}
	}
	for _, class := range relevance.Classes {
		for _, q := range class.Queries {
			add(url.Values{"q": {q.Text}})
			filters := url.Values{}
			for name, value := range map[string]string{"brand": q.Wants.Brand, "color": q.Wants.Color, "size": q.Wants.Size} {
				if value != "" {
					filters.Set(name, value)
				}
			}
			if len(q.Wants.Kinds) == 1 {
				filters.Set("category", q.Wants.Kinds[0])
			}
			add(filters)
		}
	}
	return all
}
