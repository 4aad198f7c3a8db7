package app_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/stacktest"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/redis"
)

const (
	crowdSlots   = 40
	crowdClients = 500
	crowdSpeed   = 20 // their time to ours
)

// crowdTime is the time that everyone in the crowd has, when it is begun.
type crowdTime struct{ Begun time.Time }

func (c crowdTime) now() time.Time { return c.at(time.Now()) }

func (c crowdTime) at(t time.Time) time.Time { return c.Begun.Add(crowdSpeed * t.Sub(c.Begun)) }

// sleep sleeps for so long of the crowd's time.
func (c crowdTime) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d / crowdSpeed)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// crowdAccount is the account of a token.
func crowdAccount(token string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(token)) }

// crowdShop is an instance of the module as a process of its own, with a clock that goes wrong by so much.
type crowdShop struct {
	Time     crowdTime
	Skew     time.Duration
	Database string
	Redis    string
	Address  string
	Log      string
}

const crowdEnv = "QUEUE_TEST_CROWD_SHOP"

// crowdChild is the process of a shop, where this is one.
func crowdChild() {
	text := os.Getenv(crowdEnv)
	if text == "" {
		return
	}
	var s crowdShop
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	go func() { // not to outlive the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	panic(s.serve(context.Background()))
}

func (s crowdShop) serve(ctx context.Context) error {
	pool, err := pg.Open(ctx, pg.Config{URL: s.Database, Name: "queue", MaxConns: 4})
	if err != nil {
		return err
	}
	logging.Disable() // it is killed now and then
	options, err := goredis.ParseURL(s.Redis)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug}))
	quiet := slog.New(slog.DiscardHandler)
	clock := func() time.Time { return s.Time.now().Add(s.Skew).UTC().Truncate(time.Millisecond) }
	service := app.NewService(app.Parts{
		Pool: pool, Outbox: outbox.New("queue", clock), Audit: audit.New("queue", clock), Clock: clock, Log: quiet,
		Drops: drops{goods: &goods{}}, Campaigns: campaigns{goods: &goods{}},
	})
	ahead := func() time.Duration { now := time.Now(); return s.Time.at(now).Sub(now) }
	doors := app.NewDoors(service, redis.NewLine(goredis.NewClient(options), "crowd:", ahead), clock, nil)
	tokens := webtest.Tokens{"manager": manager}
	for i := range crowdClients {
		token := strconv.Itoa(i)
		tokens[token] = auth.Principal{AccountID: crowdAccount(token), Role: auth.Shopper}
	}
	api := web.New(web.Options{Verifier: tokens, Logger: quiet})
	for _, r := range []web.Routes{app.NewHTTP(service, doors, clock), app.NewAdmin(service, doors), app.NewGate(service, doors, nil, log)} {
		r.Routes(api)
	}
	web.Register(api, web.Operation{
		ID: "place-order", Method: http.MethodPost, Path: "/v1/orders", Tag: "others", Summary: "Of another module", Role: auth.Shopper,
	}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	go func() { // every shop calls, none leads
		for {
			_ = doors.Call(ctx)
			s.Time.sleep(ctx, time.Second)
		}
	}()
	listener, err := net.Listen("tcp", s.Address)
	if err != nil {
		return err
	}
	return http.Serve(listener, api.Handler())
}

// shopProcess is a shop that can be killed.
type shopProcess struct {
	crowdShop
	mu  sync.Mutex
	cmd *exec.Cmd
}

func (p *shopProcess) start(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(p.crowdShop)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crowdEnv+"="+string(text))
	_, err = cmd.StdinPipe() // closed when the test ends
	require.NoError(t, err)
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = cmd
}

func (p *shopProcess) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// crowd is five hundred people who want in, of whom a few may be at a time.
type crowd struct {
	t      *testing.T
	time   crowdTime
	shops  []*shopProcess
	client *http.Client
	lost   atomic.Pointer[time.Time] // until when places may be had back that Redis has lost
	orders atomic.Int64
	noShow atomic.Int64
	left   atomic.Int64
}

// TestCrowd counts who is in at any instant from what the gates of three shops have logged, whose clocks differ by a second to either side,
// while people leave, do not come, lose their answers because shops are killed, and Redis is killed, with its data and without.
//
// The invariants of a waiting room: no slot over the capacity, no second place for an account (the model has that too), nobody let in
// while it is uncertain who is, nobody who asked as told evicted, nobody passed by. original 12–17, 19, 21; virtual-waiting-room-on-aws#154, #208,
// #247, #265 (row 39, T32).
func TestCrowd(t *testing.T) {
	t.Parallel()

	server := stacktest.OwnRedis(t)
	database, folder := pgtest.URL(t), t.TempDir()
	begun := time.Now()
	c := &crowd{t: t, time: crowdTime{begun}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crowdClients}, Timeout: 10 * time.Second}}
	t.Cleanup(c.client.CloseIdleConnections)
	for i, skew := range []time.Duration{-crowdSkew, 0, crowdSkew} {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p := &shopProcess{crowdShop: crowdShop{
			Time: c.time, Skew: skew, Database: database, Redis: server.URL, Address: free.Addr().String(), Log: filepath.Join(folder, fmt.Sprint("gate-", i)),
		}}
		require.NoError(t, free.Close())
		p.start(t)
		t.Cleanup(p.kill)
		c.shops = append(c.shops, p)
	}
	c.open()

	ctx, stop := context.WithCancel(t.Context())
	var people sync.WaitGroup
	for i := range crowdClients {
		people.Go(func() { (&visitor{crowd: c, token: strconv.Itoa(i)}).live(ctx) })
	}
	var anew []time.Time // when Redis was started again, at the earliest
	dice := rand.New(rand.NewPCG(1, uint64(begun.UnixNano())))
	t.Logf("the dice begin with %d", begun.UnixNano())
	for part, long := range []time.Duration{150 * time.Second, 210 * time.Second, 150 * time.Second} {
		for end := c.time.now().Add(long); c.time.now().Before(end); {
			c.time.sleep(ctx, time.Duration(20+dice.IntN(40))*time.Second)
			p := c.shops[dice.IntN(len(c.shops))]
			p.kill()
			c.time.sleep(ctx, 5*time.Second)
			p.start(t)
		}
		if part == 2 {
			break
		}
		c.loses(time.Hour)
		server.Kill()
		c.time.sleep(ctx, 10*time.Second)
		if part == 1 {
			server.Forget()
		}
		anew = append(anew, c.time.now())
		server.Start()
		c.loses(app.Regather)
	}
	stop()
	people.Wait()

	stays := c.stays()
	most, over := mostAtOnce(stays)
	t.Logf("%d orders in %d stays, at most %d of %d in at once, %d let in within a minute; %d did not come when called, %d left the line",
		c.orders.Load(), len(stays), most, crowdSlots, mostInAMinute(stays), c.noShow.Load(), c.left.Load())
	require.Empty(t, over, "more were in than there are slots")
	require.LessOrEqual(t, mostInAMinute(stays), crowdSlots, "more were let in within a minute than there are slots, each of which lasts for one")
	require.Greater(t, len(stays), 2*crowdSlots)
	require.Greater(t, most, crowdSlots*3/4)
	for _, from := range anew {
		for _, s := range stays {
			if after := s.granted.Sub(from); after > 0 && after < app.PassLife+app.SlotSlack {
				t.Errorf("%s was let in %s after Redis began anew", s.account, after)
			}
		}
	}
}

// loses says for how long a place may be one that was lost.
func (c *crowd) loses(within time.Duration) {
	until := c.time.now().Add(within)
	c.lost.Store(&until)
}

// knows says whether Redis has every place.
func (c *crowd) knows() bool {
	until := c.lost.Load()
	return until == nil || c.time.now().After(*until)
}

// open turns the room on.
func (c *crowd) open() {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		list := c.ask(c.t.Context(), 1, "manager", "GET", "/admin/rooms", nil, "", "")
		if list.status != 200 {
			return false
		}
		etag := list.body["items"].([]any)[0].(map[string]any)["etag"].(string)
		settings := map[string]any{"mode": "on", "capacity": crowdSlots, "away": "closed"}
		return c.ask(c.t.Context(), 1, "manager", "PUT", "/admin/rooms/main", settings, "If-Match", etag).status == 200
	}, time.Minute, 50*time.Millisecond)
}

type crowdAnswer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a crowdAnswer) text(name string) string { s, _ := a.body[name].(string); return s }

func (a crowdAnswer) number(name string) float64 { n, _ := a.body[name].(float64); return n }

// ask sends a request to a shop. Status 0: there was no answer.
func (c *crowd) ask(ctx context.Context, shop int, token, method, path string, body any, header, value string) (a crowdAnswer) {
	var sent io.Reader
	if body != nil {
		text, _ := json.Marshal(body)
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.shops[shop].Address+path, sent)
	if err != nil {
		c.t.Error(err)
		return a
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if header != "" && value != "" {
		r.Header.Set(header, value)
	}
	response, err := c.client.Do(r)
	if err != nil {
		return a
	}
	defer func() { _ = response.Body.Close() }()
	a.header = response.Header
	if err := json.NewDecoder(response.Body).Decode(&a.body); err != nil && !errors.Is(err, io.EOF) {
		return crowdAnswer{}
	}
	a.status = response.StatusCode
	return a
}

// visitor is one of the crowd.
type visitor struct {
	*crowd
	token, pass, ticket string
}

func (v *visitor) some(from, to float64) time.Duration {
	return time.Duration((from + rand.Float64()*(to-from)) * float64(time.Second))
}

func (v *visitor) tells(ctx context.Context, method, path string, body any) crowdAnswer {
	return v.ask(ctx, rand.IntN(len(v.shops)), v.token, method, path, body, "Queue-Pass", v.pass)
}

// live orders again and again, and waits in between as told. Some go and come back, some do not come when they are called.
func (v *visitor) live(ctx context.Context) {
	v.time.sleep(ctx, v.some(0, 20))
	for ctx.Err() == nil {
		switch a := v.tells(ctx, "POST", "/v1/orders", nil); a.status {
		case 204:
			v.orders.Add(1)
			v.ticket = ""
			if pass := a.header.Get("Queue-Pass"); pass != "" {
				v.pass = pass
			}
			if rand.IntN(20) == 0 {
				v.pass = ""
				v.time.sleep(ctx, v.some(5, 90))
			}
			v.time.sleep(ctx, v.some(0.5, 4))
		case 429:
			place := a.body["ticket"].(map[string]any)
			v.pass = ""
			v.wait(ctx, crowdAnswer{body: place})
		default:
			v.time.sleep(ctx, v.some(1, 3))
		}
	}
}

// wait waits until it is one's turn, or one has had enough.
func (v *visitor) wait(ctx context.Context, place crowdAnswer) {
	var position float64
	told, knew := time.Now(), v.knows()
	for ctx.Err() == nil {
		pause := time.Duration(place.number("poll_after_ms")) * time.Millisecond
		if ticket := place.text("ticket"); ticket != "" {
			v.ticket = ticket
		}
		if place.text("state") == "waiting" {
			at, knows := place.number("position"), v.knows()
			if position != 0 && at > position && knew && knows {
				v.t.Errorf("%s was at %v and is at %v: passed by", v.token, position, at)
			}
			position, told, knew = at, time.Now(), knows
		}
		v.time.sleep(ctx, pause)
		if rand.IntN(200) == 0 {
			v.left.Add(1)
			v.tells(ctx, "DELETE", "/v1/queue/rooms/main/tickets/"+v.ticket, nil)
			v.ticket = ""
			v.time.sleep(ctx, v.some(5, 60))
			return
		}
		a := v.tells(ctx, "GET", "/v1/queue/rooms/main/tickets/"+v.ticket, nil)
		switch {
		case a.status == 200 && a.text("state") == "waiting":
			place = a
		case a.status == 200 && a.text("state") == "proceed" && rand.IntN(5) == 0:
			v.noShow.Add(1)
			v.time.sleep(ctx, app.ShowUp+10*time.Second)
			return
		case a.status == 200:
			return // by ordering
		case a.status == 404:
			if asked := crowdSpeed * time.Since(told); knew && v.knows() && asked < pause+app.Patience {
				v.t.Errorf("%s asked after %s, as told, and has no place any more", v.token, asked)
			}
			if a = v.tells(ctx, "POST", "/v1/queue/rooms/main/tickets", map[string]any{"ticket": v.ticket}); a.status != 200 {
				v.time.sleep(ctx, v.some(1, 3))
				continue
			}
			position, place = 0, a
			if a.text("state") != "waiting" {
				v.pass = a.text("pass")
				return
			}
		default: // the shop or the line is away
			place = crowdAnswer{body: map[string]any{"poll_after_ms": 2000.0}}
		}
	}
}

// stay is how long an account might be in, as the gates have told: from when it was let in until its last pass had ended by every clock.
type stay struct {
	account        string
	granted, until time.Time
}

const crowdSkew = time.Second

// stays reads what the gates have logged.
func (c *crowd) stays() []stay {
	c.t.Helper()
	passes := map[string]map[time.Time]bool{} // by when they ended
	for _, p := range c.shops {
		file, err := os.Open(p.Log)
		require.NoError(c.t, err)
		defer func() { _ = file.Close() }()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var e struct {
				Msg, How, Account string
				At, Until         time.Time
			}
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.Msg != "let through" { // who was killed has written a part of a line
				continue
			}
			if e.How == "pass" { // by the shop's clock; who enters does so by the line's
				e.At = e.At.Add(-p.Skew)
			}
			if past := e.At.Sub(e.Until); past > crowdSkew {
				c.t.Errorf("%s was let through %s after its pass had ended", e.Account, past)
			}
			if passes[e.Account] == nil {
				passes[e.Account] = map[time.Time]bool{}
			}
			passes[e.Account][e.Until] = true
		}
	}
	var all []stay
	for account, of := range passes {
		first := len(all)
		for _, until := range slices.SortedFunc(maps.Keys(of), time.Time.Compare) {
			if granted := until.Add(-app.PassLife); len(all) == first || granted.After(all[len(all)-1].until.Add(app.SlotSlack)) {
				all = append(all, stay{account, granted, until})
			} else { // renewed
				all[len(all)-1].until = until
			}
		}
	}
	return all
}

// mostAtOnce counts who is in at any instant, and returns the instants at which more are than there are slots.
func mostAtOnce(stays []stay) (most int, over []time.Time) {
	type step struct {
		at time.Time
		by int
	}
	var steps []step
	for _, s := range stays {
		steps = append(steps, step{s.granted, 1}, step{s.until.Add(crowdSkew), -1})
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	in := 0
	for _, s := range steps {
		if in += s.by; in > crowdSlots && s.by > 0 {
			over = append(over, s.at)
		}
		most = max(most, in)
	}
	return most, over
}

// mostInAMinute counts who is let in within any minute.
func mostInAMinute(stays []stay) (most int) {
	var granted []time.Time
	for _, s := range stays {
		granted = append(granted, s.granted)
	}
	slices.SortFunc(granted, time.Time.Compare)
	first := 0
	for last := range granted {
		for granted[last].Sub(granted[first]) >= time.Minute {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
