// Package memory keeps the lines of the waiting rooms in the process.
package memory

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

// Line is an app.Line of one process.
type Line struct {
	clock clock.Clock
	lost  time.Time // what was known before

	mu    sync.Mutex
	rooms map[string]*room
}

var _ app.Line = (*Line)(nil)

// NewLine returns empty lines. What another process knew of them is lost.
func NewLine(c clock.Clock) *Line {
	return &Line{clock: c, lost: now(c), rooms: map[string]*room{}}
}

func now(c clock.Clock) time.Time { return c().UTC().Truncate(time.Millisecond) }

// room is the line of one. Nobody is in two of waiting, proceed and active.
type room struct {
	waiting []waiter                // in the order of their sequences
	waits   map[uuid.UUID]waiter    // the same
	seen    map[uuid.UUID]time.Time // until when each is waited for
	proceed map[uuid.UUID]time.Time // until when each is called
	active  map[uuid.UUID]time.Time // until when each has a slot
	left    map[uuid.UUID]time.Time // until when each had one, who has left it
	alive   time.Time               // when somebody called last
	away    time.Time               // when that was before the last absence
	back    time.Time               // and when that ended
	last    int64                   // of the sequences
	pace    float64                 // how many were called in a second, lately
	paced   bool                    // the pace is known
	since   time.Time               // when they were counted; zero: nobody waited then
	calls   int64                   // since then
}

type waiter struct {
	sequence int64
	account  uuid.UUID
}

// compare is the order of Redis: by the sequence, and where that is the same by the account.
func (w waiter) compare(other waiter) int {
	return cmp.Or(cmp.Compare(w.sequence, other.sequence), slices.Compare(w.account[:], other.account[:]))
}

// at locks the room, and returns it with the time. The caller unlocks.
func (l *Line) at(name string) (*room, time.Time) {
	l.mu.Lock()
	r := l.rooms[name]
	if r == nil {
		r = &room{
			waits: map[uuid.UUID]waiter{}, seen: map[uuid.UUID]time.Time{}, proceed: map[uuid.UUID]time.Time{}, active: map[uuid.UUID]time.Time{},
			left: map[uuid.UUID]time.Time{},
		}
		l.rooms[name] = r
	}
	return r, now(l.clock)
}

// frozen is until when nobody is let in or called, because passes may be good that are not known here.
func (l *Line) frozen(rules app.Rules) time.Time {
	if !rules.Since.Before(l.lost.Add(app.SlotSlack)) {
		return time.Time{}
	}
	return l.lost.Add(app.PassLife + app.SlotSlack)
}

func (l *Line) shut(rules app.Rules, now time.Time) bool {
	return rules.Closed || now.Before(rules.Opens) || now.Before(l.frozen(rules))
}

// Enter implements [app.Line].
func (l *Line) Enter(_ context.Context, rules app.Rules, a app.Arrival) (app.Place, error) {
	r, now := l.at(rules.Room)
	defer l.mu.Unlock()
	ends, in := lasts(r.active, a.Account, now)
	if ends = ends.Add(-app.SlotSlack); in && ends.After(now) {
		return app.Place{State: app.Active, Until: ends, At: now}, nil
	}
	if l.honours(r, rules, a, now) {
		return r.inside(a.Account, a.Pass, now), nil
	}
	if _, called := r.called(a.Account, now); called || in && !r.crowded(rules, a.Account, now) {
		return r.inside(a.Account, now.Add(app.PassLife), now), nil
	}
	r.draw(rules, a, now)
	if _, ok := r.waits[a.Account]; !ok {
		if !l.shut(rules, now) && len(r.waiting) == 0 && r.taken(now) < rules.Capacity {
			return r.inside(a.Account, now.Add(app.PassLife), now), nil
		}
		w := waiter{account: a.Account}
		switch {
		case now.Before(rules.Opens) && a.Lot != 0:
			w.sequence = a.Lot
		case a.Ticket.Sequence != 0 && a.Ticket.Until.After(l.lost) && now.Before(l.lost.Add(app.Regather)):
			w.sequence = a.Ticket.Sequence
		default:
			r.last = max(r.last+1, now.Sub(app.SequencesFrom).Milliseconds()*app.SequencesPerMillisecond)
			w.sequence = app.FirstSequence + r.last
		}
		r.add(w)
	}
	return r.stand(a.Account, rules, now), nil
}

// Look implements [app.Line].
func (l *Line) Look(_ context.Context, rules app.Rules, a app.Arrival) (app.Place, error) {
	r, now := l.at(rules.Room)
	defer l.mu.Unlock()
	r.draw(rules, a, now)
	if _, ok := r.waits[a.Account]; ok {
		return r.stand(a.Account, rules, now), nil
	}
	if ends, ok := lasts(r.active, a.Account, now); ok {
		return app.Place{State: app.Active, Until: ends.Add(-app.SlotSlack), At: now}, nil
	}
	if ends, ok := r.called(a.Account, now); ok {
		return app.Place{State: app.Proceed, Until: ends, At: now}, nil
	}
	return app.Place{}, app.ErrNoPlace
}

// Renew implements [app.Line].
func (l *Line) Renew(_ context.Context, rules app.Rules, a app.Arrival) (app.Place, error) {
	r, now := l.at(rules.Room)
	defer l.mu.Unlock()
	if _, ok := lasts(r.active, a.Account, now); !ok && !l.honours(r, rules, a, now) {
		return app.Place{}, app.ErrNoPlace
	}
	if r.crowded(rules, a.Account, now) {
		return app.Place{}, app.ErrNoPlace
	}
	return r.inside(a.Account, now.Add(app.PassLife), now), nil
}

// honours says whether an account comes in by a pass that is not known here, which it has not given up since.
func (l *Line) honours(r *room, rules app.Rules, a app.Arrival, now time.Time) bool {
	_, left := lasts(r.left, a.Account, now)
	return a.Pass.After(now) && now.Before(l.frozen(rules)) && !left
}

// crowded says whether others stay in for all slots that there are, and who asks has to go for that.
func (r *room) crowded(rules app.Rules, account uuid.UUID, now time.Time) bool {
	if !rules.Shed {
		return false
	}
	stays := now.Add(app.RenewWithin + app.SlotSlack)
	staying := count(r.active, stays) + count(r.left, stays) + count(r.proceed, r.uncalled())
	if _, ok := lasts(r.active, account, stays); ok {
		staying--
	}
	return staying >= rules.Capacity
}

// Leave implements [app.Line].
func (l *Line) Leave(_ context.Context, rules app.Rules, account uuid.UUID) error {
	r, now := l.at(rules.Room)
	defer l.mu.Unlock()
	r.forget(account)
	delete(r.proceed, account)
	if ends, ok := lasts(r.active, account, now); ok { // the slot is nobody's any more, and taken as long as the pass is good
		delete(r.active, account)
		r.left[account] = ends
	}
	return nil
}

// Call implements [app.Line].
func (l *Line) Call(_ context.Context, rules app.Rules, most int) (called app.Called, err error) {
	r, now := l.at(rules.Room)
	defer l.mu.Unlock()
	if len(r.waiting)+len(r.proceed) > 0 {
		if now.Sub(r.alive) > app.Absent {
			r.away, r.back = r.uncalled(), now
		}
		r.alive = now
	}
	for _, ended := range []map[uuid.UUID]time.Time{r.active, r.left} {
		for _, account := range over(ended, now, most) {
			delete(ended, account)
		}
	}
	for _, account := range over(r.proceed, r.uncalled(), most) {
		delete(r.proceed, account)
		called.Missed++
	}
	if !now.Before(later(r.back, l.lost).Add(app.Regather)) {
		for _, account := range over(r.seen, now, most) {
			r.forget(account)
			called.Forgotten++
		}
	}
	shut := l.shut(rules, now)
	if !shut {
		free := min(rules.Capacity-r.taken(now), int64(most), int64(len(r.waiting)))
		for ; called.Called < free; called.Called++ {
			first := r.waiting[0].account
			r.forget(first)
			r.proceed[first] = now.Add(app.ShowUp)
		}
	}
	if shut || called.Called == 0 && len(r.waiting) == 0 {
		r.since = time.Time{}
		return called, nil
	}
	r.count(called.Called, rules.Capacity, now)
	return called, nil
}

// count makes the pace a mean of the last while, in which what is older counts for less.
func (r *room) count(called, capacity int64, now time.Time) {
	if r.since.IsZero() {
		r.since, r.calls = now, 0
		if !r.paced {
			r.pace, r.paced = float64(capacity)/(app.PassLife+app.SlotSlack).Seconds(), true
		}
		return
	}
	r.calls += called
	past := now.Sub(r.since)
	if past < time.Second {
		return
	}
	pace := float64(r.calls) / past.Seconds()
	r.pace = pace + (r.pace-pace)*math.Exp(-past.Seconds()/app.Steady.Seconds())
	r.since, r.calls = now, 0
}

// Figures implements [app.Line].
func (l *Line) Figures(_ context.Context, rules app.Rules) (app.Figures, error) {
	r, now := l.at(rules.Room)
	defer l.mu.Unlock()
	f := app.Figures{Waiting: int64(len(r.waiting)), Proceed: count(r.proceed, r.uncalled()), Active: count(r.active, now) + count(r.left, now), Pace: r.pace, At: now}
	if until := l.frozen(rules); until.After(now) {
		f.Frozen = until
	}
	return f, nil
}

// uncalled is the time of who is called: it goes by only while somebody calls, as that is when one who is called can come.
func (r *room) uncalled() time.Time {
	if r.alive.Before(r.back.Add(app.ShowUp)) {
		return r.away
	}
	return r.alive
}

// called returns until when an account is called, if it is.
func (r *room) called(account uuid.UUID, now time.Time) (until time.Time, ok bool) {
	until, ok = lasts(r.proceed, account, r.uncalled())
	switch {
	case now.Sub(r.alive) > app.Absent:
		until = now.Add(app.ShowUp)
	case r.alive.Before(r.back.Add(app.ShowUp)):
		until = later(until, r.back.Add(app.ShowUp))
	}
	return until, ok
}

// draw gives who waits for the opening the place of the lot, whatever it was before.
func (r *room) draw(rules app.Rules, a app.Arrival, now time.Time) {
	if w, ok := r.waits[a.Account]; ok && now.Before(rules.Opens) && a.Lot != 0 && w.sequence != a.Lot {
		seen := r.seen[a.Account]
		r.forget(a.Account)
		r.add(waiter{sequence: a.Lot, account: a.Account})
		r.seen[a.Account] = seen
	}
}

func (r *room) add(w waiter) {
	i, _ := slices.BinarySearchFunc(r.waiting, w, waiter.compare)
	r.waiting, r.waits[w.account] = slices.Insert(r.waiting, i, w), w
}

// inside gives an account a slot until then, in the place of one that it has left.
func (r *room) inside(account uuid.UUID, ends, now time.Time) app.Place {
	r.forget(account)
	delete(r.proceed, account)
	delete(r.left, account)
	r.active[account] = ends.Add(app.SlotSlack)
	return app.Place{State: app.Active, Until: ends, At: now}
}

// stand returns the place of who waits, and waits for it until it should have asked again, and longer.
func (r *room) stand(account uuid.UUID, rules app.Rules, now time.Time) app.Place {
	w := r.waits[account]
	ahead, _ := slices.BinarySearchFunc(r.waiting, w, waiter.compare)
	pause := min(max(app.LeastPause, time.Duration(ahead)*app.PausePerPlace), app.MostPause) + min(max(rules.Opens.Sub(now), 0), app.MostPause)
	least := now.Add(pause*6/5 + app.Patience).Truncate(time.Millisecond)
	ends := r.seen[account]
	if ends.Before(least) {
		ends = least.Add(app.Noted)
		r.seen[account] = ends
	}
	return app.Place{State: app.Waiting, Sequence: w.sequence, Ahead: int64(ahead), Until: ends, Pause: pause, Pace: r.pace, At: now}
}

// forget takes an account out of the line, if it stands there.
func (r *room) forget(account uuid.UUID) {
	w, ok := r.waits[account]
	if !ok {
		return
	}
	i, _ := slices.BinarySearchFunc(r.waiting, w, waiter.compare)
	r.waiting = slices.Delete(r.waiting, i, i+1)
	delete(r.waits, account)
	delete(r.seen, account)
}

func (r *room) taken(now time.Time) int64 {
	return count(r.active, now) + count(r.left, now) + count(r.proceed, r.uncalled())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func lasts(set map[uuid.UUID]time.Time, account uuid.UUID, now time.Time) (ends time.Time, ok bool) {
	ends = set[account]
	return ends, ends.After(now)
}

func count(set map[uuid.UUID]time.Time, now time.Time) (n int64) {
	for _, ends := range set {
		if ends.After(now) {
			n++
		}
	}
	return n
}

// over returns whose time has come, the earliest first, at most so many.
func over(set map[uuid.UUID]time.Time, now time.Time, most int) []uuid.UUID {
	var gone []uuid.UUID
	for account, ends := range set {
		if !ends.After(now) {
			gone = append(gone, account)
		}
	}
	slices.SortFunc(gone, func(a, b uuid.UUID) int { return cmp.Or(set[a].Compare(set[b]), slices.Compare(a[:], b[:])) })
	return gone[:min(len(gone), most)]
}
