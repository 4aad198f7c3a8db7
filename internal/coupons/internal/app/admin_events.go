package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (a *Admin) eventRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "create-event", Method: http.MethodPost, Path: "/admin/events", Tag: tag,
		Summary: "Make a promotion event",
		Role:    auth.Manager, Status: http.StatusCreated,
		Problems: []*fault.Error{coupons.ErrBadWindow, coupons.ErrNoTitle, coupons.ErrBadImage},
	}, a.createEvent)
	web.Register(api, web.Operation{
		ID: "list-all-events", Method: http.MethodGet, Path: "/admin/events", Tag: tag,
		Summary: "List all promotion events, newest first",
		Role:    auth.Manager,
	}, a.listEvents)
	web.Register(api, web.Operation{
		ID: "get-event-settings", Method: http.MethodGet, Path: "/admin/events/{id}", Tag: tag,
		Summary:     "Show a promotion event with its settings",
		Description: "The ETag names the settings; its coupons have their own.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{coupons.ErrNoEvent},
	}, a.getEvent)
	web.Register(api, web.Operation{
		ID: "edit-event", Method: http.MethodPatch, Path: "/admin/events/{id}", Tag: tag,
		Summary:     "Change a promotion event's settings",
		Description: "What is left out stays as it is. Its coupons open and end by themselves, not with it.",
		Role:        auth.Manager,
		Problems: []*fault.Error{
			coupons.ErrNoEvent, coupons.ErrBadWindow, coupons.ErrNoTitle, coupons.ErrBadImage, web.ErrStale, web.ErrIfMatchRequired,
		},
	}, a.editEvent)
}

type eventSettingsView struct {
	EventView
	Version   int64     `json:"version" doc:"One more with each change of the settings." example:"1"`
	CreatedAt time.Time `json:"created_at" doc:"When it was made." example:"2026-01-01T00:00:00Z"`
	UpdatedAt time.Time `json:"updated_at" doc:"When its settings were changed last." example:"2026-01-01T00:00:00Z"`
}

func eventSettingsOf(e Event) eventSettingsView {
	return eventSettingsView{EventView: eventViewOf(e), Version: e.Version, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
}

type eventSettingsOutput struct {
	ETag string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body eventSettingsView
}

type createdEventOutput struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body     eventSettingsView
}

type createEventInput struct {
	Body struct {
		Title       string    `json:"title" minLength:"1" maxLength:"100" doc:"What it is called." example:"Spring sale"`
		Description string    `json:"description,omitempty" maxLength:"2000" doc:"What it is about." example:"A week of coupons for everything that runs."`
		ImageURL    string    `json:"image_url,omitempty" maxLength:"2000" doc:"The address of its picture." example:"https://images.example.com/spring.jpg"`
		StartsAt    time.Time `json:"starts_at" doc:"When it starts." example:"2026-01-02T03:00:00Z"`
		EndsAt      time.Time `json:"ends_at" doc:"When it ends; after starts_at." example:"2026-01-09T03:00:00Z"`
	}
}

func (a *Admin) createEvent(ctx context.Context, in *createEventInput) (*createdEventOutput, error) {
	e, err := a.service.CreateEvent(ctx, EventSettings(in.Body))
	if err != nil {
		return nil, err
	}
	return &createdEventOutput{Location: "/admin/events/" + e.ID.String(), ETag: e.ETag(), Body: eventSettingsOf(e)}, nil
}

type eventSettingsListOutput struct {
	Body web.Page[eventSettingsView]
}

func (a *Admin) listEvents(ctx context.Context, in *web.PageQuery) (*eventSettingsListOutput, error) {
	page, err := a.service.Events(ctx, *in, false)
	if err != nil {
		return nil, err
	}
	return &eventSettingsListOutput{Body: pageOf(page, eventSettingsOf)}, nil
}

func (a *Admin) getEvent(ctx context.Context, in *eventID) (*eventSettingsOutput, error) {
	e, err := a.service.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &eventSettingsOutput{ETag: e.ETag(), Body: eventSettingsOf(e)}, nil
}

type editEventInput struct {
	web.Precondition
	ID   uuid.UUID `path:"id" doc:"The promotion event's id." example:"0198b1f2-6c4d-7b2a-8f10-4d2b6a0f1c3e"`
	Body struct {
		Title       *string    `json:"title,omitempty" minLength:"1" maxLength:"100" doc:"What it is called." example:"Spring sale"`
		Description *string    `json:"description,omitempty" maxLength:"2000" doc:"What it is about." example:"A week of coupons for everything that runs."`
		ImageURL    *string    `json:"image_url,omitempty" maxLength:"2000" doc:"The address of its picture; empty: none." example:"https://images.example.com/spring.jpg"`
		StartsAt    *time.Time `json:"starts_at,omitempty" doc:"When it starts." example:"2026-01-02T03:00:00Z"`
		EndsAt      *time.Time `json:"ends_at,omitempty" doc:"When it ends; after starts_at." example:"2026-01-09T03:00:00Z"`
	}
}

func (a *Admin) editEvent(ctx context.Context, in *editEventInput) (*eventSettingsOutput, error) {
	e, err := a.service.EditEvent(ctx, in.ID, in.IfMatch, EventEdit(in.Body))
	if err != nil {
		return nil, err
	}
	return &eventSettingsOutput{ETag: e.ETag(), Body: eventSettingsOf(e)}, nil
}
