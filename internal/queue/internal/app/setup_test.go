package app_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/memory"
)

func TestMain(m *testing.M) {
	crowdChild()
	pgtest.Main(m)
}

var manager = auth.Principal{AccountID: uuid.MustParse("0198b1f2-0000-7000-8000-000000000001"), Role: auth.Manager}

// site is an instance of the module over HTTP, with some operations of other modules behind its gate.
type site struct {
	*webtest.Site
	t       testing.TB
	pool    *pgxpool.Pool
	down    *atomic.Bool // whether the database can be reached
	clock   *clock.Manual
	service *app.Service
	doors   *app.Doors
	line    *broken
	goods   *goods
	gate    *app.Gate
	holds   *atomic.Pointer[hold] // what orders wait for; nil: nothing

	accounts map[string]uuid.UUID // of the tokens
}

// goods are what other modules have left: of everything that is not named, nothing.
type goods struct {
	mu   sync.Mutex
	left map[uuid.UUID]int64
	err  error
}

func (g *goods) leave(id uuid.UUID, left int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left[id] = left
}

func (g *goods) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *goods) asked(ids []uuid.UUID, tell func(id uuid.UUID, left int64)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		if left, ok := g.left[id]; ok {
			tell(id, left)
		}
	}
	return g.err
}

type drops struct {
	others
	*goods
}

// others are what nobody asks for.
type others = interface {
	SetDrop(context.Context, catalog.SetDropInput) (catalog.Drop, error)
	CloseDrop(context.Context, catalog.CloseDropInput) (catalog.Drop, error)
}

func (d drops) Drops(_ context.Context, in catalog.DropsInput) (found catalog.DropStates, err error) {
	err = d.asked(in.DropIDs, func(id uuid.UUID, left int64) {
		found.Items = append(found.Items, catalog.Drop{DropID: id, Left: left})
	})
	return found, err
}

type campaigns struct {
	coupons.Service
	*goods
}

func (c campaigns) Counts(_ context.Context, in coupons.CountsInput) (found coupons.Counts, err error) {
	err = c.asked(in.CampaignIDs, func(id uuid.UUID, left int64) {
		found.Items = append(found.Items, coupons.Count{CampaignID: id, Quantity: 100, Taken: 100 - left})
	})
	return found, err
}

// broken is a line that can be away.
type broken struct {
	app.Line
	away  atomic.Bool
	hangs atomic.Bool
}

var errAway = errors.New("connection refused")

func (b *broken) Enter(ctx context.Context, r app.Rules, a app.Arrival) (app.Place, error) {
	if b.hangs.Load() {
		<-ctx.Done()
		return app.Place{}, ctx.Err()
	}
	if b.away.Load() {
		return app.Place{}, errAway
	}
	return b.Line.Enter(ctx, r, a)
}

func (b *broken) Look(ctx context.Context, r app.Rules, a app.Arrival) (app.Place, error) {
	if b.away.Load() {
		return app.Place{}, errAway
	}
	return b.Line.Look(ctx, r, a)
}

func (b *broken) Renew(ctx context.Context, r app.Rules, a app.Arrival) (app.Place, error) {
	if b.away.Load() {
		return app.Place{}, errAway
	}
	return b.Line.Renew(ctx, r, a)
}

func serve(t testing.TB) site {
	t.Helper()
	s := site{t: t, holds: &atomic.Pointer[hold]{}, goods: &goods{left: map[uuid.UUID]int64{}}, down: &atomic.Bool{}, clock: clock.NewManual(time.Date(2026, 1, 2, 3, 3, 5, 678e6, time.UTC))}
	config := pgtest.New(t, "queue").Config()
	config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) {
		if s.down.Load() {
			return true, errors.New("the database is down")
		}
		return true, nil
	}
	var err error
	s.pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	log := slog.New(slog.DiscardHandler)
	s.service = s.instance()
	s.line = &broken{Line: memory.NewLine(s.clock.Now)}
	s.clock.Advance(time.Minute) // so that no pass can be out from before
	s.doors = app.NewDoors(s.service, s.line, s.clock.Now, nil)
	s.gate = app.NewGate(s.service, s.doors, nil, log)
	tokens := webtest.Tokens{"shopper": {AccountID: uuid.New(), Role: auth.Shopper}, "manager": manager}
	for _, name := range more {
		tokens[name] = auth.Principal{AccountID: uuid.New(), Role: auth.Shopper}
	}
	s.accounts = map[string]uuid.UUID{}
	for name, who := range tokens {
		s.accounts[name] = who.AccountID
	}
	s.Site = webtest.New(t, web.Options{Verifier: tokens}, app.NewHTTP(s.service, s.doors, s.clock.Now), app.NewPage(s.service, s.doors, s.clock.Now), app.NewAdmin(s.service, s.doors), s.gate)
	for _, id := range []string{"place-order", "claim-coupon-by-code", "cancel-order"} {
		web.Register(s.API, web.Operation{
			ID: id, Method: http.MethodPost, Path: "/v1/" + id, Tag: "others", Summary: "Of another module", Role: auth.Shopper,
		}, func(context.Context, *struct{}) (*struct{}, error) {
			if held := s.holds.Load(); held != nil {
				held.come <- struct{}{}
				<-held.ends
			}
			return nil, nil
		})
	}
	for _, id := range []string{"place-preorder", "claim-coupon"} {
		web.Register(s.API, web.Operation{
			ID: id, Method: http.MethodPost, Path: "/v1/" + id + "/{id}", Tag: "others", Summary: "Of another module", Role: auth.Shopper,
		}, func(context.Context, *namedInput) (*struct{}, error) { return nil, nil })
	}
	return s
}

// hold keeps orders, each of which says that it has come, until it ends.
type hold struct{ come, ends chan struct{} }

type namedInput struct {
	ID uuid.UUID `path:"id"`
}

// more are other shoppers.
var more = []string{"first", "second", "third"}

// instance is another instance of the service on the same database.
func (s site) instance() *app.Service {
	return app.NewService(app.Parts{
		Pool: s.pool, Outbox: outbox.New("queue", s.clock.Now), Audit: audit.New("queue", s.clock.Now), Clock: s.clock.Now, Log: slog.New(slog.DiscardHandler),
		Drops: drops{goods: s.goods}, Campaigns: campaigns{goods: s.goods},
	})
}

// goOn lets time go by in which people are called.
func (s site) goOn(long time.Duration) {
	s.t.Helper()
	for ; long > 0; long -= app.Absent / 3 {
		s.clock.Advance(min(long, app.Absent/3))
		require.NoError(s.t, s.doors.Call(s.t.Context()))
	}
}

// etag is that of the room main, as a manager reads it.
func (s site) etag() string { return s.etagOf("main") }

func (s site) etagOf(name string) string {
	s.t.Helper()
	list := s.Do("manager", "GET", "/admin/rooms", "")
	require.Equal(s.t, 200, list.Status)
	for _, item := range list.Body["items"].([]any) {
		if room := item.(map[string]any); room["name"] == name {
			return room["etag"].(string)
		}
	}
	require.Fail(s.t, "there is no such room", name)
	return ""
}

// change sets the mode of the room main over HTTP.
func (s site) change(mode string) webtest.Answer {
	s.t.Helper()
	return s.set(`{"mode":"` + mode + `","capacity":1000}`)
}

func (s site) set(settings string) webtest.Answer { return s.setRoom("main", settings) }

func (s site) setRoom(name, settings string) webtest.Answer {
	s.t.Helper()
	a := s.Do("manager", "PUT", "/admin/rooms/"+name, settings, "If-Match", s.etagOf(name))
	require.Equal(s.t, 200, a.Status, "%v", a.Body)
	return a
}
