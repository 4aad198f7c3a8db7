package app_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/stacktest"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

// screens are a large one and a small one.
var screens = map[string]chromedp.Action[chromedp.Void]{
	"Desktop": chromedp.EmulateViewport(1280, 800),
	"Phone":   chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch),
}

// chromium starts the browser.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := stacktest.Chromium(t)
	browser, quit := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox))
	t.Cleanup(quit)
	require.NoError(t, chromedp.Do(browser))
	return browser
}

// tab is one of a browser, of somebody's own, with the waiting room's page.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site string

	mu       sync.Mutex
	troubles []string // that the browser has with the page
}

// wait has somebody come behind who is in and who waits already, and opens the page for them.
func (s site) wait(t *testing.T, browser context.Context, screen, lang, who string) *tab {
	t.Helper()
	b := s.tab(t, browser)
	b.do(screens[screen])
	b.open(lang, s.ticketOf(who))
	return b
}

func (s site) tab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	b := &tab{t: t, ctx: ctx, site: server.URL}
	console := chromedp.Console(ctx)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.IsException() {
				b.mu.Lock()
				b.troubles = append(b.troubles, m.String()+" "+m.URL)
				b.mu.Unlock()
			}
		}
	}()
	return b
}

const elsewhere = "/elsewhere#there" // where people come from

func (b *tab) open(lang, ticket string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site + "/wait/main?" + url.Values{"ticket": {ticket}, "return": {elsewhere}, "lang": {lang}}.Encode()))
}

// brief bounds what a page must do at once.
const brief = 30 * time.Second

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, brief)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...), "%s", lazily{b})
}

// lazily is what stands on the page when it is asked, for who finds out why a test has failed.
type lazily struct{ *tab }

func (l lazily) String() string {
	ctx, cancel := context.WithTimeout(l.ctx, brief)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[location.href, document.title, document.body.innerText].join("\n")`))
	if err != nil {
		return err.Error()
	}
	return text
}

// until waits until a condition holds in the page, or in the one that it leads to.
func (b *tab) until(condition string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](condition))
		return err == nil && holds
	}, brief, 20*time.Millisecond, "%s\n%s", condition, lazily{b})
}

// says waits until the page has this heading, and no other.
func (b *tab) says(heading string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(() => {
		const shown = [...document.querySelectorAll("h1")].filter((h) => h.checkVisibility());
		return shown.length === 1 && shown[0].textContent === %q;
	})()`, heading))
}

// fits requires that nobody has to scroll sideways, and that everything which can be pressed has a name and room for a finger.
func (b *tab) fits() {
	b.t.Helper()
	wrong, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`(() => {
		const wrong = [];
		if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window: " + document.documentElement.scrollWidth);
		for (const n of document.querySelectorAll("button, progress")) {
			if (!n.checkVisibility()) continue;
			if (!(n.textContent.trim() || n.labels?.length)) wrong.push("without a name: " + n.outerHTML);
			if (n.tagName === "BUTTON" && n.getBoundingClientRect().height < 40) wrong.push("too small: " + n.outerHTML);
		}
		return wrong;
	})()`))
	require.NoError(b.t, err)
	require.Empty(b.t, wrong)
}

// wentBack waits until the page has brought its reader to where they came from, and returns the cookies they have.
func (b *tab) wentBack() []string {
	b.t.Helper()
	b.until(fmt.Sprintf(`location.href === %q`, b.site+elsewhere))
	got, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
	})
	require.NoError(b.t, err)
	var cookies []string
	for _, c := range got.Cookies {
		require.True(b.t, c.HTTPOnly)
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return cookies
}

// calm requires that the browser had no trouble with the page but what is named, and that there is nothing to be found where people come from.
func (b *tab) calm(but ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, trouble := range b.troubles {
		known := slices.ContainsFunc(append(but, "/elsewhere"), func(known string) bool { return strings.Contains(trouble, known) })
		require.True(b.t, known, trouble)
	}
}

// next lets the slots that are taken or called become free, and calls.
func (s site) next() {
	s.t.Helper()
	s.goOn(app.PassLife + app.SlotSlack)
}

// TestBrowser waits in Chromium.
func TestBrowser(t *testing.T) {
	t.Parallel()

	browser := chromium(t)
	full := func(t *testing.T) site {
		t.Helper()
		s := serve(t)
		s.set(`{"mode":"on","capacity":1}`)
		require.Equal(t, 204, s.order("first", "").Status)
		return s
	}
	for screen := range screens {
		t.Run("IsToldAndBroughtBack/"+screen, func(t *testing.T) {
			t.Parallel()

			s := full(t)
			before := s.ticketOf("second")
			b := s.wait(t, browser, screen, "en", "third")
			b.says("You are in line")
			b.until(`document.title.startsWith("2 · ") && document.querySelector("[data-text=ahead]").textContent === "1"`)
			b.fits()

			require.Equal(t, 204, s.Do("second", "DELETE", tickets+"/"+before, "").Status)
			b.until(`document.title.startsWith("1 · ")`)
			b.until(`document.getElementById("progress").max === 2 && document.getElementById("progress").value === 1`)
			b.do(chromedp.Reload()) // and it knows how far it has come
			b.until(`document.title.startsWith("1 · ") && document.getElementById("progress").max === 2`)

			_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`
				globalThis.tones = [];
				const start = OscillatorNode.prototype.start;
				OscillatorNode.prototype.start = function (at) { tones.push(this.frequency.value); return start.call(this, at); };
				true`))
			require.NoError(t, err)
			b.do(chromedp.Click(chromedp.CSS("#sound")))
			b.until(`document.getElementById("sound").getAttribute("aria-pressed") === "true" && tones.length === 1`)

			s.next()
			b.says("It is your turn!")
			b.until(`document.title.startsWith("★ ") && tones.length === 4`)
			b.until(`/^00:0[01]:\d\d$/.test(document.querySelector("[role=timer].clock:not([hidden])")?.textContent) || location.pathname === "/elsewhere"`)
			cookies := b.wentBack()
			require.Len(t, cookies, 1)
			require.Equal(t, 204, s.Do("third", "POST", "/v1/place-order", "", "Cookie", cookies[0]).Status)
			b.calm()
		})
	}

	t.Run("GoesInAtOnceByTheButton", func(t *testing.T) {
		t.Parallel()

		s := full(t)
		b := s.wait(t, browser, "Phone", "ko", "second")
		b.says("순서를 기다리고 있습니다")
		b.fits()
		s.next()
		b.says("차례가 되었습니다!")
		b.fits()
		b.do(chromedp.Click(chromedp.Search(`//button[text()="들어가기"]`)))
		require.Len(t, b.wentBack(), 1)
		b.calm()
	})

	t.Run("GoesOnWhenTheLineIsBack", func(t *testing.T) {
		t.Parallel()

		s := full(t)
		b := s.wait(t, browser, "Phone", "en", "second")
		b.says("You are in line")
		s.line.away.Store(true)
		b.until(`document.getElementById("trouble").checkVisibility()`)
		b.says("You are in line")
		s.line.away.Store(false)
		b.until(`!document.getElementById("trouble").checkVisibility()`)
		s.next()
		require.Len(t, b.wentBack(), 1)
		b.calm("503")
	})

	t.Run("StandsInLineAgainWhoWasTooLate", func(t *testing.T) {
		t.Parallel()

		s := full(t)
		b := s.wait(t, browser, "Desktop", "en", "second")
		s.ticketOf("third")
		b.says("You are in line")
		s.line.away.Store(true) // for as long as the call lasts
		b.until(`document.getElementById("trouble").checkVisibility()`)
		s.next()
		s.next()
		s.line.away.Store(false)
		b.until(`document.getElementById("back").checkVisibility()`)
		b.says("You are in line")
		b.fits()
		b.calm("503", "404")
	})

	t.Run("FollowsTheRoom", func(t *testing.T) {
		t.Parallel()

		s := full(t)
		b := s.wait(t, browser, "Phone", "en", "second")
		for _, room := range []struct{ settings, says string }{
			{`{"mode":"paused","capacity":1}`, "The line is paused"},
			{`{"mode":"auto","capacity":1}`, "You are in line"},
		} {
			s.set(room.settings)
			b.says(room.says)
			b.fits()
		}
		s.set(`{"mode":"off","capacity":1}`)
		require.Empty(t, b.wentBack(), "nobody needs a pass")
		b.calm()
	})

	t.Run("CountsDownToTheOpening", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		s.set(`{"mode":"on","capacity":1,"opens_at":"` + s.clock.Now().Add(time.Hour).Format(time.RFC3339) + `"}`)
		b := s.wait(t, browser, "Phone", "en", "second")
		b.says("It opens soon")
		b.fits()
		b.until(`/^00:59:5\d$/.test(document.querySelector(".clock").textContent)`) // by the shop's clock, not the machine's
		b.calm()
	})

	t.Run("WorksWithoutAScript", func(t *testing.T) {
		t.Parallel()

		s := full(t)
		b := s.tab(t, browser)
		b.do(screens["Phone"], chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		}))
		b.open("en", s.ticketOf("second"))
		b.do(chromedp.WaitVisible(chromedp.CSS("noscript a")))
		s.next()
		// It refreshes itself.
		b.do(chromedp.WaitVisible(chromedp.CSS("h1.turn")), chromedp.Click(chromedp.Search(`//button[text()="Go in"]`)))
		require.Len(t, b.wentBack(), 1)
		b.calm()
	})
}
