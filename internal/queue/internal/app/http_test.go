package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestHTTP(t *testing.T) {
	t.Parallel()

	t.Run("Show", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		shown := s.Do("", "GET", "/v1/queue/rooms/main", "")
		require.Equal(t, 200, shown.Status)
		contracttest.Golden(t, "get-room", shown.Body)

		absent := s.Do("", "GET", "/v1/queue/rooms/other", "")
		require.Equal(t, 404, absent.Status)
		require.Equal(t, "queue.no_room", absent.Text("code"))
		require.Equal(t, 422, s.Do("", "GET", "/v1/queue/rooms/"+strings.Repeat("x", 51), "").Status)
	})

	t.Run("Change", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		etag := s.etag()
		changed := s.Do("manager", "PUT", "/admin/rooms/main", `{"mode":"paused","capacity":5}`, "If-Match", etag)
		require.Equal(t, 200, changed.Status)
		require.Equal(t, changed.Text("etag"), changed.Header.Get("ETag"))
		require.NotEqual(t, etag, changed.Text("etag"))
		next := changed.Text("etag")
		changed.Body["etag"] = "<etag>" // opaque: how it is made is nobody's business
		contracttest.Golden(t, "change-room", changed.Body)

		for _, c := range []struct {
			path, ifMatch, body, code string
			status                    int
		}{
			{"main", etag, `{"mode":"off","capacity":5}`, "conflict.stale", 412},
			{"main", "", `{"mode":"off","capacity":5}`, "conflict.if_match_required", 428},
			{"other", etag, `{"mode":"off","capacity":5}`, "queue.no_room", 404},
			{"main", next, `{"mode":"half","capacity":5}`, "request.invalid", 422},
			{"main", next, `{"mode":"auto","capacity":5,"target_ms":5}`, "request.invalid", 422},
			{"main", next, `{"mode":"on","capacity":5,"away":"ajar"}`, "request.invalid", 422},
			{"main", next, `{"mode":"off","capacity":-1}`, "request.invalid", 422},
			{"main", next, `{"mode":"off","capacity":10000001}`, "request.invalid", 422},
			{"main", next, `{"mode":"off"}`, "request.invalid", 422},
			{"main", next, `{"mode":"off","capacity":5,"rate":1}`, "request.unknown_field", 400},
		} {
			refused := s.Do("manager", "PUT", "/admin/rooms/"+c.path, c.body, "If-Match", c.ifMatch)
			require.Equal(t, c.status, refused.Status, "%v", refused.Body)
			require.Equal(t, c.code, refused.Text("code"))
		}
		require.Equal(t, "paused", s.Do("", "GET", "/v1/queue/rooms/main", "").Text("mode"))
	})

	t.Run("Roles", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		for _, o := range s.Operations() {
			if o.Tag != "queue" {
				continue
			}
			path := strings.ReplaceAll(o.Path, "{room}", "main")
			for token, want := range map[string]int{"": 401, "stolen": 401, "shopper": 403, "manager": 0} {
				got := s.Do(token, o.Method, path, "").Status
				switch {
				case o.Role == auth.Manager && want != 0, o.Role == auth.Shopper && want == 401:
					require.Equal(t, want, got, "%s as %q", o.ID, token)
				default:
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
		gated := []string{"/v1/place-order", "/v1/place-preorder/" + uuid.NewString(), "/v1/claim-coupon/" + uuid.NewString(), "/v1/claim-coupon-by-code"}
		for _, path := range gated {
			require.Equal(t, 204, s.Do("shopper", "POST", path, "").Status, path)
		}
		s.change("paused")
		for _, path := range gated {
			refused := s.Do("shopper", "POST", path, "")
			require.Equal(t, 429, refused.Status, path)
			require.Equal(t, "queue.waiting", refused.Text("code"))
			require.NotEmpty(t, refused.Header.Get("Retry-After"))
			require.Equal(t, "application/problem+json", refused.Header.Get("Content-Type"))
			require.Equal(t, 401, s.Do("", "POST", path, "").Status, "who asks comes first")
		}
		require.Equal(t, 204, s.Do("shopper", "POST", "/v1/cancel-order", "").Status, "what ends something is never gated")
		s.change("off")
		for _, path := range gated {
			require.Equal(t, 204, s.Do("shopper", "POST", path, "").Status, path)
		}
	})

	// A room of goods is not gone around by another way to write their id.
	t.Run("KnowsGoodsHoweverTheyAreWritten", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		for kind, path := range map[string]string{"drop": "/v1/place-preorder/", "coupon": "/v1/claim-coupon/"} {
			goods := uuid.NewString()
			s.Do("manager", "POST", "/admin/rooms", `{"name":"`+kind+`","capacity":1,"goods":{"kind":"`+kind+`","id":"`+goods+`"}}`).Is(201)
			s.setRoom(kind, `{"mode":"paused","capacity":1}`)
			for _, id := range []string{goods, strings.ToUpper(goods), fmt.Sprintf("%%%x%s", goods[0], goods[1:]), strings.ReplaceAll(goods, "-", "%2d"), strings.ReplaceAll(goods, "-", "%2D")} {
				require.Equal(t, 429, s.Do("shopper", "POST", path+id, "").Status, id)
			}
			require.Equal(t, 204, s.Do("shopper", "POST", path+uuid.NewString(), "").Status)
		}
	})

	t.Run("GoesOnWithoutTheDatabase", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.change("paused")
		require.Equal(t, 429, s.Do("shopper", "POST", "/v1/place-order", "").Status)
		s.down.Store(true)
		s.clock.Advance(time.Hour)
		require.Equal(t, 429, s.Do("shopper", "POST", "/v1/place-order", "").Status)
	})

	t.Run("IsOpenWhereItNeverKnewARoom", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.down.Store(true)
		require.Equal(t, 204, s.Do("shopper", "POST", "/v1/place-order", "").Status)
	})
}
