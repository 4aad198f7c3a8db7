package app

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (h *HTTP) cartRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "show-cart", Method: http.MethodGet, Path: "/v1/cart", Tag: tag, Summary: "Show my cart", Role: auth.Shopper,
		Description: "At today's prices, with what changed since. A cart is forgotten 30 days after its last change.",
		Problems:    []*fault.Error{ordering.ErrCartUnavailable},
	}, h.showCart)
	web.Register(api, web.Operation{
		ID: "put-cart-item", Method: http.MethodPut, Path: "/v1/cart/items/{product_id}", Tag: tag, Summary: "Put a product into my cart", Role: auth.Shopper,
		Description: "Sets how many pieces of it are there; at most 100 products.",
		Problems: []*fault.Error{
			catalog.ErrNoProduct, catalog.ErrNotOnSale, ordering.ErrLimitPerCustomer, ordering.ErrCartFull, ordering.ErrAmountOverflow, ordering.ErrCartUnavailable,
		},
	}, h.putCartItem)
	web.Register(api, web.Operation{
		ID: "remove-cart-item", Method: http.MethodDelete, Path: "/v1/cart/items/{product_id}", Tag: tag, Summary: "Take a product out of my cart", Role: auth.Shopper,
		Description: "One that is not there is no failure.", Status: http.StatusNoContent,
		Problems: []*fault.Error{ordering.ErrCartUnavailable},
	}, h.removeCartItem)
	web.Register(api, web.Operation{
		ID: "clear-cart", Method: http.MethodDelete, Path: "/v1/cart", Tag: tag, Summary: "Empty my cart", Role: auth.Shopper,
		Status: http.StatusNoContent, Problems: []*fault.Error{ordering.ErrCartUnavailable},
	}, h.clearCart)
	web.Register(api, web.Operation{
		ID: "quote-cart", Method: http.MethodPost, Path: "/v1/cart/quote", Tag: tag, Summary: "Price my cart", Role: auth.Shopper,
		Description: "What ordering the lines that can be bought would cost, with the best of the account's coupons. Shipping is 3,000 won, and free " +
			"from items of 20,000.",
		Problems: []*fault.Error{ordering.ErrAmountOverflow, ordering.ErrCartUnavailable}, ReadOnlySafe: true,
	}, h.quote)
}

type cartOutput struct {
	Body CartView
}

func cartAnswer(c Cart, err error) (*cartOutput, error) {
	if err != nil {
		return nil, err
	}
	return &cartOutput{cartViewOf(c)}, nil
}

func (h *HTTP) showCart(ctx context.Context, _ *struct{}) (*cartOutput, error) {
	return cartAnswer(h.service.Cart(ctx, auth.Must(ctx).AccountID))
}

// ProductPath names a product in a path.
type ProductPath struct {
	ProductID uuid.UUID `path:"product_id" doc:"The product."`
}

type putCartItemInput struct {
	ProductPath
	Body struct {
		Quantity int64 `json:"quantity" minimum:"1" maximum:"999" example:"2" doc:"Pieces, in place of what was there."`
	}
}

func (h *HTTP) putCartItem(ctx context.Context, in *putCartItemInput) (*cartOutput, error) {
	return cartAnswer(h.service.PutInCart(ctx, auth.Must(ctx).AccountID, in.ProductID, in.Body.Quantity))
}

func (h *HTTP) removeCartItem(ctx context.Context, in *ProductPath) (*struct{}, error) {
	return nil, h.service.TakeOutOfCart(ctx, auth.Must(ctx).AccountID, in.ProductID)
}

func (h *HTTP) clearCart(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, h.service.ClearCart(ctx, auth.Must(ctx).AccountID)
}

type quoteOutput struct {
	Body QuoteView
}

func (h *HTTP) quote(ctx context.Context, _ *struct{}) (*quoteOutput, error) {
	q, err := h.service.Quote(ctx, auth.Must(ctx).AccountID)
	if err != nil {
		return nil, err
	}
	return &quoteOutput{quoteViewOf(q)}, nil
}
