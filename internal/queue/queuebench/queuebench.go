// Package queuebench is the way of bench/ into the module: the line of a room in Redis, and the gate before an operation that does nothing.
package queuebench

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/redis"
)

// Room is a room whose line has begun long ago.
type Room struct {
	line  app.Line
	rules app.Rules
}

// NewRoom returns a room of a Redis, whose keys begin with the prefix. Nobody has a slot.
func NewRoom(client goredis.UniversalClient, prefix, name string) *Room {
	return &Room{redis.NewLine(client, prefix, nil), app.Rules{Room: name, Since: time.Now().Add(time.Hour)}}
}

// Enter has an account wait.
func (r *Room) Enter(ctx context.Context, account uuid.UUID) error {
	return waits(r.line.Enter(ctx, r.rules, app.Arrival{Account: account}))
}

// Look asks for the place of an account that waits.
func (r *Room) Look(ctx context.Context, account uuid.UUID) error {
	return waits(r.line.Look(ctx, r.rules, app.Arrival{Account: account}))
}

func waits(p app.Place, err error) error {
	if err == nil && p.State != app.Waiting {
		return fmt.Errorf("it is %s and does not wait", p.State)
	}
	return err
}

// Call gives the room so many slots in all, and calls into those that are free.
func (r *Room) Call(ctx context.Context, slots int64, most int) (called int64, err error) {
	rules := r.rules
	rules.Capacity = slots
	c, err := r.line.Call(ctx, rules, most)
	return c.Called, err
}

// Order is an operation that does nothing, behind the gate of a room that is on.
type Order struct {
	http.Handler
	Path, Token string
	account     uuid.UUID
}

// Calling is how many the job that calls asks for in one step of the line.
const Calling = app.CallMost

// NewOrder returns the operation, behind the gate of the main room, which it turns on, or without any. The schema queue is in the database.
func NewOrder(ctx context.Context, pool *pgxpool.Pool, client goredis.UniversalClient, prefix string, gated bool) (*Order, error) {
	log := slog.New(slog.DiscardHandler)
	o := &Order{Path: "/v1/orders", Token: "shopper", account: uuid.New()}
	api := web.New(web.Options{Verifier: o, Logger: log})
	web.Register(api, web.Operation{
		ID: "place-order", Method: http.MethodPost, Path: o.Path, Tag: "orders", Summary: "Do nothing", Role: auth.Shopper,
	}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	o.Handler = api.Handler()
	if !gated {
		return o, nil
	}
	// A line that begins with its first pass would be frozen for a minute, as others might be out.
	begun := redis.NewLine(client, prefix, nil)
	if _, err := begun.Figures(ctx, app.Rules{Room: "main"}); err != nil {
		return nil, fmt.Errorf("ask the line: %w", err)
	}
	select {
	case <-time.After(2 * app.SlotSlack):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	service := app.NewService(app.Parts{
		Pool: pool, Outbox: outbox.New("queue", clock.System), Audit: audit.New("queue", clock.System), Clock: clock.System, Log: log,
	})
	doors := app.NewDoors(service, begun, clock.System, nil)
	app.NewGate(service, doors, nil, log).Routes(api)
	rooms, err := service.Rooms(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range rooms {
		if _, err := service.Change(ctx, r.Name, r.ETag(), app.Settings{Mode: queue.On, Capacity: 1000, Away: queue.Closed}); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Verify implements [web.Verifier].
func (o *Order) Verify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{AccountID: o.account, Role: auth.Shopper}, nil
}
