package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	freshness   = time.Second     // for which this process may go on saying what it has seen
	mostHolders = 100_000         // of a campaign that is remembered: a larger one's holders are looked up
	mostOfAll   = 500_000         // holders that are remembered of all campaigns together
	mostGone    = 1_000           // campaigns that are remembered
	lookTime    = 2 * time.Second // for which a look may take
)

// gone remembers the campaigns that this process has seen sold out, with everybody who holds a coupon of them, for a second: it saves the
// database from the crowd that comes after the last coupon. It may send somebody away a second too long when there are more, never
// one who held a coupon when it looked.
type gone struct {
	clock clock.Clock
	look  func(ctx context.Context, campaign uuid.UUID, before *sighting) (*sighting, error)
	looks singleflight.Group

	mu        sync.RWMutex
	campaigns map[uuid.UUID]*sighting
	holders   int // of all
}

// sighting is a campaign as it was seen. It is never changed.
type sighting struct {
	taken, quantity int64
	holders         map[uuid.UUID]holding // by account; nil: not looked at yet
	until           time.Time
}

type holding struct {
	coupon uuid.UUID
	at     time.Time
}

func newGone(c clock.Clock, look func(context.Context, uuid.UUID, *sighting) (*sighting, error)) *gone {
	return &gone{clock: c, look: look, campaigns: map[uuid.UUID]*sighting{}}
}

// note remembers that a flight has seen the campaign sold out. Whoever claims next looks who the holders are.
func (g *gone) note(campaign uuid.UUID, quantity int64) {
	if quantity > mostHolders {
		return
	}
	g.mu.RLock()
	_, known := g.campaigns[campaign]
	g.mu.RUnlock()
	if known {
		return
	}
	now := g.clock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.campaigns) >= mostGone {
		g.dropOld(now)
	}
	if len(g.campaigns) < mostGone && g.campaigns[campaign] == nil {
		g.campaigns[campaign] = &sighting{}
	}
}

// forget makes the next claims go to the database: there may be coupons again.
func (g *gone) forget(campaign uuid.UUID) {
	g.mu.RLock()
	_, known := g.campaigns[campaign]
	g.mu.RUnlock()
	if !known {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.campaigns[campaign]; known {
		g.drop(campaign)
	}
	g.looks.Forget(campaign.String())
}

func (g *gone) drop(campaign uuid.UUID) {
	g.holders -= len(g.campaigns[campaign].holders)
	delete(g.campaigns, campaign)
}

// dropOld makes room for others than those that nobody has asked about for a second.
func (g *gone) dropOld(now time.Time) {
	for id, seen := range g.campaigns {
		if !now.Before(seen.until) {
			g.drop(id)
		}
	}
}

// answer says what a claim is told, if that is known without asking the database.
func (g *gone) answer(ctx context.Context, in coupons.ClaimInput) (coupon coupons.Coupon, err error, known bool) {
	g.mu.RLock()
	seen := g.campaigns[in.CampaignID]
	g.mu.RUnlock()
	if seen == nil {
		return coupon, nil, false
	}
	if !g.clock().Before(seen.until) {
		if seen = g.renew(ctx, in.CampaignID, seen); seen == nil {
			return coupon, nil, false
		}
	}
	if h, holds := seen.holders[in.AccountID]; holds {
		return coupons.Coupon{ID: h.coupon, CampaignID: in.CampaignID, AccountID: in.AccountID, ClaimedAt: h.at, Repeated: true}, nil, true
	}
	return coupon, coupons.ErrSoldOut, true
}

// renew looks at the campaign again, once for all who ask at the moment. nil: it is not known to be sold out.
func (g *gone) renew(ctx context.Context, campaign uuid.UUID, before *sighting) *sighting {
	looked := g.looks.DoChan(campaign.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
		defer cancel()
		g.mu.RLock()
		now := g.campaigns[campaign]
		g.mu.RUnlock()
		if now != nil && g.clock().Before(now.until) { // another one has just looked
			return now, nil
		}
		if now != before {
			return (*sighting)(nil), nil
		}
		after, err := g.look(ctx, campaign, before)
		if err != nil {
			return (*sighting)(nil), err // the flight that is asked instead will say why
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.campaigns[campaign] != before { // a flight or an edit was here in the meantime
			return (*sighting)(nil), nil
		}
		g.drop(campaign)
		if after == nil {
			return (*sighting)(nil), nil
		}
		if g.holders+len(after.holders) > mostOfAll {
			g.dropOld(g.clock())
		}
		if g.holders+len(after.holders) > mostOfAll {
			return (*sighting)(nil), nil
		}
		g.campaigns[campaign] = after
		g.holders += len(after.holders)
		return after, nil
	})
	select {
	case r := <-looked:
		if r.Err != nil {
			return nil
		}
		after := r.Val.(*sighting)
		g.mu.RLock()
		defer g.mu.RUnlock()
		if after == nil || g.campaigns[campaign] != after {
			return nil
		}
		return after
	case <-ctx.Done():
		return nil
	}
}

// lookGone sees whether a campaign is sold out still, and who its holders are unless nothing can have changed. nil: it is not, or is too
// large.
func (s *Service) lookGone(ctx context.Context, campaign uuid.UUID, before *sighting) (*sighting, error) {
	at := s.clock() // before anything is read
	counter, err := s.sql.CounterNow(ctx, s.pool, campaign)
	if err != nil {
		return nil, fmt.Errorf("read counter: %w", err)
	}
	if !soldOut(counter) {
		return nil, nil
	}
	if before.holders != nil && before.taken == counter.Taken && before.quantity == counter.Quantity {
		return &sighting{taken: before.taken, quantity: before.quantity, holders: before.holders, until: at.Add(freshness)}, nil
	}
	var seen *sighting
	err = books.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if counter, err = s.sql.CounterNow(ctx, tx, campaign); err != nil {
			return fmt.Errorf("read counter: %w", err)
		}
		if !soldOut(counter) {
			return nil
		}
		rows, err := s.sql.Holders(ctx, tx, campaign)
		if err != nil {
			return fmt.Errorf("read holders: %w", err)
		}
		seen = &sighting{taken: counter.Taken, quantity: counter.Quantity, holders: make(map[uuid.UUID]holding, len(rows)), until: at.Add(freshness)}
		for _, r := range rows {
			seen.holders[r.AccountID] = holding{coupon: r.ID, at: r.ClaimedAt}
		}
		return nil
	})
	return seen, err
}

func soldOut(c db.CounterNowRow) bool {
	return c.Taken <= mostHolders && errors.Is(verdict(db.Counter(c), true), coupons.ErrSoldOut)
}
