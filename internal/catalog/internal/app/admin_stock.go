package app

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

func itoa(i int) string { return strconv.Itoa(i) }

func (a *Admin) stockRoutes(api *web.API) {
	const path = "/admin/products/{id}/stock-movements"
	web.Register(api, web.Operation{
		ID: "list-stock-movements", Method: http.MethodGet, Path: path, Tag: tag,
		Summary:     "Show a product's ledger, latest first",
		Description: "What is on hand is the sum of it.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{catalog.ErrNoProduct},
	}, a.movements)
	web.Register(api, web.Operation{
		ID: "move-stock", Method: http.MethodPost, Path: path, Tag: tag,
		Summary:     "Move a product's stock",
		Description: "Stock is never set, it only moves, and never below what orders hold. receive and damage take a positive number of pieces, adjust any but 0.",
		Role:        auth.Manager, Status: http.StatusCreated, Idempotent: true,
		Problems: []*fault.Error{catalog.ErrNoProduct, catalog.ErrStockBelowReserved, idempotency.ErrReused},
	}, a.move)
}

type movementsInput struct {
	web.PageQuery
	ProductPath
}

type movementsOutput struct {
	Body web.Page[Movement]
}

func (a *Admin) movements(ctx context.Context, in *movementsInput) (*movementsOutput, error) {
	page, err := a.service.Movements(ctx, in.ID, in.PageQuery)
	if err != nil {
		return nil, err
	}
	return &movementsOutput{Body: page}, nil
}

type moveInput struct {
	web.Idempotency
	ProductPath
	Body struct {
		Kind     string `json:"kind" enum:"receive,adjust,damage" doc:"Why it moves." example:"receive"`
		Quantity int64  `json:"quantity" minimum:"-1000000000" maximum:"1000000000" doc:"How many pieces." example:"100"`
		Reason   string `json:"reason" minLength:"1" maxLength:"500" doc:"What there is to say about it." example:"delivery 2026-0042"`
	}
}

type moveOutput struct {
	idempotency.Replay
	Body Movement
}

func (a *Admin) move(ctx context.Context, in *moveInput) (*moveOutput, error) {
	m, replayed, err := a.service.Move(ctx, MoveInput{
		ProductID: in.ID, Kind: in.Body.Kind, Quantity: in.Body.Quantity, Reason: in.Body.Reason,
		Key: in.KeyOf("/admin/products/"+in.ID.String()+"/stock-movements", in.Body),
	})
	if err != nil {
		return nil, err
	}
	return &moveOutput{Replay: idempotency.Replay{Replayed: replayed}, Body: m}, nil
}
