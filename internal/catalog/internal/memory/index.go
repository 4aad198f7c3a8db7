// Package memory is the search index of the embedded default: in the process, made from the truth at start, and kept fresh
// by every instance for itself.
//
// It knows Korean as shops need it: Hangul is found by pairs of syllables, with or without the spaces it was written with,
// Latin words and numbers as a whole, and both by the other language's word where that is known. Readers work on a snapshot
// and wait for nobody; a writer makes a small segment of what changed and puts a new snapshot in place.
package memory

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// Index implements app.Index. Its methods may be called from any goroutine.
type Index struct {
	present atomic.Pointer[snapshot]

	mu     sync.Mutex // of writers
	where  map[uuid.UUID]place
	brands map[string]*brandCount // by folded name
}

// place is where a product stands now. A product that was taken out keeps its version, so that an older document that comes
// late does not bring it back.
type place struct {
	version int64
	seg     *segment // nil: taken out
	item    int
}

type brandCount struct {
	name string
	live int
}

// snapshot is the index at one moment.
type snapshot struct {
	parts  []part // the largest first
	brands []brand

	answers  sync.Map // of queries that were asked already: they last as long as the snapshot
	answered atomic.Int32
}

type part struct {
	seg  *segment
	dead bitmap
	live int
}

type brand struct {
	name, letters, initials string
}

// New returns an empty index.
func New() *Index {
	x := &Index{where: map[uuid.UUID]place{}, brands: map[string]*brandCount{}}
	x.present.Store(&snapshot{})
	return x
}

// Len is how many products can be found.
func (x *Index) Len() int {
	n := 0
	for _, p := range x.present.Load().parts {
		n += p.live
	}
	return n
}

// Put implements app.Index.
func (x *Index) Put(ctx context.Context, documents []app.Document) error {
	x.mu.Lock()
	defer x.mu.Unlock()

	documents = x.newest(documents)
	if len(documents) == 0 {
		return nil
	}
	parts := slices.Clone(x.present.Load().parts)
	copied := make(map[*segment]bool, len(parts))
	var visible []app.Document
	for _, d := range documents {
		x.strikeOut(parts, copied, d.ID)
		x.where[d.ID] = place{version: d.Version}
		if d.Visible {
			visible = append(visible, d)
		}
	}
	for first := 0; first < len(visible); first += maxItems {
		seg := build(visible[first:min(first+maxItems, len(visible))])
		parts = append(parts, part{seg: seg, live: len(seg.items)})
		x.settle(seg)
		for _, item := range seg.items {
			x.countBrand(item.Brand, 1)
		}
	}
	x.present.Store(&snapshot{parts: x.tidy(parts), brands: x.liveBrands()})
	return nil
}

// newest leaves the last of several documents of one product, and none that is older than what is here.
func (x *Index) newest(documents []app.Document) []app.Document {
	last := make(map[uuid.UUID]int, len(documents))
	for i, d := range documents {
		if j, ok := last[d.ID]; !ok || documents[j].Version <= d.Version {
			last[d.ID] = i
		}
	}
	kept := make([]app.Document, 0, len(last))
	for i, d := range documents {
		if known, ok := x.where[d.ID]; last[d.ID] == i && (!ok || known.version <= d.Version) {
			kept = append(kept, d)
		}
	}
	return kept
}

// strikeOut takes the product out of the part that has it; the part's bitmap is copied first, as readers have it.
func (x *Index) strikeOut(parts []part, copied map[*segment]bool, id uuid.UUID) {
	at := x.where[id]
	if at.seg == nil {
		return
	}
	n := slices.IndexFunc(parts, func(p part) bool { return p.seg == at.seg })
	p := &parts[n]
	if !copied[p.seg] {
		copied[p.seg], p.dead = true, slices.Clone(p.dead)
	}
	p.dead = p.dead.with(at.item, len(p.seg.items))
	p.live--
	x.countBrand(p.seg.items[at.item].Brand, -1)
}

// settle notes where the segment's products are.
func (x *Index) settle(seg *segment) {
	for i, item := range seg.items {
		x.where[item.ID] = place{version: item.Version, seg: seg, item: i}
	}
}

// tidy merges parts so that there are few: each is at least four times as large as the next, and mostly alive. A product is
// so moved a handful of times in its life, whatever the number of changes.
func (x *Index) tidy(parts []part) []part {
	parts = slices.DeleteFunc(parts, func(p part) bool { return p.live == 0 })
	for len(parts) > 1 {
		a, b := parts[len(parts)-2], parts[len(parts)-1]
		if a.live >= 4*b.live || a.live+b.live > maxItems {
			break
		}
		parts = append(parts[:len(parts)-2], x.merged(a, b))
	}
	for i, p := range parts {
		if dead := len(p.seg.items) - p.live; dead > 64 && dead > p.live/2 {
			parts[i] = x.merged(p)
		}
	}
	return parts
}

func (x *Index) merged(parts ...part) part {
	seg := merge(parts)
	x.settle(seg)
	return part{seg: seg, live: len(seg.items)}
}

func (x *Index) countBrand(name string, by int) {
	key := korean.Fold(name)
	b := x.brands[key]
	if b == nil {
		b = &brandCount{name: name}
		x.brands[key] = b
	}
	if b.live += by; b.live == 0 {
		delete(x.brands, key)
	}
}

// liveBrands lists the brands that have something to show.
func (x *Index) liveBrands() []brand {
	brands := make([]brand, 0, len(x.brands))
	for key, b := range x.brands {
		brands = append(brands, brand{name: b.name, letters: lettersOf(key), initials: initialsOf(key)})
	}
	slices.SortFunc(brands, func(a, b brand) int { return strings.Compare(a.letters, b.letters) })
	return brands
}
