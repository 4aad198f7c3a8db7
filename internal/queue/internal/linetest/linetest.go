// Package linetest is what every app.Line must do.
package linetest

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/queue/internal/app"
)

// Run checks the lines that open returns, each without anybody in it. pass lets time go by, besides that which goes by itself.
func Run(t *testing.T, open func(t testing.TB) (line app.Line, pass func(time.Duration))) {
	at := func(t *testing.T, capacity int64) *hall {
		t.Helper()
		line, pass := open(t)
		h := &hall{T: t, Line: line, pass: pass, rules: app.Rules{Room: "main", Capacity: capacity}}
		h.thaw()
		return h
	}

	t.Run("LetsInWhileThereIsRoom", func(t *testing.T) {
		t.Parallel()

		h := at(t, 2)
		for range 2 {
			p := h.enter(uuid.New())
			require.Equal(t, app.Active, p.State)
			require.Equal(t, app.PassLife, p.Until.Sub(p.At))
		}
		first, second := h.enter(uuid.New()), h.enter(uuid.New())
		require.Equal(t, app.Waiting, first.State)
		require.Zero(t, first.Ahead)
		require.EqualValues(t, 1, second.Ahead)
		require.Less(t, first.Sequence, second.Sequence)
		require.Equal(t, app.LeastPause, second.Pause)
		require.GreaterOrEqual(t, first.Until.Sub(first.At), first.Pause+app.Patience)
		h.figures(2, 0, 2)
	})

	// Two places for one account: none. A repeat of a lost answer changes nothing.
	t.Run("GivesOnePlace", func(t *testing.T) {
		t.Parallel()

		h, in, out := at(t, 1), uuid.New(), uuid.New()
		pass := h.enter(in)
		place := h.enter(out)
		h.enter(uuid.New())
		for range 3 {
			again := h.enter(in)
			require.Equal(t, pass.Until, again.Until)
			again = h.enter(out)
			require.Equal(t, place.Sequence, again.Sequence)
			require.Zero(t, again.Ahead)
			again, err := h.Look(t.Context(), h.rules, app.Arrival{Account: out})
			require.NoError(t, err)
			require.Equal(t, place.Sequence, again.Sequence)
		}
		h.figures(2, 0, 1)
	})

	t.Run("CallsWhoCameFirst", func(t *testing.T) {
		t.Parallel()

		h, a, b, c := at(t, 1), uuid.New(), uuid.New(), uuid.New()
		in := uuid.New()
		for _, who := range []uuid.UUID{in, a, b, c} {
			h.enter(who)
		}
		require.Zero(t, h.call().Called, "there is no room")
		h.rules.Capacity = 2
		require.EqualValues(t, 1, h.call().Called)
		called := h.look(a)
		require.Equal(t, app.Proceed, called.State)
		h.figures(2, 1, 1)
		newcomer := h.enter(uuid.New())
		require.Equal(t, app.Waiting, newcomer.State)
		require.EqualValues(t, 2, newcomer.Ahead)
		require.Equal(t, app.Active, h.enter(a).State)
		require.Equal(t, app.Active, h.look(a).State)
		require.Equal(t, app.Waiting, h.look(b).State)
	})

	// original 14: new ones were let in whenever a slot was free, before those who waited.
	t.Run("LetsNobodyInBeforeWhoWaits", func(t *testing.T) {
		t.Parallel()

		h, waits := at(t, 1), uuid.New()
		h.enter(uuid.New())
		h.enter(waits)
		h.pass(app.PassLife + app.SlotSlack + time.Second)
		require.Equal(t, app.Waiting, h.enter(uuid.New()).State, "the slot is free, and somebody waits for it")
		require.EqualValues(t, 1, h.call().Called)
		require.Equal(t, app.Proceed, h.look(waits).State)
	})

	// A slot outlives its pass.
	t.Run("KeepsASlotLongerThanItsPass", func(t *testing.T) {
		t.Parallel()

		h, in, waits := at(t, 1), uuid.New(), uuid.New()
		h.enter(in)
		h.enter(waits)
		h.pass(app.PassLife + app.SlotSlack/2)
		require.Zero(t, h.call().Called)
		h.look(waits)
		p, err := h.Renew(t.Context(), h.rules, app.Arrival{Account: in})
		require.NoError(t, err)
		require.Equal(t, app.PassLife, p.Until.Sub(p.At))
		h.pass(app.PassLife + app.SlotSlack + time.Second)
		_, err = h.Renew(t.Context(), h.rules, app.Arrival{Account: in})
		require.ErrorIs(t, err, app.ErrNoPlace)
		require.EqualValues(t, 1, h.call().Called)
	})

	// A pass that is taken back ends within its minute. virtual-waiting-room-on-aws#247, #265 (T33): it could not be ended early.
	t.Run("RenewsNoPassOfWhoHasLeft", func(t *testing.T) {
		t.Parallel()

		h, in, waits := at(t, 1), uuid.New(), uuid.New()
		pass := h.enter(in).Until
		h.enter(waits)
		require.NoError(t, h.Leave(t.Context(), h.rules, in))
		require.NoError(t, h.Leave(t.Context(), h.rules, in))
		h.figures(1, 0, 1)
		_, err := h.Renew(t.Context(), h.rules, app.Arrival{Account: in, Pass: pass})
		require.ErrorIs(t, err, app.ErrNoPlace)
		again, err := h.Enter(t.Context(), h.rules, app.Arrival{Account: in, Pass: pass})
		require.NoError(t, err)
		require.Equal(t, app.Waiting, again.State)
		require.EqualValues(t, 1, again.Ahead)
		require.Zero(t, h.call().Called, "the pass may be used until it ends")
		h.pass(app.PassLife + app.SlotSlack)
		require.EqualValues(t, 1, h.call().Called)
		require.Equal(t, app.Proceed, h.look(waits).State)
	})

	// An account has one slot, however often it comes and goes.
	t.Run("GivesWhoComesBackTheSlotThatWasLeft", func(t *testing.T) {
		t.Parallel()

		h, who := at(t, 10), uuid.New()
		for range 5 {
			require.Equal(t, app.Active, h.enter(who).State)
			h.figures(0, 0, 1)
			require.NoError(t, h.Leave(t.Context(), h.rules, who))
			h.figures(0, 0, 1)
		}
	})

	// virtual-waiting-room-on-aws#154 (T32): who did not come kept the slot.
	t.Run("FreesTheSlotOfWhoDoesNotCome", func(t *testing.T) {
		t.Parallel()

		h, called, next := at(t, 1), uuid.New(), uuid.New()
		h.rules.Capacity = 0
		h.enter(called)
		h.enter(next)
		h.rules.Capacity = 1
		h.call()
		require.Equal(t, app.Proceed, h.look(called).State)
		require.Equal(t, app.Called{Called: 1, Missed: 1}, h.goOn(app.ShowUp+2*time.Second))
		require.Equal(t, app.Proceed, h.look(next).State)
		_, err := h.Look(t.Context(), h.rules, app.Arrival{Account: called})
		require.ErrorIs(t, err, app.ErrNoPlace)
		require.Equal(t, app.Waiting, h.enter(called).State, "at the end")
	})

	// original 15: who had gone was let in, and held a slot.
	t.Run("ForgetsWhoDoesNotAskAnyMore", func(t *testing.T) {
		t.Parallel()

		h, gone, stays := at(t, 0), uuid.New(), uuid.New()
		h.enter(gone)
		h.enter(stays)
		h.call()
		forgotten := app.Called{}
		for range 4 {
			called := h.goOn(app.Patience / 2)
			h.look(stays)
			forgotten.Forgotten += called.Forgotten
		}
		require.Equal(t, app.Called{Forgotten: 1}, forgotten)
		require.Zero(t, h.look(stays).Ahead)
		_, err := h.Look(t.Context(), h.rules, app.Arrival{Account: gone})
		require.ErrorIs(t, err, app.ErrNoPlace)
		require.NoError(t, h.Leave(t.Context(), h.rules, stays))
		require.NoError(t, h.Leave(t.Context(), h.rules, stays))
		h.figures(0, 0, 0)
	})

	// Where the line is away, nobody can ask or come: all who are called have the time to, and all who wait have their places still.
	t.Run("WaitsForAllAfterAnAbsence", func(t *testing.T) {
		t.Parallel()

		h, called, first, second := at(t, 0), uuid.New(), uuid.New(), uuid.New()
		for _, who := range []uuid.UUID{called, first, second} {
			h.enter(who)
		}
		h.rules.Capacity = 1
		require.EqualValues(t, 1, h.call().Called)
		h.pass(time.Hour)
		soon := h.look(called)
		require.Equal(t, app.Proceed, soon.State)
		require.True(t, soon.Until.After(soon.At))
		h.figures(2, 1, 0)
		require.Zero(t, h.call())
		back := h.look(called)
		require.Equal(t, app.Proceed, back.State)
		require.InDelta(t, app.ShowUp.Seconds(), back.Until.Sub(back.At).Seconds(), 1)
		h.pass(time.Hour) // and away again
		require.Zero(t, h.call())
		require.Zero(t, h.goOn(app.ShowUp-10*time.Second))
		require.Equal(t, app.Active, h.enter(called).State)

		h.rules.Capacity = 0
		h.goOn(app.Regather - app.ShowUp - 20*time.Second)
		require.Equal(t, app.Waiting, h.look(second).State)
		require.Equal(t, app.Called{Forgotten: 1}, app.Called{Forgotten: h.goOn(time.Minute).Forgotten}, "who has not asked since then")
		_, err := h.Look(t.Context(), h.rules, app.Arrival{Account: first})
		require.ErrorIs(t, err, app.ErrNoPlace)
	})

	t.Run("ClosedLetsNobodyIn", func(t *testing.T) {
		t.Parallel()

		h, in, waits := at(t, 1), uuid.New(), uuid.New()
		h.enter(in)
		h.enter(waits)
		h.rules.Capacity, h.rules.Closed = 10, true
		require.Zero(t, h.call().Called)
		require.Equal(t, app.Waiting, h.enter(uuid.New()).State)
		_, err := h.Renew(t.Context(), h.rules, app.Arrival{Account: in})
		require.NoError(t, err, "who is in stays in")
	})

	t.Run("ShedsWhoIsTooMany", func(t *testing.T) {
		t.Parallel()

		h, in := at(t, 2), []uuid.UUID{uuid.New(), uuid.New()}
		for _, who := range in {
			h.enter(who)
		}
		h.rules.Capacity = 1
		_, err := h.Renew(t.Context(), h.rules, app.Arrival{Account: in[0]})
		require.NoError(t, err, "who is in stays in")
		h.rules.Shed = true
		_, err = h.Renew(t.Context(), h.rules, app.Arrival{Account: in[0]})
		require.ErrorIs(t, err, app.ErrNoPlace)
		h.rules.Capacity = 2
		_, err = h.Renew(t.Context(), h.rules, app.Arrival{Account: in[0]})
		require.NoError(t, err)
	})

	t.Run("ShedsNoMoreThanAreTooMany", func(t *testing.T) {
		t.Parallel()

		h, in := at(t, 10), make([]uuid.UUID, 10)
		for i := range in {
			in[i] = uuid.New()
			h.enter(in[i])
		}
		h.rules.Capacity, h.rules.Shed = 7, true
		h.pass(app.PassLife - app.RenewWithin)
		shed := 0
		for range 3 {
			for _, who := range in {
				if _, err := h.Renew(t.Context(), h.rules, app.Arrival{Account: who}); err != nil {
					shed++
				}
			}
			h.pass(app.RenewWithin / 4)
		}
		require.Equal(t, 3*3, shed)
		h.pass(app.RenewWithin / 4) // the passes of those three have ended, and their slots have not
		waiting := 0
		for _, who := range in {
			if h.enter(who).State == app.Waiting {
				waiting++
				require.Equal(t, app.Waiting, h.look(who).State)
			}
		}
		require.Equal(t, 3, waiting, "nobody is let in by a slot that lasts a little longer")
	})

	t.Run("KnowsNoTicketWhereItHasLostNothing", func(t *testing.T) {
		t.Parallel()

		h := at(t, 0)
		h.enter(uuid.New())
		h.pass(app.Regather)
		p := h.enter(uuid.New())
		late, err := h.Enter(t.Context(), h.rules, app.Arrival{Account: uuid.New(), Ticket: app.Ticket{Sequence: 17, Until: p.At.Add(time.Hour)}})
		require.NoError(t, err)
		require.Greater(t, late.Sequence, p.Sequence, "who has been in, or gave the place up, does not come back with an old ticket before the others")
	})

	// The lots decide the order of who comes before the opening, and the time that of the others, who stand behind them.
	t.Run("OpensAtATime", func(t *testing.T) {
		t.Parallel()

		h := at(t, 2)
		f, err := h.Figures(t.Context(), h.rules)
		require.NoError(t, err)
		h.rules.Opens = f.At.Add(time.Hour)
		lots := map[uuid.UUID]int64{}
		var order []uuid.UUID
		for _, lot := range []int64{app.FirstSequence - 1, 5, 1 << 40, 77} {
			who := uuid.New()
			lots[who], order = lot, append(order, who)
			p := h.enterWith(app.Arrival{Account: who, Lot: lot})
			require.Equal(t, app.Waiting, p.State)
			require.Equal(t, lot, p.Sequence)
			require.Equal(t, lot, h.enterWith(app.Arrival{Account: who, Lot: lot}).Sequence, "again: the same place")
			require.Greater(t, p.Pause, app.MostPause)
		}
		require.Zero(t, h.call().Called)
		h.pass(time.Hour - time.Minute)
		for _, who := range order {
			h.enterWith(app.Arrival{Account: who, Lot: lots[who]})
		}
		require.Zero(t, h.call().Called, "it is not open yet")
		h.pass(time.Minute + time.Second)
		late := h.enterWith(app.Arrival{Account: uuid.New(), Lot: 1})
		require.Equal(t, app.Waiting, late.State)
		require.EqualValues(t, 4, late.Ahead, "who comes after the opening has no lot")
		require.EqualValues(t, 2, h.call().Called)
		for _, who := range order {
			want := app.Proceed
			if lots[who] > 77 {
				want = app.Waiting
			}
			require.Equal(t, want, h.look(who).State)
		}
	})

	// Who waits already when an opening is set, or another one, is drawn like all who come.
	t.Run("DrawsWhoWaitsAlready", func(t *testing.T) {
		t.Parallel()

		h, early, late := at(t, 0), uuid.New(), uuid.New()
		require.Greater(t, h.enter(early).Sequence, int64(app.FirstSequence))
		f, err := h.Figures(t.Context(), h.rules)
		require.NoError(t, err)
		h.rules.Opens = f.At.Add(time.Hour)
		require.EqualValues(t, 30, h.enterWith(app.Arrival{Account: late, Lot: 30}).Sequence)
		for _, lot := range []int64{70, 20} {
			p, err := h.Look(t.Context(), h.rules, app.Arrival{Account: early, Lot: lot})
			require.NoError(t, err)
			require.Equal(t, lot, p.Sequence)
			require.EqualValues(t, map[int64]int64{70: 1, 20: 0}[lot], p.Ahead)
		}
		require.EqualValues(t, 50, h.enterWith(app.Arrival{Account: early, Lot: 50}).Sequence)
		h.figures(2, 0, 0)
		h.rules.Opens = f.At
		require.EqualValues(t, 50, h.enterWith(app.Arrival{Account: early, Lot: 7}).Sequence, "it is open")
	})

	t.Run("TellsThePace", func(t *testing.T) {
		t.Parallel()

		h := at(t, 0)
		waits := uuid.New()
		for range 80 {
			h.enter(uuid.New())
		}
		h.enter(waits)
		require.Zero(t, h.look(waits).Pace, "nobody was called yet")
		h.rules.Capacity = 31
		require.EqualValues(t, 31, h.call().Called)
		require.InDelta(t, 0.5, h.look(waits).Pace, 0.01, "as if a slot became free with each pass")
		for range 5 { // three in ten seconds
			h.rules.Capacity += 3
			h.pass(10 * time.Second)
			h.call()
			h.enter(uuid.New())
		}
		require.InDelta(t, 0.3+0.2*math.Exp(-50/app.Steady.Seconds()), h.look(waits).Pace, 0.02)
	})

	t.Run("FreezesWhenItBegins", func(t *testing.T) {
		t.Parallel()

		line, pass := open(t)
		h := &hall{T: t, Line: line, pass: pass, rules: app.Rules{Room: "main", Capacity: 2}}
		holder, waits := uuid.New(), uuid.New()
		require.Equal(t, app.Waiting, h.enter(waits).State, "another may hold a pass that is not known here")
		f, err := h.Figures(t.Context(), h.rules)
		require.NoError(t, err)
		require.WithinDuration(t, f.At.Add(app.PassLife+app.SlotSlack), f.Frozen, 5*time.Second)
		require.Zero(t, h.call().Called)

		// Nobody can hold one where none was handed out before.
		h.rules.Since = f.At.Add(time.Minute)
		require.EqualValues(t, 1, h.call().Called)
		require.Equal(t, app.Active, h.enter(uuid.New()).State)
		h.rules.Since = time.Time{}

		p := h.enterWith(app.Arrival{Account: holder, Pass: f.At.Add(30 * time.Second)})
		require.Equal(t, app.Active, p.State, "who holds one comes in")
		require.WithinDuration(t, f.At.Add(30*time.Second), p.Until, 0, "for as long")
		later, err := h.Renew(t.Context(), h.rules, app.Arrival{Account: uuid.New(), Pass: f.At.Add(30 * time.Second)})
		require.NoError(t, err, "or renews it")
		require.Equal(t, app.PassLife, later.Until.Sub(later.At))

		// But not who has given it up since.
		h.rules.Capacity = 4
		gone := app.Arrival{Account: uuid.New(), Pass: f.At.Add(50 * time.Second)}
		_, err = h.Renew(t.Context(), h.rules, gone)
		require.NoError(t, err)
		require.NoError(t, h.Leave(t.Context(), h.rules, gone.Account))
		_, err = h.Renew(t.Context(), h.rules, gone)
		require.ErrorIs(t, err, app.ErrNoPlace)
		require.Equal(t, app.Waiting, h.enterWith(gone).State)
		require.NoError(t, h.Leave(t.Context(), h.rules, gone.Account))
		h.rules.Capacity = 2

		first, second := uuid.New(), uuid.New() // waited before
		h.enterWith(app.Arrival{Account: second, Ticket: app.Ticket{Sequence: app.FirstSequence + 900, Until: f.At.Add(time.Minute)}})
		require.Zero(t, h.enterWith(app.Arrival{Account: first, Ticket: app.Ticket{Sequence: app.FirstSequence + 17, Until: f.At.Add(time.Minute)}}).Ahead)
		require.EqualValues(t, 1, h.look(second).Ahead)
		stale := h.enterWith(app.Arrival{Account: uuid.New(), Ticket: app.Ticket{Sequence: 3, Until: f.At.Add(-time.Minute)}})
		require.Greater(t, stale.Sequence, int64(app.FirstSequence+900), "that ticket had no place any more")

		h.rules.Capacity = 10
		require.Zero(t, h.call().Called)
		h.thaw()
		require.NotZero(t, h.call().Called)
	})

	t.Run("RoomsKnowNothingOfEachOther", func(t *testing.T) {
		t.Parallel()

		h, who := at(t, 1), uuid.New()
		h.enter(who)
		h.rules.Room = "other"
		_, err := h.Look(t.Context(), h.rules, app.Arrival{Account: who})
		require.ErrorIs(t, err, app.ErrNoPlace)
		h.thaw()
		require.Equal(t, app.Active, h.enter(who).State)
	})

	t.Run("Model", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(rt *rapid.T) {
			line, pass := open(t)
			m := &model{
				of: line, pass: pass, rules: app.Rules{Room: "main", Capacity: rapid.Int64Range(0, 4).Draw(rt, "capacity")},
				in: map[uuid.UUID]time.Time{}, called: map[uuid.UUID]time.Time{}, waits: map[uuid.UUID]time.Time{}, places: map[uuid.UUID]int64{},
				left: map[uuid.UUID]time.Time{},
			}
			for range 8 {
				m.accounts = append(m.accounts, uuid.New())
			}
			m.pass(app.Regather)
			m.Calls(rt) // a real engine begins with it
			m.pass(app.Regather)
			rt.Repeat(rapid.StateMachineActions(m))
		})
	})
}
