package app

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (h *HTTP) alertRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "add-restock-alert", Method: http.MethodPost, Path: "/v1/products/{id}/restock-alerts", Tag: tag,
		Summary:     "Be told when a product can be had again",
		Description: "Once, in /v1/me/notifications. Again: the same answer.",
		Role:        auth.Shopper, Status: http.StatusNoContent,
		Problems: []*fault.Error{catalog.ErrNoProduct, catalog.ErrNotSoldOut, catalog.ErrTooManyAlerts},
	}, h.addAlert)
	web.Register(api, web.Operation{
		ID: "delete-restock-alert", Method: http.MethodDelete, Path: "/v1/products/{id}/restock-alerts", Tag: tag,
		Summary:     "Be told nothing of a product",
		Description: "Again, or without an alert: the same answer.",
		Role:        auth.Shopper,
		Problems:    []*fault.Error{catalog.ErrNoProduct},
	}, h.deleteAlert)
}

type alertInput struct {
	ID uuid.UUID `path:"id" doc:"The product's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

func (h *HTTP) addAlert(ctx context.Context, in *alertInput) (*struct{}, error) {
	return nil, h.service.AddAlert(ctx, in.ID)
}

func (h *HTTP) deleteAlert(ctx context.Context, in *alertInput) (*struct{}, error) {
	return nil, h.service.DeleteAlert(ctx, in.ID)
}
