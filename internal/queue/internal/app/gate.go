package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

// mainRoom is in front of everything that is gated and has no room of its own.
const mainRoom = "main"

// gated are the operations that begin something new, with the kind of what they name in their path: that may have a room of its own. What
// finishes something begun (confirm, cancel, refresh) and what only reads is never gated.
var gated = map[string]queue.Kind{
	"place-order":          "",
	"place-preorder":       queue.Drop,
	"claim-coupon":         queue.Coupon,
	"claim-coupon-by-code": "",
}

// goodsOf are what an operation names.
func goodsOf(kind queue.Kind, r *http.Request) queue.Goods {
	if kind == "" {
		return queue.Goods{}
	}
	text, err := url.PathUnescape(chi.URLParam(r, "id")) // the router leaves it as it was sent
	if err != nil {
		return queue.Goods{}
	}
	id, err := uuid.Parse(text)
	if err != nil { // the operation says so
		return queue.Goods{}
	}
	return queue.Goods{Kind: kind, ID: id}
}

// The headers of those who wait and of those who are in.
const (
	passHeader     = "Queue-Pass"
	positionHeader = "Queue-Position"
)

// Gate stands before the gated operations, whichever module they are of.
//
// It goes on by what it knows of its rooms where they cannot be read any more, and is open where they never could: the shop sells nothing twice without
// it. Where the line cannot be reached each room has its own rule.
type Gate struct {
	service *Service
	doors   *Doors
	log     *slog.Logger
	asked   *prometheus.CounterVec

	mu        sync.Mutex
	limits    map[uuid.UUID]*rate.Limiter // of the rooms that are open while the line is away
	pressures map[uuid.UUID]*Pressure     // of the rooms in the mode auto
}

// NewGate returns the gate of the rooms that service knows. The registerer may be nil.
func NewGate(service *Service, doors *Doors, r prometheus.Registerer, log *slog.Logger) *Gate {
	return &Gate{
		service: service, doors: doors, log: log, limits: map[uuid.UUID]*rate.Limiter{}, pressures: map[uuid.UUID]*Pressure{},
		asked: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
			Name: "shop_queue_requests_total",
			Help: "Requests of gated operations by what the room said: pass (held one), entered (got one), waiting, away (let through without the line), busy (had a slot, and too many others were being served), unavailable.",
		}, []string{"room", "outcome"}),
	}
}

// Routes implements [web.Routes]: the gate has none of its own and stands before those of others.
func (g *Gate) Routes(api *web.API) { api.Intercept(g.Intercept) }

// Intercept is a [web.Interceptor]: it answers for an operation whose room has no slot for who asks, or that waits behind too many others.
func (g *Gate) Intercept(op *web.Operation, w http.ResponseWriter, r *http.Request) (after func(), answered bool) {
	kind, ok := gated[op.ID]
	if !ok {
		return nil, false
	}
	room, err := g.service.gate(r.Context(), goodsOf(kind, r))
	if err != nil {
		g.log.DebugContext(r.Context(), "the gate is open: its room cannot be read", "error.message", err.Error())
		return nil, false
	}
	who, signedIn := auth.From(r.Context())
	if room.Mode == queue.Off || !signedIn {
		return nil, false
	}
	if !g.admits(room, who, w, r) {
		return nil, true
	}
	if room.Mode != queue.Auto {
		return nil, false
	}
	if after, ok = g.pressureOf(room).Begin(who.AccountID, room.Flights, room.Target); !ok {
		g.asked.WithLabelValues(room.Name, "busy").Inc()
		web.WriteProblem(w, r, queue.ErrBusy.WithRetryAfter(tryAgain()))
		return nil, true
	}
	return after, false
}

// admits says whether who asks has a slot, and answers if not.
func (g *Gate) admits(room Room, who auth.Principal, w http.ResponseWriter, r *http.Request) bool {
	pass, ofPage := passOf(r, room)
	if until, at, good := g.doors.Pass(r.Context(), room, who.AccountID, pass); good {
		g.through(r.Context(), room, "pass", who.AccountID, at, until)
		if until.Sub(at) < RenewWithin {
			if held, err := g.doors.Renew(r.Context(), room, who.AccountID, until); err == nil {
				g.told(r.Context(), room, "renewed", who.AccountID, held.At, held.Until)
				hand(w, r, room, held, ofPage)
			}
		}
		return true
	}
	held, err := g.doors.Enter(r.Context(), room, who.AccountID, "", "")
	switch {
	case errors.Is(err, queue.ErrUnavailable) && g.lets(room):
		g.asked.WithLabelValues(room.Name, "away").Inc()
		return true
	case err != nil:
		g.asked.WithLabelValues(room.Name, "unavailable").Inc()
		web.WriteProblem(w, r, err)
		return false
	case held.State == Active:
		g.through(r.Context(), room, "entered", who.AccountID, held.At, held.Until)
		hand(w, r, room, held, ofPage)
		return true
	}
	g.asked.WithLabelValues(room.Name, "waiting").Inc()
	place := viewOfPlace(room, held)
	if place.Position > 0 {
		w.Header().Set(positionHeader, strconv.FormatInt(place.Position, 10))
	}
	web.WriteProblemWith(w, r, queue.ErrWaiting.WithRetryAfter(held.Pause), map[string]any{"room": room.Name, "ticket": place})
	return false
}

// passOf is the pass that a request shows for a room: in the header, or else in the cookie of who has waited at the page.
func passOf(r *http.Request, room Room) (pass string, ofPage bool) {
	if pass = r.Header.Get(passHeader); pass != "" {
		return pass, false
	}
	c, err := r.Cookie(cookieOf(room))
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// hand gives a pass to who asks, and has the browser keep it if it is one that has waited at the page.
func hand(w http.ResponseWriter, r *http.Request, room Room, held Held, ofPage bool) {
	w.Header().Set(passHeader, held.Pass)
	if ofPage {
		keepPass(w, r, room, held)
	}
}

// cookieOf is the name of the cookie with the pass of a room: a browser may hold several.
func cookieOf(room Room) string { return passHeader + "-" + room.Name }

// keepPass has the browser keep a pass until it ends. No script reads it, and no other site sends it along with a form.
func keepPass(w http.ResponseWriter, r *http.Request, room Room, held Held) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieOf(room), Value: held.Pass, Path: "/", MaxAge: max(int(held.Until.Sub(held.At).Seconds()), 1),
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// through notes that an account was let through, with a pass that ends then.
func (g *Gate) through(ctx context.Context, room Room, how string, account uuid.UUID, at, until time.Time) {
	g.asked.WithLabelValues(room.Name, how).Inc()
	g.told(ctx, room, how, account, at, until)
}

// told logs that an account has a pass.
func (g *Gate) told(ctx context.Context, room Room, how string, account uuid.UUID, at, until time.Time) {
	if g.log.Enabled(ctx, slog.LevelDebug) {
		g.log.LogAttrs(ctx, slog.LevelDebug, "let through", slog.String("room", room.Name), slog.String("how", how),
			slog.String("account", account.String()), slog.Time("at", at), slog.Time("until", until))
	}
}

// lets says whether somebody is let through while the line is away: nobody into a room that lets nobody in, and else as the limit allows.
func (g *Gate) lets(room Room) bool {
	rules, now := rulesOf(room), g.doors.clock()
	return room.Away == queue.Open && !rules.Closed && !now.Before(rules.Opens) && g.limit(room, rules.Capacity).AllowN(now, 1)
}

// limit is how fast this instance lets people through while the line is away: as fast as slots become free where everyone needs one for a pass's
// life, and a tenth of them at once.
func (g *Gate) limit(room Room, slots int64) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	every, atOnce := rate.Limit(float64(slots)/PassLife.Seconds()), int(min(slots, max(slots/10, 1)))
	l := g.limits[room.ID]
	if l == nil {
		l = rate.NewLimiter(every, atOnce)
		g.limits[room.ID] = l
	}
	if now := g.doors.clock(); l.Limit() != every {
		l.SetLimitAt(now, every)
		l.SetBurstAt(now, atOnce)
	}
	return l
}
