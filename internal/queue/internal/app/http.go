package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

const tag = "queue"

// HTTP is what shoppers see of the module.
type HTTP struct {
	service *Service
	doors   *Doors
	clock   clock.Clock
}

// NewHTTP returns the shoppers' routes.
func NewHTTP(service *Service, doors *Doors, c clock.Clock) *HTTP {
	return &HTTP{service: service, doors: doors, clock: c}
}

// Routes implements [web.Routes].
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "get-room", Method: http.MethodGet, Path: "/v1/queue/rooms/{room}", Tag: tag,
		Summary:     "Show a waiting room",
		Description: "Whether it lets people through, as it was at most a second ago.",
		Problems:    []*fault.Error{queue.ErrNoRoom},
	}, h.get)
	web.Register(api, web.Operation{
		ID: "take-ticket", Method: http.MethodPost, Path: "/v1/queue/rooms/{room}/tickets", Tag: tag,
		Summary: "Come into a room, or wait in its line",
		Description: "Where a slot is free you are in at once; else you have a place, which the ticket names. Again: the same place. Who is called (proceed) comes in by it. " +
			"Send the pass as Queue-Pass with what you ask for; a new one comes in the same header of the answer before it ends. A ticket from before, where the line has lost your place, gives it back.",
		Role: auth.Shopper, Problems: []*fault.Error{queue.ErrNoRoom, queue.ErrUnavailable},
	}, h.take)
	web.Register(api, web.Operation{
		ID: "get-ticket", Method: http.MethodGet, Path: "/v1/queue/rooms/{room}/tickets/{ticket}", Tag: tag,
		Summary:     "Show the place of a ticket",
		Description: "Ask again after poll_after_ms: who does not for two minutes more loses the place.",
		Role:        auth.Shopper, Problems: []*fault.Error{queue.ErrNoRoom, queue.ErrNoPlace, queue.ErrUnavailable},
	}, h.look)
	web.Register(api, web.Operation{
		ID: "give-up-ticket", Method: http.MethodDelete, Path: "/v1/queue/rooms/{room}/tickets/{ticket}", Tag: tag,
		Summary:     "Leave the line",
		Description: "Again, or without a place: the same answer. A pass is not renewed any more, and its slot free when it has ended.",
		Role:        auth.Shopper, Problems: []*fault.Error{queue.ErrNoRoom, queue.ErrNoPlace, queue.ErrUnavailable},
	}, h.leave)
}

// RoomName is exported because huma leaves out what is embedded and is not.
type RoomName struct {
	Room string `path:"room" minLength:"1" maxLength:"50" doc:"The room's name." example:"main"`
}

// drawView lets anyone check the lots.
type drawView struct {
	OpensAt  time.Time `json:"opens_at" doc:"When it lets people in. Who comes before has a place by lot, not by when they came." example:"2026-01-02T12:00:00Z"`
	SeedHash string    `json:"seed_hash" doc:"SHA-256 of the seed of the lots, in hexadecimal." example:"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`
	Seed     string    `json:"seed,omitempty" doc:"The seed, in hexadecimal, after the opening: shop verify-draw checks a lot with it."`
}

// goodsView is what a room stands in front of.
type goodsView struct {
	Kind queue.Kind `json:"kind" enum:"drop,coupon" doc:"drop: a pre-order; coupon: a campaign." example:"drop"`
	ID   uuid.UUID  `json:"id" doc:"Its id." example:"0198a000-0000-7000-8000-000000000002"`
}

func viewOfGoods(g queue.Goods) *goodsView {
	if g == (queue.Goods{}) {
		return nil
	}
	return &goodsView{g.Kind, g.ID}
}

func viewOfDraw(r Room, now time.Time) *drawView {
	if r.OpensAt.IsZero() {
		return nil
	}
	hash := sha256.Sum256(r.Seed)
	v := &drawView{OpensAt: r.OpensAt, SeedHash: hex.EncodeToString(hash[:])}
	if !r.OpensAt.After(now) {
		v.Seed = hex.EncodeToString(r.Seed)
	}
	return v
}

type roomView struct {
	ID         uuid.UUID  `json:"id" doc:"The room's id." example:"0198a000-0000-7000-8000-000000000001"`
	Name       string     `json:"name" doc:"The room's name." example:"main"`
	Mode       queue.Mode `json:"mode" enum:"off,on,auto,paused" doc:"off: everyone goes through; on: as many as there is capacity for, and the others wait; auto: as many as the shop can serve in time, up to the capacity; paused: nobody new does." example:"off"`
	Goods      *goodsView `json:"goods,omitempty" doc:"What it is in front of; absent: all that has no room of its own."`
	Draw       *drawView  `json:"draw,omitempty" doc:"Of a room that opens at a time."`
	SoldOut    bool       `json:"sold_out" doc:"Nothing is left of its goods at the moment: nobody is called until an order gives something back." example:"false"`
	ServerTime time.Time  `json:"server_time" doc:"The shop's clock." example:"2026-01-02T03:04:05.678Z"`
}

type roomOutput struct {
	Body roomView
}

func (h *HTTP) get(ctx context.Context, in *RoomName) (*roomOutput, error) {
	room, err := h.service.room(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	now := h.clock()
	return &roomOutput{Body: roomView{
		ID: room.ID, Name: room.Name, Mode: room.Mode, Goods: viewOfGoods(room.Goods), Draw: viewOfDraw(room, now), SoldOut: room.SoldOut, ServerTime: now,
	}}, nil
}

// placeView is a place as shoppers see it.
type placeView struct {
	Ticket        string     `json:"ticket,omitempty" doc:"Names the place. Absent where nobody waits."`
	State         State      `json:"state" enum:"waiting,proceed,active" doc:"waiting: in line; proceed: called, come in before it is too late; active: in." example:"waiting"`
	Position      int64      `json:"position" doc:"1 is next; 0: not in line, or not drawn yet." example:"412"`
	Ahead         int64      `json:"ahead" doc:"How many wait before you." example:"411"`
	Lot           int64      `json:"lot,omitempty" doc:"Of who came before the opening: the lower comes first."`
	EtaS          *int64     `json:"eta_s,omitempty" doc:"About how many seconds it will take, at the pace of the last minutes. Absent: it cannot be told."`
	OpensAt       *time.Time `json:"opens_at,omitempty" doc:"Of a room that is not open yet."`
	SoldOut       bool       `json:"sold_out" doc:"Nothing is left at the moment: nobody is called until an order gives something back." example:"false"`
	PollAfterMS   int64      `json:"poll_after_ms" doc:"When to ask again; 0: there is no need to." example:"2055"`
	ComeBefore    *time.Time `json:"come_before,omitempty" doc:"Of who is called: when the slot goes to the next one."`
	Pass          string     `json:"pass,omitempty" doc:"Of who is in: send it as Queue-Pass."`
	PassExpiresAt *time.Time `json:"pass_expires_at,omitempty" doc:"When it ends."`
}

func viewOfPlace(room Room, h Held) placeView {
	v := placeView{Ticket: h.Ticket, State: h.State, PollAfterMS: h.Pause.Milliseconds(), Pass: h.Pass, SoldOut: room.SoldOut}
	switch h.State {
	case Waiting:
		if h.Sequence < FirstSequence {
			v.Lot = h.Sequence
		}
		if h.At.Before(room.OpensAt) { // who is ahead is drawn then
			v.OpensAt = &room.OpensAt
			break
		}
		v.Ahead, v.Position = h.Ahead, h.Ahead+1
		if h.Pace > 0 && !room.SoldOut && room.Mode != queue.Paused {
			eta := int64(math.Ceil(float64(h.Ahead+1) / h.Pace))
			v.EtaS = &eta
		}
	case Proceed:
		v.ComeBefore = &h.Until
	case Active:
		if h.Pass != "" {
			v.PassExpiresAt = &h.Until
		}
	}
	return v
}

type placeOutput struct {
	Body placeView
}

func answerWithPlace(room Room, h Held, err error) (*placeOutput, error) {
	if err != nil {
		return nil, err
	}
	return &placeOutput{Body: viewOfPlace(room, h)}, nil
}

type takeInput struct {
	RoomName
	Body *struct {
		Ticket string `json:"ticket,omitempty" maxLength:"200" doc:"A ticket of this room that you have from before."`
		Pass   string `json:"pass,omitempty" maxLength:"200" doc:"A pass of this room that has not ended."`
	}
}

func (h *HTTP) take(ctx context.Context, in *takeInput) (*placeOutput, error) {
	room, err := h.service.room(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	var ticket, pass string
	if in.Body != nil {
		ticket, pass = in.Body.Ticket, in.Body.Pass
	}
	held, err := h.doors.Enter(ctx, room, auth.Must(ctx).AccountID, ticket, pass)
	return answerWithPlace(room, held, err)
}

// TicketPath is exported because huma leaves out what is embedded and is not.
type TicketPath struct {
	RoomName
	Ticket string `path:"ticket" minLength:"1" maxLength:"200" doc:"The ticket."`
}

func (h *HTTP) look(ctx context.Context, in *TicketPath) (*placeOutput, error) {
	room, err := h.service.room(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	held, err := h.doors.Look(ctx, room, auth.Must(ctx).AccountID, in.Ticket)
	return answerWithPlace(room, held, err)
}

func (h *HTTP) leave(ctx context.Context, in *TicketPath) (*struct{}, error) {
	room, err := h.service.room(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	return nil, h.doors.Leave(ctx, room, auth.Must(ctx).AccountID, in.Ticket)
}
