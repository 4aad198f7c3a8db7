package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

const (
	maxWords   = 16   // of a query that are looked for
	maxAnswers = 1024 // that a snapshot remembers
)

// Find implements app.Index. The answer is shared: it must not be changed.
func (x *Index) Find(_ context.Context, q app.Query) (app.Found, error) {
	now := x.present.Load()
	encoded, err := json.Marshal(q)
	if err != nil {
		return app.Found{}, fmt.Errorf("encode query: %w", err)
	}
	if q.After != nil && len(q.After.Values) != 2 {
		return app.Found{}, app.ErrBadPosition
	}
	key := string(encoded)
	if answer, ok := now.answers.Load(key); ok {
		return answer.(app.Found), nil
	}
	found := now.find(q)
	if now.answered.Add(1) > maxAnswers { // not the rarest out: what is asked often is back at once
		now.answers.Clear()
		now.answered.Store(1)
	}
	now.answers.Store(key, found)
	return found, nil
}

// rank is an item's place in a list: the largest first.
type rank struct{ a, b int64 }

// compare puts one of two hits first; their ids are looked at only where nothing else tells them apart.
func (r rank) compare(id *uuid.UUID, o rank, other *uuid.UUID) int {
	switch {
	case r.a != o.a:
		return cmp.Compare(r.a, o.a)
	case r.b != o.b:
		return cmp.Compare(r.b, o.b)
	}
	return compareIDs(*id, *other)
}

type hit struct {
	rank
	item *app.Summary
}

func (h hit) compare(o hit) int { return h.rank.compare(&h.item.ID, o.rank, &o.item.ID) }

// find looks for what has every word. Where nothing has, it takes words for those that are nearly the same, and of three or more one
// may be missing.
func (now *snapshot) find(q app.Query) app.Found {
	words := korean.Words(q.Text, maxWords)
	if strings.TrimSpace(q.Text) != "" && len(words) == 0 { // nothing but punctuation
		return newPage(q).found()
	}
	clauses := make([]clause, len(words))
	for i, word := range words {
		clauses[i] = clauseOf(word)
	}
	found := now.page(q, func(*segment) []clause { return clauses }, 0)
	if found.matched == 0 && len(words) > 0 {
		missing := 0
		if len(words) > 2 {
			missing = 1
		}
		found = now.page(q, func(s *segment) []clause { return s.nearly(words) }, missing)
	}
	return found.found()
}

func (now *snapshot) page(q app.Query, clauses func(*segment) []clause, missing int) *page {
	found := newPage(q)
	for _, p := range now.parts {
		p.find(found, clauses(p.seg), missing)
	}
	return found
}

// page is what was found up to now.
type page struct {
	app.Query
	matched int // by the text, whatever the filters say
	total   tally
	top     []hit
}

func newPage(q app.Query) *page {
	return &page{Query: q, top: make([]hit, 0, q.Limit+1), total: tally{
		categories: map[uuid.UUID]int64{},
		brands:     map[string]*app.ValueCount{}, colors: map[string]*app.ValueCount{},
		sizes: map[string]*app.ValueCount{}, tags: map[string]*app.ValueCount{},
	}}
}

func (p *page) found() app.Found {
	found := app.Found{Items: make([]app.Summary, 0, len(p.top)), Total: p.total.count, Facets: p.total.facets()}
	for _, h := range p.top[:min(len(p.top), p.Limit)] {
		found.Items = append(found.Items, *h.item)
	}
	if len(p.top) > p.Limit && p.Limit > 0 {
		last := p.top[p.Limit-1]
		found.Next = &app.Position{Values: []int64{last.a, last.b}, ID: last.item.ID}
	}
	return found
}

// Each filter has a bit. An item that fails no filter is in the list; one that fails a single filter still counts in that
// filter's own facet.
const (
	failsCategory = 1 << iota
	failsBrand
	failsColor
	failsSize
	failsTag
	failsPrice
	failsStock
)

// find adds the part's items to the page.
func (p part) find(q *page, clauses []clause, missing int) {
	s := p.seg
	text := len(clauses) > 0
	var sc *scores
	n := len(s.items)
	if text {
		sc = scoresOf(n)
		defer sc.free()
		s.match(clauses, missing, sc)
		n = len(sc.found)
	}
	asked := korean.Squeeze(korean.Fold(q.Text))
	counts := newCounts(s)
	categories, brands, colors := s.categories.admitted(q.CategoryIDs), s.brands.admitted(q.Brands), s.colors.admitted(q.Colors)
	sizes, tags := s.sizes.admitted(q.Sizes), s.tags.admitted(q.Tags)
	var after rank
	if q.After != nil {
		after = rank{q.After.Values[0], q.After.Values[1]}
	}
	for k := range n {
		i := k
		if text {
			i = sc.found[k]
		}
		if p.dead.has(i) {
			continue
		}
		q.matched++
		fails := failing(failsCategory, categories, s.categories.of[i]) | failing(failsBrand, brands, s.brands.of[i]) |
			failing(failsColor, colors, s.colors.of[i]) | failing(failsSize, sizes, s.sizes.of[i])
		if tags != nil && !slices.ContainsFunc(s.tags.at(i), func(n int32) bool { return tags[n] }) {
			fails |= failsTag
		}
		if price := s.price[i]; price < q.MinPriceWon || q.MaxPriceWon > 0 && price > q.MaxPriceWon {
			fails |= failsPrice
		}
		if q.InStock && !s.inStock[i] {
			fails |= failsStock
		}
		counts.add(s, i, fails)
		if fails != 0 {
			continue
		}
		q.total.count++
		score := int64(0)
		if text {
			score = int64(sc.score[i]) + nameBonus(s.keys[i], asked, len(clauses) > 1)
		}
		r := s.rank(i, q.Sort, score)
		if q.After != nil && r.compare(&s.items[i].ID, after, &q.After.ID) >= 0 {
			continue
		}
		q.top = keep(q.top, hit{r, &s.items[i]}, q.Limit+1)
	}
	q.total.add(s, counts)
}

func failing(bit int, admitted []bool, value int32) int {
	if admitted == nil || value != nothing && admitted[value] {
		return 0
	}
	return bit
}

// nameBonus puts products whose name says just what was asked before those that only have the words. A single word may be a part
// of another one.
func nameBonus(name, asked string, words bool) int64 {
	switch {
	case name == asked:
		return 120
	case !words:
	case strings.HasPrefix(name, asked):
		return 60
	case strings.Contains(name, asked):
		return 40
	}
	return 0
}

func (s *segment) rank(i int, by app.Sort, score int64) rank {
	switch by {
	case app.ByPriceAsc:
		return rank{a: -s.price[i]}
	case app.ByPriceDesc:
		return rank{a: s.price[i]}
	case app.BySales:
		return rank{a: s.sales[i]}
	case app.ByNewest:
		return rank{a: s.published[i]}
	}
	return rank{a: score, b: s.sales[i]}
}

// keep puts a hit into its place among the first n, which are sorted.
func keep(top []hit, h hit, n int) []hit {
	if len(top) == n {
		if n == 0 || h.compare(top[n-1]) <= 0 {
			return top
		}
		top = top[:n-1]
	}
	at, _ := slices.BinarySearchFunc(top, h, func(a, b hit) int { return b.compare(a) })
	return slices.Insert(top, at, h)
}

// clause is one thing that was asked for: any of its alternatives will do.
type clause []alternative

// alternative is tokens that must all be there.
type alternative struct {
	tokens []string
	factor int32
}

const (
	asWhole       = 5 // a word by itself, as it was typed
	asPart        = 4 // a part of another word
	asSynonym     = 4 // another word for it, by itself
	asSynonymPart = 2
	asNearly      = 1 // one that differs in a letter, or is not finished
)

// clauseOf reads a word that somebody typed.
func clauseOf(word string) clause {
	c := alternativesOf(word, asWhole, asPart)
	key := korean.Squeeze(word)
	words := korean.SynonymsOf(key)
	if words == nil {
		words = korean.SynonymsOf(stem(key))
	}
	for _, w := range words {
		if w != key {
			c = append(c, alternativesOf(w, asSynonym, asSynonymPart)...)
		}
	}
	return c
}

// alternativesOf finds a word by itself, and, where words are not set apart by spaces, as a part of another.
func alternativesOf(word string, asWhole, asPart int32) []alternative {
	runs := runsOf(word)
	if len(runs) == 1 && runs[0].script == syllabic {
		return []alternative{{[]string{whole(runs[0].text)}, asWhole}, {tokensOf(word), asPart}}
	}
	alternatives := []alternative{{tokensOf(word), asWhole}}
	if j := joined(runs); j != "" {
		alternatives = append(alternatives, alternative{[]string{j}, asWhole})
	}
	return alternatives
}

func tokensOf(word string) []string {
	var tokens []string
	for _, r := range runsOf(word) {
		if r.script != syllabic {
			tokens = append(tokens, stem(r.text))
			continue
		}
		eachPair(r.text, false, func(t string) { tokens = append(tokens, t) })
	}
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// scores is the working memory of one query in one segment.
type scores struct {
	score   []int32
	best    []int32 // of the clause at hand
	matched []uint8 // how many clauses the item has
	last    []uint8 // which one it had last, from 1
	found   []int
}

var scorePool = sync.Pool{New: func() any { return &scores{} }}

func scoresOf(n int) *scores {
	sc := scorePool.Get().(*scores)
	if cap(sc.score) < n {
		sc.score, sc.best, sc.matched, sc.last = make([]int32, n), make([]int32, n), make([]uint8, n), make([]uint8, n)
	}
	sc.score, sc.best, sc.matched, sc.last, sc.found = sc.score[:n], sc.best[:n], sc.matched[:n], sc.last[:n], sc.found[:0]
	clear(sc.score)
	clear(sc.matched)
	clear(sc.last)
	return sc
}

func (sc *scores) free() { scorePool.Put(sc) }

// match finds the items that have every clause, but for so many.
func (s *segment) match(clauses []clause, missing int, sc *scores) {
	for n, c := range clauses {
		this := uint8(n + 1)
		for _, alt := range c {
			s.eachMatch(alt.tokens, func(item int, weight int32) {
				score := weight * alt.factor
				switch {
				case sc.last[item] == this:
					if score > sc.best[item] {
						sc.score[item] += score - sc.best[item]
						sc.best[item] = score
					}
				case n-int(sc.matched[item]) <= missing:
					if sc.matched[item] == 0 {
						sc.found = append(sc.found, item)
					}
					sc.matched[item]++
					sc.last[item] = this
					sc.best[item] = score
					sc.score[item] += score
				}
			})
		}
	}
	sc.found = slices.DeleteFunc(sc.found, func(item int) bool { return len(clauses)-int(sc.matched[item]) > missing })
}

// eachMatch walks the items that have all tokens, with the weight of the one that counts least: a word is worth what its
// weakest part is.
func (s *segment) eachMatch(tokens []string, found func(item int, weight int32)) {
	lists := make([][]posting, len(tokens))
	for i, t := range tokens {
		if lists[i] = s.postings[t]; len(lists[i]) == 0 {
			return
		}
	}
	if len(lists) == 0 {
		return
	}
	slices.SortFunc(lists, func(a, b []posting) int { return cmp.Compare(len(a), len(b)) })
next:
	for _, at := range lists[0] {
		item, weight := at.item(), at.weight()
		for k := 1; k < len(lists); k++ {
			lists[k] = seek(lists[k], item)
			if len(lists[k]) == 0 {
				return
			}
			if lists[k][0].item() != item {
				continue next
			}
			weight = min(weight, lists[k][0].weight())
		}
		found(item, weight)
	}
}

// seek drops what stands before the item: it doubles its steps, as the item is mostly near.
func seek(list []posting, item int) []posting {
	step := 1
	for step < len(list) && list[step].item() < item {
		step *= 2
	}
	low, high := step/2, min(step+1, len(list))
	at, _ := slices.BinarySearchFunc(list[low:high], item, func(p posting, item int) int { return cmp.Compare(p.item(), item) })
	return list[low+at:]
}
