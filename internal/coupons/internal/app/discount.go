package app

import (
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/fault"
)

// maxLines is how many lines a quote may have.
const maxLines = 200

// Scope is what a discount applies to.
type Scope string

const (
	Everything Scope = "all"
	Categories Scope = "category"
	Products   Scope = "product"
	Tags       Scope = "tag"
)

// Discount is what a coupon takes off, and off what: won or a percentage, never both.
type Discount struct {
	AmountWon  int64 `json:"amount_won,omitempty"`
	Percent    int64 `json:"percent,omitempty"`
	CapWon     int64 `json:"cap_won,omitempty"` // of a percentage; 0: none
	MinimumWon int64 `json:"minimum_won"`       // that the lines to which it applies must come to

	AppliesTo   Scope       `json:"applies_to"`
	AppliesIDs  []uuid.UUID `json:"applies_ids"` // categories with all below them, or products
	AppliesTags []string    `json:"applies_tags"`
}

// Most is the most that the discount ever takes off an order.
func (d Discount) Most() int64 {
	switch {
	case d.AmountWon > 0:
		return d.AmountWon
	case d.CapWon > 0:
		return d.CapWon
	}
	return math.MaxInt64
}

// On is what the discount takes off lines that [amounts] has accepted: in all, and off each. It is never more than what it applies to, and
// the parts sum to the won. Nothing comes with the reason.
//
// A line's part is the difference of two portions of the whole, each rounded down, so that no rounding is lost or won on the way.
func (d Discount) On(lines []coupons.Line, amounts []int64) (won int64, parts []int64, reason string) {
	applies := make([]bool, len(lines))
	sum := int64(0) // no overflow: it is at most the sum of all
	for i, l := range lines {
		if applies[i] = d.appliesTo(l); applies[i] {
			sum += amounts[i]
		}
	}
	switch {
	case sum == 0:
		return 0, nil, "it applies to nothing in the order"
	case sum < d.MinimumWon:
		return 0, nil, "it needs " + strconv.FormatInt(d.MinimumWon, 10) + " won of what it applies to, and there are " + strconv.FormatInt(sum, 10)
	}
	won = d.AmountWon
	if d.Percent > 0 {
		won = coupons.Portion(sum, d.Percent, 100)
		if d.CapWon > 0 {
			won = min(won, d.CapWon)
		}
	}
	if won = min(won, sum); won == 0 {
		return 0, nil, "it comes to less than a won"
	}
	parts = make([]int64, len(lines))
	seen, before := int64(0), int64(0)
	for i := range lines {
		if !applies[i] {
			continue
		}
		seen += amounts[i]
		until := coupons.Portion(won, seen, sum)
		parts[i], before = until-before, until
	}
	return won, parts, ""
}

func (d Discount) appliesTo(l coupons.Line) bool {
	switch d.AppliesTo {
	case Everything:
		return true
	case Categories:
		return slices.ContainsFunc(l.CategoryIDs, func(id uuid.UUID) bool { return slices.Contains(d.AppliesIDs, id) })
	case Products:
		return slices.Contains(d.AppliesIDs, l.ProductID)
	case Tags:
		return slices.ContainsFunc(l.Tags, func(tag string) bool { return slices.Contains(d.AppliesTags, tag) })
	}
	return false
}

// amounts is what each line comes to. It refuses lines whose sum is more than can be counted.
func amounts(lines []coupons.Line) ([]int64, error) {
	if len(lines) == 0 || len(lines) > maxLines {
		return nil, coupons.ErrBadLines
	}
	all := make([]int64, len(lines))
	sum := int64(0)
	for i, l := range lines {
		at := "/lines/" + strconv.Itoa(i)
		if l.Quantity < 1 || l.UnitPriceWon < 0 {
			return nil, coupons.ErrBadLines.WithFields(fault.Field{Pointer: at, Detail: "needs a quantity of at least 1 and a price of at least 0"})
		}
		high, low := bits.Mul64(uint64(l.Quantity), uint64(l.UnitPriceWon))
		if high > 0 || low > uint64(math.MaxInt64-sum) {
			return nil, coupons.ErrBadLines.WithFields(fault.Field{Pointer: at, Detail: "is more than can be counted"})
		}
		all[i] = int64(low)
		sum += all[i]
	}
	return all, nil
}
