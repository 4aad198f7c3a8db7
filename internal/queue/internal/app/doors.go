package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/queue"
)

const (
	lineWithin = 300 * time.Millisecond // that the line may take: shoppers are waiting for it
	callEvery  = 200 * time.Millisecond
	countEvery = 5 * time.Second
	CallMost   = 100 // people in one step of the line, at most
	callSteps  = 100 // in one run

	soldOutPause = 10 * time.Second // between two looks, of who waits for what may come back
)

// Doors are where shoppers come into rooms: they ask the line, and hand out what it says, signed.
type Doors struct {
	service *Service
	line    Line
	clock   clock.Clock
	people  *prometheus.GaugeVec
	pace    *prometheus.GaugeVec
	called  *prometheus.CounterVec
	steered *prometheus.GaugeVec

	mu    sync.Mutex
	seal  *seal                   // nil: not read yet
	helms map[uuid.UUID]*steering // of the rooms that this instance has steered
}

// NewDoors returns the doors of the rooms that service knows. The registerer may be nil.
func NewDoors(service *Service, line Line, c clock.Clock, r prometheus.Registerer) *Doors {
	with := promauto.With(r)
	return &Doors{
		service: service, line: line, clock: c, helms: map[uuid.UUID]*steering{},
		people: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_queue_people", Help: "People in a room, as the instance that calls counted last: waiting, proceed (called), active (in).",
		}, []string{"room", "state"}),
		pace: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_queue_pace", Help: "People called into a room in a second, a mean of the last minutes.",
		}, []string{"room"}),
		steered: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_queue_steered", Help: "What a room in the mode auto has at the moment: slots, and flights (requests served at once, over all instances).",
		}, []string{"room", "what"}),
		called: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_queue_calls_total", Help: "People of a room by what became of them: called, missed (called, and did not come), forgotten (waited, and did not ask any more).",
		}, []string{"room", "outcome"}),
	}
}

// Held is what a shopper holds of a room.
type Held struct {
	Place
	Ticket string // what names the place; of one who is in: for coming back
	Pass   string // of one who is in
}

// key returns the key of tickets and passes, which never changes.
func (d *Doors) key(ctx context.Context) (*seal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seal == nil {
		read, err := d.service.sql.Seal(ctx, d.service.pool)
		if err != nil {
			return nil, fmt.Errorf("read the key of tickets: %w", err)
		}
		d.seal = (*seal)(read)
	}
	return d.seal, nil
}

// rulesOf are what the line goes by. A room that is off hands out no passes by it.
func rulesOf(r Room) Rules {
	slots := r.Capacity
	if r.Mode == queue.Auto {
		slots = min(r.Slots, r.Capacity)
	}
	return Rules{
		Room: r.Name, Capacity: slots, Shed: r.Mode == queue.Auto, Closed: r.Mode == queue.Off || r.Mode == queue.Paused || r.SoldOut, Opens: r.OpensAt, Since: r.GatedFrom,
	}
}

// Enter gives an account a place in a room, or the one that it has. What it has from before, a ticket and a pass, may be empty. A room that is
// off has a slot for everybody, and nobody holds anything of it.
func (d *Doors) Enter(ctx context.Context, room Room, account uuid.UUID, hadTicket, hadPass string) (Held, error) {
	if room.Mode == queue.Off {
		return Held{Place: Place{State: Active, At: d.clock()}}, nil
	}
	key, err := d.key(ctx)
	if err != nil {
		return Held{}, err
	}
	arrival := arrivalOf(room, account)
	if t, ok := key.openOf(hadTicket, ticket, room, account); ok {
		arrival.Ticket = Ticket{t.Sequence, t.Until}
	}
	if p, ok := key.openOf(hadPass, pass, room, account); ok {
		arrival.Pass = p.Until
	}
	place, err := ask(ctx, func(ctx context.Context) (Place, error) { return d.line.Enter(ctx, rulesOf(room), arrival) })
	if err != nil {
		return Held{}, err
	}
	return d.held(key, room, account, place, arrival.Ticket.Sequence), nil
}

func arrivalOf(room Room, account uuid.UUID) Arrival {
	a := Arrival{Account: account}
	if !room.OpensAt.IsZero() {
		a.Lot = queue.Lot(room.Seed, room.ID, account)
	}
	return a
}

// Look tells the place of a ticket. ErrNoPlace: it has none any more, or is no ticket of this account's for this room. A room that is off has a
// slot for everybody.
func (d *Doors) Look(ctx context.Context, room Room, account uuid.UUID, text string) (Held, error) {
	key, shown, err := d.holds(ctx, room, account, text)
	if err != nil {
		return Held{}, err
	}
	if room.Mode == queue.Off { // since then, it may be: nobody is called any more
		return Held{Place: Place{State: Active, At: d.clock()}}, nil
	}
	place, err := ask(ctx, func(ctx context.Context) (Place, error) {
		return d.line.Look(ctx, rulesOf(room), arrivalOf(room, account))
	})
	if err != nil {
		return Held{}, err
	}
	return d.held(key, room, account, place, shown.Sequence), nil
}

// Leave gives up the place of a ticket, if it has one.
func (d *Doors) Leave(ctx context.Context, room Room, account uuid.UUID, text string) error {
	if _, _, err := d.holds(ctx, room, account, text); err != nil {
		return err
	}
	return d.Remove(ctx, room, account)
}

// Remove takes the place of an account away, whatever it is.
func (d *Doors) Remove(ctx context.Context, room Room, account uuid.UUID) error {
	_, err := ask(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.line.Leave(ctx, rulesOf(room), account)
	})
	return err
}

// Holder tells whose a ticket is. ErrNoPlace: it is no ticket for this room.
func (d *Doors) Holder(ctx context.Context, room Room, text string) (uuid.UUID, error) {
	key, err := d.key(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	t, err := key.open(text, ticket)
	if err != nil || t.Room != room.ID {
		return uuid.Nil, queue.ErrNoPlace
	}
	return t.Account, nil
}

func (d *Doors) holds(ctx context.Context, room Room, account uuid.UUID, text string) (*seal, token, error) {
	key, err := d.key(ctx)
	if err != nil {
		return nil, token{}, err
	}
	t, ok := key.openOf(text, ticket, room, account)
	if !ok {
		return nil, token{}, queue.ErrNoPlace
	}
	return key, t, nil
}

// ask asks the line, for so long as a shopper may wait.
func ask[T any](ctx context.Context, what func(context.Context) (T, error)) (none T, err error) {
	within, cancel := context.WithTimeout(ctx, lineWithin)
	defer cancel()
	answer, err := what(within)
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, ErrNoPlace):
		return none, queue.ErrNoPlace
	case ctx.Err() != nil:
		return none, ctx.Err()
	}
	return none, fmt.Errorf("%w: %w", queue.ErrUnavailable.WithRetryAfter(time.Second), err)
}

// held signs a place. Who waits is told to ask again a little later than the line says, each by another chance. The ticket of who is called still has
// the sequence that it had, by which the place comes back where the call is forgotten.
func (d *Doors) held(key *seal, room Room, account uuid.UUID, p Place, had int64) Held {
	t := token{Kind: ticket, Room: room.ID, Account: account, Sequence: p.Sequence}
	h := Held{Place: p}
	switch p.State {
	case Waiting:
		t.Until = p.Until
		if room.SoldOut {
			h.Pause = max(h.Pause, soldOutPause) // the line waits for longer than that
		}
		h.Pause += rand.N(h.Pause / 5)
	case Proceed:
		t.Sequence, t.Until = had, p.Until
	case Active:
		h.Pass = key.sign(token{Kind: pass, Room: room.ID, Account: account, Until: p.Until})
	}
	h.Ticket = key.sign(t)
	return h
}

// Pass says whether a pass is good for an account in a room at the moment, without asking anybody, and until when.
func (d *Doors) Pass(ctx context.Context, room Room, account uuid.UUID, text string) (until, at time.Time, good bool) {
	if text == "" {
		return until, at, false
	}
	key, err := d.key(ctx)
	if err != nil {
		return until, at, false
	}
	p, good := key.openOf(text, pass, room, account)
	at = d.clock()
	return p.Until, at, good && p.Until.After(at)
}

// Renew lets an account stay in that holds a pass until then. The error is of no matter to who has a good pass.
func (d *Doors) Renew(ctx context.Context, room Room, account uuid.UUID, until time.Time) (Held, error) {
	key, err := d.key(ctx)
	if err != nil {
		return Held{}, err
	}
	place, err := ask(ctx, func(ctx context.Context) (Place, error) {
		return d.line.Renew(ctx, rulesOf(room), Arrival{Account: account, Pass: until})
	})
	if err != nil {
		return Held{}, err
	}
	return d.held(key, room, account, place, 0), nil
}

// Jobs call those who wait into the slots that become free, count them, and steer the rooms that are steered.
func (d *Doors) Jobs() []jobs.Job {
	return []jobs.Job{
		{Name: "queue.call", Every: callEvery, Run: d.Call},
		{Name: "queue.count", Every: countEvery, Run: d.Count},
		{Name: "queue.steer", Every: beat, Run: d.Steer},
	}
}

// Call calls into every room, one step after the other, so that who enters meanwhile does not wait long. It asks also for rooms that are off,
// so that a line which has begun anew is known to have before anybody needs it.
func (d *Doors) Call(ctx context.Context) error {
	rooms, err := d.service.known(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, room := range rooms.rooms {
		for range callSteps {
			called, err := d.line.Call(ctx, rulesOf(room), CallMost)
			if err != nil {
				failed = append(failed, fmt.Errorf("call into room %s: %w", room.Name, err))
				break
			}
			for outcome, n := range map[string]int64{"called": called.Called, "missed": called.Missed, "forgotten": called.Forgotten} {
				d.called.WithLabelValues(room.Name, outcome).Add(float64(n))
			}
			if max(called.Called, called.Forgotten, called.Missed) < CallMost {
				break
			}
		}
	}
	return errors.Join(failed...)
}

// Figures counts a room, and shows the metrics.
func (d *Doors) Figures(ctx context.Context, room Room) (Figures, error) {
	f, err := ask(ctx, func(ctx context.Context) (Figures, error) { return d.line.Figures(ctx, rulesOf(room)) })
	if err != nil {
		return Figures{}, err
	}
	for state, n := range map[State]int64{Waiting: f.Waiting, Proceed: f.Proceed, Active: f.Active} {
		d.people.WithLabelValues(room.Name, string(state)).Set(float64(n))
	}
	d.pace.WithLabelValues(room.Name).Set(f.Pace)
	return f, nil
}

// Count counts every room, for the metrics.
func (d *Doors) Count(ctx context.Context) error {
	rooms, err := d.service.known(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, room := range rooms.rooms {
		if _, err := d.Figures(ctx, room); err != nil {
			failed = append(failed, fmt.Errorf("count room %s: %w", room.Name, err))
		}
	}
	return errors.Join(failed...)
}
