package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/memory"
)

// seen is what a browser that runs no script has of an answer.
type seen struct {
	*httptest.ResponseRecorder
	t    testing.TB
	root *html.Node
}

// visit opens a page, or sends a form to it. The headers are names and values by turns.
func (s site) visit(address string, form url.Values, headers ...string) seen {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, address, nil)
	if form != nil {
		r = httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	v := seen{ResponseRecorder: httptest.NewRecorder(), t: s.t}
	s.Handler().ServeHTTP(v, r)
	var err error
	v.root, err = html.ParseWithOptions(strings.NewReader(v.Body.String()), html.ParseOptionEnableScripting(false))
	require.NoError(s.t, err)
	return v
}

func attribute(n *html.Node, name string) (string, bool) {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if i < 0 {
		return "", false
	}
	return n.Attr[i].Val, true
}

// all returns the elements of that name which are shown.
func (v seen) all(name string) (found []*html.Node) {
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if _, hidden := attribute(n, "hidden"); hidden {
			return
		}
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	walk(v.root)
	return found
}

// text is what is shown of the page's main part.
func (v seen) text() string {
	v.t.Helper()
	var words []string
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if _, hidden := attribute(n, "hidden"); hidden {
			return
		}
		if n.Type == html.TextNode {
			words = append(words, strings.Fields(n.Data)...)
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	main := v.all("main")
	require.Len(v.t, main, 1, v.Body.String())
	walk(main[0])
	return strings.Join(words, " ")
}

func (v seen) heading() string {
	v.t.Helper()
	h := v.all("h1")
	require.Len(v.t, h, 1, "one part is shown")
	return h[0].FirstChild.Data
}

// refresh is when and where the page goes by itself; "": nowhere.
func (v seen) refresh() (seconds int, address string) {
	v.t.Helper()
	for _, n := range v.all("meta") {
		if kind, _ := attribute(n, "http-equiv"); kind == "refresh" {
			content, _ := attribute(n, "content")
			after, to, _ := strings.Cut(content, "; url=")
			seconds, err := strconv.Atoi(after)
			require.NoError(v.t, err)
			return seconds, to
		}
	}
	return 0, ""
}

// form is what the page's button sends, and where to.
func (v seen) form() (address string, form url.Values) {
	v.t.Helper()
	forms := v.all("form")
	require.Len(v.t, forms, 1, "there is a button")
	require.Len(v.t, v.all("button"), 1)
	address, _ = attribute(forms[0], "action")
	form = url.Values{}
	for _, n := range v.all("input") {
		name, _ := attribute(n, "name")
		value, _ := attribute(n, "value")
		form.Set(name, value)
	}
	return address, form
}

func (s site) waitAt(room, ticket string, more ...string) string {
	query := url.Values{"ticket": {ticket}, "lang": {"en"}}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return "/wait/" + room + "?" + query.Encode()
}

// ticketOf is what an account is told that must wait.
func (s site) ticketOf(who string) string {
	s.t.Helper()
	waits := s.order(who, "")
	require.Equal(s.t, 429, waits.Status)
	return waits.Body["ticket"].(map[string]any)["ticket"].(string)
}

func TestPage(t *testing.T) {
	t.Parallel()

	t.Run("KeepsAPassForEachRoom", func(t *testing.T) {
		t.Parallel()

		s, drop := serve(t), uuid.New()
		s.goods.leave(drop, 1)
		require.Equal(t, 201, s.Do("manager", "POST", "/admin/rooms", `{"name":"noon","capacity":1,"goods":{"kind":"drop","id":"`+drop.String()+`"}}`).Status)
		var cookies []string
		for _, room := range []string{"main", "noon"} {
			s.setRoom(room, `{"mode":"on","capacity":1,"away":"closed"}`)
			ticket := s.Do("first", "POST", "/v1/queue/rooms/"+room+"/tickets", "").Text("ticket")
			in := s.visit("/wait/"+room, url.Values{"ticket": {ticket}})
			require.Equal(t, 303, in.Code)
			for _, c := range in.Result().Cookies() {
				cookies = append(cookies, c.Name+"="+c.Value)
			}
		}
		require.Len(t, cookies, 2)
		s.line.away.Store(true) // so that nothing but passes lets in
		for _, path := range []string{"/v1/place-order", "/v1/place-preorder/" + drop.String()} {
			require.Equal(t, 204, s.Do("first", "POST", path, "", "Cookie", strings.Join(cookies, "; ")).Status, path)
			require.Equal(t, 503, s.Do("first", "POST", path, "").Status, path)
		}
	})

	t.Run("WalksThroughWithoutAScript", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		require.Equal(t, 204, s.order("first", "").Status)
		ticket := s.ticketOf("second")
		s.clock.Advance(app.Noted * 3 / 2)
		page := s.visit(s.waitAt("main", ticket, "return", "/?in#/cart"), nil)
		require.Equal(t, 200, page.Code)
		require.Equal(t, "You are in line", page.heading())
		seconds, next := page.refresh()
		require.Equal(t, 5, seconds, "the line says a little more than one")
		require.NotEqual(t, ticket, s.ticketIn(next), "the ticket says until when the place is kept")

		s.clock.Advance(app.PassLife + app.SlotSlack)
		require.NoError(t, s.doors.Call(t.Context()))
		for range 3 { // a look takes nothing
			page = s.visit(next, nil)
			require.Equal(t, "It is your turn!", page.heading())
			require.Empty(t, page.Header().Values("Set-Cookie"))
			seconds, next = page.refresh()
			require.Equal(t, int(app.ShowUp.Seconds())+1, seconds, "when it is too late it says so")
		}
		require.Equal(t, "proceed", s.Do("second", "GET", tickets+"/"+s.ticketIn(next), "").Is(200).Text("state"))

		in := s.visit(page.form())
		require.Equal(t, 303, in.Code)
		require.Equal(t, "/?in#/cart", in.Header().Get("Location"))
		cookies := in.Result().Cookies()
		require.Len(t, cookies, 1)
		c := cookies[0]
		require.Equal(t, &http.Cookie{
			Name: "Queue-Pass-main", Value: c.Value, Path: "/", MaxAge: int(app.PassLife.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, Raw: c.Raw,
		}, c)

		s.line.away.Store(true) // so that nothing but the pass lets in
		s.set(`{"mode":"on","capacity":1,"away":"closed"}`)
		cookie := c.Name + "=" + c.Value
		require.Equal(t, 204, s.Do("second", "POST", "/v1/place-order", "", "Cookie", cookie).Status)
		require.Equal(t, 503, s.order("second", "").Status)
		require.Equal(t, 503, s.Do("third", "POST", "/v1/place-order", "", "Cookie", cookie).Status, "another's pass")
		s.line.away.Store(false)

		s.clock.Advance(app.PassLife * 3 / 4)
		renewed := s.Do("second", "POST", "/v1/place-order", "", "Cookie", cookie)
		require.Equal(t, 204, renewed.Status)
		require.Contains(t, renewed.Header.Get("Set-Cookie"), "Queue-Pass-main="+renewed.Header.Get("Queue-Pass")+"; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
		s.clock.Advance(app.PassLife * 3 / 4)
		byHeader := s.order("second", renewed.Header.Get("Queue-Pass"))
		require.NotEmpty(t, byHeader.Header.Get("Queue-Pass"))
		require.Empty(t, byHeader.Header.Get("Set-Cookie"), "who sends the header keeps the pass without a cookie")
		require.Empty(t, s.order("third", "").Header.Get("Set-Cookie"))
	})

	// Every part of the page, in both languages. Who looks is the third in a room with one slot.
	t.Run("ShowsWhereOneIs", func(t *testing.T) {
		t.Parallel()

		call := func(s site) { require.NoError(s.t, s.doors.Call(s.t.Context())) }
		for name, c := range map[string]struct {
			prepare   func(s site)
			status    int
			refreshes bool
			korean    []string // first the heading
			english   []string
			buttons   [2]string // Korean and English
		}{
			"Waiting": {
				func(site) {}, 200, true,
				[]string{"순서를 기다리고 있습니다", "내 순서 2", "앞에 계신 분 1 명", "예상 시간 아직 알 수 없음"},
				[]string{"You are in line", "Your place 2", "Ahead of you 1", "Estimated wait not known yet"},
				[2]string{},
			},
			"Estimated": {
				func(s site) {
					call(s)
					s.clock.Advance(50 * time.Second)
					s.setRoom("noon", `{"mode":"on","capacity":2}`)
					call(s)
					s.setRoom("noon", `{"mode":"on","capacity":1}`)
					s.clock.Advance(40 * time.Second)
					call(s)
				}, 200, true,
				[]string{"순서를 기다리고 있습니다", "내 순서 1", "예상 시간 약 2분"},
				[]string{"You are in line", "Your place 1", "Estimated wait about 2 minutes"},
				[2]string{},
			},
			"Paused": {
				func(s site) { s.setRoom("noon", `{"mode":"paused","capacity":1}`) }, 200, true,
				[]string{"잠시 멈췄습니다", "내 순서 2"},
				[]string{"The line is paused", "Your place 2"},
				[2]string{},
			},
			"SoldOut": {
				func(s site) {
					s.goods.leave(noon, 0)
					s.clock.Advance(app.Freshness)
				}, 200, true,
				[]string{"지금은 모두 팔렸습니다", "내 순서 2"},
				[]string{"Sold out at the moment", "Your place 2"},
				[2]string{},
			},
			"Unopened": {
				func(s site) {
					s.setRoom("noon", `{"mode":"on","capacity":1,"opens_at":"`+s.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)+`"}`)
				}, 200, true,
				[]string{"곧 시작합니다", "01:00:00", "1월 2일 13:04 에 시작합니다", "추첨으로", "시드의 해시"},
				[]string{"It opens soon", "01:00:00", "2 January, 13:04 KST", "drawn by lot", "Hash of the seed"},
				[2]string{},
			},
			"Called": {
				func(s site) {
					s.setRoom("noon", `{"mode":"on","capacity":5}`)
					call(s)
				}, 200, true,
				[]string{"차례가 되었습니다!", "12:05:05 까지"},
				[]string{"It is your turn!", "12:05:05 is the last moment"},
				[2]string{"들어가기", "Go in"},
			},
			"In": {
				func(s site) {
					s.setRoom("noon", `{"mode":"on","capacity":5}`)
					call(s)
					require.Equal(s.t, "active", s.Do("third", "POST", "/v1/queue/rooms/noon/tickets", "").Is(200).Text("state"))
				}, 200, false,
				[]string{"들어오셨습니다"},
				[]string{"You are in"},
				[2]string{"이어서 하기", "Go on"},
			},
			"Off": {
				func(s site) { s.setRoom("noon", `{"mode":"off","capacity":1}`) }, 200, false,
				[]string{"들어오셨습니다"},
				[]string{"You are in"},
				[2]string{"이어서 하기", "Go on"},
			},
			"Lost": {
				func(s site) {
					call(s)
					s.goOn(app.Regather + app.Noted)
				}, 404, false,
				[]string{"순서가 사라졌습니다"},
				[]string{"Your place is gone"},
				[2]string{"다시 줄 서기", "Get back in line"},
			},
			"Away": {
				func(s site) { s.line.away.Store(true) }, 503, true,
				[]string{"순서를 확인할 수 없습니다"},
				[]string{"The line cannot be reached"},
				[2]string{},
			},
			"NoDatabase": {
				func(s site) {
					s.down.Store(true)
					s.clock.Advance(app.Freshness)
				}, 200, true,
				[]string{"순서를 기다리고 있습니다", "내 순서 2"},
				[]string{"You are in line", "Your place 2"},
				[2]string{},
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()

				s := serve(t)
				s.goods.leave(noon, 1)
				s.Do("manager", "POST", "/admin/rooms", `{"name":"noon","capacity":1,"goods":{"kind":"drop","id":"`+noon.String()+`"}}`).Is(201)
				s.setRoom("noon", `{"mode":"on","capacity":1}`)
				var ticket string
				for _, who := range more {
					ticket = s.Do(who, "POST", "/v1/queue/rooms/noon/tickets", "").Is(200).Text("ticket")
				}
				c.prepare(s)

				address := "/wait/noon?ticket=" + ticket
				for i, texts := range [][]string{c.korean, c.english} {
					lang := []string{"ko", "en"}[i]
					for _, page := range []seen{s.visit(address+"&lang="+lang, nil, "Accept-Language", "fr"), s.visit(address, nil, "Accept-Language", lang+", fr;q=0.5")} {
						require.Equal(t, c.status, page.Code)
						require.Equal(t, "no-store", page.Header().Get("Cache-Control"))
						root, _ := attribute(page.all("html")[0], "lang")
						require.Equal(t, lang, root)
						require.Equal(t, texts[0], page.heading())
						for _, text := range texts {
							require.Contains(t, page.text(), text)
						}
						_, to := page.refresh()
						require.Equal(t, c.refreshes, to != "")
						if c.buttons[i] == "" {
							require.Empty(t, page.all("button"))
							continue
						}
						require.Equal(t, c.buttons[i], page.all("button")[0].FirstChild.Data)
						_, form := page.form()
						require.NotEmpty(t, form.Get("ticket"))
					}
				}
				require.Equal(t, c.korean[0], s.visit(address, nil).heading(), "Korean where nothing else is asked for")
			})
		}
	})

	t.Run("WithoutATicket", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		for address, status := range map[string]int{"/wait/main?lang=en": 200, "/wait/main?lang=en&return=/%23/cart&ticket=": 200, "/wait/main?lang=en&ticket=nonsense": 404} {
			page := s.visit(address, nil)
			require.Equal(t, status, page.Code, address)
			require.Equal(t, "Waiting room", page.heading())
			require.NotEmpty(t, page.all("a"))
			require.Empty(t, page.all("form"))
		}
		ticket := s.Do("first", "POST", tickets, "").Is(200).Text("ticket")
		s.Do("manager", "POST", "/admin/rooms", `{"name":"noon","capacity":1,"goods":{"kind":"drop","id":"`+noon.String()+`"}}`).Is(201)
		for _, stranger := range []string{ticket[:len(ticket)-2] + "AA", s.visit(s.waitAt("main", ticket), url.Values{"ticket": {ticket}}).Result().Cookies()[0].Value} {
			require.Equal(t, "Waiting room", s.visit(s.waitAt("main", stranger), nil).heading(), "forged, and a pass")
			posted := s.visit("/wait/main?lang=en", url.Values{"ticket": {stranger}})
			require.Equal(t, 404, posted.Code)
			require.Empty(t, posted.Header().Get("Set-Cookie"))
		}
		require.Equal(t, "Waiting room", s.visit(s.waitAt("noon", ticket), nil).heading(), "another room's")
		absent := s.visit(s.waitAt("other", ticket), nil)
		require.Equal(t, 404, absent.Code)
		require.Equal(t, "There is no such waiting room", absent.heading())
	})

	// A look lets nobody in, though there is room.
	t.Run("ALookChangesNothing", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		s.order("first", "")
		second, third := s.ticketOf("second"), s.ticketOf("third")
		s.set(`{"mode":"on","capacity":5}`)
		figures := func() (int64, int64, int64) {
			room, err := s.service.Rooms(t.Context())
			require.NoError(t, err)
			f, err := s.doors.Figures(t.Context(), room[0])
			require.NoError(t, err)
			return f.Waiting, f.Proceed, f.Active
		}
		for _, want := range [][3]int64{{2, 0, 1}, {0, 2, 1}} {
			for _, ticket := range []string{second, third} {
				for _, headers := range [][]string{nil, {"Accept", "application/json"}} {
					page := s.visit(s.waitAt("main", ticket), nil, headers...)
					require.Equal(t, 200, page.Code)
					require.Empty(t, page.Header().Get("Set-Cookie"))
					waiting, proceed, active := figures()
					require.Equal(t, want, [3]int64{waiting, proceed, active})
				}
			}
			require.NoError(t, s.doors.Call(t.Context()))
		}

		// But that the place is kept.
		s.set(`{"mode":"paused","capacity":1}`)
		late := s.ticketOf("shopper")
		for range 5 {
			s.goOn(app.Patience)
			require.Equal(t, 200, s.visit(s.waitAt("main", late), nil).Code)
		}
	})

	t.Run("GoesBackToThisSiteOnly", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		ticket := s.Do("first", "POST", tickets, "").Is(200).Text("ticket")
		for back, want := range map[string]string{
			"/?in#/cart": "/?in#/cart", "/a/b?c=d&e": "/a/b?c=d&e", "/장바구니": "/%EC%9E%A5%EB%B0%94%EA%B5%AC%EB%8B%88", "": "/",
			"https://evil.test/": "/", "//evil.test/": "/", `/\evil.test/`: "/", "/\t/evil.test/": "/", "\t//evil.test/": "/", "/\n\\evil.test": "/",
			"evil.test": "/", "javascript:alert(1)": "/", " //evil.test": "/", "/\x7f/evil.test": "/", "/%zz": "/", `\\evil.test`: "/",
			`/"><script>alert(1)</script>`: "/%22%3E%3Cscript%3Ealert%281%29%3C/script%3E", "/\r\nSet-Cookie: a=b": "/",
		} {
			page := s.visit(s.waitAt("main", ticket, "return", back), nil)
			address, form := page.form()
			require.Equal(t, want, form.Get("return"), "%q", back)
			for _, a := range page.all("a") {
				to, _ := attribute(a, "href")
				require.True(t, to == "/" || strings.HasPrefix(to, "/wait/main?"), "%q: %s", back, to)
			}
			form.Set("return", back) // as it may be sent
			require.Equal(t, want, s.visit(address, form).Header().Get("Location"), "%q", back)
		}
	})

	t.Run("RefusesAnotherSitesForm", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		s.order("first", "")
		ticket := s.ticketOf("second")
		s.set(`{"mode":"on","capacity":2}`)
		require.NoError(t, s.doors.Call(t.Context()))
		form := url.Values{"ticket": {ticket}}
		for _, from := range [][]string{
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
			{"Origin", "https://evil.test"},
			{"Origin", "null"},
			{"Origin", "https://example.com", "Sec-Fetch-Site", "cross-site"},
		} {
			refused := s.visit("/wait/main", form, from...)
			require.Equal(t, 403, refused.Code, "%v", from)
			require.Empty(t, refused.Header().Get("Set-Cookie"))
			require.Equal(t, "It is your turn!", s.visit(s.waitAt("main", ticket), nil).heading(), "nothing has been done")
		}
		for _, from := range [][]string{{"Origin", "https://example.com"}, {"Sec-Fetch-Site", "same-origin", "X-Forwarded-Proto", "https"}} {
			in := s.visit("/wait/main", form, from...)
			require.Equal(t, 303, in.Code, "%v", from)
			require.Equal(t, len(from) > 2, in.Result().Cookies()[0].Secure, "where it came by https")
		}
	})

	t.Run("WritesNothingOfOthersAsItIs", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		s.order("first", "")
		ticket := s.ticketOf("second")
		hostile := `"><script>alert(1)</script>'; url=https://evil.test`
		for _, address := range []string{
			"/wait/" + url.PathEscape(hostile), "/wait/" + url.PathEscape(`../<script>alert(1)</script>`), s.waitAt("main", hostile, "return", "/"+hostile),
			s.waitAt("main", ticket, "return", "/"+hostile), s.waitAt("main", ticket, "lang", hostile),
		} {
			page := s.visit(address, nil)
			require.Contains(t, []int{200, 404}, page.Code)
			require.NotContains(t, page.Body.String(), "<script>alert")
			require.Len(t, page.all("script"), 2, "the module, and what it begins with")
			for _, n := range page.all("meta") {
				content, _ := attribute(n, "content")
				require.NotContains(t, content, "url=https:")
			}
		}
	})

	// Under its policy a page runs no script and takes no style that stands in it.
	t.Run("KeepsItsPolicy", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		s.order("first", "")
		page := s.visit(s.waitAt("main", s.ticketOf("second")), nil)
		policy := page.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "script-src 'self'; style-src 'self';")
		require.Contains(t, policy, "form-action 'self';")
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "same-origin", page.Header().Get("Referrer-Policy"), "else its own form has the origin null")
		require.NotRegexp(t, regexp.MustCompile(`(?i)\sstyle=|<style|\son[a-z]+=`), page.Body.String())
		scripts := page.all("script")
		data, _ := attribute(scripts[1], "type")
		require.Equal(t, "application/json", data)
		loads := []string{"/assets/wait-clock.js"} // by the script
		for _, n := range append(scripts[:1], page.all("link")...) {
			for _, name := range []string{"src", "href"} {
				if from, ok := attribute(n, name); ok && !strings.HasPrefix(from, "data:") {
					loads = append(loads, from)
				}
			}
		}
		require.Len(t, loads, 3)
		for _, from := range loads {
			require.Equal(t, 200, s.visit(from, nil).Code, from)
		}
	})

	t.Run("TellsAScriptWhatAPersonSees", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		s.order("first", "")
		ticket := s.ticketOf("second")
		ask := func(form url.Values) (status int, view map[string]any) {
			a := s.visit(s.waitAt("main", ticket), form, "Accept", "application/json")
			require.NoError(t, json.Unmarshal(a.Body.Bytes(), &view), a.Body)
			return a.Code, view
		}
		status, view := ask(nil)
		require.Equal(t, 200, status)
		require.Equal(t, "waiting", view["part"])
		require.Equal(t, "waiting", view["state"])
		require.Equal(t, map[string]any{"place": "1", "ahead": "0", "wait": "not known yet"}, view["words"])
		require.NotZero(t, view["poll_after_ms"])
		require.Equal(t, s.clock.Now().UTC().Format(time.RFC3339Nano), view["server_time"])
		require.Contains(t, s.visit(s.waitAt("main", ticket), nil).Body.String(), `"part":"waiting"`)
		ticket = view["ticket"].(string) // a fresh one
		status, view = ask(url.Values{"ticket": {ticket}, "lang": {"en"}})
		require.Equal(t, 200, status)
		require.Equal(t, "waiting", view["part"], "it is not its turn")

		s.clock.Advance(app.PassLife + app.SlotSlack)
		require.NoError(t, s.doors.Call(t.Context()))
		_, view = ask(nil)
		require.Equal(t, "proceed", view["part"])
		require.NotEmpty(t, view["come_before"])
		_, view = ask(url.Values{"ticket": {ticket}})
		require.Equal(t, "active", view["part"])
		require.NotContains(t, view, "pass", "it is in the cookie, where no script reads it")
		s.clock.Advance(app.PassLife + app.SlotSlack)
		status, view = ask(nil)
		require.Equal(t, 404, status)
		require.Equal(t, "queue.no_place", view["code"])
		s.line.away.Store(true)
		status, view = ask(nil)
		require.Equal(t, 503, status)
		require.Equal(t, "queue.unavailable", view["code"])
	})

	// Who has lost the place stands in line again by the button: where the line has forgotten it, where it was.
	t.Run("GetsBackInLine", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		s.order("first", "")
		second, third := s.ticketOf("second"), s.ticketOf("third")
		s.line.Line = memory.NewLine(s.clock.Now)
		for _, who := range []struct{ ticket, place string }{{third, "Your place 1"}, {second, "Your place 1"}, {third, "Your place 2"}} {
			page := s.visit(s.waitAt("main", who.ticket, "return", "/a"), nil)
			if page.Code == 404 {
				address, form := page.form()
				back := s.visit(address, form)
				require.Equal(t, 303, back.Code)
				page = s.visit(back.Header().Get("Location"), nil)
				require.Contains(t, back.Header().Get("Location"), "return=%2Fa")
			}
			require.Contains(t, page.text(), who.place)
		}
	})
}

// noon is a pre-order.
var noon = uuid.MustParse("0198b1f2-0000-7000-8000-00000000000a")

// ticketIn is the ticket in an address.
func (s site) ticketIn(address string) string {
	s.t.Helper()
	u, err := url.Parse(address)
	require.NoError(s.t, err)
	return u.Query().Get("ticket")
}
