package app

import (
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Pressure is what the gated requests of one room are to this instance.
type Pressure struct {
	mu    sync.Mutex
	begun map[int64]time.Time     // the requests that are being served
	shed  map[uuid.UUID]time.Time // who was turned away and has not been served since
	next  int64
	of    Load
	since time.Time     // when it was read
	at    time.Time     // until when the area is counted
	area  time.Duration // time by requests, that were being served since then
}

// NewPressure returns that of a room that nobody has asked anything of yet.
func NewPressure() *Pressure {
	return &Pressure{begun: map[int64]time.Time{}, shed: map[uuid.UUID]time.Time{}}
}

// busyPause is after how long who is turned away should try again, at least; up to as much is added by chance.
const busyPause = time.Second

// tryAgain is after how long one of those who are turned away should try again.
func tryAgain() time.Duration { return busyPause + rand.N(busyPause) }

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
	Shed   int64 // people who were turned away, as enough requests were being served, and will try again
	Flying int64 // that were being served at the same time, in the mean
}

// Begin counts a request of an account, unless as many as there may be are being served. The caller calls end when it is answered.
func (p *Pressure) Begin(account uuid.UUID, most int64, target time.Duration) (end func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.count(now)
	if int64(len(p.begun)) >= most {
		p.shed[account] = now
		return nil, false
	}
	delete(p.shed, account)
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
	maps.DeleteFunc(p.shed, func(_ uuid.UUID, at time.Time) bool { return now.Sub(at) > 2*busyPause })
	l.Shed = int64(len(p.shed))
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
// Flights take effect at once and keep the answers in time. They go as a congestion window does: half as many more in each beat until the first is too
// many; then cut by the share of the requests that were slow, a mean of the last beats (DCTCP, RFC 8257), whenever that is more than one of a hundred;
// soon back to near where they were, slowly past it, and on (CUBIC, RFC 9438).
//
// Slots follow late: who is called comes after a while and stays for a pass's life. Calls grow until it is known how many flights are too many, and
// from then on while no more than half of them are used; while more are, they fill half of what is free in each beat, as if all who come went on asking.
// By how much those ask who are in, no more are called than would be thrice too many. Where more people than an eighth of the flights are turned away,
// there are no slots for those who are more: passes end without being renewed.
type Helm struct {
	Slots, Flights int64
	flights, calls float64 // with their fractions
	share          float64 // of the requests that were slow, lately
	top            float64 // the flights that were too many; 0: not known yet
	by             float64 // the part of them that was cut
	since          float64 // beats that went well since then
	cut            int     // beats since then
	hitch          bool    // the last beat was slow
}

const (
	tooSlow   = 0.01 // of the requests
	well      = 0.005
	muchSlow  = 0.1
	recent    = 0.25 // is how much the last beat counts in a mean
	leastCut  = 0.02
	mostCut   = 0.3
	backAfter = 6  // beats in which they are back
	mostMore  = 50 // percent more in one beat, of which each good beat after that adds one
	mostAhead = 3  // times as many as there are flights may ask at once, when all have come who are called
	cutEvery  = 2  // beats: what was begun before has ended then
)

// NewHelm returns one that goes on from where another has steered to.
func NewHelm(slots, flights int64) *Helm {
	flights = max(flights, LeastFlights)
	return &Helm{Slots: slots, Flights: flights, flights: float64(flights)}
}

// Reading is what a room is like, over all instances, since the last beat.
type Reading struct {
	Load
	Taken  int64 // slots, by people who are in or called
	Called int64 // of those, who have not come yet
}

// Steer sets all for the next beat. Slots are at most ceiling.
func (h *Helm) Steer(r Reading, ceiling int64) {
	share := float64(r.Slow) / float64(max(r.Done, 1))
	h.share += (min(share, 1) - h.share) * recent
	slow, good := min(share, h.share) > tooSlow, share <= well
	if h.top == 0 && (h.Flights == LeastFlights || share < muchSlow && !h.hitch) { // the first requests are slow anyway, and one hitch says nothing yet
		h.hitch, slow = slow, false
	} else {
		h.hitch = slow
	}
	used := 10*r.Shed > h.Flights || 4*r.Flying >= 3*h.Flights
	h.cut++
	switch {
	case slow && (h.top == 0 || h.cut >= cutEvery):
		h.top, h.since, h.cut = h.flights, 0, 0
		h.by = min(max(h.share, leastCut), mostCut)
		h.flights *= 1 - h.by
	case used && good && h.top == 0:
		h.flights += h.flights / 2
	case used && good:
		h.since++
		if h.since < backAfter {
			h.flights = h.top * (1 - h.by*math.Pow(1-h.since/backAfter, 3))
		} else {
			h.flights *= 1 + min(h.since-backAfter, mostMore)/100
		}
	}
	h.flights = max(h.flights, LeastFlights)

	excess := max(r.Shed-h.Flights/8, 0)
	asking := float64(r.Flying + r.Shed)
	each := max(asking, 1) / float64(max(r.Taken-r.Called, 1)) // of those who are in, asks for so much at once
	switch half := 2*r.Flying >= h.Flights; {
	case slow || excess > 0 && h.top > 0:
		h.calls *= 0.85
	case excess == 0 && good && half && h.top > 0:
		h.calls = max(h.calls*0.8, (h.flights*9/8-asking-float64(r.Called))/2, h.flights/50)
	case excess == 0 && good:
		h.calls = max(h.calls*5/4, LeastSlots)
	}
	h.calls = min(h.calls, max((h.flights*mostAhead-asking)/each-float64(r.Called), LeastSlots))
	h.Flights = int64(h.flights)
	h.Slots = min(max(r.Taken+int64(math.Ceil(h.calls))-excess, LeastSlots), ceiling)
}
