package app_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

func TestHTTP(t *testing.T) {
	t.Parallel()

	t.Run("Show", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		shown := s.do("", "GET", "/v1/queue/rooms/main", "")
		require.Equal(t, 200, shown.status)
		contracttest.Golden(t, "get-room", shown.body)

		absent := s.do("", "GET", "/v1/queue/rooms/other", "")
		require.Equal(t, 404, absent.status)
		require.Equal(t, "queue.no_room", absent.text("code"))
		require.Equal(t, 422, s.do("", "GET", "/v1/queue/rooms/"+strings.Repeat("x", 51), "").status)
	})

	t.Run("Change", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		etag := s.etag()
		changed := s.do("manager", "PUT", "/admin/rooms/main", `{"mode":"paused","capacity":5}`, "If-Match", etag)
		require.Equal(t, 200, changed.status)
		require.Equal(t, changed.text("etag"), changed.header.Get("ETag"))
		require.NotEqual(t, etag, changed.text("etag"))
		next := changed.text("etag")
		changed.body["etag"] = "<etag>" // opaque: how it is made is nobody's business
		contracttest.Golden(t, "change-room", changed.body)

		for _, c := range []struct {
			path, ifMatch, body, code string
			status                    int
		}{
			{"main", etag, `{"mode":"off","capacity":5}`, "conflict.stale", 412},
			{"main", "", `{"mode":"off","capacity":5}`, "conflict.if_match_required", 428},
			{"other", etag, `{"mode":"off","capacity":5}`, "queue.no_room", 404},
			{"main", next, `{"mode":"on","capacity":5}`, "request.invalid", 422},
			{"main", next, `{"mode":"off","capacity":-1}`, "request.invalid", 422},
			{"main", next, `{"mode":"off","capacity":10000001}`, "request.invalid", 422},
			{"main", next, `{"mode":"off"}`, "request.invalid", 422},
			{"main", next, `{"mode":"off","capacity":5,"rate":1}`, "request.unknown_field", 400},
		} {
			refused := s.do("manager", "PUT", "/admin/rooms/"+c.path, c.body, "If-Match", c.ifMatch)
			require.Equal(t, c.status, refused.status, "%v", refused.body)
			require.Equal(t, c.code, refused.text("code"))
		}
		require.Equal(t, "paused", s.do("", "GET", "/v1/queue/rooms/main", "").text("mode"))
	})

	t.Run("Roles", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		for _, o := range s.api.Operations() {
			if o.Tag != "queue" {
				continue
			}
			path := strings.ReplaceAll(o.Path, "{room}", "main")
			for token, want := range map[string]int{"": 401, "stolen": 401, "shopper": 403, "manager": 0} {
				got := s.do(token, o.Method, path, "").status
				if o.Role == auth.Manager && want != 0 {
					require.Equal(t, want, got, "%s as %q", o.ID, token)
				} else {
					require.NotContains(t, []int{401, 403}, got, "%s as %q", o.ID, token)
				}
			}
			require.Equal(t, strings.HasPrefix(o.Path, "/admin/"), o.Role == auth.Manager, o.ID)
		}
	})
}

func TestGate(t *testing.T) {
	t.Parallel()

	t.Run("APausedRoomBlocksAndResumes", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		gated := []string{"/v1/place-order", "/v1/place-preorder", "/v1/claim-coupon"}
		for _, path := range gated {
			require.Equal(t, 204, s.do("shopper", "POST", path, "").status, path)
		}
		s.change("paused")
		for _, path := range gated {
			refused := s.do("shopper", "POST", path, "")
			require.Equal(t, 429, refused.status, path)
			require.Equal(t, "queue.waiting", refused.text("code"))
			require.Equal(t, "30", refused.header.Get("Retry-After"))
			require.Equal(t, "application/problem+json", refused.header.Get("Content-Type"))
			require.Equal(t, 401, s.do("", "POST", path, "").status, "who asks comes first")
		}
		require.Equal(t, 204, s.do("shopper", "POST", "/v1/cancel-order", "").status, "what ends something is never gated")
		s.change("off")
		for _, path := range gated {
			require.Equal(t, 204, s.do("shopper", "POST", path, "").status, path)
		}
	})

	t.Run("FailsOpen", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.change("paused")
		require.Equal(t, 429, s.do("shopper", "POST", "/v1/place-order", "").status)
		s.down.Store(true)
		s.clock.Advance(app.Freshness)
		require.Equal(t, 204, s.do("shopper", "POST", "/v1/place-order", "").status)
	})

	t.Run("OpenWhenTheServiceDoesNotAnswer", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		app.NewGate(broken{}, slog.New(slog.DiscardHandler)).Routes(s.api)
		require.Equal(t, 204, s.do("shopper", "POST", "/v1/place-order", "").status)
	})
}

// broken is a queue that is hosted elsewhere and does not answer.
type broken struct{}

func (broken) Room(context.Context, queue.RoomInput) (queue.Room, error) {
	return queue.Room{}, errors.New("connection refused")
}
