package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/web"
)

var (
	reviewCommit    = failpoint.New("accounts.review_tier.commit") // the account has another tier, and an event tells it
	reviewCommitted = failpoint.New("accounts.review_tier.committed")
)

const (
	tierWindow = 365 * 24 * time.Hour // in which purchases count
	maxReviews = 500                  // accounts that one round looks at
)

// ladder is the tiers, from the least to the best.
type ladder []db.AccountsTier

func (s *Service) rules(ctx context.Context, conn db.DBTX) (ladder, error) {
	rules, err := s.sql.Tiers(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("read the tiers: %w", err)
	}
	return rules, nil
}

// best is the tier of somebody who bought for that much.
func (l ladder) best(won int64) accounts.Tier {
	best := accounts.Bronze
	for _, t := range l {
		if t.FromWon <= won {
			best = accounts.Tier(t.Name)
		}
	}
	return best
}

// of is the rule of a tier.
func (l ladder) of(tier accounts.Tier) (rule db.AccountsTier) {
	for _, t := range l {
		if t.Name == string(tier) {
			rule = t
		}
	}
	return rule
}

// revision grows with each change of a tier.
func (l ladder) revision() (sum int64) {
	for _, t := range l {
		sum += t.Revision
	}
	return sum
}

// ascends tells whether each tier is harder to reach than the one below, and earns as much at least.
func (l ladder) ascends() bool {
	for i, name := range accounts.Tiers[1:] {
		below, above := l.of(accounts.Tiers[i]), l.of(name)
		if above.FromWon <= below.FromWon || above.EarnPermille < below.EarnPermille {
			return false
		}
	}
	return true
}

// ReviewTiers gives the accounts that bought something, whose purchases have aged, or for whom the tiers are other ones than before,
// the tier that they have now. It ends when nobody is left of whom that is to be looked at.
func (s *Service) ReviewTiers(ctx context.Context) error {
	for {
		rules, err := s.rules(ctx, s.pool)
		if err != nil {
			return err
		}
		due, err := s.sql.DueReviews(ctx, s.pool, db.DueReviewsParams{Now: s.clock(), Tiers: rules.revision(), RowLimit: maxReviews})
		if err != nil {
			return fmt.Errorf("look for tiers to review: %w", err)
		}
		if len(due) == 0 {
			return nil
		}
		if err := s.review(ctx, rules, due); err != nil {
			return err
		}
	}
}

// review looks at some accounts at once. Those whose tier stays cost one statement together, each of the others a transaction.
func (s *Service) review(ctx context.Context, rules ladder, people []uuid.UUID) error {
	now := s.clock()
	bought, err := s.sql.Bought(ctx, s.pool, db.BoughtParams{Since: now.Add(-tierWindow), AccountIds: people})
	if err != nil {
		return fmt.Errorf("sum up purchases: %w", err)
	}
	for _, b := range bought {
		if b.Tier != "" && b.Tier != string(rules.best(b.Won)) {
			if err := s.setTier(ctx, rules, b.AccountID); err != nil {
				return err
			}
		}
	}
	return s.setReviews(ctx, s.pool, rules, now, bought)
}

// setReviews notes that the accounts were looked at, and when that must be done again. It changes nothing for one that bought
// something in the meantime.
func (s *Service) setReviews(ctx context.Context, conn db.DBTX, rules ladder, now time.Time, bought []db.BoughtRow) error {
	set := db.SetReviewsParams{Tiers: rules.revision()}
	for _, b := range bought {
		due := now.Add(tierWindow) // nothing will age before
		if b.Won > 0 {
			due = b.Oldest.Add(tierWindow)
		}
		set.AccountIds, set.Last, set.DueAt = append(set.AccountIds, b.AccountID), append(set.Last, b.Last), append(set.DueAt, due)
	}
	if err := s.sql.SetReviews(ctx, conn, set); err != nil {
		return fmt.Errorf("set reviews: %w", err)
	}
	return nil
}

// setTier gives an account the tier that it has by its purchases, tells so, and puts a line into its inbox.
func (s *Service) setTier(ctx context.Context, rules ladder, id uuid.UUID) error {
	changed := false
	err := s.inTx(ctx, func(w *work) error {
		account, err := s.sql.LockAccount(ctx, w.tx, id)
		if err != nil {
			return orElse(err, nil, "lock account") // closed a moment ago
		}
		w.now = s.clock()
		bought, err := s.sql.Bought(ctx, w.tx, db.BoughtParams{Since: w.now.Add(-tierWindow), AccountIds: []uuid.UUID{id}})
		if err != nil || len(bought) == 0 {
			return err
		}
		before, after := accounts.Tier(account.Tier), rules.best(bought[0].Won)
		if before == after {
			return nil
		}
		if account, err = s.sql.SetTier(ctx, w.tx, db.SetTierParams{ID: id, Tier: string(after), At: w.now}); err != nil {
			return fmt.Errorf("set tier: %w", err)
		}
		if err := s.tellTier(ctx, w, id, tierParams{Old: before, New: after}); err != nil {
			return err
		}
		changed = true
		err = s.publish(ctx, w, accounts.TierChanged{AccountID: id, Version: account.Version, Old: before, New: after, At: w.now})
		reviewCommit.Hit()
		return err
	})
	if err == nil && changed {
		reviewCommitted.Hit()
	}
	return err
}

// tierParams is what a notification about a tier is made from.
type tierParams struct {
	Old accounts.Tier `json:"old"`
	New accounts.Tier `json:"new"`
}

func (s *Service) tellTier(ctx context.Context, w *work, account uuid.UUID, p tierParams) error {
	params, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode notification: %w", err)
	}
	id := uuid.Must(uuid.NewV7())
	err = s.sql.InsertOwnNotification(ctx, w.tx, db.InsertOwnNotificationParams{
		ID: id, AccountID: account, EventID: id, Kind: tierChanged, Params: params, At: w.now,
	})
	if err != nil {
		return fmt.Errorf("insert notification: %w", err)
	}
	return nil
}

// TierRule says who is in a tier, and what that brings.
type TierRule struct {
	FromWon      int64
	EarnPermille int64
}

// TierRules returns the tiers, from the least to the best.
func (s *Service) TierRules(ctx context.Context) ([]db.AccountsTier, error) {
	return s.rules(ctx, s.pool)
}

// SetTierRule changes a tier. Who is in which one follows within seconds; what was earned before stays.
func (s *Service) SetTierRule(ctx context.Context, name accounts.Tier, ifMatch string, rule TierRule) (after db.AccountsTier, err error) {
	err = s.inTx(ctx, func(w *work) error {
		rows, err := s.sql.LockTiers(ctx, w.tx)
		if err != nil {
			return fmt.Errorf("lock the tiers: %w", err)
		}
		i := slices.IndexFunc(rows, func(t db.AccountsTier) bool { return t.Name == string(name) })
		if i < 0 {
			return accounts.ErrNoTier
		}
		before := rows[i]
		if err := web.CheckIfMatch(ifMatch, TierETag(before)); err != nil {
			return err
		}
		rows[i].FromWon, rows[i].EarnPermille = rule.FromWon, rule.EarnPermille
		if (name == accounts.Bronze) != (rule.FromWon == 0) || !ladder(rows).ascends() {
			return accounts.ErrTiersNotAscend
		}
		after, err = s.sql.SetTierRule(ctx, w.tx, db.SetTierRuleParams{
			Name: before.Name, FromWon: rule.FromWon, EarnPermille: rule.EarnPermille, At: w.now,
		})
		if err != nil {
			return fmt.Errorf("set tier: %w", err)
		}
		return s.audit.Add(ctx, w.tx, audit.Entry{
			Action: "tiers.update", Subject: before.Name,
			Before: tierFacts{before.FromWon, before.EarnPermille}, After: tierFacts{after.FromWon, after.EarnPermille},
		})
	})
	return after, err
}

// tierFacts is what the audit log has of a tier.
type tierFacts struct {
	FromWon      int64 `json:"from_won"`
	EarnPermille int64 `json:"earn_permille"`
}

// TierETag names a state of a tier.
func TierETag(t db.AccountsTier) string { return web.ETag("tier", t.Name, t.Revision) }
