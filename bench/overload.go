package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/clock"
)

// overload is how a shop is measured that more people want something of than it can serve.
type overload struct {
	Loads  []int         `default:"128,256,512,1024" help:"People who order one thing after the other, among whose numbers the best is looked for."`
	Target time.Duration `default:"500ms" help:"What counts as served in time."`
	Times  int           `default:"10" help:"How many times the best load is offered."`
	For    time.Duration `default:"60s" help:"How long; the second half counts."`
}

// measure looks for the load at which most orders are answered in time. Then it offers by turns that one, and many times that without a gate and with
// one that steers, each for as long.
func (o overload) measure(ctx context.Context, w *world, r *report) error {
	var all []*series
	fastest, people := 0.0, 0
	for _, n := range o.Loads {
		x, _, err := o.among(ctx, w, n, false, o.For)
		if err != nil {
			return err
		}
		all = append(all, &series{name: fmt.Sprintf("%d who order one thing after the other", n), samples: []sample{x}})
		if x.rate > fastest {
			fastest, people = x.rate, n
		}
	}
	crowd := min(o.Times*people, len(w.people))
	var courses [3][]float64
	way := func(i int, name string, people int, auto bool) thing {
		return thing{name: fmt.Sprintf("%d, %s", people, name), measure: func(ctx context.Context) (sample, error) {
			x, course, err := o.among(ctx, w, people, auto, o.For)
			if courses[i] == nil {
				courses[i] = course
			}
			return x, err
		}}
	}
	long, err := alternate(ctx, w.settings.Rounds, []thing{
		way(0, "the best load", people, false), way(1, "without a gate", crowd, false), way(2, "at a gate in the mode auto", crowd, true),
	})
	if err != nil {
		return err
	}
	for i, s := range long {
		s.course = courses[i]
	}
	r.add(table{
		id: "queue-overload", title: "Orders that are answered in time, of a shop that is offered too much", unit: "orders a second in time",
		series: append(all, long...), columns: latencies,
		targets: []target{{says: "at the gate ÷ the best load ≥ 0.9", of: long[2], over: long[0], least: 0.9}},
		notes: []string{
			fmt.Sprintf("in time is within %s, over HTTP, of products whose stock does not run out", o.Target),
			fmt.Sprintf("each is offered for %s, whose second half counts, to a shop on a new copy of the database; the last three by turns, in %d rounds, the first of which is drawn", o.For, w.settings.Rounds),
			"who is told to wait waits as told, with a ticket; who is told to try again tries after so long; latencies are those of orders that were placed, in time or not",
		},
	})
	return nil
}

// among has so many people order for a while, of a shop that nobody has ordered of yet, and counts its second half. The course is of all its seconds.
func (o overload) among(ctx context.Context, w *world, people int, auto bool, long time.Duration) (x sample, course []float64, err error) {
	database, drop, err := w.copied(ctx)
	if err != nil {
		return x, nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	shop, err := startChild(ctx, "shop", "--database", database, "--folder", w.folder, "--log", filepath.Join(w.folder, "overload.log"))
	if err != nil {
		return x, nil, err
	}
	defer shop.stop()
	if err := w.introduce(shop.address); err != nil {
		return x, nil, err
	}
	if err := o.turn(ctx, database, auto); err != nil {
		return x, nil, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: people, DisableCompression: true}}
	defer client.CloseIdleConnections()
	c := &seconds{begun: time.Now()}
	profiled := shop.profile(w.settings.Profile, fmt.Sprintf("overload of %d, at a gate %t", people, auto), long)
	ordering, stop := context.WithTimeout(ctx, long)
	defer stop()
	var everyone sync.WaitGroup
	for i := range people {
		everyone.Go(func() {
			s := &shopper{world: w, client: client, base: "http://" + shop.address, person: w.people[i], dice: rand.New(rand.NewPCG(uint64(i), 9))}
			s.live(ordering, c)
		})
	}
	everyone.Wait()
	if err := profiled(); err != nil {
		return x, nil, err
	}
	if ctx.Err() != nil {
		return x, nil, context.Cause(ctx)
	}
	x, course = c.sum(long, o.Target)
	fmt.Printf("%d people, at a gate: %t: %.0f a second in time\n", people, auto, x.rate)
	return x, course, nil
}

// turn sets the main room, and waits until every instance has seen it.
func (o overload) turn(ctx context.Context, database string, auto bool) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	mode := "off"
	if auto {
		mode = "auto"
	}
	if err := clock.Sleep(ctx, 3*time.Second); err != nil { // a line that has just begun may have forgotten passes
		return err
	}
	_, err = conn.Exec(ctx, `UPDATE queue.rooms SET mode = $1, capacity = 100000, gated_from = now(), target_ms = $2, slots = NULL, flights = NULL`, mode, o.Target.Milliseconds())
	if err != nil {
		return fmt.Errorf("turn the gate: %w", err)
	}
	return clock.Sleep(ctx, 2*time.Second)
}

// seconds are what the people have seen.
type seconds struct {
	begun time.Time
	mu    sync.Mutex
	took  [][]time.Duration // of the orders that were placed in each second
}

func (c *seconds) placed(at time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	second := int(at.Sub(c.begun) / time.Second)
	for len(c.took) <= second {
		c.took = append(c.took, nil)
	}
	c.took[second] = append(c.took[second], took)
}

// sum is what the second half was like, and how many were answered in time in each second of all.
func (c *seconds) sum(long, target time.Duration) (x sample, course []float64) {
	last := int(long/time.Second) - 1 // the seconds that are whole
	for len(c.took) < last {
		c.took = append(c.took, nil)
	}
	inTime := func(of []time.Duration) (n float64) {
		for _, took := range of {
			if took <= target {
				n++
			}
		}
		return n
	}
	for _, of := range c.took[:last] {
		course = append(course, inTime(of))
	}
	half := slices.Concat(c.took[last/2 : last]...)
	slices.Sort(half)
	x.rate = inTime(half) / float64(last-last/2)
	if len(half) > 0 {
		x.p50, x.p99, x.p999 = quantile(half, 0.5), quantile(half, 0.99), quantile(half, 0.999)
	}
	return x, course
}

// shopper orders one thing after the other.
type shopper struct {
	*world
	client *http.Client
	base   string
	person person
	dice   *rand.Rand
	pass   string
}

// told is an answer. Of one who waits, the place is in the ticket of a problem; of one who looks, it is the answer.
type told struct {
	status int
	header http.Header
	code   string
	place  placeTold
}

type placeTold struct {
	Ticket      string `json:"ticket"`
	State       string `json:"state"`
	PollAfterMS int64  `json:"poll_after_ms"`
}

func (s *shopper) ask(ctx context.Context, method, path string, body []byte, key string) (told, error) {
	var t told
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return t, err
	}
	r.Header.Set("Authorization", "Bearer "+s.person.token)
	if key != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
	}
	if s.pass != "" {
		r.Header.Set("Queue-Pass", s.pass)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return t, err
	}
	defer func() { _ = answer.Body.Close() }()
	t.status, t.header = answer.StatusCode, answer.Header
	if answer.StatusCode == http.StatusCreated {
		_, err = io.Copy(io.Discard, answer.Body)
		return t, err
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return t, err
	}
	if t.status == http.StatusOK {
		return t, json.Unmarshal(text, &t.place)
	}
	var problem struct {
		Code   string    `json:"code"`
		Ticket placeTold `json:"ticket"`
	}
	err = json.Unmarshal(text, &problem)
	t.code, t.place = problem.Code, problem.Ticket
	return t, err
}

// live orders until ctx ends. An order that was turned away is made again, with the same key.
func (s *shopper) live(ctx context.Context, c *seconds) {
	for ctx.Err() == nil {
		g := s.goods[s.dice.IntN(len(s.goods))]
		body := fmt.Appendf(nil, `{"items":[{"product_id":"%s","quantity":1,"expected_price_won":%d}],"address_id":"%s"}`, g.id, g.priceWon, s.person.address)
		for key := nextKey(); ctx.Err() == nil; {
			begun := time.Now()
			t, err := s.ask(ctx, http.MethodPost, "/v1/orders", body, key)
			if pass := t.header.Get("Queue-Pass"); pass != "" {
				s.pass = pass
			}
			if err == nil && t.status == http.StatusCreated {
				now := time.Now()
				c.placed(now, now.Sub(begun))
				break
			}
			if t.code == "queue.waiting" {
				s.wait(ctx, t.place)
				continue
			}
			_ = clock.Sleep(ctx, time.Second+time.Duration(s.dice.Int64N(int64(time.Second))))
		}
	}
}

// wait waits until it is one's turn.
func (s *shopper) wait(ctx context.Context, place placeTold) {
	s.pass = ""
	for place.State == "waiting" {
		if clock.Sleep(ctx, time.Duration(place.PollAfterMS)*time.Millisecond) != nil {
			return
		}
		t, err := s.ask(ctx, http.MethodGet, "/v1/queue/rooms/main/tickets/"+place.Ticket, nil, "")
		switch {
		case err != nil || t.status >= http.StatusInternalServerError:
			continue
		case t.status != http.StatusOK:
			return
		}
		place = t.place
	}
}
