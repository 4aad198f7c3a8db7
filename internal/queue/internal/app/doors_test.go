package app_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/webtest"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/memory"
)

const tickets = "/v1/queue/rooms/main/tickets"

func (s site) order(token, pass string) webtest.Answer {
	s.t.Helper()
	if pass == "" {
		return s.Do(token, "POST", "/v1/place-order", "")
	}
	return s.Do(token, "POST", "/v1/place-order", "", "Queue-Pass", pass)
}

// original 12 to 15, 18 and 19: two who came at once both got in, who waited was passed by, who had gone held a slot, and who had to wait
// was answered 200 with nothing in it.
func TestRoomThatIsOn(t *testing.T) {
	t.Parallel()

	t.Run("LetsInAndMakesWait", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		in := s.order("first", "")
		require.Equal(t, 204, in.Status)
		pass := in.Header.Get("Queue-Pass")
		require.NotEmpty(t, pass)
		require.Equal(t, 204, s.order("first", pass).Status)
		require.Equal(t, 204, s.order("first", "").Status, "whoever has lost the pass has the slot still")

		for range 2 { // again: the same place
			waits := s.order("second", "")
			require.Equal(t, 429, waits.Status)
			require.Equal(t, "queue.waiting", waits.Text("code"))
			require.Equal(t, "1", waits.Header.Get("Queue-Position"))
			seconds, err := strconv.Atoi(waits.Header.Get("Retry-After"))
			require.NoError(t, err)
			require.Positive(t, seconds)
			require.Equal(t, "waiting", waits.Body["ticket"].(map[string]any)["state"])
		}
		require.Equal(t, "2", s.order("third", "").Header.Get("Queue-Position"))
		require.Equal(t, 429, s.order("second", pass).Status, "another's pass")
		require.Equal(t, 204, s.Do("third", "POST", "/v1/cancel-order", "").Status, "what ends something is never gated")

		s.clock.Advance(app.PassLife + app.SlotSlack + time.Second)
		require.Equal(t, 429, s.order("first", pass).Status, "it has ended, and others wait")
		require.NoError(t, s.doors.Call(t.Context()))
		require.Equal(t, 429, s.order("third", "").Status)
		require.Equal(t, 204, s.order("second", "").Status)
	})

	t.Run("RenewsAPassBeforeItEnds", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		pass := s.order("first", "").Header.Get("Queue-Pass")
		s.clock.Advance(app.PassLife / 2)
		require.Empty(t, s.order("first", pass).Header.Get("Queue-Pass"), "not yet")
		s.clock.Advance(app.PassLife / 4)
		renewed := s.order("first", pass).Header.Get("Queue-Pass")
		require.NotEmpty(t, renewed)
		s.clock.Advance(app.PassLife - time.Second)
		require.Equal(t, 204, s.order("first", renewed).Status)
		require.Equal(t, 429, s.order("second", "").Status)
	})

	// original 21: without Redis every request failed.
	t.Run("TheLineIsAway", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		require.Equal(t, 204, s.order("first", "").Status)
		require.Equal(t, 429, s.order("second", "").Status)
		s.line.away.Store(true)
		require.Equal(t, 204, s.order("second", "").Status, "open")
		require.Equal(t, "queue.unavailable", s.order("third", "").Text("code"), "not for everybody: a slot becomes free in a minute")
		s.clock.Advance(app.PassLife)
		require.Equal(t, 204, s.order("third", "").Status)
		s.line.away.Store(false)
		pass := s.order("first", "").Header.Get("Queue-Pass")
		require.NotEmpty(t, pass)
		s.line.away.Store(true)
		s.set(`{"mode":"on","capacity":1,"away":"closed"}`)
		refused := s.order("second", "")
		require.Equal(t, 503, refused.Status)
		require.Equal(t, "queue.unavailable", refused.Text("code"))
		require.Equal(t, "1", refused.Header.Get("Retry-After"))
		s.clock.Advance(app.PassLife * 3 / 4)
		require.Equal(t, 204, s.order("first", pass).Status, "a pass is good without the line, though it is not renewed")
	})

	// Who is called when the line forgets everything comes first of those who come back.
	t.Run("WhoIsCalledHasThePlaceBack", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		held := map[string]string{}
		for _, who := range more {
			held[who] = s.Do(who, "POST", tickets, "").Is(200).Text("ticket")
		}
		s.goOn(app.PassLife + app.SlotSlack)
		called := s.Do("second", "GET", tickets+"/"+held["second"], "").Is(200)
		require.Equal(t, "proceed", called.Text("state"))
		s.line.Line = memory.NewLine(s.clock.Now)
		for who, ticket := range map[string]string{"third": held["third"], "second": called.Text("ticket")} {
			s.Do("shopper", "POST", tickets, "").Is(200)
			s.Do(who, "POST", tickets, `{"ticket":"`+ticket+`"}`).Is(200)
		}
		s.goOn(app.PassLife + app.SlotSlack)
		require.Equal(t, "active", s.Do("second", "POST", tickets, "").Is(200).Text("state"))
		require.EqualValues(t, "1", s.Do("third", "POST", tickets, "").Is(200).Body["position"].(json.Number).String())
		require.EqualValues(t, "2", s.Do("shopper", "POST", tickets, "").Is(200).Body["position"].(json.Number).String())
	})

	// A line that is away opens no room in which nobody may be.
	t.Run("TheLineIsAwayOfARoomThatIsShut", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.line.away.Store(true)
		for name, settings := range map[string]string{
			"Paused":     `{"mode":"paused","capacity":1000}`,
			"NotYetOpen": `{"mode":"on","capacity":1000,"opens_at":"` + s.clock.Now().Add(time.Minute).Format(time.RFC3339Nano) + `"}`,
			"NoCapacity": `{"mode":"on","capacity":0}`,
		} {
			s.set(settings)
			require.Equal(t, "queue.unavailable", s.order("first", "").Text("code"), name)
		}
		s = serve(t)
		s.line.away.Store(true)
		s.set(`{"mode":"auto","capacity":1000000}`)
		through := 0
		for range 50 {
			if s.order("first", "").Status == 204 {
				through++
			}
		}
		require.Equal(t, 1, through, "a tenth of the slots that there are, and not of those that there may be")
	})

	// original 20: every request asked another service first, and waited for a lock.
	t.Run("TheLineHangs", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1,"away":"closed"}`)
		pass := s.order("first", "").Header.Get("Queue-Pass")
		s.line.hangs.Store(true)
		require.Equal(t, 204, s.order("first", pass).Status, "a pass is checked without asking")
		require.Equal(t, "queue.unavailable", s.order("second", "").Text("code"), "nobody waits for it for long")
	})

	t.Run("PausedLetsNobodyNewIn", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":5}`)
		pass := s.order("first", "").Header.Get("Queue-Pass")
		s.change("paused")
		require.Equal(t, 204, s.order("first", pass).Status)
		require.Equal(t, 429, s.order("second", "").Status)
		require.NoError(t, s.doors.Call(t.Context()))
		require.Equal(t, 429, s.order("second", "").Status)
		s.set(`{"mode":"on","capacity":5}`)
		require.NoError(t, s.doors.Call(t.Context()))
		require.Equal(t, 204, s.order("second", "").Status)
	})
}

// goods of which nothing is left: who waits is told so and not called, and is when an order gives something back.
// Who is taken out of a room goes on for as long as the pass is good, and is not let in before others again. virtual-waiting-room-on-aws#247 (T33)
func TestWhoIsRemoved(t *testing.T) {
	t.Parallel()

	s := serve(t)
	s.set(`{"mode":"on","capacity":1}`)
	pass := s.order("first", "").Header.Get("Queue-Pass")
	s.ticketOf("second")
	ticket := s.ticketOf("third")
	remove := func(who string) {
		require.Equal(t, 204, s.Do("manager", "DELETE", "/admin/rooms/main/places/"+s.accounts[who].String(), "").Status)
	}
	remove("third")
	require.Equal(t, "queue.no_place", s.Do("third", "GET", tickets+"/"+ticket, "").Text("code"), "at once")
	remove("first")
	s.clock.Advance(app.PassLife * 3 / 4)
	last := s.order("first", pass)
	require.Equal(t, 204, last.Status)
	require.Empty(t, last.Header.Get("Queue-Pass"), "it is not renewed")
	s.clock.Advance(app.PassLife / 4)
	require.Equal(t, 429, s.order("first", pass).Status)
	s.clock.Advance(app.SlotSlack)
	require.NoError(t, s.doors.Call(t.Context()))
	require.Equal(t, 204, s.order("second", "").Status)
	remove("second")
	remove("second")
	entries := 0
	require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM queue.audit_log WHERE action = 'rooms.remove'`).Scan(&entries))
	require.Equal(t, 4, entries)
	require.Equal(t, 403, s.Do("shopper", "DELETE", "/admin/rooms/main/places/"+uuid.NewString(), "").Status)
	require.Equal(t, 404, s.Do("manager", "DELETE", "/admin/rooms/none/places/"+uuid.NewString(), "").Status)
}

// A room goes when nothing of it can matter any more.
func TestARoomIsRemoved(t *testing.T) {
	t.Parallel()

	s := serve(t)
	goods := `{"kind":"drop","id":"` + uuid.NewString() + `"}`
	build := func() {
		s.Do("manager", "POST", "/admin/rooms", `{"name":"noon","capacity":1,"goods":`+goods+`}`).Is(201)
	}
	remove := func(name string) webtest.Answer {
		return s.Do("manager", "DELETE", "/admin/rooms/"+name, "", "If-Match", s.etagOf(name))
	}
	build()
	require.Equal(t, 403, s.Do("shopper", "DELETE", "/admin/rooms/noon", "", "If-Match", s.etagOf("noon")).Status)
	require.Equal(t, "conflict.if_match_required", s.Do("manager", "DELETE", "/admin/rooms/noon", "").Text("code"))
	require.Equal(t, "queue.room_in_use", remove("main").Text("code"))
	stale := s.etagOf("noon")
	s.setRoom("noon", `{"mode":"on","capacity":1}`)
	require.Equal(t, 412, s.Do("manager", "DELETE", "/admin/rooms/noon", "", "If-Match", stale).Status)
	require.Equal(t, "queue.room_in_use", remove("noon").Text("code"), "it is on")
	for _, who := range []string{"first", "second"} {
		s.Do(who, "POST", "/v1/queue/rooms/noon/tickets", "").Is(200)
	}
	s.setRoom("noon", `{"mode":"off","capacity":1}`)
	s.goOn(app.PassLife)
	require.Equal(t, "queue.room_in_use", remove("noon").Text("code"), "a pass may be good")
	s.goOn(10 * time.Second)
	require.Equal(t, "queue.room_in_use", remove("noon").Text("code"), "somebody waits")
	s.goOn(app.Regather)
	require.Equal(t, 204, remove("noon").Status)
	require.Equal(t, 404, s.Do("", "GET", "/v1/queue/rooms/noon", "").Status)
	require.Equal(t, 404, s.Do("manager", "DELETE", "/admin/rooms/noon", "", "If-Match", stale).Status)
	build()
}

func TestRoomOfItsOwn(t *testing.T) {
	t.Parallel()

	s := serve(t)
	drop, campaign := uuid.New(), uuid.New()
	for name, goods := range map[string]string{"noon": `{"kind":"drop","id":"` + drop.String() + `"}`, "black-friday": `{"kind":"coupon","id":"` + campaign.String() + `"}`} {
		made := s.Do("manager", "POST", "/admin/rooms", `{"name":"`+name+`","capacity":1,"goods":`+goods+`}`)
		require.Equal(t, 201, made.Status, "%v", made.Body)
		require.Equal(t, "off", made.Text("mode"))
		again := s.Do("manager", "POST", "/admin/rooms", `{"name":"other","capacity":1,"goods":`+goods+`}`)
		require.Equal(t, "queue.room_taken", again.Text("code"))
		s.setRoom(name, `{"mode":"on","capacity":1}`)
	}
	require.Equal(t, "queue.room_taken", s.Do("manager", "POST", "/admin/rooms", `{"name":"main","capacity":1,"goods":{"kind":"drop","id":"`+uuid.NewString()+`"}}`).Text("code"))

	for path, id := range map[string]uuid.UUID{"/v1/place-preorder/": drop, "/v1/claim-coupon/": campaign} {
		s.goods.leave(id, 1)
		s.clock.Advance(app.Freshness)
		require.Equal(t, 204, s.Do("second", "POST", path+uuid.NewString(), "").Status, "the main room is off")
		in := s.Do("first", "POST", path+id.String(), "")
		require.Equal(t, 204, in.Status)
		waits := s.Do("second", "POST", path+id.String(), "")
		require.Equal(t, 429, waits.Status)
		place := waits.Body["ticket"].(map[string]any)
		require.Equal(t, false, place["sold_out"])
		at := "/v1/queue/rooms/" + waits.Text("room") + "/tickets"

		s.goods.leave(id, 0)
		s.clock.Advance(app.PassLife + app.SlotSlack)
		require.NoError(t, s.doors.Call(t.Context()))
		told := s.Do("second", "GET", at+"/"+place["ticket"].(string), "").Is(200)
		require.Equal(t, true, told.Body["sold_out"])
		require.Equal(t, "waiting", told.Text("state"))
		require.Equal(t, true, s.Do("", "GET", "/v1/queue/rooms/"+waits.Text("room"), "").Is(200).Body["sold_out"])
		require.Equal(t, 429, s.Do("third", "POST", path+id.String(), "").Status)

		s.goods.fail(errors.New("the module does not answer"))
		s.clock.Advance(app.Freshness)
		require.NoError(t, s.doors.Call(t.Context()))
		require.Equal(t, 429, s.Do("second", "POST", path+id.String(), "").Status, "as it was before")
		s.goods.fail(nil)

		s.goods.leave(id, 1) // a hold has lapsed
		s.clock.Advance(app.Freshness)
		require.NoError(t, s.doors.Call(t.Context()))
		require.Equal(t, 204, s.Do("second", "POST", path+id.String(), "").Status)
	}
}

// Who comes before the opening has a place by lot, which anyone can check afterwards.
func TestDraw(t *testing.T) {
	t.Parallel()

	s := serve(t)
	opens := s.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)
	s.set(`{"mode":"on","capacity":1,"opens_at":"` + opens + `"}`)
	room := s.Do("", "GET", "/v1/queue/rooms/main", "").Is(200)
	before := room.Body["draw"].(map[string]any)
	require.NotContains(t, before, "seed")
	s.set(`{"mode":"on","capacity":2,"opens_at":"` + opens + `"}`)
	require.Equal(t, before, s.Do("", "GET", "/v1/queue/rooms/main", "").Is(200).Body["draw"], "who has come keeps the lot")

	lots := map[string]int64{}
	for _, who := range more {
		waits := s.order(who, "")
		require.Equal(t, 429, waits.Status)
		require.Empty(t, waits.Header.Get("Queue-Position"), "nobody is drawn yet")
		place := waits.Body["ticket"].(map[string]any)
		require.NotEmpty(t, place["opens_at"])
		lot, err := place["lot"].(json.Number).Int64()
		require.NoError(t, err)
		lots[who] = lot
	}
	s.clock.Advance(time.Hour - time.Second)
	for _, who := range more {
		require.Equal(t, 429, s.order(who, "").Status)
	}
	require.NoError(t, s.doors.Call(t.Context()))
	s.clock.Advance(time.Second)
	after := s.Do("", "GET", "/v1/queue/rooms/main", "").Is(200).Body["draw"].(map[string]any)
	require.Equal(t, before["seed_hash"], after["seed_hash"])
	seed, err := hex.DecodeString(after["seed"].(string))
	require.NoError(t, err)
	hash := sha256.Sum256(seed)
	require.Equal(t, before["seed_hash"], hex.EncodeToString(hash[:]))
	for who, lot := range lots {
		require.Equal(t, lot, queue.Lot(seed, uuid.MustParse(room.Text("id")), s.accounts[who]), who)
	}
	require.NoError(t, s.doors.Call(t.Context()))
	order := slices.SortedFunc(maps.Keys(lots), func(a, b string) int { return cmp.Compare(lots[a], lots[b]) })
	for i, who := range order {
		want := 204
		if i == 2 {
			want = 429
		}
		require.Equal(t, want, s.order(who, "").Status)
	}

	// An opening that is past has a seed too.
	drop := uuid.New()
	s.Do("manager", "POST", "/admin/rooms", `{"name":"noon","capacity":1,"goods":{"kind":"drop","id":"`+drop.String()+`"}}`)
	s.setRoom("noon", `{"mode":"on","capacity":1,"opens_at":"2020-01-01T00:00:00Z"}`)

	// Another opening has another seed: the old one is known.
	s.set(`{"mode":"on","capacity":2,"opens_at":"` + s.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano) + `"}`)
	require.NotEqual(t, before["seed_hash"], s.Do("", "GET", "/v1/queue/rooms/main", "").Is(200).Body["draw"].(map[string]any)["seed_hash"])
}

// A line that has begun anew lets nobody in while a pass from before is honoured, and gives back what is shown to it.
func TestALineThatHasBegunAnew(t *testing.T) {
	t.Parallel()

	s := serve(t)
	s.set(`{"mode":"on","capacity":1}`)
	pass := s.order("first", "").Header.Get("Queue-Pass")
	second := s.Do("second", "POST", tickets, "").Is(200).Text("ticket")
	third := s.Do("third", "POST", tickets, "").Is(200).Text("ticket")
	s.clock.Advance(10 * time.Second)
	s.line.Line = memory.NewLine(s.clock.Now)

	require.Equal(t, 429, s.order("shopper", "").Status, "the slot is not known to be taken, and it is")
	require.Equal(t, 204, s.order("first", pass).Status)
	require.Equal(t, "queue.no_place", s.Do("third", "GET", tickets+"/"+third, "").Is(404).Text("code"))
	for who, ticket := range map[string]string{"third": third, "second": second} {
		back := s.Do(who, "POST", tickets, `{"ticket":"`+ticket+`"}`).Is(200)
		require.Equal(t, "waiting", back.Text("state"))
	}
	require.Equal(t, "1", s.order("second", "").Header.Get("Queue-Position"))
	require.Equal(t, "2", s.order("third", "").Header.Get("Queue-Position"))
	require.Equal(t, "3", s.order("shopper", "").Header.Get("Queue-Position"))
	s.clock.Advance(app.PassLife - 20*time.Second)
	renewed := s.order("first", pass)
	require.Equal(t, 204, renewed.Status)
	require.NotEmpty(t, renewed.Header.Get("Queue-Pass"), "it is renewed by the pass alone")
	require.NoError(t, s.doors.Call(t.Context()))
	require.Equal(t, 429, s.order("second", "").Status)
}

func TestTickets(t *testing.T) {
	t.Parallel()

	s := serve(t)
	require.Equal(t, "active", s.Do("first", "POST", tickets, "").Is(200).Text("state"), "the room is off")
	s.set(`{"mode":"on","capacity":1}`)
	in := s.Do("first", "POST", tickets, "").Is(200)
	require.Equal(t, "active", in.Text("state"))
	require.NotEmpty(t, in.Text("pass"))
	require.Equal(t, 204, s.order("first", in.Text("pass")).Status)

	waits := s.Do("second", "POST", tickets, "").Is(200)
	require.Equal(t, json.Number("1"), waits.Body["position"])
	last := s.Do("third", "POST", tickets, "").Is(200)
	require.Equal(t, json.Number("2"), last.Body["position"])
	path := tickets + "/" + waits.Text("ticket")
	require.Equal(t, "waiting", s.Do("second", "GET", path, "").Is(200).Text("state"))
	for _, other := range []string{"first", "third"} {
		require.Equal(t, "queue.no_place", s.Do(other, "GET", path, "").Is(404).Text("code"), "another's ticket")
	}
	require.Equal(t, 404, s.Do("second", "GET", tickets+"/nonsense", "").Status)
	require.Equal(t, 401, s.Do("", "POST", tickets, "").Status)

	// A look changes nothing but that the place is kept.
	s.clock.Advance(app.PassLife + app.SlotSlack + time.Second)
	require.Equal(t, "waiting", s.Do("second", "GET", path, "").Is(200).Text("state"))
	require.NoError(t, s.doors.Call(t.Context()))
	for range 2 {
		called := s.Do("second", "GET", path, "").Is(200)
		require.Equal(t, "proceed", called.Text("state"))
		require.NotEmpty(t, called.Text("come_before"))
		require.Empty(t, called.Text("pass"))
	}
	require.Equal(t, "active", s.Do("second", "POST", tickets, "").Is(200).Text("state"))

	require.Equal(t, 204, s.Do("third", "DELETE", tickets+"/"+last.Text("ticket"), "").Status)
	require.Equal(t, 204, s.Do("third", "DELETE", tickets+"/"+last.Text("ticket"), "").Status)
	require.Equal(t, 404, s.Do("third", "GET", tickets+"/"+last.Text("ticket"), "").Status)
}
