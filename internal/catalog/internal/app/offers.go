package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
)

// maxProducts is how many products one call may name.
const maxProducts = 200

// Offers implements [catalog.Products]. It reads the truth each time: what is priced here is paid.
func (s *Service) Offers(ctx context.Context, in catalog.OffersInput) (catalog.Offers, error) {
	if len(in.ProductIDs) > maxProducts {
		return catalog.Offers{}, catalog.ErrTooManyProducts
	}
	offers := catalog.Offers{Items: []catalog.Offer{}}
	if len(in.ProductIDs) == 0 {
		return offers, nil
	}
	rows, err := s.sql.OffersOf(ctx, s.pool, in.ProductIDs)
	if err != nil {
		return catalog.Offers{}, fmt.Errorf("read offers: %w", err)
	}
	found := make(map[uuid.UUID]db.OffersOfRow, len(rows))
	for _, r := range rows {
		found[r.ID] = r
	}
	for _, id := range in.ProductIDs {
		r, ok := found[id]
		if !ok {
			continue
		}
		delete(found, id) // a product that is asked for twice is told once
		offers.Items = append(offers.Items, catalog.Offer{
			ProductID: r.ID, Name: r.Name, Brand: r.Brand, ImageURL: deref(r.ImageUrl), PriceWon: r.PriceWon,
			LimitPerCustomer: int(r.LimitPerCustomer), Availability: availabilityOf(r.Available, r.LowAt), OnSale: !r.SaleStopped,
		})
	}
	return offers, nil
}
