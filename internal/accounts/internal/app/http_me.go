package app

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (h *HTTP) meRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "show-me", Method: http.MethodGet, Path: "/v1/me", Tag: tag, Summary: "Show my account", Role: auth.Shopper,
	}, h.me)
	web.Register(api, web.Operation{
		ID: "change-me", Method: http.MethodPatch, Path: "/v1/me", Tag: tag, Summary: "Change my name", Role: auth.Shopper,
	}, h.rename)
	web.Register(api, web.Operation{
		ID: "close-me", Method: http.MethodDelete, Path: "/v1/me", Tag: tag, Summary: "Close my account", Role: auth.Shopper,
		Description: "Ends the account for good: everything that names the person is erased, and the email is free again.",
		Problems:    []*fault.Error{accounts.ErrLastAdmin},
	}, h.closeMe)
	web.Register(api, web.Operation{
		ID: "change-password", Method: http.MethodPost, Path: "/v1/me/password", Tag: tag, Summary: "Change my password", Role: auth.Shopper,
		Description: "Needs the current password, and ends every other session of the account.",
		Status:      http.StatusNoContent,
		Problems:    []*fault.Error{accounts.ErrBadCredentials, accounts.ErrTooManyTries, accounts.ErrBusy},
	}, h.changePassword)
	web.Register(api, web.Operation{
		ID: "list-notifications", Method: http.MethodGet, Path: "/v1/me/notifications", Tag: tag, Summary: "List my notifications", Role: auth.Shopper,
		Description: "Newest first; in Korean, or in English where Accept-Language prefers it.",
	}, h.notifications)
	web.Register(api, web.Operation{
		ID: "read-notifications", Method: http.MethodPost, Path: "/v1/me/notifications/read", Tag: tag, Role: auth.Shopper,
		Summary: "Mark my notifications as read", Description: "Marks one and all that are older.", Status: http.StatusNoContent,
	}, h.readNotifications)
}

func (h *HTTP) me(ctx context.Context, _ *struct{}) (*accountOutput, error) {
	account, err := h.service.Me(ctx)
	return &accountOutput{account}, err
}

type renameInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"100" example:"김지은" doc:"What the person is called from now on."`
	}
}

func (h *HTTP) rename(ctx context.Context, in *renameInput) (*accountOutput, error) {
	account, err := h.service.Rename(ctx, in.Body.Name)
	return &accountOutput{account}, err
}

func (h *HTTP) closeMe(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, h.service.Close(ctx)
}

type changePasswordInput struct {
	Body struct {
		CurrentPassword string `json:"current_password" minLength:"1" maxLength:"128" example:"correct horse battery" doc:"The password as it is."`
		NewPassword     string `json:"new_password" minLength:"8" maxLength:"128" example:"staple battery horse" doc:"The password as it shall be."`
	}
}

func (h *HTTP) changePassword(ctx context.Context, in *changePasswordInput) (*struct{}, error) {
	return nil, h.service.ChangePassword(ctx, ChangePasswordInput{Current: in.Body.CurrentPassword, New: in.Body.NewPassword})
}

type notificationsInput struct {
	web.PageQuery
	AcceptLanguage string `header:"Accept-Language" maxLength:"256" doc:"Korean unless English is preferred."`
}

type notificationsOutput struct {
	ContentLanguage string `header:"Content-Language"`
	Vary            string `header:"Vary"`
	Body            web.Page[Notification]
}

func (h *HTTP) notifications(ctx context.Context, in *notificationsInput) (*notificationsOutput, error) {
	before, err := positionOf(in.Cursor)
	if err != nil {
		return nil, err
	}
	lang := web.LanguageOf(in.AcceptLanguage)
	list, err := h.service.Notifications(ctx, before, in.Limit+1, lang)
	if err != nil {
		return nil, err
	}
	return &notificationsOutput{
		ContentLanguage: lang.String(), Vary: "Accept-Language",
		Body: web.PageOf(list, in.Limit, func(n Notification) any { return position{n.ID} }),
	}, nil
}

type readNotificationsInput struct {
	Body struct {
		UpTo uuid.UUID `json:"up_to" doc:"The newest notification that has been read."`
	}
}

func (h *HTTP) readNotifications(ctx context.Context, in *readNotificationsInput) (*struct{}, error) {
	return nil, h.service.ReadNotifications(ctx, in.Body.UpTo)
}

// position is the content of a cursor: the last row that was shown.
type position struct {
	ID uuid.UUID `json:"id"`
}

// positionOf returns nil for the first page.
func positionOf(cursor string) (*uuid.UUID, error) {
	if cursor == "" {
		return nil, nil
	}
	var p position
	if err := web.DecodeCursor(cursor, &p); err != nil {
		return nil, err
	}
	return &p.ID, nil
}
