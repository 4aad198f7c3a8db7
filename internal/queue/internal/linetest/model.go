package linetest

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/queue/internal/app"
)

// tick is what time goes by in: no sum of it comes near to how long anything lasts, so that the clock of a real engine, which goes on by
// itself between two steps, does not decide.
const tick = 7300 * time.Millisecond

// model is what those who stand in a line may say of it, by what they were told.
type model struct {
	of       app.Line
	pass     func(time.Duration)
	rules    app.Rules
	accounts []uuid.UUID

	now    time.Time               // by the line's clock, as it was told last
	line   []uuid.UUID             // who wait, in the order that they came
	places map[uuid.UUID]int64     // their sequences
	waits  map[uuid.UUID]time.Time // until when who waits may count on the place
	called map[uuid.UUID]time.Time // until when
	in     map[uuid.UUID]time.Time // until when a pass is honoured
	left   map[uuid.UUID]time.Time // until when the passes of those are honoured who have left
	heard  time.Time               // when somebody called last
	grace  time.Time               // until when those stay called who were before the last absence
	within int64                   // that there were at most of slots, taken and free, after the last step
}

// Check counts the passes that were handed out, and what the line says of itself. Where the capacity was lowered, those who are in stay, and
// nobody else comes until there are fewer of them.
func (m *model) Check(t *rapid.T) {
	f, err := m.of.Figures(t.Context(), m.rules)
	if err != nil {
		t.Fatal(err)
	}
	m.now = f.At
	honoured := int64(0)
	for _, until := range slices.AppendSeq(slices.Collect(maps.Values(m.left)), maps.Values(m.in)) {
		if until.After(m.now) {
			honoured++
		}
	}
	limit := max(m.rules.Capacity, m.within)
	if taken := f.Active + f.Proceed; honoured > limit || taken > limit {
		t.Fatalf("%d passes are honoured and %d slots taken, of %d", honoured, taken, limit)
	} else {
		m.within = max(m.rules.Capacity, taken)
	}
}

func (m *model) told(t *rapid.T, account uuid.UUID, p app.Place, err error) {
	at := slices.Index(m.line, account)
	counts := at >= 0 && m.waits[account].After(m.now)
	if errors.Is(err, app.ErrNoPlace) {
		if counts {
			t.Fatal("who asked as told has lost the place")
		}
		m.leaves(account)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.now = p.At
	switch p.State {
	case app.Active:
		if at >= 0 {
			t.Fatal("who waited was let in without a call")
		}
		if !m.in[account].Add(app.SlotSlack).After(m.now) && !m.stillCalled(account) {
			for _, other := range m.line {
				if m.waits[other].After(m.now) {
					t.Fatal("who came was let in before who waits")
				}
			}
		}
		m.in[account] = p.Until
		delete(m.left, account) // for the same slot
	case app.Proceed:
		if at >= 0 {
			t.Fatal("who waited was called, and no call said so")
		}
	case app.Waiting:
		if at >= 0 && p.Sequence != m.places[account] {
			if counts {
				t.Fatal("who asked as told has another place")
			}
			m.leaves(account)
			at = -1
		}
		if at < 0 {
			m.line, at = append(m.line, account), len(m.line)
			m.places[account] = p.Sequence
		}
		if int(p.Ahead) > at {
			t.Fatalf("%d are ahead, and %d came before", p.Ahead, at)
		}
		m.waits[account] = p.At.Add(p.Pause + app.Patience)
	default:
		t.Fatalf("%q is no state", p.State)
	}
}

// stillCalled says whether an account may come in by a call: the time of those who are called goes by only while somebody calls.
func (m *model) stillCalled(account uuid.UUID) bool {
	until, ok := m.called[account]
	return ok && (until.After(m.heard) || m.heard.Before(m.grace))
}

func (m *model) leaves(account uuid.UUID) {
	m.line = slices.DeleteFunc(m.line, func(a uuid.UUID) bool { return a == account })
	delete(m.waits, account)
	delete(m.places, account)
}

func (m *model) account(t *rapid.T) uuid.UUID {
	return rapid.SampledFrom(m.accounts).Draw(t, "account")
}

func (m *model) Enters(t *rapid.T) {
	account := m.account(t)
	p, err := m.of.Enter(t.Context(), m.rules, app.Arrival{Account: account})
	m.told(t, account, p, err)
}

func (m *model) Looks(t *rapid.T) {
	account := m.account(t)
	p, err := m.of.Look(t.Context(), m.rules, app.Arrival{Account: account})
	m.told(t, account, p, err)
}

func (m *model) Renews(t *rapid.T) {
	account := m.account(t)
	p, err := m.of.Renew(t.Context(), m.rules, app.Arrival{Account: account})
	if errors.Is(err, app.ErrNoPlace) {
		if m.in[account].After(m.now) {
			t.Fatal("a pass is honoured, and its slot is gone")
		}
		return
	}
	m.told(t, account, p, err)
}

func (m *model) Leaves(t *rapid.T) {
	account := m.account(t)
	if err := m.of.Leave(t.Context(), m.rules, account); err != nil {
		t.Fatal(err)
	}
	m.leaves(account)
	delete(m.called, account)
	if until, ok := m.in[account]; ok {
		m.left[account] = until
		delete(m.in, account)
	}
}

// Calls looks who was called: those who came first of those who still wait.
func (m *model) Calls(t *rapid.T) {
	most := rapid.IntRange(1, 3).Draw(t, "most")
	called, err := m.of.Call(t.Context(), m.rules, most)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.of.Figures(t.Context(), m.rules)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(m.called, func(account uuid.UUID, _ time.Time) bool { return !m.stillCalled(account) })
	if f.At.Sub(m.heard) > app.Absent-time.Second {
		m.grace = f.At.Add(app.ShowUp)
	}
	m.heard = f.At
	var states []app.State
	for _, account := range slices.Clone(m.line) {
		p, err := m.of.Look(t.Context(), m.rules, app.Arrival{Account: account})
		if err == nil && p.State == app.Proceed {
			called.Called--
			if slices.Contains(states, app.Waiting) {
				t.Fatal("who came later was called before who waits")
			}
			m.called[account] = p.Until
			m.leaves(account)
		} else {
			m.told(t, account, p, err)
		}
		states = append(states, p.State)
	}
	if called.Called != 0 {
		t.Fatalf("%d more were called than know of it", called.Called)
	}
}

func (m *model) ChangesTheCapacity(t *rapid.T) {
	m.rules.Capacity, m.rules.Closed = rapid.Int64Range(0, 4).Draw(t, "capacity"), rapid.Bool().Draw(t, "closed")
}

// Passes lets time go by.
func (m *model) Passes(t *rapid.T) {
	m.pass(time.Duration(rapid.IntRange(1, 20).Draw(t, "ticks")) * tick)
}
