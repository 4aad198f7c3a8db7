package app

import (
	"context"
	"net/http"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

func (h *HTTP) pointRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-points", Method: http.MethodGet, Path: "/v1/me/points", Tag: tag, Summary: "Show my points", Role: auth.Shopper,
		Description: "The balance, and the ledger that it is the sum of, the latest line first. What unpaid orders hold cannot be spent again.",
	}, h.points)
}

// PointsBody is a balance with a page of its ledger.
type PointsBody struct {
	Balance   int64        `json:"balance" example:"1200" doc:"The sum of the ledger."`
	Held      int64        `json:"held" example:"200" doc:"What unpaid orders hold of it."`
	Spendable int64        `json:"spendable" example:"1000" doc:"The rest."`
	Items     []PointEntry `json:"items"`
	Next      string       `json:"next_cursor,omitempty" doc:"Give it as cursor to get the next page; absent on the last one."`
}

type pointsInput struct {
	web.PageQuery
}

type pointsOutput struct {
	Body PointsBody
}

func (h *HTTP) points(ctx context.Context, in *pointsInput) (*pointsOutput, error) {
	before, err := positionOf(in.Cursor)
	if err != nil {
		return nil, err
	}
	l, err := h.service.MyLedger(ctx, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	list := make([]PointEntry, len(l.Entries))
	for i, e := range l.Entries {
		list[i] = toEntry(e)
	}
	page := web.PageOf(list, in.Limit, func(e PointEntry) any { return position{e.ID} })
	return &pointsOutput{PointsBody{Balance: l.Balance, Held: l.Held, Spendable: l.Balance - l.Held, Items: page.Items, Next: page.NextCursor}}, nil
}
