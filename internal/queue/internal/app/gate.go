package app

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

// retryAfter is what those are told who come to a paused room.
const retryAfter = 30 * time.Second

// gated names the room in front of each operation that begins something new. What finishes something begun (confirm, cancel,
// refresh) and what only reads is never gated.
var gated = map[string]string{
	"place-order":          "main",
	"place-preorder":       "main",
	"claim-coupon":         "main",
	"claim-coupon-by-code": "main",
}

// Gate stands before the gated operations, whichever module they are of.
//
// It fails open: a room that cannot be read lets everyone through, because the shop sells nothing twice without it, and
// would sell nothing at all behind a gate that nobody can open.
type Gate struct {
	service queue.Service
	log     *slog.Logger
}

// NewGate returns the gate of the rooms that service knows.
func NewGate(service queue.Service, log *slog.Logger) *Gate {
	return &Gate{service: service, log: log}
}

// Routes implements [web.Routes]: the gate has none of its own and stands before those of others.
func (g *Gate) Routes(api *web.API) { api.Intercept(g.Intercept) }

// Intercept is a [web.Interceptor]: it answers for an operation whose room lets nobody new through.
func (g *Gate) Intercept(op *web.Operation, w http.ResponseWriter, r *http.Request) bool {
	name, ok := gated[op.ID]
	if !ok {
		return false
	}
	room, err := g.service.Room(r.Context(), queue.RoomInput{Name: name})
	if err != nil {
		g.log.DebugContext(r.Context(), "the gate is open: its room cannot be read", "room", name, "error.message", err.Error())
		return false
	}
	if room.Mode != queue.Paused {
		return false
	}
	web.WriteProblem(w, r, queue.ErrPaused.WithRetryAfter(retryAfter))
	return true
}
