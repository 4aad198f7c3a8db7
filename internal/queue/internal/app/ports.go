package app

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/queue"
)

// Line keeps, of each room, who waits, who is called in and who is in. Each method is one step that nothing comes between, by the line's own
// clock, which is one for all instances. Every adapter passes the suite in package linetest.
//
// What holds whatever happens: the slots that are called or taken never outnumber the capacity, nobody who comes is let in before somebody who
// waits, and an account has one place in a room.
//
// A line that may have forgotten something, because what keeps it began anew, lets nobody in and calls nobody until every pass that was handed
// out before has ended. Meanwhile those who hold a pass have their slot back by it, and those who waited their place by their ticket; who is known
// to be called comes afterwards.
type Line interface {
	// Enter gives an account the place that it has, or one: a slot where one is free and nobody waits, else the end of the line. Who is called
	// takes the slot by it.
	Enter(ctx context.Context, r Rules, a Arrival) (Place, error)
	// Look tells an account's place, and notes that it still waits: nothing else changes, but that who waits for an opening has the lot's place.
	// ErrNoPlace: it has none.
	Look(ctx context.Context, r Rules, a Arrival) (Place, error)
	// Renew has the slot of an account last for another pass. ErrNoPlace: it has none any more.
	Renew(ctx context.Context, r Rules, a Arrival) (Place, error)
	// Leave gives up a place in the line, the call, or the slot: that stays taken until its pass has ended, which is not renewed any more. Who is let in
	// again meanwhile has that one.
	Leave(ctx context.Context, r Rules, account uuid.UUID) error
	// Call calls those who have waited longest into the slots that are free, and forgets who has not asked for too long: at most so many of
	// each, so that nobody else waits long for it. Where nobody has called for so long as Absent, nobody could come or ask either: who is called has
	// ShowUp from then on, and who waits Regather.
	Call(ctx context.Context, r Rules, most int) (Called, error)
	// Figures counts a room.
	Figures(ctx context.Context, r Rules) (Figures, error)
}

// ErrNoPlace says that an account has no place in a room.
var ErrNoPlace = errors.New("the account has no place in the room")

// Rules are what a room goes by at the moment.
type Rules struct {
	Room     string
	Capacity int64     // slots
	Closed   bool      // nobody new is let in or called
	Shed     bool      // where there are fewer slots than are taken, passes are not renewed, for so many of those who ask
	Opens    time.Time // nobody is before, and who comes before has a place by lot; zero: it is open
	Since    time.Time // no pass was handed out before
}

// How long things last. A slot outlives its pass, so that the passes that are honoured never outnumber the slots, however late a renewal comes
// and whatever an instance's clock says, within two seconds.
const (
	PassLife    = 60 * time.Second
	SlotSlack   = 2 * time.Second
	RenewWithin = PassLife / 3           // of a pass's end, it is renewed by who uses it
	ShowUp      = 60 * time.Second       // within which who is called must come
	Patience    = 2 * time.Minute        // after the moment at which who waits was told to ask again, until the place is lost
	Absent      = 30 * time.Second       // without a call, the line was away
	Noted       = time.Minute            // for which the place is kept longer than that, so that not every look has to be noted
	Regather    = 2*MostPause + Patience // after a loss, within which a place is given back by its ticket: who waits has asked by then
)

// When who waits is told to ask again: the later the further behind, between two bounds. Up to a fifth is added by chance, so that those who
// came together do not ask together.
const (
	LeastPause    = time.Second
	MostPause     = 30 * time.Second
	PausePerPlace = 10 * time.Millisecond
)

// Steady is how long the pace remembers: what is so old counts for a third of what is new. That is two lives of a pass, as slots that were given at
// once become free at once. Where nobody has waited before, it begins with all slots becoming free in one.
const Steady = 2 * PassLife

// Sequences order those who wait. Who came before the room was open has one by lot, from 1 to FirstSequence-1. The others' go on from there with
// the time, SequencesPerMillisecond of them: they go on also where the line has forgotten the last one. All are exact in the scores of Redis,
// which are doubles.
const (
	FirstSequence           = 1 << queue.LotBits
	SequencesPerMillisecond = 1 << 10
)

// SequencesFrom is the time of FirstSequence.
var SequencesFrom = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Arrival is who enters.
type Arrival struct {
	Account uuid.UUID
	Lot     int64     // the account's sequence where the room is not open yet; 0: there is none
	Pass    time.Time // until when the account holds a pass; zero: it holds none
	Ticket  Ticket    // that it has from before
}

// Ticket is a place that was told of. It counts where the line has lost it, if the place was kept until then.
type Ticket struct {
	Sequence int64
	Until    time.Time // that the place was kept, unless it was asked for again
}

// State is where a place is.
type State string

const (
	Waiting State = "waiting"
	Proceed State = "proceed" // called: the slot is kept until it is taken, or too late
	Active  State = "active"  // in: there is a pass
)

// Place is an account's place in a room.
type Place struct {
	State    State
	Sequence int64         // orders those who wait; of others 0
	Ahead    int64         // who wait before it
	Until    time.Time     // when the pass ends, or the call, or the place unless it is asked for again
	Pause    time.Duration // until it should be asked again, without what is added by chance; of who is called: until it may come, where the line is frozen
	Pace     float64       // how many were called in a second, lately; of who waits; 0: not known yet
	At       time.Time     // by the line's clock
}

// Called is what a call did.
type Called struct {
	Called    int64 // into slots
	Forgotten int64 // who waited and did not ask any more
	Missed    int64 // were called and did not come
}

// Figures are a room's at one moment.
type Figures struct {
	Waiting int64
	Proceed int64
	Active  int64
	Pace    float64   // as of a place
	Frozen  time.Time // until when nobody is let in or called, for what may have been forgotten; zero: it is not
	At      time.Time
}
