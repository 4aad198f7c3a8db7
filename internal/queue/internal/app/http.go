package app

import (
	"context"
	"net/http"
	"time"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

const tag = "queue"

// HTTP is what shoppers see of the module.
type HTTP struct {
	service queue.Service
	clock   clock.Clock
}

// NewHTTP returns the shoppers' routes.
func NewHTTP(service queue.Service, c clock.Clock) *HTTP { return &HTTP{service: service, clock: c} }

// Routes implements [web.Routes].
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "get-room", Method: http.MethodGet, Path: "/v1/queue/rooms/{room}", Tag: tag,
		Summary:     "Show a waiting room",
		Description: "Whether it lets people through, as it was at most a second ago.",
		Problems:    []*fault.Error{queue.ErrNoRoom},
	}, h.get)
}

// RoomName is exported because huma leaves out what is embedded and is not.
type RoomName struct {
	Room string `path:"room" minLength:"1" maxLength:"50" doc:"The room's name." example:"main"`
}

type roomView struct {
	Name       string     `json:"name" doc:"The room's name." example:"main"`
	Mode       queue.Mode `json:"mode" enum:"off,paused" doc:"off: everyone goes through; paused: nobody new does." example:"off"`
	ServerTime time.Time  `json:"server_time" doc:"The shop's clock." example:"2026-01-02T03:04:05.678Z"`
}

type roomOutput struct {
	Body roomView
}

func (h *HTTP) get(ctx context.Context, in *RoomName) (*roomOutput, error) {
	room, err := h.service.Room(ctx, queue.RoomInput{Name: in.Room})
	if err != nil {
		return nil, err
	}
	return &roomOutput{Body: roomView{Name: room.Name, Mode: room.Mode, ServerTime: h.clock()}}, nil
}
