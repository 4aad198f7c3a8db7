package books

import (
	"context"
	"net/http"
	"time"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

// HTTP shows audits to managers.
type HTTP struct{ auditor *Auditor }

// NewHTTP returns the operation GET /admin/audit.
func NewHTTP(a *Auditor) *HTTP { return &HTTP{auditor: a} }

type auditOutput struct{ Body Report }

// Routes adds the operation to the API.
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "audit-books", Method: http.MethodGet, Path: "/admin/audit", Tag: "platform", Role: auth.Manager, Deadline: time.Minute,
		Summary: "Audit the books",
		Description: "Every invariant of the shop's books with its figures, as of seconds ago at most: what shop audit prints. " +
			"An answer says in balanced whether the books do.",
	}, func(ctx context.Context, _ *struct{}) (*auditOutput, error) {
		report, err := h.auditor.Report(ctx)
		if err != nil {
			return nil, err
		}
		return &auditOutput{Body: report}, nil
	})
}
