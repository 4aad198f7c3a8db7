package app

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// The bounds of a cart.
const (
	MaxCartProducts = 100
	MaxQuantity     = 999
	CartTTL         = 30 * 24 * time.Hour // after its last change
)

// CartLine is what a cart holds of one product.
type CartLine struct {
	ProductID    uuid.UUID
	Quantity     int64
	SeenPriceWon int64 // the price when the shopper put it in
	AddedAt      time.Time
}

// Bought is what left a cart for an order.
type Bought struct {
	AccountID uuid.UUID
	ProductID uuid.UUID
	Quantity  int64
}

// Carts keeps what shoppers mean to buy. A change of a cart takes effect as a whole, beside any other change, and lets the cart
// live for CartTTL from then on. An adapter whose store is away answers with an error; ordering.ErrCartUnavailable where carts
// have a store of their own.
type Carts interface {
	// Lines returns the cart, oldest line first; an unknown or expired one is empty.
	Lines(ctx context.Context, account uuid.UUID) ([]CartLine, error)
	// Put sets the line of a product. One that is there already keeps its AddedAt; one too many is ordering.ErrCartFull.
	Put(ctx context.Context, account uuid.UUID, line CartLine) error
	// Remove takes a product out; one that isn't there is no failure.
	Remove(ctx context.Context, account, product uuid.UUID) error
	// Take lowers the lines of many carts by what was bought, each named once, and removes those of which nothing is left. After an
	// error it is not known of which carts that was done.
	Take(ctx context.Context, bought []Bought) error
	// Clear empties the cart.
	Clear(ctx context.Context, account uuid.UUID) error
	// RemoveExpired removes at most n carts whose time has passed and returns how many those were: 0 where the store does so by itself.
	RemoveExpired(ctx context.Context, n int) (int, error)
}
