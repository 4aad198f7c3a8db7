package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/batch"
)

// maxProducts is how many products one call may name.
const maxProducts = 200

// Offers implements [catalog.Products]. It reads the truth each time, after it was called: what is priced here is paid. Those who
// ask while somebody else's answer is read share the next one.
func (s *Service) Offers(ctx context.Context, in catalog.OffersInput) (catalog.Offers, error) {
	if len(in.ProductIDs) > maxProducts {
		return catalog.Offers{}, catalog.ErrTooManyProducts
	}
	offers := catalog.Offers{Items: []catalog.Offer{}}
	if len(in.ProductIDs) == 0 {
		return offers, nil
	}
	found, err := s.offers.Do(ctx, batch.KeyOf(in.ProductIDs[0]), in.ProductIDs)
	if err != nil {
		return catalog.Offers{}, busy(err)
	}
	told := make(map[uuid.UUID]bool, len(in.ProductIDs))
	for _, id := range in.ProductIDs {
		if offer, ok := found[id]; ok && !told[id] { // a product that is asked for twice is told once
			told[id] = true
			offers.Items = append(offers.Items, offer)
		}
	}
	return offers, nil
}

// flyOffers reads the products of one flight with one statement, and gives everybody all of them: nobody may change the map,
// nor what is in it.
func (s *Service) flyOffers(ctx context.Context, asked [][]uuid.UUID) ([]batch.Result[map[uuid.UUID]catalog.Offer], error) {
	wanted := make(map[uuid.UUID]bool, len(asked))
	var ids []uuid.UUID
	for _, products := range asked {
		for _, id := range products {
			if !wanted[id] {
				wanted[id] = true
				ids = append(ids, id)
			}
		}
	}
	rows, err := s.sql.OffersOf(ctx, s.flying, ids)
	if err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	categories, err := s.categoriesOf(ctx, rows)
	if err != nil {
		return nil, err
	}
	found := make(map[uuid.UUID]catalog.Offer, len(rows))
	for _, r := range rows {
		found[r.ID] = catalog.Offer{
			ProductID: r.ID, Name: r.Name, Brand: r.Brand, ImageURL: deref(r.ImageUrl), PriceWon: r.PriceWon,
			LimitPerCustomer: int(r.LimitPerCustomer), Availability: availabilityOf(r.Available, r.LowAt), OnSale: !r.SaleStopped,
			CategoryIDs: categories.above(r.CategoryID), Tags: r.Tags,
		}
	}
	results := make([]batch.Result[map[uuid.UUID]catalog.Offer], len(asked))
	for i := range results {
		results[i].Out = found
	}
	return results, nil
}

// categoriesOf returns a tree in which every product's category stands. It is the one that this process has, and read again where a
// product's category is younger still.
func (s *Service) categoriesOf(ctx context.Context, rows []db.OffersOfRow) (*tree, error) {
	categories, err := s.categories(ctx)
	if err != nil {
		return nil, err
	}
	younger := func(r db.OffersOfRow) bool { return categories.nodes[r.CategoryID] == nil }
	if slices.ContainsFunc(rows, younger) {
		s.forgetTree(ctx)
		return s.categories(ctx)
	}
	return categories, nil
}
