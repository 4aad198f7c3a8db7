package app

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/queue"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "page/page.html"))

// The page runs and loads nothing but what the module serves as files, and sends its form nowhere else.
const waitCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const refreshLeast = 5 * time.Second // without a script: a page that begins anew more often can hardly be read

// Page is where people wait. It names them by their tickets, which it has from whoever sends them there, so it needs no sign-in and no
// script; with one it follows the line by itself. A look at it keeps the place and changes nothing else: who is called comes in by its form.
type Page struct {
	service *Service
	doors   *Doors
	clock   clock.Clock
}

// NewPage returns the page's routes.
func NewPage(service *Service, doors *Doors, c clock.Clock) *Page {
	return &Page{service: service, doors: doors, clock: c}
}

// Routes implements [web.Routes].
func (p *Page) Routes(api *web.API) {
	web.Handle(api, http.MethodGet, "/wait/{room}", http.HandlerFunc(p.look))
	web.Handle(api, http.MethodPost, "/wait/{room}", http.HandlerFunc(p.enter))
	web.Static(api, pageFiles, map[string]string{
		"/assets/wait.js":       "page/page.js",
		"/assets/wait-clock.js": "page/clock.js",
		"/assets/wait.css":      "page/page.css",
	})
}

// part is what the page shows.
type part string

const (
	partEntrance part = "entrance" // there is no ticket
	partNoRoom   part = "no_room"
	partAway     part = "away" // the line is
	partLost     part = "lost" // the place is
	partUnopened part = "unopened"
	partPaused   part = "paused"
	partSoldOut  part = "sold_out"
	partWaiting  part = "waiting"
	partProceed  part = "proceed"
	partActive   part = "active"
)

// visit is what a request says of who waits, and what is found out about it.
type visit struct {
	name    string // of the room
	ticket  string
	back    string // where they came from and go on
	lang    language.Tag
	asked   bool // the language is named in the address
	room    Room
	account uuid.UUID
	ours    bool // the ticket is
	held    Held
	err     error
}

func (p *Page) visit(r *http.Request) visit {
	v := visit{name: chi.URLParam(r, "room"), ticket: r.FormValue("ticket"), back: within(r.FormValue("return"))}
	switch r.FormValue("lang") {
	case "ko":
		v.lang, v.asked = language.Korean, true
	case "en":
		v.lang, v.asked = language.English, true
	default:
		v.lang = web.LanguageOf(r.Header.Get("Accept-Language"))
	}
	if v.room, v.err = p.service.room(r.Context(), v.name); v.err == nil {
		v.account, v.err = p.doors.Holder(r.Context(), v.room, v.ticket)
		v.ours = v.err == nil
	}
	return v
}

// within returns an address if it is a path of this site, else the site's first page. Browsers take a backslash for a slash, and leave control
// characters out of addresses, which [url.Parse] refuses: what then begins with two slashes is another site.
func within(address string) string {
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || strings.HasPrefix(address, `/\`) {
		return "/"
	}
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	return u.String()
}

func (p *Page) look(w http.ResponseWriter, r *http.Request) {
	v := p.visit(r)
	if v.ours {
		v.held, v.err = p.doors.Look(r.Context(), v.room, v.account, v.ticket)
	}
	p.answer(w, r, v)
}

func (p *Page) enter(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		web.WriteProblem(w, r, auth.ErrForbidden.WithDetail("the form was sent from another site"))
		return
	}
	v := p.visit(r)
	if v.ours {
		pass, _ := passOf(r, v.room)
		v.held, v.err = p.doors.Enter(r.Context(), v.room, v.account, v.ticket, pass)
	}
	if v.held.Pass != "" {
		keepPass(w, r, v.room, v.held)
	}
	if v.err != nil || wantsJSON(r) {
		p.answer(w, r, v)
		return
	}
	to := v.back
	if v.held.State != Active {
		v.ticket = v.held.Ticket
		to = v.address(v.lang, v.asked)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// address is that of the page.
func (v visit) address(lang language.Tag, asked bool) string {
	query := url.Values{"ticket": {v.ticket}, "return": {v.back}}
	if asked {
		query.Set("lang", lang.String())
	}
	return v.path() + "?" + query.Encode()
}

func (v visit) path() string { return "/wait/" + url.PathEscape(v.name) }

func (v visit) part() part {
	switch {
	case errors.Is(v.err, queue.ErrNoRoom):
		return partNoRoom
	case errors.Is(v.err, queue.ErrNoPlace) && v.ours:
		return partLost
	case errors.Is(v.err, queue.ErrNoPlace):
		return partEntrance
	case v.err != nil:
		return partAway
	case v.held.State == Proceed:
		return partProceed
	case v.held.State == Active:
		return partActive
	case v.held.At.Before(v.room.OpensAt):
		return partUnopened
	case v.room.Mode == queue.Paused:
		return partPaused
	case v.room.SoldOut:
		return partSoldOut
	}
	return partWaiting
}

// waitView is a place as the page follows it.
type waitView struct {
	placeView
	Part       part      `json:"part"`
	Words      wordsView `json:"words"`
	ServerTime time.Time `json:"server_time"`
}

// wordsView are the figures of a place in the reader's language.
type wordsView struct {
	Place  string `json:"place,omitempty"`
	Ahead  string `json:"ahead,omitempty"`
	Wait   string `json:"wait,omitempty"`
	Lot    string `json:"lot,omitempty"`
	Opens  string `json:"opens,omitempty"`
	Before string `json:"before,omitempty"`
	Left   string `json:"left,omitempty"` // until the one or the other
}

// seoul is where the shop is. Its clocks are not changed in summer.
var seoul = time.FixedZone("KST", 9*60*60)

func (v visit) view(now time.Time) waitView {
	view := waitView{Part: v.part(), ServerTime: now}
	if v.err != nil {
		return view
	}
	view.placeView = viewOfPlace(v.room, v.held)
	view.Ticket = v.ticket
	view.Pass = "" // it is in the cookie, where no script reads it
	number := message.NewPrinter(v.lang)
	if view.Position > 0 {
		view.Words.Place, view.Words.Ahead, view.Words.Wait = number.Sprint(view.Position), number.Sprint(view.Ahead), v.wait(view.EtaS)
	}
	if view.Lot > 0 {
		view.Words.Lot = strconv.FormatInt(view.Lot, 10) // as it is checked
	}
	if view.OpensAt != nil {
		view.Words.Opens, view.Words.Left = view.OpensAt.In(seoul).Format(v.say("1월 2일 15:04", "2 January, 15:04 KST")), left(*view.OpensAt, now)
	}
	if view.ComeBefore != nil {
		view.Words.Before, view.Words.Left = view.ComeBefore.In(seoul).Format(time.TimeOnly), left(*view.ComeBefore, now)
	}
	return view
}

// wait tells roughly how long it will take.
func (v visit) wait(seconds *int64) string {
	switch {
	case seconds == nil:
		return v.say("아직 알 수 없음", "not known yet")
	case *seconds < 60:
		return v.say("1분 이내", "less than a minute")
	case *seconds < 90*60:
		return fmt.Sprintf(v.say("약 %d분", "about %d minutes"), (*seconds+59)/60)
	}
	return fmt.Sprintf(v.say("약 %d시간", "about %d hours"), (*seconds+3599)/3600)
}

func (v visit) say(korean, english string) string {
	if v.lang == language.English {
		return english
	}
	return korean
}

// left is how long it is until then: 01:30:00.
func left(until, now time.Time) string {
	s := web.WholeSeconds(max(until.Sub(now), 0))
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// page is what the template shows.
type page struct {
	waitView
	visit   visit
	Lang    string
	Asked   bool
	Room    string
	Action  string // of its form
	Return  string
	Self    string // its address
	Other   string // and in the other language
	Refresh int64  // in how many seconds, where there is no script; 0: never
	Draw    *drawView
}

// View is what the script begins with.
func (p page) View() waitView { return p.waitView }

// T is a text in the reader's language.
func (p page) T(korean, english string) string { return p.visit.say(korean, english) }

// For says of an element to which parts of the page it belongs: of others it is hidden.
func (p page) For(parts string) template.HTMLAttr {
	attributes := `data-for="` + parts + `"`
	if !slices.Contains(strings.Fields(parts), string(p.Part)) {
		attributes += " hidden"
	}
	return template.HTMLAttr(attributes) // the template's own words
}

func (p *Page) answer(w http.ResponseWriter, r *http.Request, v visit) {
	now := p.clock()
	w.Header().Set("Vary", "Accept, Accept-Language")
	if wantsJSON(r) && v.err != nil {
		web.WriteProblem(w, r, v.err)
		return
	}
	v.ticket = cmp.Or(v.held.Ticket, v.ticket)
	view := v.view(now)
	var body bytes.Buffer
	contentType, status := "application/json", http.StatusOK
	if wantsJSON(r) {
		if err := json.NewEncoder(&body).Encode(view); err != nil {
			web.WriteProblem(w, r, fmt.Errorf("encode a place: %w", err))
			return
		}
	} else {
		contentType = "text/html; charset=utf-8"
		status = p.status(w, r, v)
		if err := pageTemplate.Execute(&body, v.page(view, now)); err != nil {
			web.WriteProblem(w, r, fmt.Errorf("render the page of those who wait: %w", err))
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", waitCSP)
	h.Set("Referrer-Policy", "same-origin") // without, browsers do not say which site the form is sent from
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // a client that left is not our failure
	}
}

// status is that of the page for people. Who comes without a ticket has found what there is.
func (p *Page) status(w http.ResponseWriter, r *http.Request, v visit) int {
	if v.err == nil || v.ticket == "" && errors.Is(v.err, queue.ErrNoPlace) {
		return http.StatusOK
	}
	f := web.FaultOf(r.Context(), v.err)
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(web.WholeSeconds(f.RetryAfter), 10))
	}
	return web.Status(f.Kind)
}

func (v visit) page(view waitView, now time.Time) page {
	other := language.English
	if v.lang == language.English {
		other = language.Korean
	}
	shown := page{
		waitView: view, visit: v, Lang: v.lang.String(), Asked: v.asked, Room: v.room.Name, Action: v.path(), Return: v.back,
		Self: v.address(v.lang, v.asked), Other: v.address(other, true), Draw: viewOfDraw(v.room, now),
	}
	shown.Ticket = v.ticket
	switch view.Part {
	case partProceed: // then it is too late
		shown.Refresh = int64(view.ComeBefore.Sub(now).Seconds()) + 1
	case partAway, partUnopened, partPaused, partSoldOut, partWaiting:
		shown.Refresh = web.WholeSeconds(max(v.held.Pause, refreshLeast))
	}
	return shown
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
