// Package relevance measures how well lists answer what shoppers type: queries with what is wanted by each, a rule that grades any
// product against it, and nDCG@10 and recall@20 of what an index finds.
//
// The queries and the rule know attributes of products and no ranking. Six in ten queries are there to tune by; the figures that
// count are those of the others.
package relevance

import (
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
)

// products is how many of the demo catalogue are searched.
const products = 5000

// Wants is what somebody has in mind: what is empty does not matter.
type Wants struct {
	Kinds []string // slugs of categories, with those below them; any will do
	Brand string
	Color string
	Size  string
	Tag   string
	Word  string // of the name: what the product is like
}

// Best is the grade of a product that is all that was wanted.
const Best = 3

// Grade tells how well a product is what was wanted, from 0 to Best. Another kind of thing is not wanted at all; of the right
// kind, it is the share of the wishes that come true.
func Grade(w Wants, d app.Document) int {
	wished, granted := 0, 0
	wish := func(wanted bool, is bool) {
		if wanted {
			wished++
			if is {
				granted++
			}
		}
	}
	isKind := slices.ContainsFunc(w.Kinds, func(slug string) bool { return slices.Contains(slugs[d.CategoryID], slug) })
	if len(w.Kinds) > 0 && !isKind {
		return 0
	}
	wish(len(w.Kinds) > 0, isKind)
	wish(w.Brand != "", d.Brand == w.Brand)
	wish(w.Color != "", d.Color == w.Color)
	wish(w.Size != "", d.Size == w.Size)
	wish(w.Tag != "", slices.Contains(d.Tags, w.Tag))
	wish(w.Word != "", slices.Contains(strings.Fields(d.Name), w.Word))
	return Best * granted / wished
}

// slugs has those of each category and of all above it.
var slugs = func() map[uuid.UUID][]string {
	of := map[uuid.UUID][]string{}
	for _, c := range seed.Categories() { // parents first
		of[c.ID] = append(slices.Clone(of[c.ParentID]), c.Slug)
	}
	return of
}()

// Catalogue returns what is searched: the first products of the demo shop, always the same.
func Catalogue() []app.Document {
	documents := make([]app.Document, products)
	for n := range documents {
		p := seed.ProductOf(n)
		availability := catalog.InStock
		if p.Stock == 0 {
			availability = catalog.SoldOut
		}
		documents[n] = app.Document{
			Summary: app.Summary{
				ID: p.ID, Version: 1, CategoryID: p.CategoryID, Name: p.Name, NameEn: p.NameEn, Brand: p.Brand, Color: p.Color, Size: p.Size,
				Tags: p.Tags, ListPriceWon: p.ListPriceWon, PriceWon: p.PriceWon, Availability: availability, OnSale: true,
				SalesCount: p.SalesCount, PublishedAt: p.CreatedAt,
			},
			Description: p.Description,
			Visible:     true,
		}
	}
	return documents
}

const (
	cutGain   = 10 // nDCG looks so far down the list
	cutRecall = 20
)

// NDCG is the gain of the first ten found, discounted by their places, as a share of what the catalogue has at best.
func NDCG(found, all []int) float64 {
	best := slices.Clone(all)
	slices.SortFunc(best, func(a, b int) int { return b - a })
	return gain(found) / gain(best)
}

func gain(grades []int) float64 {
	sum := 0.0
	for i, g := range grades[:min(len(grades), cutGain)] {
		sum += (math.Exp2(float64(g)) - 1) / math.Log2(float64(i+2))
	}
	return sum
}

// Recall is how many of the best are among the first twenty found, as a share of those that could be.
func Recall(found, all []int) float64 {
	return float64(best(found[:min(len(found), cutRecall)])) / float64(min(best(all), cutRecall))
}

func best(grades []int) int {
	n := 0
	for _, g := range grades {
		if g == Best {
			n++
		}
	}
	return n
}
