// Package admin shows the bus to managers: what waits in the outboxes, how far the groups are, and what is parked, which
// they replay and admins drop.
package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// ErrNoModule means that the shop has no such module.
var ErrNoModule = fault.New(fault.NotFound, "bus.no_module", "the shop has no such module")

// Config says what is shown.
type Config struct {
	Modules   []string
	Pool      func(module string) *pgxpool.Pool
	Consumers *bus.Consumers
	Clock     clock.Clock
}

// HTTP has the operations under /admin/bus.
type HTTP struct{ config Config }

// New returns the operations.
func New(c Config) *HTTP { return &HTTP{config: c} }

// Routes adds them to the API.
func (h *HTTP) Routes(api *web.API) {
	operation := func(id, method, path, summary, description string, role auth.Role, problems ...*fault.Error) web.Operation {
		return web.Operation{
			ID: id, Method: method, Path: "/admin/bus" + path, Tag: "platform", Summary: summary, Description: description,
			Role: role, Problems: problems,
		}
	}
	web.Register(api, operation("show-bus", http.MethodGet, "", "How far the events are",
		"For each module: what its outbox still has to publish, how far it is with the others' events, and what it has parked.",
		auth.Manager), h.show)
	web.Register(api, operation("list-parked-events", http.MethodGet, "/{module}/parked", "List the events that a module has parked",
		"In the order in which they were parked.", auth.Manager, ErrNoModule), h.list)
	web.Register(api, operation("get-parked-event", http.MethodGet, "/{module}/parked/{event_id}", "Show a parked event",
		"", auth.Manager, ErrNoModule, bus.ErrNotParked), h.get)
	web.Register(api, operation("replay-parked-event", http.MethodPost, "/{module}/parked/{event_id}/replay", "Replay a parked event's key",
		"Handles the whole line of the event's key in order and stops at the first event that fails again.",
		auth.Manager, ErrNoModule, bus.ErrNotParked), h.replay)
	web.Register(api, operation("drop-parked-event", http.MethodDelete, "/{module}/parked/{event_id}", "Drop a parked event",
		"The module will never see it. Later events of its key stay parked until they are replayed.",
		auth.Admin, ErrNoModule, bus.ErrNotParked), h.drop)
}

type eventInput struct {
	Module  string    `path:"module" maxLength:"40" example:"coupons" doc:"The module that has parked the event."`
	EventID uuid.UUID `path:"event_id" format:"uuid" doc:"The event's id."`
}

// parking returns the module's parked events; nil for a module that hears nothing.
func (h *HTTP) parking(module string) (*bus.Parking, error) {
	if !slices.Contains(h.config.Modules, module) {
		return nil, ErrNoModule
	}
	return h.config.Consumers.Parking(module), nil
}

// existing is parking for an operation on an event, which a module that hears nothing doesn't have.
func (h *HTTP) existing(module string) (*bus.Parking, error) {
	parking, err := h.parking(module)
	if err == nil && parking == nil {
		err = bus.ErrNotParked
	}
	return parking, err
}

type showOutput struct {
	Body struct {
		Items     []Module    `json:"items" doc:"The modules."`
		Abandoned []Abandoned `json:"abandoned" doc:"Positions of removed modules and subscriptions, for which the bus keeps events; after 30 days it keeps them no longer."`
	}
}

func (h *HTTP) show(ctx context.Context, _ *struct{}) (*showOutput, error) {
	out := &showOutput{}
	for _, name := range h.config.Modules {
		m, err := h.module(ctx, name)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, m)
	}
	abandoned, err := h.config.Consumers.Abandoned(ctx)
	if err != nil {
		return nil, err
	}
	out.Body.Abandoned = []Abandoned{}
	for _, a := range abandoned {
		out.Body.Abandoned = append(out.Body.Abandoned, Abandoned{Group: a.Group, Position: position(a.Position)})
	}
	return out, nil
}

func (h *HTTP) module(ctx context.Context, name string) (m Module, err error) {
	m.Module, m.Positions = name, []Position{}
	rows, age, err := bus.Lag(ctx, h.config.Pool(name), name)
	if err != nil {
		return m, err
	}
	m.Unpublished, m.UnpublishedAgeMS = rows, age.Milliseconds()
	parking := h.config.Consumers.Parking(name)
	if parking == nil {
		return m, nil
	}
	if m.Parked, err = parking.Count(ctx); err != nil {
		return m, err
	}
	positions, err := h.config.Consumers.Positions(ctx, name)
	if err != nil { // the rest is worth showing just when the broker is away
		m.PositionsError = err.Error()
		return m, nil
	}
	for _, p := range positions {
		m.Positions = append(m.Positions, position(p))
	}
	return m, nil
}

type listInput struct {
	Module string `path:"module" maxLength:"40" example:"coupons" doc:"The module that has parked the events."`
	web.PageQuery
}

type listOutput struct {
	Body web.Page[ParkedEvent]
}

func (h *HTTP) list(ctx context.Context, in *listInput) (*listOutput, error) {
	parking, err := h.parking(in.Module)
	if err != nil {
		return nil, err
	}
	var after int64
	if err := web.DecodeCursor(in.Cursor, &after); err != nil {
		return nil, err
	}
	var items []ParkedEvent
	if parking != nil {
		parked, err := parking.List(ctx, after, in.Limit+1)
		if err != nil {
			return nil, err
		}
		for _, p := range parked {
			items = append(items, parkedEvent(p))
		}
	}
	return &listOutput{Body: web.PageOf(items, in.Limit, func(p ParkedEvent) any { return p.Position })}, nil
}

type getOutput struct {
	Body ParkedEvent
}

func (h *HTTP) get(ctx context.Context, in *eventInput) (*getOutput, error) {
	parking, err := h.existing(in.Module)
	if err != nil {
		return nil, err
	}
	p, err := parking.Get(ctx, in.EventID)
	if err != nil {
		return nil, err
	}
	return &getOutput{Body: parkedEvent(p)}, nil
}

type replayOutput struct {
	Body Replayed
}

func (h *HTTP) replay(ctx context.Context, in *eventInput) (*replayOutput, error) {
	parking, err := h.existing(in.Module)
	if err != nil {
		return nil, err
	}
	replayed, err := parking.Replay(ctx, in.EventID, h.record(in.Module, "bus.replay"))
	if err != nil {
		return nil, err
	}
	return &replayOutput{Body: Replayed{Done: replayed.Done, Failed: replayed.Failed}}, nil
}

func (h *HTTP) drop(ctx context.Context, in *eventInput) (*struct{}, error) {
	parking, err := h.existing(in.Module)
	if err != nil {
		return nil, err
	}
	return nil, parking.Drop(ctx, in.EventID, h.record(in.Module, "bus.drop"))
}

// record writes to the module's audit log what became of an event.
func (h *HTTP) record(module, action string) bus.Record {
	log := audit.New(module, h.config.Clock)
	return func(ctx context.Context, tx pgx.Tx, p bus.Parked, failed error) error {
		entry := audit.Entry{Action: action, Subject: p.ID.String(), Before: parkedEvent(p)}
		if failed != nil {
			p.Reason = failed.Error()
			entry.After = parkedEvent(p)
		}
		return log.Add(ctx, tx, entry)
	}
}
