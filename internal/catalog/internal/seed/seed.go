// Package seed makes the demo catalogue: believable goods of a Korean shop, always the same.
//
// The n-th product depends on n alone, ids and all, so a larger catalogue begins with the smaller one, and seeding can be
// stopped, continued and repeated. Fill puts them into the database.
package seed

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Max is the most products that a catalogue can have: each has a moment of its own, in the past.
const Max = 2_000_000

// opening is when the demo shop put up its first product. Categories were made before it.
var opening = time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)

const betweenProducts = 20 * time.Second

// Category is a node of the demo tree, parents before children.
type Category struct {
	ID        uuid.UUID
	ParentID  uuid.UUID // zero: a root
	Slug      string
	Name      string
	NameEn    string
	Position  int32
	CreatedAt time.Time
}

// Product is one of the demo goods with its opening stock.
type Product struct {
	ID               uuid.UUID
	MovementID       uuid.UUID
	CategoryID       uuid.UUID
	Name             string
	NameEn           string
	Brand            string
	Color            string
	Size             string
	Tags             []string
	Description      string
	ListPriceWon     int64
	PriceWon         int64
	LimitPerCustomer int32
	SalesCount       int64
	Stock            int64
	CreatedAt        time.Time
}

// Categories returns the tree.
func Categories() []Category {
	var categories []Category
	add := func(parent uuid.UUID, slug string, name pair, position int) uuid.UUID {
		at := opening.Add(-24 * time.Hour).Add(time.Duration(len(categories)) * time.Second)
		c := Category{
			ID: idOf('c', uint64(len(categories)), at), ParentID: parent, Slug: slug,
			Name: name.ko, NameEn: name.en, Position: int32(position), CreatedAt: at,
		}
		categories = append(categories, c)
		return c.ID
	}
	for i, d := range departments {
		top := add(uuid.Nil, d.slug, d.pair, i)
		for j, g := range d.groups {
			middle := add(top, g.slug, g.pair, j)
			for k, leaf := range g.kinds {
				add(middle, leaf.slug, leaf.pair, k)
			}
		}
	}
	return categories
}

// leaf is a kind with the category and the department that it stands in.
type leaf struct {
	kind
	category   uuid.UUID
	department *department
}

// leaves lists what products are made of.
var leaves = func() []leaf {
	ids := map[string]uuid.UUID{}
	for _, c := range Categories() {
		ids[c.Slug] = c.ID
	}
	var all []leaf
	for i := range departments {
		for _, g := range departments[i].groups {
			for _, k := range g.kinds {
				all = append(all, leaf{k, ids[k.slug], &departments[i]})
			}
		}
	}
	return all
}()

// IDOf returns the id of the n-th product. Ids sort like their numbers.
func IDOf(n int) uuid.UUID { return idOf('p', uint64(n), momentOf(n)) }

// ProductOf makes the n-th product, from 0 on.
func ProductOf(n int) Product {
	r := rand.New(rand.NewPCG(uint64(n), 0x5a5a_9c4a_11))
	l := leaves[r.IntN(len(leaves))]
	d := l.department.domain
	brand, line, quality := one(r, d.brands), one(r, d.lines), one(r, d.qualities)
	at := momentOf(n)
	p := Product{
		ID: IDOf(n), MovementID: idOf('m', uint64(n), at), CategoryID: l.category,
		Brand: brand.ko, Size: one(r, l.sizes), CreatedAt: at,
	}
	names := []pair{brand, line, quality, l.pair}
	color := one(r, colors)
	if d.hasColor {
		p.Color = color.ko
		names = append(names, color)
	}
	if d.modelCodes {
		code := fmt.Sprintf("%c%c-%d", 'A'+r.IntN(26), 'A'+r.IntN(26), 100+10*r.IntN(90))
		names = append(names, pair{code, code})
	}
	p.Name, p.NameEn = join(names)
	p.Tags = append([]string{}, l.tags...)
	p.Description = describe(r, d, brand, l.pair, quality, color)
	p.ListPriceWon, p.PriceWon = prices(r, l.from, l.to)
	switch {
	case p.PriceWon*10 <= p.ListPriceWon*7:
		p.Tags = append(p.Tags, "특가")
	case r.IntN(10) == 0:
		p.Tags = append(p.Tags, "신상")
	}
	if r.IntN(8) == 0 {
		p.LimitPerCustomer = []int32{1, 2, 3, 5}[r.IntN(4)]
		p.Tags = append(p.Tags, "한정수량")
	}
	p.Stock = stock(r)
	popular := r.Int64N(1000) * r.Int64N(1000) / 1000
	p.SalesCount = popular * popular * popular / 100_000 // few sell a lot, most a little
	return p
}

func momentOf(n int) time.Time { return opening.Add(time.Duration(n) * betweenProducts) }

func one[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func join(names []pair) (ko, en string) {
	var k, e []string
	for _, n := range names {
		k, e = append(k, n.ko), append(e, n.en)
	}
	return strings.Join(k, " "), strings.Join(e, " ")
}

// describe says two to four sentences; the first names the product.
func describe(r *rand.Rand, d *domain, brand, kind, quality, color pair) string {
	chosen := []string{d.sentences[0]}
	for _, i := range r.Perm(len(d.sentences) - 1)[:1+r.IntN(3)] {
		chosen = append(chosen, d.sentences[i+1])
	}
	said := strings.NewReplacer(
		"%[1]s가", brand.ko+particle(brand.ko, "이", "가", false), "%[2]s로", kind.ko+particle(kind.ko, "으로", "로", true),
		"%[1]s", brand.ko, "%[2]s", kind.ko, "%[3]s", quality.ko, "%[4]s", strings.ToLower(kind.en), "%[5]s", color.ko,
	)
	return said.Replace(strings.Join(chosen, " "))
}

// particle chooses the form that follows the word's last syllable: one that ends in a consonant or not. Before 로, ㄹ
// counts as none.
func particle(word, closed, open string, rieulIsOpen bool) string {
	last, _ := utf8.DecodeLastRuneInString(word)
	if last < '가' || last > '힣' {
		return open
	}
	const rieul = 8
	if final := (last - '가') % 28; final == 0 || final == rieul && rieulIsOpen {
		return open
	}
	return closed
}

// prices draws a list price, cheap ones more often, and a discount. Both end as Korean shops like it: in 900 or in 00.
// There is no floating point in it, which is not the same on every machine.
func prices(r *rand.Rand, from, to int64) (list, price int64) {
	expensive := r.Int64N(1000)
	list = rounded(r, from+(to-from)*expensive*expensive/1_000_000)
	percent := []int64{0, 0, 0, 5, 10, 10, 15, 20, 30, 40, 50}[r.IntN(11)]
	if percent == 0 {
		return list, list
	}
	price = min(rounded(r, list*(100-percent)/100), list)
	return list, price
}

func rounded(r *rand.Rand, won int64) int64 {
	if won >= 5000 && r.IntN(5) < 3 {
		return won/1000*1000 + 900
	}
	return max(won/100*100, 500)
}

// stock is what the product opens with: one in twenty-five is sold out, a few are scarce.
func stock(r *rand.Rand) int64 {
	switch n := r.IntN(100); {
	case n < 4:
		return 0
	case n < 10:
		return 1 + r.Int64N(10)
	case n < 90:
		return 20 + r.Int64N(280)
	}
	return 500 + r.Int64N(1500)
}

// idOf makes a UUIDv7 of a moment; what is random in others is drawn from the class and the number.
func idOf(class byte, n uint64, at time.Time) uuid.UUID {
	r := rand.New(rand.NewPCG(n, uint64(class)))
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|r.Uint64()&0xfff)
	binary.BigEndian.PutUint64(id[8:], r.Uint64())
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}
