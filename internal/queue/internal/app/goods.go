package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/queue"
)

// look notes which rooms have nothing left behind them. Where that cannot be told it is as it was before: nobody is let into what is sold out,
// and nobody kept out of what is not, for a module that does not answer.
func (s *Service) look(ctx context.Context, before, r *reading) {
	ctx, cancel := context.WithTimeout(ctx, leftTimeout)
	defer cancel()
	ids := map[queue.Kind][]uuid.UUID{}
	for goods := range r.goods {
		ids[goods.Kind] = append(ids[goods.Kind], goods.ID)
	}
	left := map[queue.Goods]bool{}
	known := map[queue.Kind]bool{}
	for kind, of := range ids {
		found, err := s.left(ctx, kind, of)
		if err != nil {
			s.log.WarnContext(ctx, "what is left behind the rooms cannot be told", "kind", kind, "error.message", err.Error())
			continue
		}
		known[kind] = true
		for _, id := range found {
			left[queue.Goods{Kind: kind, ID: id}] = true
		}
	}
	for goods, name := range r.goods {
		room := r.rooms[name]
		if known[goods.Kind] {
			room.SoldOut = !left[goods]
		} else if before != nil {
			room.SoldOut = before.rooms[name].SoldOut
		}
		r.rooms[name] = room
	}
}

// left returns those of which there is something.
func (s *Service) left(ctx context.Context, kind queue.Kind, of []uuid.UUID) (some []uuid.UUID, err error) {
	switch kind {
	case queue.Drop:
		drops, err := s.drops.Drops(ctx, catalog.DropsInput{DropIDs: of})
		if err != nil {
			return nil, fmt.Errorf("ask for drops: %w", err)
		}
		for _, d := range drops.Items {
			if d.Left > 0 && !d.Closed {
				some = append(some, d.DropID)
			}
		}
	case queue.Coupon:
		campaigns, err := s.campaigns.Counts(ctx, coupons.CountsInput{CampaignIDs: of})
		if err != nil {
			return nil, fmt.Errorf("ask for campaigns: %w", err)
		}
		for _, c := range campaigns.Items {
			if c.Taken < c.Quantity {
				some = append(some, c.CampaignID)
			}
		}
	}
	return some, nil
}
