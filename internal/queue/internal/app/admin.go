package app

import (
	"context"
	"math"
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
	doors   *Doors
}

// NewAdmin returns the managers' routes.
func NewAdmin(service *Service, doors *Doors) *Admin { return &Admin{service: service, doors: doors} }

// Routes implements [web.Routes].
func (a *Admin) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-rooms", Method: http.MethodGet, Path: "/admin/rooms", Tag: tag,
		Summary:     "List the waiting rooms",
		Description: "Each with the ETag that a change of it must carry.",
		Role:        auth.Manager,
	}, a.list)
	web.Register(api, web.Operation{
		ID: "create-room", Method: http.MethodPost, Path: "/admin/rooms", Tag: tag,
		Summary:     "Make a waiting room",
		Description: "In front of a pre-order or of a coupon, which then has nothing to do with the main room. It is off at first.",
		Role:        auth.Manager, Status: http.StatusCreated,
		Problems: []*fault.Error{queue.ErrRoomTaken, queue.ErrManyRooms},
	}, a.create)
	web.Register(api, web.Operation{
		ID: "remove-room", Method: http.MethodDelete, Path: "/admin/rooms/{room}", Tag: tag,
		Summary:     "Remove a waiting room",
		Description: "One of its own that is off, whose last passes have ended and in which nobody waits any more: that is so some three minutes after it was turned off.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{queue.ErrNoRoom, queue.ErrRoomInUse, queue.ErrUnavailable, web.ErrStale, web.ErrIfMatchRequired},
	}, a.removeRoom)
	web.Register(api, web.Operation{
		ID: "get-room-figures", Method: http.MethodGet, Path: "/admin/rooms/{room}/figures", Tag: tag,
		Summary:  "Count the people of a waiting room",
		Role:     auth.Manager,
		Problems: []*fault.Error{queue.ErrNoRoom, queue.ErrUnavailable},
	}, a.figures)
	web.Register(api, web.Operation{
		ID: "remove-from-room", Method: http.MethodDelete, Path: "/admin/rooms/{room}/places/{account_id}", Tag: tag,
		Summary:     "Take a place in a waiting room away",
		Description: "Who waits or is called loses it at once. Who is in can go on for as long as the pass is good, at most a minute, and is not let out of turn again. The same answer where there is no place.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{queue.ErrNoRoom, queue.ErrUnavailable},
	}, a.remove)
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
	Mode      queue.Mode `json:"mode" enum:"off,on,auto,paused" doc:"off: everyone goes through; on: as many as there is capacity for, and the others wait; auto: as many as the shop can serve in time, up to the capacity; paused: nobody new does." example:"off"`
	Away      queue.Away `json:"away" enum:"open,closed" doc:"While the line cannot be reached, open: some go through, as many as would in the long run; closed: nobody without a pass." example:"open"`
	Capacity  int64      `json:"capacity" doc:"How many shoppers it lets through at once." example:"1000"`
	Goods     *goodsView `json:"goods,omitempty" doc:"What it is in front of; absent: all that has no room of its own."`
	TargetMS  int64      `json:"target_ms" doc:"Of the mode auto: how long all but one of a hundred requests may take." example:"500"`
	OpensAt   *time.Time `json:"opens_at,omitempty" doc:"When it lets people in, those who came before by lot; absent: it is open."`
	Version   int64      `json:"version" doc:"One more with each change." example:"1"`
	ETag      string     `json:"etag" doc:"Names these settings, for If-Match." example:"\"1XyzA-bcdEFghiJklmNop\""`
	UpdatedAt time.Time  `json:"updated_at" doc:"When it was changed last." example:"2026-01-01T00:00:00Z"`
}

func settingsOf(r Room) settingsView {
	return settingsView{
		ID: r.ID, Name: r.Name, Mode: r.Mode, Away: r.Away, Capacity: r.Capacity, Goods: viewOfGoods(r.Goods), OpensAt: orNil(r.OpensAt), TargetMS: r.Target.Milliseconds(),
		Version: r.Version, ETag: r.ETag(), UpdatedAt: r.UpdatedAt,
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

type figuresView struct {
	Waiting     int64      `json:"waiting" doc:"In line." example:"412"`
	Called      int64      `json:"called" doc:"Called, and not in yet." example:"12"`
	Active      int64      `json:"active" doc:"In: a slot is kept two seconds longer than its pass." example:"988"`
	PacePerS    float64    `json:"pace_per_s" doc:"How many are called in a second, a mean of the last minutes." example:"16.4"`
	Slots       int64      `json:"slots" doc:"How many may be called or in at the moment." example:"1000"`
	Flights     int64      `json:"flights,omitempty" doc:"In the mode auto: requests that each instance serves at once." example:"64"`
	FrozenUntil *time.Time `json:"frozen_until,omitempty" doc:"Nobody is let in until then: the line has begun anew, and passes from before may be good."`
	SoldOut     bool       `json:"sold_out" doc:"Nothing is left of its goods at the moment." example:"false"`
	At          time.Time  `json:"at" doc:"When it was counted, by the line's clock." example:"2026-01-02T03:04:05.678Z"`
}

type figuresOutput struct {
	Body figuresView
}

func (a *Admin) figures(ctx context.Context, in *RoomName) (*figuresOutput, error) {
	room, err := a.service.room(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	f, err := a.doors.Figures(ctx, room)
	if err != nil {
		return nil, err
	}
	slots, flights := rulesOf(room).Capacity, int64(0)
	if room.Mode == queue.Auto {
		flights = room.Flights
	}
	return &figuresOutput{Body: figuresView{
		Slots: slots, Flights: flights,
		Waiting: f.Waiting, Called: f.Proceed, Active: f.Active, PacePerS: math.Round(f.Pace*100) / 100, FrozenUntil: orNil(f.Frozen), SoldOut: room.SoldOut, At: f.At,
	}}, nil
}

type removeInput struct {
	RoomName
	AccountID uuid.UUID `path:"account_id" doc:"Whose place it is." example:"0198a000-0000-7000-8000-000000000002"`
}

func (a *Admin) remove(ctx context.Context, in *removeInput) (*struct{}, error) {
	room, err := a.service.room(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	return nil, a.service.removal(ctx, room, in.AccountID, func() error { return a.doors.Remove(ctx, room, in.AccountID) })
}

type removeRoomInput struct {
	web.Precondition
	RoomName
}

func (a *Admin) removeRoom(ctx context.Context, in *removeRoomInput) (*struct{}, error) {
	return nil, a.service.Remove(ctx, in.Room, in.IfMatch, func(room Room) (bool, error) {
		f, err := a.doors.Figures(ctx, room)
		return f.Waiting+f.Proceed+f.Active == 0, err
	})
}

type changeInput struct {
	web.Precondition
	RoomName
	Body struct {
		Mode     queue.Mode `json:"mode" enum:"off,on,auto,paused" doc:"off: everyone goes through; on: as many as there is capacity for, and the others wait; auto: as many as the shop can serve in time, up to the capacity; paused: nobody new does." example:"paused"`
		Away     queue.Away `json:"away,omitempty" enum:"open,closed" default:"open" doc:"While the line cannot be reached, open: some go through, as many as would in the long run; closed: nobody without a pass." example:"open"`
		Capacity int64      `json:"capacity" minimum:"0" maximum:"10000000" doc:"How many shoppers it lets through at once." example:"1000"`
		OpensAt  time.Time  `json:"opens_at,omitzero" doc:"When it lets people in, those who came before by lot; absent: it is open."`
		TargetMS int32      `json:"target_ms,omitempty" minimum:"10" maximum:"60000" doc:"Of the mode auto: how long all but one of a hundred requests may take; absent: as before." example:"500"`
	}
}

type createInput struct {
	Body struct {
		Name     string     `json:"name" minLength:"1" maxLength:"50" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" doc:"Its name, in addresses too." example:"drop-of-the-day"`
		Goods    goodsView  `json:"goods" doc:"What it is in front of."`
		Away     queue.Away `json:"away,omitempty" enum:"open,closed" default:"open" doc:"While the line cannot be reached, open: some go through, as many as would in the long run; closed: nobody without a pass." example:"open"`
		Capacity int64      `json:"capacity" minimum:"0" maximum:"10000000" doc:"How many shoppers it lets through at once." example:"1000"`
	}
}

func (a *Admin) create(ctx context.Context, in *createInput) (*settingsOutput, error) {
	r, err := a.service.Create(ctx, NewRoom{
		Name: in.Body.Name, Goods: queue.Goods{Kind: in.Body.Goods.Kind, ID: in.Body.Goods.ID}, Capacity: in.Body.Capacity, Away: in.Body.Away,
	})
	if err != nil {
		return nil, err
	}
	return &settingsOutput{ETag: r.ETag(), Body: settingsOf(r)}, nil
}

type settingsOutput struct {
	ETag string `header:"ETag" doc:"Names these settings, for If-Match."`
	Body settingsView
}

func (a *Admin) change(ctx context.Context, in *changeInput) (*settingsOutput, error) {
	r, err := a.service.Change(ctx, in.Room, in.IfMatch, Settings{
		Mode: in.Body.Mode, Capacity: in.Body.Capacity, Away: in.Body.Away, OpensAt: in.Body.OpensAt, TargetMS: in.Body.TargetMS,
	})
	if err != nil {
		return nil, err
	}
	return &settingsOutput{ETag: r.ETag(), Body: settingsOf(r)}, nil
}
