package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

// PreorderInput is what a shopper orders of a drop.
type PreorderInput struct {
	AccountID        uuid.UUID
	Key              idempotency.Key
	PreorderID       uuid.UUID
	Quantity         int64
	AddressID        uuid.UUID
	ExpectedTotalWon *int64
}

// PlacePreorder takes an order of a drop, as Place takes one of what anybody can buy: one saga, one set of promises. It is the only door
// to the drop's pieces.
func (s *Service) PlacePreorder(ctx context.Context, in PreorderInput) (Placement, error) {
	if in.Quantity < 1 || in.Quantity > MaxQuantity {
		return Placement{}, web.ErrInvalid.WithFields(fault.Field{Pointer: "/quantity", Detail: fmt.Sprintf("must be 1 to %d", MaxQuantity)})
	}
	if in.PreorderID == uuid.Nil {
		return Placement{}, ordering.ErrNoPreorder
	}
	return s.place(ctx, PlaceInput{
		AccountID: in.AccountID, Key: in.Key, AddressID: in.AddressID, ExpectedTotalWon: in.ExpectedTotalWon, preorder: in.PreorderID,
		Items: []PlaceItem{{Quantity: in.Quantity}},
	})
}

// skew is how far the clock of this process may be from the database's, which decides when a drop opens. Who comes within it before that
// is refused by the catalog, at the price of a row.
const skew = 200 * time.Millisecond

// offered is the pre-order, unless an order of it would certainly be refused: most of those who come too early, or too late, cost no row.
func (s *Service) offered(ctx context.Context, id uuid.UUID, quantity int64) (db.Preorder, error) {
	p, err := s.glance(ctx, id)
	if err != nil {
		if errors.Is(err, ordering.ErrNoPreorder) {
			return db.Preorder{}, err
		}
		return db.Preorder{}, s.outage(ctx, "read the pre-order", err)
	}
	now := s.clock()
	switch {
	case p.Preorder.State == "canceled":
		return db.Preorder{}, ordering.ErrPreorderCanceled
	case p.Drop.Closed, now.Before(p.Drop.StartsAt.Add(-skew)), now.After(p.Drop.EndsAt.Add(skew)):
		return db.Preorder{}, ordering.ErrPreorderNotOpen
	case quantity > int64(p.PerCustomer):
		return db.Preorder{}, preorderLimit(int(p.PerCustomer))
	case p.Drop.Left < quantity:
		return db.Preorder{}, ordering.ErrPreorderSoldOut
	}
	return p.Preorder, nil
}

func preorderLimit(n int) error {
	return ordering.ErrPreorderLimit.WithFields(fault.Field{Pointer: "/quantity", Detail: fmt.Sprintf("a customer may have %d of it at most, all orders together", n)})
}

// asOffered prices the item as the catalog does, under the limit of the drop in place of the product's.
func asOffered(items []PlaceItem, offers []catalog.Offer, p db.Preorder) {
	for i := range offers {
		if offers[i].ProductID == items[0].ProductID {
			items[0].ExpectedPriceWon, offers[i].LimitPerCustomer = offers[i].PriceWon, int(p.PerCustomer)
		}
	}
}

// preordersWords tells in the words of pre-orders what the catalog refuses of a drop.
func preordersWords(drop uuid.UUID, err error) error {
	switch {
	case drop == uuid.Nil || err == nil:
		return err
	case errors.Is(err, catalog.ErrOutOfStock):
		return ordering.ErrPreorderSoldOut
	case errors.Is(err, catalog.ErrDropNotOpen), errors.Is(err, catalog.ErrDropClosed), errors.Is(err, catalog.ErrNotOnSale):
		return ordering.ErrPreorderNotOpen
	default:
		return err
	}
}

const (
	glanceAge  = time.Second // how old may be what is told of a pre-order
	maxGlances = 1_000       // pre-orders that are remembered
)

// glances are pre-orders as they were read lately: a million who look at one, or order of it at once, cost a query a second.
type glances struct {
	flights singleflight.Group
	mu      sync.Mutex
	seen    map[uuid.UUID]Preorder
}

// glance is a pre-order as it was a second ago at most.
func (s *Service) glance(ctx context.Context, id uuid.UUID) (Preorder, error) {
	now := s.clock()
	s.glances.mu.Lock()
	p, ok := s.glances.seen[id]
	s.glances.mu.Unlock()
	if age := now.Sub(p.Now); ok && age >= 0 && age < glanceAge {
		return p, nil
	}
	found, err, _ := s.glances.flights.Do(id.String(), func() (any, error) {
		asking, cancel := s.call(context.WithoutCancel(ctx))
		defer cancel()
		p, err := s.Preorder(asking, id)
		if err != nil {
			return Preorder{}, err
		}
		s.glances.mu.Lock()
		defer s.glances.mu.Unlock()
		if s.glances.seen == nil || len(s.glances.seen) >= maxGlances {
			s.glances.seen = map[uuid.UUID]Preorder{}
		}
		s.glances.seen[id] = p
		return p, nil
	})
	return found.(Preorder), err
}
