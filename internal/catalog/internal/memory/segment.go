package memory

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// segment is a part of the index that never changes after it was made, so that it is read without a lock. A product that
// changes is written into a new segment; its place in the old one is struck out in the snapshot's bitmap.
type segment struct {
	items    []app.Summary
	keys     []string // the names, squeezed
	postings map[string][]posting

	categories column[uuid.UUID]
	brands     column[string]
	colors     column[string]
	sizes      column[string]
	tags       lists
	price      []int64
	sales      []int64
	published  []int64 // milliseconds
	inStock    []bool

	letters  []completion // sorted by key
	initials []completion

	words func() []spelling // made when it is asked for first
}

// posting says where a token stands: the product's place in the segment, and the weight of the best field that has it.
type posting uint32

const (
	weightBits = 8
	maxItems   = 1<<(32-weightBits) - 1
)

func postingOf(item int, weight uint8) posting { return posting(item)<<weightBits | posting(weight) }
func (p posting) item() int                    { return int(p >> weightBits) }
func (p posting) weight() int32                { return int32(p & (1<<weightBits - 1)) }

// What a token counts for, by the field that has it. Scores are sums of these alone, never of how rare a word is, so a
// product's score does not move when others come and go, and pages stay where they are.
const (
	weightName        = 10
	weightNameEn      = 9
	weightBrand       = 8
	weightTag         = 6
	weightColor       = 4
	weightSize        = 4
	weightDescription = 1
)

// values numbers what a field can be. Values are told apart and found folded, and shown as they were first written.
type values[V comparable] struct {
	all    []V
	exact  map[V]int32
	folded map[V]int32
	fold   func(V) V
}

func newValues[V comparable](fold func(V) V) values[V] {
	return values[V]{exact: map[V]int32{}, folded: map[V]int32{}, fold: fold}
}

func (vs *values[V]) number(v V) int32 {
	if n, ok := vs.exact[v]; ok {
		return n
	}
	key := vs.fold(v)
	n, ok := vs.folded[key]
	if !ok {
		n = int32(len(vs.all))
		vs.folded[key] = n
		vs.all = append(vs.all, v)
	}
	vs.exact[v] = n
	return n
}

// admitted tells for each value whether the filter admits it; nil when the filter is empty.
func (vs *values[V]) admitted(filter []V) []bool {
	if len(filter) == 0 {
		return nil
	}
	admitted := make([]bool, len(vs.all))
	for _, v := range filter {
		if n, ok := vs.folded[vs.fold(v)]; ok {
			admitted[n] = true
		}
	}
	return admitted
}

// nothing is the number of a field that is empty.
const nothing = -1

// column holds a field of which an item has one value, or nothing.
type column[V comparable] struct {
	values[V]
	of []int32
}

func newColumn[V comparable](fold func(V) V) column[V] { return column[V]{values: newValues(fold)} }

func (c *column[V]) add(v V) { c.of = append(c.of, c.number(v)) }

func (c *column[V]) addIf(has bool, v V) {
	if has {
		c.add(v)
	} else {
		c.of = append(c.of, nothing)
	}
}

// lists holds a field of which an item has any number of values: item i has of[start[i]:start[i+1]].
type lists struct {
	values[string]
	of, start []int32
}

func newLists() lists { return lists{values: newValues(korean.Fold), start: []int32{0}} }

func (l *lists) add(vs []string) {
	first := len(l.of)
	for _, v := range vs {
		if n := l.number(v); !slices.Contains(l.of[first:], n) {
			l.of = append(l.of, n)
		}
	}
	l.start = append(l.start, int32(len(l.of)))
}

func (l *lists) at(item int) []int32 { return l.of[l.start[item]:l.start[item+1]] }

// completion is a name by what may be typed for it.
type completion struct {
	key  string
	item uint32
}

func newSegment(size int) *segment {
	same := func(id uuid.UUID) uuid.UUID { return id }
	s := &segment{
		items:      make([]app.Summary, 0, size),
		keys:       make([]string, 0, size),
		postings:   map[string][]posting{},
		categories: newColumn(same),
		brands:     newColumn(korean.Fold),
		colors:     newColumn(korean.Fold),
		sizes:      newColumn(korean.Fold),
		tags:       newLists(),
	}
	s.words = sync.OnceValue(s.spell)
	return s
}

// build makes a segment of documents.
func build(documents []app.Document) *segment {
	s := newSegment(len(documents))
	for _, d := range documents {
		item := len(s.items)
		name := korean.Fold(d.Name)
		s.addItem(d.Summary, korean.Squeeze(name))
		s.index(item, name, true, weightName)
		s.index(item, korean.Fold(d.NameEn), true, weightNameEn)
		s.index(item, korean.Fold(d.Brand), true, weightBrand)
		for _, tag := range d.Tags {
			s.index(item, korean.Fold(tag), true, weightTag)
		}
		s.index(item, korean.Fold(d.Color), true, weightColor)
		s.index(item, korean.Fold(d.Size), true, weightSize)
		s.index(item, korean.Fold(d.Description), false, weightDescription)
		s.complete(item, name)
	}
	byKey := func(a, b completion) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return int(a.item) - int(b.item)
	}
	slices.SortFunc(s.letters, byKey)
	slices.SortFunc(s.initials, byKey)
	return s
}

func (s *segment) addItem(item app.Summary, key string) {
	s.items = append(s.items, item)
	s.keys = append(s.keys, key)
	s.categories.add(item.CategoryID)
	s.brands.add(item.Brand)
	s.colors.addIf(item.Color != "", item.Color)
	s.sizes.addIf(item.Size != "", item.Size)
	s.tags.add(item.Tags)
	s.sales = append(s.sales, item.SalesCount)
	s.published = append(s.published, item.PublishedAt.UnixMilli())
	s.price = append(s.price, item.PriceWon)
	s.inStock = append(s.inStock, item.Availability != catalog.SoldOut)
}

// index makes the item found by the field's tokens. Items come in order, so a token's postings are sorted, and the last
// one is this item's if it has the token already.
func (s *segment) index(item int, field string, thorough bool, weight uint8) {
	eachToken(field, thorough, func(token string) {
		list, known := s.postings[token]
		if n := len(list) - 1; n >= 0 && list[n].item() == item {
			if list[n].weight() < int32(weight) {
				list[n] = postingOf(item, weight)
			}
			return
		}
		if !known {
			token = strings.Clone(token) // not the whole description
		}
		s.postings[token] = append(list, postingOf(item, weight))
	})
}

// complete makes the name found by how it begins, and by how its second word begins: the first is mostly the brand.
func (s *segment) complete(item int, name string) {
	_, rest, _ := strings.Cut(name, " ")
	for _, start := range []string{name, rest} {
		if key := lettersOf(start); key != "" {
			s.letters = append(s.letters, completion{key, uint32(item)})
			s.initials = append(s.initials, completion{initialsOf(start), uint32(item)})
		}
	}
}

// merge makes one segment of several, without what is struck out.
func merge(parts []part) *segment {
	size := 0
	for _, p := range parts {
		size += p.live
	}
	s := newSegment(size)
	moved := make([][]int32, len(parts)) // where each item went; -1: nowhere
	for n, p := range parts {
		moved[n] = make([]int32, len(p.seg.items))
		for i := range p.seg.items {
			if p.dead.has(i) {
				moved[n][i] = -1
				continue
			}
			moved[n][i] = int32(len(s.items))
			s.addItem(p.seg.items[i], p.seg.keys[i])
		}
	}
	for n, p := range parts {
		for token, list := range p.seg.postings {
			into := s.postings[token]
			if into == nil {
				into = make([]posting, 0, len(list))
			}
			for _, at := range list {
				if to := moved[n][at.item()]; to >= 0 {
					into = append(into, postingOf(int(to), uint8(at.weight())))
				}
			}
			if len(into) > 0 {
				s.postings[token] = into
			}
		}
		s.letters = mergeCompletions(s.letters, p.seg.letters, moved[n])
		s.initials = mergeCompletions(s.initials, p.seg.initials, moved[n])
	}
	return s
}

// mergeCompletions merges the sorted b into the sorted a.
func mergeCompletions(a, b []completion, moved []int32) []completion {
	merged := make([]completion, 0, len(a)+len(b))
	for _, c := range b {
		to := moved[c.item]
		if to < 0 {
			continue
		}
		for len(a) > 0 && a[0].key <= c.key {
			merged, a = append(merged, a[0]), a[1:]
		}
		merged = append(merged, completion{c.key, uint32(to)})
	}
	return append(merged, a...)
}

// bitmap is a set of items. It is copied before it is changed.
type bitmap []uint64

func (b bitmap) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b bitmap) with(i, size int) bitmap {
	if len(b) == 0 {
		b = make(bitmap, (size+63)>>6)
	}
	b[i>>6] |= 1 << (i & 63)
	return b
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
