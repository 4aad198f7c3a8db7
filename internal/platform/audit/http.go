package audit

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

// HTTP shows the audit logs of all modules to managers.
type HTTP struct {
	sources []Source
}

// NewHTTP returns the operation GET /admin/audit-log over these sources.
func NewHTTP(sources []Source) *HTTP { return &HTTP{sources: sources} }

type listInput struct {
	web.PageQuery
	Subject string    `query:"subject" maxLength:"128" doc:"Only changes of this subject."`
	Action  string    `query:"action" maxLength:"64" example:"products." doc:"Only actions that begin with this."`
	Actor   uuid.UUID `query:"actor" format:"uuid" doc:"Only what this account changed."`
}

type listOutput struct {
	Body web.Page[Record]
}

// Routes adds the operation to the API.
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-audit-log", Method: http.MethodGet, Path: "/admin/audit-log", Tag: "platform", Role: auth.Manager,
		Summary: "List what admins changed", Description: "Over all modules, latest first.",
	}, h.list)
}

func (h *HTTP) list(ctx context.Context, in *listInput) (*listOutput, error) {
	var cursor uuid.UUID
	if err := web.DecodeCursor(in.Cursor, &cursor); err != nil {
		return nil, err
	}
	page, err := List(ctx, h.sources, Filter{
		Subject: in.Subject, ActionPrefix: in.Action, ActorID: in.Actor, Limit: in.Limit,
	}, cursor)
	if err != nil {
		return nil, err
	}
	return &listOutput{Body: page}, nil
}
