package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// told is one answer that somebody was given, or the lack of one: status 0.
type told struct {
	At       time.Time
	Who      string // the account
	Op       string
	Key      string // the Idempotency-Key
	Subject  string // the order, coupon or product that was asked about, where the request names one
	Body     string // of the request
	Status   int
	Code     string // of the problem
	Answer   map[string]any
	Replayed bool
	parked   []parkedEvent
}

type parkedEvent struct {
	EventID string `json:"event_id"`
	Type    string
	Key     string
	Reason  string
}

func (a told) String() string {
	b, _ := json.Marshal(a.Answer)
	return fmt.Sprintf("%s %s %s key=%s %s -> %d %s replayed=%t %s", a.At.Format("15:04:05.000"), a.Who, a.Op, a.Key, a.Body, a.Status, a.Code, a.Replayed, tail(string(b), 1200))
}

// text is a field of the answer, or "".
func (a told) text(name string) string {
	s, _ := a.Answer[name].(string)
	return s
}

// journal is what the load remembers of what it was told, whatever becomes of the shop.
type journal struct {
	mu      sync.Mutex
	entries []told
	answers int           // without those that did not come
	refused int           // orders, with 503
	until   int           // answers, when
	reached chan struct{} // is closed
}

func (j *journal) write(a told) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, a)
	if a.Status != 0 {
		j.answers++
	}
	if a.Op == "place" && a.Status == 503 {
		j.refused++
	}
	if j.reached != nil && j.answers >= j.until {
		close(j.reached)
		j.reached = nil
	}
}

// after is closed when so many more answers have come. Only one waits at a time.
func (j *journal) after(more int) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.until, j.reached = j.answers+more, make(chan struct{})
	return j.reached
}

// unavailable is how many orders could not be placed just then.
func (j *journal) unavailable() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refused
}

// all are the entries so far.
func (j *journal) all() []told {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)]
}

// visitor is somebody who talks to the shop while it dies and comes back. They belong to one goroutine, but for ask.
type visitor struct {
	load  *load
	id    string // the account
	token string
	dice  *rand.Rand
	hasty bool // gives up whenever there is no answer
}

// request is what is asked, as often as it takes.
type request struct {
	op, method, path, key string
	subject               string
	body                  any
	fickle                bool // gives up when there is no answer, as who closes the browser does
}

// upload is the body of a request that is a form.
type upload struct {
	body        bytes.Buffer
	contentType string
}

const (
	patience = 20 * time.Second      // for one answer
	pause    = 30 * time.Millisecond // before a request is repeated
	endless  = 100 * time.Second     // for a definite answer
)

// ask repeats a request until it gets a definite answer: no answer, 429, 503, 504 and 409 idempotency.in_progress are none. It
// returns false when there was none to be had.
func (v *visitor) ask(r request) (told, bool) {
	body := []byte("null")
	if form, ok := r.body.(*upload); ok {
		body = form.body.Bytes()
	} else if r.body != nil {
		body, _ = json.Marshal(r.body)
	}
	until := time.Now().Add(endless)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		a := v.once(r, body)
		kept := a
		kept.Answer = slim(a.Answer)
		v.load.journal.write(kept)
		switch {
		case a.Status == 0 && (r.fickle || v.hasty):
			return a, false
		case a.Status == 500 && strings.Contains(r.path, "/toss/"): // the emulator's, which asks the shop's database
		case a.Status != 0 && a.Status != 429 && a.Status != 503 && a.Status != 504 && a.Code != "idempotency.in_progress":
			return a, true
		}
		if time.Now().After(until) {
			v.load.complain("no definite answer within %s: %s", endless, a)
			return a, false
		}
		<-tick.C
	}
}

func (v *visitor) once(r request, body []byte) told {
	a := told{Who: v.id, Op: r.op, Key: r.key, Subject: r.subject, Body: string(body)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	target := r.path
	if strings.HasPrefix(target, "/") {
		target = v.load.base + target
	}
	var reader io.Reader
	if r.body != nil {
		reader = bytes.NewReader(body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, target, reader)
	if err != nil {
		v.load.complain("%s: %s", r.op, err)
		return a
	}
	if form, ok := r.body.(*upload); ok {
		a.Body = "a form"
		q.Header.Set("Content-Type", form.contentType)
	} else if r.body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if v.token != "" {
		q.Header.Set("Authorization", "Bearer "+v.token)
	}
	if r.key != "" {
		q.Header.Set("Idempotency-Key", r.key)
	}
	response, err := v.load.http.Do(q)
	if err != nil {
		a.At, a.Code = time.Now(), err.Error()
		return a
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil { // half an answer is none
		a.At, a.Code = time.Now(), err.Error()
		return a
	}
	a.At = time.Now()
	a.Status, a.Replayed = response.StatusCode, response.Header.Get("Idempotency-Replayed") == "true"
	_ = json.Unmarshal(b, &a.Answer)
	if r.op == "parked" {
		var list struct{ Items []parkedEvent }
		_ = json.Unmarshal(b, &list)
		a.parked = list.Items
	}
	if a.Status >= 400 {
		a.Code = a.text("code")
	}
	if a.Status == 500 && !strings.Contains(r.path, "/toss/") {
		v.load.complain("the shop failed: %s", a)
	}
	return a
}

// items are the objects of a list that was answered.
func (a told) items() []map[string]any {
	list, _ := a.Answer["items"].([]any)
	var items []map[string]any
	for _, i := range list {
		if m, ok := i.(map[string]any); ok {
			items = append(items, m)
		}
	}
	return items
}
