package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/fault"
)

// Kind says how a campaign's coupons are had.
type Kind string

const (
	ByAnybody Kind = "event"   // claimed by anybody
	ByTier    Kind = "tier"    // claimed by who is a good enough customer
	ByWelcome Kind = "welcome" // given to who has just signed up
	ByCode    Kind = "code"    // claimed with a code
)

// Terms are what a campaign promises. They never change, so that what somebody got stays what it was.
type Terms struct {
	Kind     Kind          `json:"kind"`
	MinTier  accounts.Tier `json:"min_tier,omitempty"`
	EventID  *uuid.UUID    `json:"event_id,omitempty"`
	Discount Discount      `json:"discount"`
}

const (
	mostIDs     = 200                 // categories, products or tags of a discount
	mostWon     = 1_000_000_000       // of a discount, a cap or a minimum
	usableAfter = 30 * 24 * time.Hour // after a campaign's end, unless it is said
)

// lastDay is the last instant that RFC 3339 can write, to the millisecond.
var lastDay = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)

// valid returns the terms as they are stored.
func (t Terms) valid() (Terms, error) {
	if t.Kind == "" {
		t.Kind = ByAnybody
	}
	switch {
	case t.Kind == ByTier && !slices.Contains(accounts.Tiers, t.MinTier):
		return t, coupons.ErrBadKind.WithFields(fault.Field{Pointer: "/min_tier", Detail: "is needed for the kind tier"})
	case t.Kind != ByTier && t.MinTier != "":
		return t, coupons.ErrBadKind.WithFields(fault.Field{Pointer: "/min_tier", Detail: "is for the kind tier only"})
	}
	var err error
	t.Discount, err = t.Discount.valid()
	return t, err
}

func (d Discount) valid() (Discount, error) {
	if d.AppliesTo == "" {
		d.AppliesTo = Everything
	}
	d.AppliesIDs, d.AppliesTags = slices.Clone(d.AppliesIDs), slices.Clone(d.AppliesTags)
	for i, tag := range d.AppliesTags {
		d.AppliesTags[i] = strings.TrimSpace(tag)
	}
	slices.SortFunc(d.AppliesIDs, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	d.AppliesIDs = slices.Compact(d.AppliesIDs)
	slices.Sort(d.AppliesTags)
	d.AppliesTags = slices.Compact(d.AppliesTags)
	if d.AppliesIDs == nil {
		d.AppliesIDs = []uuid.UUID{}
	}
	if d.AppliesTags == nil {
		d.AppliesTags = []string{}
	}
	byID := d.AppliesTo == Categories || d.AppliesTo == Products
	for _, rule := range []struct {
		broken          bool
		pointer, detail string
	}{
		{(d.AmountWon > 0) == (d.Percent > 0), "amount_won", "needs either amount_won or percent"},
		{d.AmountWon < 0 || d.AmountWon > mostWon, "amount_won", "must be 1 to 1,000,000,000"},
		{d.Percent < 0 || d.Percent > 100, "percent", "must be 1 to 100"},
		{d.CapWon < 0 || d.CapWon > mostWon, "cap_won", "must be 0 to 1,000,000,000"},
		{d.CapWon > 0 && d.Percent == 0, "cap_won", "is for a percentage only"},
		{d.MinimumWon < 0 || d.MinimumWon > mostWon, "minimum_won", "must be 0 to 1,000,000,000"},
		{!slices.Contains([]Scope{Everything, Categories, Products, Tags}, d.AppliesTo), "applies_to", "must be all, category, product or tag"},
		{byID != (len(d.AppliesIDs) > 0), "applies_ids", "is needed for category and product, and for nothing else"},
		{(d.AppliesTo == Tags) != (len(d.AppliesTags) > 0), "applies_tags", "is needed for tag, and for nothing else"},
		{len(d.AppliesIDs) > mostIDs, "applies_ids", "may name 200 at most"},
		{len(d.AppliesTags) > mostIDs, "applies_tags", "may name 200 at most"},
		{slices.Contains(d.AppliesTags, ""), "applies_tags", "must not be blank"},
	} {
		if rule.broken {
			return d, coupons.ErrBadDiscount.WithFields(fault.Field{Pointer: "/discount/" + rule.pointer, Detail: rule.detail})
		}
	}
	return d, nil
}

// maxTerms is how many campaigns this process remembers the terms of.
const maxTerms = 10_000

func newTerms() *otter.Cache[uuid.UUID, Terms] {
	return otter.Must(&otter.Options[uuid.UUID, Terms]{MaximumSize: maxTerms})
}

// termsOf returns the terms of a campaign, or coupons.ErrNoCampaign.
func (s *Service) termsOf(ctx context.Context, campaign uuid.UUID) (Terms, error) {
	if terms, ok := s.terms.GetIfPresent(campaign); ok {
		return terms, nil
	}
	all, err := s.allTerms(ctx, s.pool, []uuid.UUID{campaign})
	if err != nil {
		return Terms{}, err
	}
	terms, ok := all[campaign]
	if !ok {
		return Terms{}, coupons.ErrNoCampaign
	}
	return terms, nil
}

// allTerms returns the terms of those campaigns that there are. They are read once in a process: they never change.
func (s *Service) allTerms(ctx context.Context, from db.DBTX, campaigns []uuid.UUID) (map[uuid.UUID]Terms, error) {
	all := make(map[uuid.UUID]Terms, len(campaigns))
	var missing []uuid.UUID
	for _, id := range campaigns {
		if _, twice := all[id]; twice {
			continue
		}
		terms, ok := s.terms.GetIfPresent(id)
		if !ok {
			missing = append(missing, id)
			continue
		}
		all[id] = terms
	}
	if len(missing) == 0 {
		return all, nil
	}
	rows, err := s.sql.Terms(ctx, from, missing)
	if err != nil {
		return nil, fmt.Errorf("read terms: %w", err)
	}
	for _, r := range rows {
		terms := toTerms(r)
		all[r.ID] = terms
		s.terms.Set(r.ID, terms)
	}
	return all, nil
}

func toTerms(c db.CouponsCampaign) Terms {
	return Terms{
		Kind: Kind(c.Kind), MinTier: accounts.Tier(c.MinTier), EventID: c.EventID,
		Discount: Discount{
			AmountWon: c.DiscountWon, Percent: c.DiscountPercent, CapWon: c.DiscountCapWon, MinimumWon: c.MinimumWon,
			AppliesTo: Scope(c.AppliesTo), AppliesIDs: c.AppliesIds, AppliesTags: c.AppliesTags,
		},
	}
}
