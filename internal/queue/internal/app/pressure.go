package app

import (
	"sync"
	"time"
)

// Pressure is what the gated requests of one room are to this instance.
type Pressure struct {
	mu    sync.Mutex
	begun map[int64]time.Time // the requests that are being served
	next  int64
	of    Load
	since time.Time     // when it was read
	at    time.Time     // until when the area is counted
	area  time.Duration // time by requests, that were being served since then
}

// count brings the area up to date.
func (p *Pressure) count(now time.Time) {
	if p.since.IsZero() {
		p.since, p.at = now, now
	}
	p.area += now.Sub(p.at) * time.Duration(len(p.begun))
	p.at = now
}

// Load is what an instance has served behind a room's gate since it was asked last.
type Load struct {
	Done   int64 // requests that were answered
	Slow   int64 // of those, and of those that are still being served, which take longer than they may
	Shed   int64 // that were turned away, as enough were being served
	Flying int64 // that were being served at the same time, in the mean
}

// Begin counts a request, unless as many as there may be are being served. The caller calls end when it is answered.
func (p *Pressure) Begin(most int64, target time.Duration) (end func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.count(now)
	if int64(len(p.begun)) >= most {
		p.of.Shed++
		return nil, false
	}
	if p.begun == nil {
		p.begun = map[int64]time.Time{}
	}
	id := p.next
	p.next++
	p.begun[id] = now
	return func() { p.end(id, target) }, true
}

func (p *Pressure) end(id int64, target time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.count(now)
	p.of.Done++
	if now.Sub(p.begun[id]) > target {
		p.of.Slow++
	}
	delete(p.begun, id)
}

// Read returns the load, and begins anew.
func (p *Pressure) Read(target time.Duration) Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.count(now)
	l := p.of
	for _, begun := range p.begun {
		if now.Sub(begun) > target {
			l.Slow++
		}
	}
	if past := now.Sub(p.since); past > 0 {
		l.Flying = int64((p.area + past/2) / past)
	}
	p.of, p.since, p.area = Load{}, now, 0
	return l
}

// The least that a steered room has: that much is always tried.
const (
	LeastSlots   = 10
	LeastFlights = 8
)

// Helm steers a room: how many requests may be served at once (flights), so that they take no longer than they may, and how many more people may
// come in a beat (calls), so that the flights are used.
//
// Both grow while no more than one of two hundred requests is slow and few are turned away, fast until it is known where that ends, and from then on the
// faster the longer it went well, as in congestion control (RFC 9438); they shrink when more than one of a hundred is slow or many are turned away.
// Flights take effect at once and keep the answers in time, calls within a second. Slots can't be taken back: where those who are in are too many, no
// more are let in, and then passes end without being renewed.
type Helm struct {
	Slots, Flights, Calls int64
	full                  bool  // it is known how many flights make requests slow
	busy                  bool  // it is known how many calls keep the flights used
	flown, called         int64 // beats since flights, and calls, were last too many; at most surest
}

// surest is how many good beats in a row count: for each, a hundredth is added in one (of calls two).
const surest = 30

// Reading is what a room is like, over all instances, since the last beat.
type Reading struct {
	Load
	Waiting, Taken int64
}

// Steer sets all for the next beat. Slots are at most ceiling.
func (h *Helm) Steer(r Reading, ceiling int64) {
	h.Flights = max(h.Flights, LeastFlights)
	slow, many := 100*r.Slow > max(r.Done, 1), 10*r.Shed > r.Done
	well := 200*r.Slow <= r.Done && 50*r.Shed <= r.Done
	switch used := r.Shed > 0 || 10*r.Flying >= 9*h.Flights; {
	case slow:
		h.Flights, h.full, h.flown = max(h.Flights-h.Flights/7, LeastFlights), true, 0
	case used && 200*r.Slow <= r.Done && h.full:
		h.flown = min(h.flown+1, surest)
		h.Flights += max(h.Flights*(h.flown-1)/100, 1)
	case used && 200*r.Slow <= r.Done:
		h.Flights += h.Flights / 2
	}
	less := int64(0)
	switch all := r.Waiting > 0 || r.Taken >= h.Slots; {
	case many && h.Calls == 0:
		less = max(r.Taken/20, 1)
	case slow || many && h.full:
		h.Calls, h.busy, h.called = h.Calls*17/20, true, 0
		if 3*r.Shed > r.Done {
			h.Calls /= 2
		}
	case all && well && h.busy:
		h.called = min(h.called+1, surest)
		h.Calls += max(h.Calls*h.called/50, 1)
	case all && well:
		h.Calls = max(h.Calls+h.Calls/4, LeastSlots)
	}
	h.Slots = min(max(r.Taken+h.Calls-less, LeastSlots), ceiling)
}
