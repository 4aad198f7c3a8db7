package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

// Admin is what managers do with rooms.
type Admin struct {
	service *Service
}

// NewAdmin returns the managers' routes.
func NewAdmin(service *Service) *Admin { return &Admin{service: service} }

// Routes implements [web.Routes].
func (a *Admin) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-rooms", Method: http.MethodGet, Path: "/admin/rooms", Tag: tag,
		Summary:     "List the waiting rooms",
		Description: "Each with the ETag that a change of it must carry.",
		Role:        auth.Manager,
	}, a.list)
	web.Register(api, web.Operation{
		ID: "change-room", Method: http.MethodPut, Path: "/admin/rooms/{room}", Tag: tag,
		Summary:     "Change a waiting room",
		Description: "Every instance follows within a second.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{queue.ErrNoRoom, web.ErrStale, web.ErrIfMatchRequired},
	}, a.change)
}

type settingsView struct {
	ID        uuid.UUID  `json:"id" doc:"The room's id." example:"0198a000-0000-7000-8000-000000000001"`
	Name      string     `json:"name" doc:"The room's name." example:"main"`
	Mode      queue.Mode `json:"mode" enum:"off,paused" doc:"off: everyone goes through; paused: nobody new does." example:"off"`
	Capacity  int64      `json:"capacity" doc:"How many shoppers it lets through at once." example:"1000"`
	Version   int64      `json:"version" doc:"One more with each change." example:"1"`
	ETag      string     `json:"etag" doc:"Names these settings, for If-Match." example:"\"1XyzA-bcdEFghiJklmNop\""`
	UpdatedAt time.Time  `json:"updated_at" doc:"When it was changed last." example:"2026-01-01T00:00:00Z"`
}

func settingsOf(r Room) settingsView {
	return settingsView{
		ID: r.ID, Name: r.Name, Mode: r.Mode, Capacity: r.Capacity, Version: r.Version, ETag: r.ETag(), UpdatedAt: r.UpdatedAt,
	}
}

// A list of rooms is one page: an admin has named each.
type roomsOutput struct {
	Body web.Page[settingsView]
}

func (a *Admin) list(ctx context.Context, _ *struct{}) (*roomsOutput, error) {
	rooms, err := a.service.Rooms(ctx)
	if err != nil {
		return nil, err
	}
	out := &roomsOutput{}
	for _, r := range rooms {
		out.Body.Items = append(out.Body.Items, settingsOf(r))
	}
	return out, nil
}

type changeInput struct {
	web.Precondition
	RoomName
	Body struct {
		Mode     queue.Mode `json:"mode" enum:"off,paused" doc:"off: everyone goes through; paused: nobody new does." example:"paused"`
		Capacity int64      `json:"capacity" minimum:"0" maximum:"10000000" doc:"How many shoppers it lets through at once." example:"1000"`
	}
}

type settingsOutput struct {
	ETag string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body settingsView
}

func (a *Admin) change(ctx context.Context, in *changeInput) (*settingsOutput, error) {
	r, err := a.service.Change(ctx, in.Room, in.IfMatch, Settings{Mode: in.Body.Mode, Capacity: in.Body.Capacity})
	if err != nil {
		return nil, err
	}
	return &settingsOutput{ETag: r.ETag(), Body: settingsOf(r)}, nil
}
