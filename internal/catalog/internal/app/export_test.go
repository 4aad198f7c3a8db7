package app

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog"
)

// ReserveTogether serves the orders in one flight.
func (s *Service) ReserveTogether(ctx context.Context, asked ...catalog.ReserveInput) ([]error, error) {
	flight := make([]order, len(asked))
	for i, in := range asked {
		lines, err := linesOf(in.Lines, in.DropID)
		if err != nil {
			return nil, err
		}
		flight[i] = order{id: in.OrderID, drop: in.DropID, lines: lines}
	}
	results, err := s.flyReserve(ctx, flight)
	errs := make([]error, len(results))
	for i, r := range results {
		errs[i] = r.Err
	}
	return errs, err
}

// OffersTogether reads the baskets in one flight.
func (s *Service) OffersTogether(ctx context.Context, baskets ...[]uuid.UUID) ([]map[uuid.UUID]catalog.Offer, error) {
	results, err := s.flyOffers(ctx, baskets)
	found := make([]map[uuid.UUID]catalog.Offer, len(results))
	for i, r := range results {
		found[i] = r.Out
	}
	return found, err
}

// OnFlight lends a connection of the flights.
func (s *Service) OnFlight(ctx context.Context, do func(ctx context.Context, conn *pgxpool.Conn) error) error {
	return s.flying.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return do(ctx, conn) })
}
