package app

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/blob"
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

// ReadLine reads a line of an import.
func ReadLine(text []byte) (Line, error) { return lines.Read(text) }

// FeedEvery is how often an instance brings its index to the present.
const FeedEvery = feedEvery

// SetBlobs gives the service another store of blobs.
func (s *Service) SetBlobs(b *blob.Store) { s.blobs = b }

// InsertImageBegun inserts a picture whose upload began at that time.
func (s *Service) InsertImageBegun(ctx context.Context, product uuid.UUID, began time.Time) error {
	return s.changeImages(ctx, product, func(tx pgx.Tx, images []db.CatalogImage) error {
		_, _, err := s.insertImage(ctx, tx, db.InsertImageParams{ID: uuid.New(), ProductID: product, Name: "name", ContentHash: []byte("hash"), At: s.clock(), Began: began}, images)
		return err
	})
}
